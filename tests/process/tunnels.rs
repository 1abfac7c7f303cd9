//! The public URL where none is given: asked from stand-ins for ngrok's agent and cloudflared.

use std::process::Command;
use std::time::{Duration, Instant};

use test_support::{Finished, SECRET, Told, TunnelAgent, finish};

use crate::TORRAP;

const URL: &str = "https://torrap.ngrok-free.dev";

/// Runs `torrap` with these arguments where these programs of tunnels answer.
fn asking(agents: &[&TunnelAgent], args: &[&str]) -> Finished {
    let agents: Vec<String> = agents
        .iter()
        .map(|agent| agent.address.to_string())
        .collect();
    let mut command = TORRAP.command();
    command.args(args);
    finish(command.env("TORRAP_TUNNEL_AGENTS", agents.join(",")))
}

fn manifest(agents: &[&TunnelAgent]) -> Finished {
    asking(agents, &["manifest"])
}

#[track_caller]
fn assert_found(finished: &Finished, url: &str) {
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    let line = format!("url: \"{url}/slack\"\n");
    assert!(finished.stdout.contains(&line), "{}", finished.stdout);
}

/// Exit code 2, nothing printed, and one line on standard error that has these parts.
#[track_caller]
fn assert_not_found(finished: &Finished, parts: &[&str]) {
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""));
    let line = finished.stderr.as_str();
    assert_eq!(line.lines().count(), 1, "{line}");
    let start = "the URL is missing; give the https URL";
    for part in [&[start], parts].concat() {
        assert!(line.contains(part), "no {part:?} in {line}");
    }
}

#[test]
fn each_program_is_asked_in_its_own_way() {
    let here = [(URL, "http://localhost:8000")];
    let ngrok = TunnelAgent::ngrok(&here);
    assert_found(&manifest(&[&ngrok]), URL);
    assert_eq!(ngrok.asked(), ["/api/endpoints"]);

    let older = TunnelAgent::older_ngrok(&[
        ("http://torrap.ngrok-free.dev", "8000"),
        (URL, "localhost:8000"),
    ]);
    assert_found(&manifest(&[&older]), URL);
    assert_eq!(older.asked(), ["/api/endpoints", "/api/tunnels"]);

    let cloudflared =
        TunnelAgent::cloudflared("two-words.trycloudflare.com", "http://127.0.0.1:8000");
    assert_found(
        &manifest(&[&cloudflared]),
        "https://two-words.trycloudflare.com",
    );
    let asked = cloudflared.asked();
    assert_eq!(asked[asked.len() - 2..], ["/quicktunnel", "/config"]);

    let elsewhere = TunnelAgent::start(|_| Told::Status(404));
    assert_found(&manifest(&[&elsewhere, &ngrok]), URL);
    for (args, start) in [
        (&["--json"][..], "{\n"),
        (
            &["--link"],
            "https://api.slack.com/apps?new_app=1&manifest_json=%7B",
        ),
        (
            &["--link", "--gov"],
            "https://api.slack-gov.com/apps?new_app=1&manifest_json=",
        ),
    ] {
        let finished = asking(&[&ngrok], &[&["manifest"], args].concat());
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        assert!(finished.stdout.starts_with(start), "{}", finished.stdout);
    }
}

#[test]
fn the_port_is_the_one_that_the_bot_listens_on() {
    let two = TunnelAgent::ngrok(&[
        ("https://other.ngrok-free.dev", "http://localhost:3000"),
        (URL, "http://[::1]:8000"),
    ]);
    assert_found(&manifest(&[&two]), URL);
    for args in [
        &["manifest", "--listen", "127.0.0.1:3000"][..],
        &["--listen=:9000,3000", "manifest"],
    ] {
        assert_found(&asking(&[&two], args), "https://other.ngrok-free.dev");
    }
    let finished = asking(&[&two], &["manifest", "--listen", "localhost:9000"]);
    assert_not_found(
        &finished,
        &[
            "start a tunnel with `ngrok http 127.0.0.1:9000`",
            "leads to \"http://localhost:3000\"",
        ],
    );
    let finished = asking(&[&two], &["manifest", "--listen", "localhost:0"]);
    assert_not_found(&finished, &["or the port in --listen"]);
    let finished = asking(&[&two], &["manifest", "--listen", "localhost"]);
    assert_eq!(finished.code, Some(2));
    assert!(
        finished.stderr.contains("--listen: \"localhost\""),
        "{}",
        finished.stderr
    );
}

