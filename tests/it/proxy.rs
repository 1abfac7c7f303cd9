//! Replies through a proxy, past it, and when it refuses.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use test_support::{Authority, Torrap};
use torrap::Server;
use torrap::config::{Config, NoProxy, Proxy, Settings};

use crate::certificates;
use crate::delivery::assert_nothing_was_sent;
use crate::slash_command::assert_acknowledged;
use crate::tls::origin;

/// A proxy that takes CONNECT and connects to `target`, whatever host the request names.
struct ConnectProxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl ConnectProxy {
    /// One that gives this status, and the fields behind it, to every client.
    fn start(target: SocketAddr, status: impl Into<Arc<str>>) -> Self {
        let status = status.into();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let recorded = heads.clone();
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (recorded, status) = (recorded.clone(), status.clone());
                thread::spawn(move || serve(socket, target, &status, &recorded));
            }
        });
        Self { address, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    fn setting(&self, userinfo: &str, no_proxy: &str) -> Option<Proxy> {
        Some(Proxy {
            variable: "HTTPS_PROXY",
            url: format!("http://{userinfo}{}", self.address),
            no_proxy: NoProxy::parse(no_proxy),
        })
    }
}

fn serve(
    mut client: TcpStream,
    target: SocketAddr,
    status: &str,
    heads: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    heads.lock().unwrap().push(String::from_utf8(head).unwrap());
    write!(client, "HTTP/1.1 {status}\r\n\r\n")?;
    if status.starts_with(['3', '4', '5']) {
        return client.shutdown(Shutdown::Both);
    }
    let mut server = TcpStream::connect(target)?;
    let (mut from_server, mut to_client) = (server.try_clone()?, client.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from_server, &mut to_client);
        to_client.shutdown(Shutdown::Write)
    });
    io::copy(&mut client, &mut server)?;
    server.shutdown(Shutdown::Write)
}

#[test]
fn replies_go_through_the_proxy_which_sees_a_name_and_no_path() {
    let authority = Authority::create();
    let (slack, _) = certificates::stand_in(&authority, "hooks.slack.invalid");
    let proxy = ConnectProxy::start(slack.address(), "200 OK");
    // A name that only the proxy could look up.
    let torrap = Torrap::posting_to(slack, "https://hooks.slack.invalid", |config| {
        config.ca_file = Some(authority.file.clone());
        config.proxy = proxy.setting("parrot:p%40ss%3A@", "localhost,.example");
    });
    let mut client = torrap.connect();
    for count in 1..=3 {
        assert_acknowledged(&client.exchange(torrap.signed("abc")));
        torrap.log.wait_for(": answered", count);
    }
    assert_eq!(torrap.replies(3), ["cba"; 3]);
    let [head] = &proxy.heads()[..] else {
        panic!("one connection is enough: {:?}", proxy.heads());
    };
    let line = "CONNECT hooks.slack.invalid:443 HTTP/1.1\r\n";
    assert!(head.starts_with(line), "{head}");
    let credentials = "\r\nProxy-Authorization: Basic cGFycm90OnBAc3M6\r\n";
    assert!(head.contains(credentials), "{head}");
    assert!(!head.contains("secret-path"), "{head}");
}

#[test]
fn no_proxy_is_a_way_past_it() {
    let authority = Authority::create();
    let (slack, _) = certificates::stand_in(&authority, "localhost");
    let proxy = ConnectProxy::start(slack.address(), "200 OK");
    let origin = origin(&slack);
    let torrap = Torrap::posting_to(slack, &origin, |config| {
        config.ca_file = Some(authority.file.clone());
        config.proxy = proxy.setting("", " other.example , LocalHost ");
    });
    assert_acknowledged(&torrap.command("abc"));
    assert_eq!(torrap.replies(1), ["cba"]);
    assert!(proxy.heads().is_empty());
}

#[test]
fn a_domain_a_port_and_everything_are_ways_past_it_as_well() {
    for (no_proxy, is_past) in [
        ("LOCALHOST", true),
        (".localhost", true),
        ("*", true),
        ("127.0.0.1", false),
        ("localhost:{port}", true),
        ("localhost:1", false),
    ] {
        let authority = Authority::create();
        let (slack, _) = certificates::stand_in(&authority, "localhost");
        let proxy = ConnectProxy::start(slack.address(), "200 OK");
        let (origin, port) = (origin(&slack), slack.address().port().to_string());
        let torrap = Torrap::posting_to(slack, &origin, |config| {
            config.ca_file = Some(authority.file.clone());
            config.proxy = proxy.setting("", &no_proxy.replace("{port}", &port));
        });
        assert_acknowledged(&torrap.command("abc"));
        assert_eq!(torrap.replies(1), ["cba"]);
        assert_eq!(proxy.heads().is_empty(), is_past, "{no_proxy}");
    }
}

