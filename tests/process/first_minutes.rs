//! What a new user types, with a stand-in for the tunnel: TLS at a public name that leads to the bot. No URL is typed.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use test_support::{Authority, Client, SECRET, TunnelAgent, finish, free_address};

use crate::TORRAP;

const NAME: &str = "parrot.ngrok-free.dev";

/// The tunnel's far end: what is sent to [`NAME`] through it as through a proxy arrives at the bot.
struct Tunnel {
    address: SocketAddr,
    /// The one that its certificate is from.
    authority: Authority,
}

impl Tunnel {
    fn to(bot: SocketAddr) -> Self {
        let authority = Authority::create();
        let config = authority.server(NAME);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let config = config.clone();
                // A connection that fails is the client's to notice.
                thread::spawn(move || pass_on(socket, config, bot));
            }
        });
        Self { address, authority }
    }
}

fn head(stream: &mut impl Read) -> io::Result<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    String::from_utf8(head).map_err(io::Error::other)
}

fn pass_on(mut socket: TcpStream, config: Arc<ServerConfig>, bot: SocketAddr) -> io::Result<()> {
    let connect = head(&mut socket)?;
    assert!(
        connect.starts_with(&format!("CONNECT {NAME}:443 ")),
        "{connect}"
    );
    socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    let tls = ServerConnection::new(config).map_err(io::Error::other)?;
    let (mut stream, mut bot) = (StreamOwned::new(tls, socket), Client::connect(bot));
    loop {
        let head = head(&mut stream)?;
        let lower = head.to_ascii_lowercase();
        let length = lower.split("\r\ncontent-length: ").nth(1);
        let length = length.map_or(0, |rest| rest.split('\r').next().unwrap().parse().unwrap());
        let mut content = vec![0; length];
        stream.read_exact(&mut content)?;
        let response = bot.exchange([head.as_bytes(), &content].concat());
        stream.write_all(&[response.head.as_bytes(), &response.content].concat())?;
        stream.flush()?;
    }
}

#[test]
fn a_new_user_types_no_url() {
    let receiver = format!("http://{}", free_address());
    let mut bot = TORRAP.start(|command| {
        let origins = format!("https://hooks.slack.com,{receiver}");
        command.args(["--delay", "0.2", "--reply-origin", &origins]);
    });
    let tunnel = Tunnel::to(bot.address);
    let listen = bot.address.to_string();
    let url = format!("https://{NAME}");
    let ngrok = TunnelAgent::ngrok(&[(&url, &format!("http://{listen}"))]);
    let run = |args: &[&str]| {
        let mut command = TORRAP.command();
        command.args(args).args(["--listen", &listen]);
        command.env("TORRAP_TUNNEL_AGENTS", ngrok.address.to_string());
        // What the public network does for a real name.
        command.env("HTTPS_PROXY", format!("http://{}", tunnel.address));
        command.env("SSL_CERT_FILE", &tunnel.authority.file);
        let finished = finish(command.env("SLACK_SIGNING_SECRET", SECRET));
        assert_eq!(
            finished.code,
            Some(0),
            "{args:?}: {} {}",
            finished.stdout,
            finished.stderr
        );
        finished.stdout
    };
    let manifest = run(&["manifest"]);
    assert!(
        manifest.contains(&format!("url: \"{url}/slack\"\n")),
        "{manifest}"
    );

    let told = run(&["try", "--to"]);
    assert!(
        told.contains(&format!("Slack   sends /torrap help to {url}/slack\n")),
        "{told}"
    );
    assert!(
        told.ends_with("ok      that is what Slack would have shown\n"),
        "{told}"
    );

    let told = run(&["try", "--to", "--reply-origin", &receiver]);
    for part in [
        &format!("Slack   sends /torrap sdrawkcab si siht to {url}/slack\n"),
        "bot     thinking… (0.2 s)\n",
        "bot     posts {\"text\": \"this is backwards\"} to the response_url\n",
        "ok      that is what Slack would have shown\n",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!(bot.process.stop(), Some(0));
}