#[test]
fn several_none_and_those_without_https_are_told() {
    let here = "http://localhost:8000";
    let several =
        TunnelAgent::ngrok(&[("https://a.ngrok.app", here), ("https://b.ngrok.app", here)]);
    let names = ["port 8000: \"https://a.ngrok.app\", \"https://b.ngrok.app\""];
    assert_not_found(&manifest(&[&several]), &names);
    let one = TunnelAgent::ngrok(&[("https://a.ngrok.app", here)]);
    let quick = TunnelAgent::cloudflared("c.trycloudflare.com", here);
    let names = ["\"https://a.ngrok.app\", \"https://c.trycloudflare.com\""];
    assert_not_found(&manifest(&[&one, &quick]), &names);

    let none = TunnelAgent::ngrok(&[]);
    let told = format!("ngrok at {} has no tunnel", none.address);
    assert_not_found(
        &manifest(&[&none]),
        &[&told, "start a tunnel with `ngrok http"],
    );
    let tcp = TunnelAgent::ngrok(&[("tcp://1.tcp.ngrok.io:12345", "tcp://localhost:8000")]);
    assert_not_found(&manifest(&[&tcp]), &["has no tunnel for HTTP"]);
    let named = TunnelAgent::cloudflared("", here);
    assert_not_found(
        &manifest(&[&named]),
        &["cloudflared at ", "has no tunnel for HTTP"],
    );

    for url in [
        "http://a.ngrok.app",
        "https://a.internal",
        "https://127.0.0.1",
    ] {
        let unusable = TunnelAgent::ngrok(&[(url, here)]);
        let told = format!("{url:?} is not a URL that Slack can call");
        assert_not_found(&manifest(&[&unusable]), &[&told]);
    }
}

#[test]
fn another_program_there_is_no_tunnel_and_takes_no_time() {
    for told in [
        Told::Status(404),
        Told::Status(500),
        Told::Json("{\"endpoints\"".to_owned()),
        Told::Json("[".repeat(100_000)),
        Told::Json("{\"endpoints\": {\"a\": 1}}".to_owned()),
        Told::Json("{\"endpoints\": [{\"url\": \"\\ud800\"}]}".to_owned()),
        Told::Redirect("/api/tunnels".to_owned()),
        Told::Bytes(b"SSH-2.0-OpenSSH_9.6\r\n"),
        Told::Bytes(b""),
        Told::Bytes(b"\x15\x03\x01\x00\x02\x02\x46"),
    ] {
        let answer = told.clone();
        let other = TunnelAgent::start(move |_| answer.clone());
        let at = format!("another program does at {}", other.address);
        let finished = manifest(&[&other]);
        assert_not_found(
            &finished,
            &[&at, "ngrok http 127.0.0.1:8000", "cloudflared tunnel --url"],
        );
    }
}

/// Whichever of its limits comes first: bytes, or on a busy machine time.
#[test]
fn an_answer_without_end_is_not_read_to_it() {
    let endless = TunnelAgent::start(|_| Told::Endless);
    let finished = manifest(&[&endless]);
    assert_not_found(&finished, &[&format!(" does at {}", endless.address)]);
}

