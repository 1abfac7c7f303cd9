//! Upgrades under load: a new process takes over from an old one, and no client notices.
//!
//! Three upgrades each in the ordinary run; `TORRAP_UPGRADES=10` makes it ten.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use torrap::trial::stand_in::{Answer, SlackStandIn};

use crate::bot::{SECRET, connect, exchange, serve, signed};
use crate::supervised::activated;
use crate::support::{PATIENCE, Process};

/// Clients that open a connection for each command, and as many that keep theirs.
const CLIENTS_OF_A_KIND: usize = 2;

/// How long a client rests between two commands.
const REST: Duration = Duration::from_millis(2);

fn upgrades() -> usize {
    let given = std::env::var("TORRAP_UPGRADES").ok();
    given.map_or(3, |count| count.parse().expect("TORRAP_UPGRADES"))
}

/// Clients that send commands until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    fn start(address: SocketAddr, origin: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let clients = (0..CLIENTS_OF_A_KIND * 2).map(|client| {
            let (stop, origin) = (stop.clone(), origin.to_owned());
            let keeps = client % 2 == 0;
            thread::spawn(move || send_until(&stop, address, &origin, client, keeps))
        });
        Self {
            clients: clients.collect(),
            stop,
        }
    }

    /// The paths of all `response_url`s that an acknowledgement has promised a reply to.
    fn finish(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        let promised = self.clients.into_iter().map(|client| client.join());
        promised
            .flat_map(|paths| paths.expect("no request fails"))
            .collect()
    }
}

/// One client: every command must be acknowledged, however often the server changes.
fn send_until(
    stop: &AtomicBool,
    address: SocketAddr,
    origin: &str,
    client: usize,
    keeps: bool,
) -> Vec<String> {
    let mut promised = Vec::new();
    let mut kept: Option<TcpStream> = None;
    while !stop.load(Ordering::Relaxed) {
        let path = format!("/commands/T0001/{client}/{}", promised.len());
        let mut stream = kept.take().unwrap_or_else(|| connect(address));
        let request = signed(SECRET, "olleh", &format!("{origin}{path}"));
        let response = exchange(&mut stream, request);
        assert_eq!((response.status, response.content.len()), (200, 0));
        promised.push(path);
        if keeps && !response.head.contains("Connection: close") {
            kept = Some(stream);
        }
        thread::park_timeout(REST);
    }
    promised
}

/// Runs the upgrades under load. `start` makes the command line of each process in turn.
fn upgrade_under_load(slack: &SlackStandIn, mut start: impl FnMut() -> Command) {
    let mut process = Process::start(&mut start());
    let line = process.read_until("listening on http://");
    let address: SocketAddr = line.split_once("http://").unwrap().1.parse().unwrap();
    let load = Load::start(address, &slack.origin());
    let _ = slack.wait_for(20, PATIENCE);
    for _ in 0..upgrades() {
        let seen = slack.posts().len();
        let mut next = Process::start(&mut start());
        next.read_until("listening on http://");
        assert_eq!(process.stop(), Some(0), "{:#?}", process.log);
        process = next;
        // The new one alone does the work for a while.
        let _ = slack.wait_for(seen + 40, PATIENCE);
    }
    let promised = load.finish();
    assert_eq!(process.stop(), Some(0), "it waits for the replies it owes");
    let mut replies: BTreeMap<String, usize> = BTreeMap::new();
    for post in slack.posts() {
        *replies.entry(post.path).or_default() += 1;
    }
    for path in &promised {
        assert_eq!(replies.remove(path), Some(1), "{path}");
    }
    assert!(replies.is_empty(), "nobody asked for {replies:?}");
    eprintln!("{} commands over {} upgrades", promised.len(), upgrades());
}

fn stand_in() -> SlackStandIn {
    SlackStandIn::start(|_| Answer::ok()).unwrap()
}

#[test]
fn with_a_shared_port_no_request_fails_and_no_reply_is_lost() {
    let slack = stand_in();
    // Held, and never listened on: it keeps the port for the processes that come and go.
    let address = "127.0.0.1:0".parse::<SocketAddr>().unwrap();
    let port = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    port.set_reuse_port(true).unwrap();
    port.bind(&address.into()).unwrap();
    let address = port.local_addr().unwrap().as_socket().unwrap();
    upgrade_under_load(&slack, || {
        serve(&slack, |command| {
            command
                .args(["--reuse-port", "--delay", "0.3"])
                .env("TORRAP_LISTEN", address.to_string());
        })
    });
}

#[test]
fn with_a_passed_socket_no_request_fails_and_no_reply_is_lost() {
    let slack = stand_in();
    let kept = TcpListener::bind("127.0.0.1:0").unwrap();
    upgrade_under_load(&slack, || {
        let passed = OwnedFd::from(kept.try_clone().unwrap());
        let mut command = activated(passed, &slack.origin());
        command.env("TORRAP_DELAY", "0.3");
        command
    });
}
