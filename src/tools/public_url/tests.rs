//! URLs that Slack can call and URLs that it cannot, with the line that each of these gets.

use super::*;

#[test]
fn the_request_url_is_the_base_url_and_slack() {
    for url in [
        "https://torrap.ngrok-free.dev",
        "https://torrap.ngrok-free.dev/",
        "https://torrap.ngrok-free.dev//",
        "https://torrap.ngrok-free.dev/slack",
        "https://torrap.ngrok-free.dev/slack/",
        "HTTPS://Torrap.ngrok-free.dev:443",
    ] {
        let request_url = for_slack(url).unwrap();
        assert_eq!(request_url, "https://torrap.ngrok-free.dev/slack", "{url}");
    }
    for (url, request_url) in [
        (
            "https://a.example:8443/bots/torrap",
            "https://a.example:8443/bots/torrap/slack",
        ),
        (
            "https://a.example/notslack",
            "https://a.example/notslack/slack",
        ),
    ] {
        assert_eq!(for_slack(url).unwrap(), request_url);
    }
}

#[test]
fn a_running_bot_may_be_called_from_here_without_tls() {
    let url = for_trial("http://127.0.0.1:8000/").unwrap();
    assert_eq!(url, "http://127.0.0.1:8000/slack");
    for url in ["http://localhost", "https://[::1]:8443", "http://bot.local"] {
        assert!(for_trial(url).is_ok(), "{url}");
    }
    for url in ["127.0.0.1:8000", "ftp://a", "http://NAME.ngrok.app"] {
        assert!(for_trial(url).is_err(), "{url}");
    }
}

fn line(url: &str) -> String {
    let line = for_slack(url).unwrap_err().to_string();
    let start = format!("{url:?} is not a URL that Slack can call: ");
    line.strip_prefix(&start).expect(&line).to_owned()
}

#[test]
fn what_is_no_plain_https_url_is_refused_with_a_hint() {
    let plain = "give it without query, fragment, quotes, white space and other special \
                 characters";
    let https = "it must begin with https://; give the https URL that ngrok prints, such as \
                 https://NAME.ngrok-free.dev";
    let one = "give one such as https://NAME.ngrok-free.dev";
    for (url, why) in [
        ("", https.to_owned()),
        ("http://a.ngrok.app", https.to_owned()),
        ("http://localhost:8000", https.to_owned()),
        ("a.ngrok.app", https.to_owned()),
        ("https:/a.ngrok.app", https.to_owned()),
        ("https://", https.to_owned()),
        (
            "https://user@a.example",
            format!("it must have no user and no password; {one}"),
        ),
        (
            "https://a.example:99999",
            format!("its port must be a number from 1 to 65535; {one}"),
        ),
        (
            "https://exa mple.com",
            format!("its host is missing or malformed; {one}"),
        ),
        (
            "https://<name>.ngrok.app",
            format!("its host is missing or malformed; {one}"),
        ),
        (
            "https://a.example\"",
            format!("its host is missing or malformed; {one}"),
        ),
        ("https://a.example?x", plain.to_owned()),
        ("https://a.example#x", plain.to_owned()),
        ("https://a.example/a?x", plain.to_owned()),
        ("https://a.example/a#x", plain.to_owned()),
        ("https://a.example/a\"b", plain.to_owned()),
        ("https://a.example/a'b", plain.to_owned()),
        ("https://a.example/a b", plain.to_owned()),
        ("https://a.example/a\nb: c", plain.to_owned()),
        ("https://a.example/a\\b", plain.to_owned()),
        ("https://a.example/{x}", plain.to_owned()),
    ] {
        assert_eq!(line(url), why, "{url}");
    }
    let url = |bytes: usize| format!("https://a.example/{}", "x".repeat(bytes - 24));
    assert!(for_slack(&url(URL_BYTES_MAX)).is_ok());
    let error = for_slack(&url(URL_BYTES_MAX + 1)).unwrap_err().to_string();
    assert!(
        error.ends_with("it is longer than 3000 bytes; give a shorter one"),
        "{error}"
    );
}

#[test]
fn an_example_of_a_url_is_refused() {
    for url in [
        "https://NAME.ngrok.app",
        "https://name.ngrok-free.dev/slack",
        "https://xxxx-xx.ngrok-free.app",
        "https://random.trycloudflare.com",
        "https://YOUR-DOMAIN/slack",
        "https://your-domain.com",
        "https://bot.yourdomain.co.uk",
        "https://example.com",
        "https://www.Example.ORG:443/bots",
    ] {
        let expected = "it is only an example; give the https URL of your own tunnel or proxy";
        assert_eq!(line(url), expected, "{url}");
    }
    for url in [
        "https://names.ngrok.app",
        "https://name.a.example",
        "https://x.ngrok.app",
        "https://xxl.ngrok.app",
        "https://your-move.example",
        "https://bot.example.community",
        "https://torrap.example",
    ] {
        assert!(for_slack(url).is_ok(), "{url}");
    }
}

#[test]
fn hosts_that_slack_cannot_reach_are_refused() {
    let this_machine = "its host is this machine, for Slack another one";
    let private = "its host is in a private network";
    let nowhere = "its host is not in the public network";
    for (place, hosts) in [
        (
            this_machine,
            "localhost LOCALHOST:8000 bot.localhost 127.0.0.1 127.1.2.3 0.0.0.0 [::1]:8443 [::] [::ffff:127.0.0.1]",
        ),
        (
            private,
            "10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.2:8443 169.254.169.254 100.64.0.1 100.127.255.255 \
             [fd00::1] [fe80::1] [fec0::1] [::ffff:10.0.0.1] bot bot.local bot.internal nas.home.arpa a.lan",
        ),
        (
            nowhere,
            "192.0.0.1 192.0.2.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1 \
             255.255.255.255 [2001:db8::1] [3fff::1] [ff02::1] [100::1] bot.test bot.invalid bot.onion",
        ),
    ] {
        for host in hosts.split_whitespace() {
            let expected =
                format!("{place}; give the https URL of a tunnel or a proxy that leads there");
            assert_eq!(line(&format!("https://{host}")), expected, "{host}");
        }
    }
    let public = "1.1.1.1 11.0.0.1 100.63.0.1 100.128.0.1 172.15.0.1 172.32.0.1 169.253.0.1 192.169.0.1 \
                  198.17.0.1 198.20.0.1 223.255.255.255 [2606:4700::1111] [2001:db9::1] [::ffff:1.1.1.1] \
                  local.a.example a.mylocal.example internal.co notlocalhost.example arpa.example";
    for host in public.split_whitespace() {
        assert!(for_slack(&format!("https://{host}")).is_ok(), "{host}");
    }
}

#[test]
fn a_password_in_a_url_is_not_shown() {
    for url in [
        "https://user:hunter2@bot.example",
        "https://user:hunter2/@bot.example",
    ] {
        for result in [for_slack(url), for_trial(url)] {
            let line = result.unwrap_err().to_string();
            assert!(
                line.starts_with("\"...@bot.example\" is not a URL"),
                "{line}"
            );
        }
    }
}