#[test]
fn a_redirect_is_not_followed_and_no_proxy_is_asked() {
    let elsewhere = TunnelAgent::ngrok(&[(URL, "http://localhost:8000")]);
    let target = format!("http://{}/api/endpoints", elsewhere.address);
    let redirecting = TunnelAgent::start(move |_| Told::Redirect(target.clone()));
    let mut command = TORRAP.command();
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"] {
        command.env(name, format!("http://{}", elsewhere.address));
    }
    command.env("TORRAP_TUNNEL_AGENTS", redirecting.address.to_string());
    assert_not_found(&finish(command.arg("manifest")), &["another program"]);
    assert_eq!(elsewhere.asked(), [""; 0]);
    assert!(!redirecting.asked().is_empty());
}

#[test]
fn a_program_that_hangs_holds_the_command_up_for_seconds_at_most() {
    let begun = Instant::now();
    for told in [Told::Hang, Told::Half] {
        let hanging: Vec<TunnelAgent> = (0..8)
            .map(|_| {
                let told = told.clone();
                TunnelAgent::start(move |_| told.clone())
            })
            .collect();
        let agents: Vec<&TunnelAgent> = hanging.iter().collect();
        let finished = manifest(&agents);
        let at = format!("in time nothing does at {}", hanging[0].address);
        assert_not_found(&finished, &[&at]);
    }
    // Eight times the limit of one answer would be longer, and without a limit it would not end.
    assert!(
        begun.elapsed() < Duration::from_secs(16),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn where_no_program_listens_both_ways_to_start_one_are_told() {
    let gone = TunnelAgent::start(|_| Told::Hang).address;
    let finished = finish(
        TORRAP
            .command()
            .arg("manifest")
            .env("TORRAP_TUNNEL_AGENTS", format!("localhost:{}", gone.port())),
    );
    assert_not_found(
        &finished,
        &[
            "`ngrok http 127.0.0.1:8000`",
            "`cloudflared tunnel --url http://127.0.0.1:8000`",
        ],
    );
}

#[test]
fn agents_are_addresses_of_this_machine() {
    for value in [
        "ngrok:4040",
        "192.168.1.2:4040",
        "0.0.0.0:4040",
        "0",
        "70000",
        "",
        "4040,,",
    ] {
        let finished = finish(
            TORRAP
                .command()
                .arg("manifest")
                .env("TORRAP_TUNNEL_AGENTS", format!("4040,{value}")),
        );
        assert_eq!(finished.code, Some(2));
        let line = &finished.stderr;
        assert!(
            line.starts_with("torrap: TORRAP_TUNNEL_AGENTS: \""),
            "{line}"
        );
        assert!(
            line.contains("is not an address of this machine; give one"),
            "{line}"
        );
        assert_eq!(line.lines().count(), 1);
    }
}

#[test]
fn a_trial_finds_the_bots_url_too() {
    let bot = TORRAP.start(|_| {});
    let listen = format!("127.0.0.1:{}", bot.address.port());
    let upstream = format!("http://{listen}");
    // What ngrok would do with it is not tried here: the name exists nowhere.
    let ngrok = TunnelAgent::ngrok(&[("https://torrap.example", &upstream)]);
    let with_secret = |command: &mut Command| {
        command
            .env("SLACK_SIGNING_SECRET", SECRET)
            // So that the name is not looked up.
            .env("HTTPS_PROXY", "http://127.0.0.1:1")
            .env("TORRAP_LISTEN", &listen)
            .env("TORRAP_TUNNEL_AGENTS", ngrok.address.to_string());
    };
    let mut command = TORRAP.command();
    with_secret(command.args(["try", "--to", "olleh"]));
    let finished = finish(&mut command);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert!(
        finished
            .stdout
            .contains(" to https://torrap.example/slack\n"),
        "{}",
        finished.stdout
    );

    let none = TunnelAgent::ngrok(&[]);
    let mut command = TORRAP.command();
    with_secret(command.args(["try", "--to"]));
    let finished = finish(command.env("TORRAP_TUNNEL_AGENTS", none.address.to_string()));
    assert_not_found(&finished, &["torrap: --to: ", "has no tunnel for HTTP"]);
}
