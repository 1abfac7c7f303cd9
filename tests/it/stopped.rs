//! A process that is stopped (SIGSTOP, a debugger, a frozen container) and continued has lost time, and its clients
//! have not: what they have sent meanwhile is read before any time limit is judged.

use std::io::{self, BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use test_support::{Client, SECRET, poll_for, signal};
use torrap::config::{Config, Settings, SigningSecret};
use torrap::{Server, http::Limits};

use crate::http::HEALTHZ;

/// Each wait of the server.
const LIMIT_MS: u64 = 2_000;
const MARK: &str = "listens: ";

/// The server in a process of its own, whose limits are short; it ends when its standard input does.
struct Process {
    child: Child,
    front: SocketAddr,
    watch: SocketAddr,
}

#[test]
#[ignore = "a server for the others here, which run it in a process of its own"]
fn serve() {
    let secret = SigningSecret::new(SECRET).unwrap();
    let mut config = Config::from_settings(&Settings::default(), vec![secret]).unwrap();
    config.listen = vec!["127.0.0.1:0".to_owned()];
    config.metrics_listen = config.listen.clone();
    config.drain_ms = LIMIT_MS;
    config.limits = Limits {
        head_timeout_ms: LIMIT_MS,
        content_timeout_ms: LIMIT_MS,
        idle_timeout_ms: LIMIT_MS,
        ..Limits::default()
    };
    let mut server = Server::bind(&config).unwrap();
    let (front, watch) = (server.local_addrs(), server.metrics_addrs());
    eprintln!("{MARK}{} {}", front.unwrap()[0], watch.unwrap()[0]);
    let stopper = server.stopper();
    std::thread::spawn(move || {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        stopper.stop();
    });
    server.run().unwrap();
}

impl Process {
    fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "stopped::serve", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let addresses = lines.find_map(|line| Some(line.unwrap().strip_prefix(MARK)?.to_owned()));
        let addresses = addresses.expect("it listens");
        let (front, watch) = addresses.split_once(' ').unwrap();
        Self {
            child,
            front: front.parse().unwrap(),
            watch: watch.parse().unwrap(),
        }
    }

    fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Stops the process, and continues it when `meanwhile` is done and every wait of its is over.
    fn pause(&self, meanwhile: impl FnOnce()) {
        self.suspend();
        meanwhile();
        std::thread::sleep(Duration::from_millis(LIMIT_MS + 100));
        self.signal("CONT");
    }

    /// Stops the process, and waits until it stands.
    fn suspend(&self) {
        self.signal("STOP");
        let state = format!("/proc/{}/stat", self.child.id());
        poll_for("its stop", || {
            let state = std::fs::read_to_string(&state).unwrap();
            state.contains(") T ").then_some(())
        });
    }

    /// Asks for a graceful stop, and waits until it has begun.
    fn begin_stop(&mut self) {
        drop(self.child.stdin.take());
        poll_for("the drain", || TcpStream::connect(self.front).err());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client that has had an answer and whose next request has arrived as far as this: one segment has both.
fn client_at(address: SocketAddr, begun: &str) -> Client {
    let mut client = Client::connect(address);
    let answer = client.exchange(HEALTHZ.to_owned() + begun);
    assert_eq!(answer.status, 200);
    client
}

#[test]
fn a_request_whose_rest_has_come_while_the_process_was_stopped_is_answered() {
    let process = Process::start();
    let with_content = HEALTHZ.replace("\r\n\r\n", "\r\nContent-Length: 5\r\n\r\nabcde");
    let mut cases = Vec::new();
    for request in [HEALTHZ, with_content.as_str()] {
        // An idle connection, part of a head, all of it but a byte.
        for cut in [0, 9, request.len() - 1] {
            let (begun, rest) = request.split_at(cut);
            for address in [process.front, process.watch] {
                cases.push((client_at(address, begun), begun, rest));
            }
        }
    }
    process.pause(|| {
        for (client, _, rest) in &mut cases {
            client.send(rest);
        }
    });
    for (client, begun, _) in &mut cases {
        assert_eq!(client.receive().status, 200, "{begun:?}");
    }
}

#[test]
fn a_request_that_has_come_before_a_drain_is_over_is_answered() {
    let mut process = Process::start();
    let mut client = client_at(process.front, "GET /hea");
    process.begin_stop();
    process.pause(|| _ = client.send("lthz HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_eq!(client.receive().status, 200);
    assert_eq!(client.rest(), b"");
}

/// Each of these stops interrupts the poll, which must not begin its wait anew.
#[test]
fn stops_that_follow_one_another_put_off_no_time_limit() {
    let process = Process::start();
    let mut client = client_at(process.front, "");
    client.stream.set_nonblocking(true).unwrap();
    poll_for("the end of an idle connection", || {
        process.suspend();
        process.signal("CONT");
        match client.stream.read(&mut [0]) {
            Ok(len) => (len == 0).then_some(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        }
    });
}
