//! The URL of `manifest` and of `try --to`, given or to be asked from a tunnel.

use std::net::SocketAddr;

use super::{SECRET, parse_in};
use crate::cli::Action;
use crate::config::{PublicUrl, TunnelQuery};
use crate::tools::manifest::{Form, Options};

fn manifest(variables: &[(&str, &str)], args: &[&str]) -> (PublicUrl, Options) {
    match parse_in(variables, &[&["manifest"], args].concat()) {
        Ok(Action::Manifest { url, options, .. }) => (url, options),
        other => panic!("{other:?}"),
    }
}

fn trial(variables: &[(&str, &str)], args: &[&str]) -> (PublicUrl, String) {
    match parse_in(&[&[SECRET], variables].concat(), &[&["try"], args].concat()) {
        Ok(Action::TryAt { url, text, .. }) => (url, text.unwrap_or_default()),
        other => panic!("{other:?}"),
    }
}

fn given(url: &str) -> PublicUrl {
    PublicUrl::Given(url.to_owned())
}

fn of_tunnel(agents: &[&str], ports: &[u16]) -> PublicUrl {
    let agents = agents.iter().map(|agent| agent.parse().unwrap());
    PublicUrl::OfTunnel(TunnelQuery {
        agents: agents.collect::<Vec<SocketAddr>>(),
        ports: ports.to_vec(),
    })
}

#[test]
fn what_is_printed_of_the_manifest_follows_the_options() {
    for (args, form, is_gov) in [
        (&[][..], Form::Yaml, false),
        (&["--json"], Form::Json, false),
        (&["--link", "--json"], Form::Link, false),
        (&["--gov"], Form::Yaml, true),
        (&["--gov", "--link"], Form::Link, true),
    ] {
        let url = "https://a.ngrok.app";
        let (found, options) = manifest(&[], &[&[url], args].concat());
        assert_eq!(found, given(url));
        assert_eq!(options, Options { form, is_gov }, "{args:?}");
    }
}

#[test]
fn without_a_url_a_tunnel_to_the_bots_ports_is_asked_for() {
    let usual = [
        "127.0.0.1:4040",
        "127.0.0.1:20241",
        "127.0.0.1:20242",
        "127.0.0.1:20243",
        "127.0.0.1:20244",
        "127.0.0.1:20245",
    ];
    assert_eq!(manifest(&[], &[]).0, of_tunnel(&usual, &[8000]));
    assert_eq!(trial(&[], &["--to"]).0, of_tunnel(&usual, &[8000]));
    let variables = [
        ("TORRAP_LISTEN", "127.0.0.1:9000,[::1]:9001"),
        (
            "TORRAP_TUNNEL_AGENTS",
            "localhost:4041, [::1]:4042,127.0.0.2:4043",
        ),
    ];
    let agents = ["127.0.0.1:4041", "[::1]:4042", "127.0.0.2:4043"];
    assert_eq!(
        manifest(&variables, &[]).0,
        of_tunnel(&agents, &[9000, 9001])
    );
    assert_eq!(
        trial(&variables, &["--to"]).0,
        of_tunnel(&agents, &[9000, 9001])
    );
    let by_flag = manifest(&variables, &["--listen", "9002,:0"]).0;
    assert_eq!(by_flag, of_tunnel(&agents, &[9002]));

    // Where a URL is given, they do not matter.
    let wrong = [
        ("TORRAP_LISTEN", "wrong"),
        ("TORRAP_TUNNEL_AGENTS", "wrong"),
    ];
    assert_eq!(manifest(&wrong, &["https://a.b"]).0, given("https://a.b"));
    for (variables, start) in [
        (
            &wrong[..1],
            "TORRAP_LISTEN: \"wrong\" is not an address to listen on",
        ),
        (
            &wrong[1..],
            "TORRAP_TUNNEL_AGENTS: \"wrong\" is not an address of this machine",
        ),
    ] {
        let line = parse_in(variables, &["manifest"]).unwrap_err();
        assert!(line.starts_with(start), "{line}");
    }
}

#[test]
fn the_word_behind_to_is_a_url_or_the_text() {
    for (args, url, text) in [
        (
            &["--to", "https://a.ngrok.app", "olleh"][..],
            "https://a.ngrok.app",
            "olleh",
        ),
        (&["olleh", "--to=a.ngrok.app"], "a.ngrok.app", "olleh"),
        (&["--to=olleh", "dlrow"], "olleh", "dlrow"),
        (
            &["--to", " 'http://127.0.0.1:8000/'\n", "x"],
            "http://127.0.0.1:8000/",
            "x",
        ),
        (&["--to", "a.example/slack", "x"], "a.example/slack", "x"),
        (&["--to", "localhost:8000", "x"], "localhost:8000", "x"),
        (&["--to", "ftp://x", "x"], "ftp://x", "x"),
        (&["--to", "", "x"], "", "x"),
        (&["--to=", "x"], "", "x"),
    ] {
        assert_eq!(trial(&[], args), (given(url), text.to_owned()), "{args:?}");
    }
    for (args, text) in [
        (&["--to", "olleh", "dlrow"][..], "olleh dlrow"),
        (&["--to", "/torrap x.y"], "x.y"),
        (&["--to", "Hello."], "Hello."),
        (&["--to", "time: 10:30"], "time: 10:30"),
        (&["--to", "what?", "a.b"], "what? a.b"),
        (&["--to", "--delay", "1", "a.b"], "a.b"),
        (&["--to", "--", "a.b"], "a.b"),
        (&["olleh", "--to"], "olleh"),
    ] {
        let (url, found) = trial(&[], args);
        assert!(matches!(url, PublicUrl::OfTunnel(_)), "{args:?}: {url:?}");
        assert_eq!(found, text);
    }
}