#[test]
fn any_success_with_many_fields_behind_an_interim_answer_opens_the_tunnel() {
    let many = format!(
        "200 Connection established{}",
        "\r\nX-Field: value".repeat(200)
    );
    for status in [
        "204 No Content",
        "299 x",
        "200 OK\r\nContent-Length: 10",
        "100 Continue\r\n\r\nHTTP/1.0 200",
        &many,
    ] {
        let authority = Authority::create();
        let (slack, _) = certificates::stand_in(&authority, "hooks.slack.invalid");
        let proxy = ConnectProxy::start(slack.address(), status);
        let torrap = Torrap::posting_to(slack, "https://hooks.slack.invalid", |config| {
            config.ca_file = Some(authority.file.clone());
            config.proxy = proxy.setting("", "");
        });
        assert_acknowledged(&torrap.command("abc"));
        assert_eq!(torrap.replies(1), ["cba"], "{status:.40}");
    }
}

#[test]
fn what_is_no_answer_to_connect_is_told() {
    let fields = format!("200 OK{}", "\r\na: b".repeat(300));
    let long = format!("200 OK\r\na: {}", "b".repeat(20 * 1024));
    for (status, told) in [
        (fields.as_str(), "the proxy's answer has too many fields"),
        (&long, "the proxy's answer ends early or is too long"),
        ("x", "the proxy does not answer in HTTP"),
        ("302 Found\r\nLocation: x", "the proxy answers 302"),
        ("503 x", "the proxy answers 503"),
    ] {
        let authority = Authority::create();
        let (slack, _) = certificates::stand_in(&authority, "localhost");
        let proxy = ConnectProxy::start(slack.address(), status);
        let origin = origin(&slack);
        let torrap = Torrap::posting_to(slack, &origin, |config| {
            config.ca_file = Some(authority.file.clone());
            config.proxy = proxy.setting("", "");
            config.drain_ms = 0;
        });
        assert_acknowledged(&torrap.command("abc"));
        let failed = torrap.log.wait_for("attempt failed", 1);
        assert!(failed[0].contains(told), "{failed:?}");
        assert!(torrap.slack.posts().is_empty());
        assert_eq!(torrap.stop(), 1);
    }
}

#[test]
fn a_proxy_that_says_no_is_asked_again() {
    let authority = Authority::create();
    let (slack, handshakes) = certificates::stand_in(&authority, "localhost");
    let proxy = ConnectProxy::start(slack.address(), "407 Proxy Authentication Required");
    let origin = origin(&slack);
    let torrap = Torrap::posting_to(slack, &origin, |config| {
        config.ca_file = Some(authority.file.clone());
        config.proxy = proxy.setting("parrot:secret-word@", "");
        config.drain_ms = 0;
    });
    assert_acknowledged(&torrap.command("abc"));
    let failed = torrap.log.wait_for("attempt failed", 2);
    assert!(failed[0].contains("407"), "{failed:?}");
    assert!(proxy.heads().len() >= 2);
    let log = torrap.log.clone();
    assert_nothing_was_sent(torrap);
    assert!(log.all().iter().all(|line| !line.contains("secret-word")));
    assert!(handshakes.wait_for(0).is_empty());
}

/// ureq takes the URL of a SOCKS proxy and panics when it is used: after the acknowledgement.
#[test]
fn what_is_no_http_proxy_is_refused_at_the_start() {
    for url in [
        "socks5://127.0.0.1:1080",
        "socks5h://127.0.0.1:1080",
        "SOCKS4://127.0.0.1:1080",
        "socks4a://127.0.0.1:1080",
        "ftp://127.0.0.1:21",
        "http://",
        "http://user:secret-word@",
        "no url",
    ] {
        let mut config = Config::from_settings(&Settings::default(), Vec::new()).unwrap();
        config.listen = vec!["127.0.0.1:0".to_owned()];
        config.proxy = Some(Proxy {
            variable: "ALL_PROXY",
            url: url.to_owned(),
            no_proxy: NoProxy::default(),
        });
        let Err(error) = Server::bind(&config) else {
            panic!("{url} was taken for a proxy");
        };
        assert!(error.is_usage());
        let error = error.to_string();
        assert!(error.starts_with("ALL_PROXY: "), "{error}");
        assert!(!error.contains("secret-word"), "{error}");
    }
}
