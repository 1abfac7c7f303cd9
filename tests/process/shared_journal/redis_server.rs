//! A `redis-server` of the test's own.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use test_support::{DEADLINE, Scratch, poll_for, redis_server, signal};
use torrap::redis::{Reply, ReplyReader, encode};

/// Whether there is one on this machine. Otherwise the tests that need it say loudly that they have shown nothing.
pub fn is_installed() -> bool {
    let program = redis_server();
    let version = Command::new(&program)
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    let is_there = version.is_ok_and(|status| status.success());
    if !is_there {
        eprintln!("!!! NOT TESTED: there is no {program} here; install Redis or Valkey");
    }
    is_there
}

/// A server that runs. Dropping it kills it.
pub struct RedisServer {
    directory: Scratch,
    arguments: Vec<String>,
    pub address: SocketAddr,
    child: Child,
}

impl RedisServer {
    /// Starts one that appends each write to its file, as is recommended, and takes these arguments besides.
    pub fn start(name: &str, arguments: &[&str]) -> Self {
        let directory = Scratch::new(name);
        std::fs::create_dir_all(directory.path()).unwrap();
        let arguments: Vec<_> = arguments.iter().map(|text| (*text).to_owned()).collect();
        // Another program may take the port before the server does.
        for _ in 0..10 {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let address = listener.local_addr().unwrap();
            drop(listener);
            let mut child = spawn(&directory, &arguments, address);
            if is_answering(address, &mut child) {
                return Self {
                    directory,
                    arguments,
                    address,
                    child,
                };
            }
        }
        panic!("{} does not start", redis_server());
    }

    /// Where it keeps its files.
    pub fn directory(&self) -> &Path {
        Path::new(self.directory.path())
    }

    /// Kills it, as the end of its machine would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again where it was.
    pub fn restart(&mut self) {
        self.child = poll_for("the server", || {
            let mut child = spawn(&self.directory, &self.arguments, self.address);
            is_answering(self.address, &mut child).then_some(child)
        });
    }

    /// Stops it without an end, or lets it go on.
    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Runs a command, given as words, and gives its reply.
    pub fn run(&self, command: &str) -> Reply {
        run(self.address, command).unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// Runs a command, given as its parts, and gives its reply.
    pub fn run_parts(&self, parts: &[&[u8]]) -> Reply {
        run_parts(self.address, parts).unwrap_or_else(|error| panic!("{parts:?}: {error}"))
    }

    /// Has it follow another one, or none.
    pub fn follow(&self, other: Option<&Self>) {
        let command = match other {
            Some(other) => format!("REPLICAOF 127.0.0.1 {}", other.address.port()),
            None => "REPLICAOF NO ONE".to_owned(),
        };
        assert_eq!(self.run(&command), Reply::Status("OK".to_owned()));
    }

    /// Whether it follows its master and is up to date.
    pub fn wait_until_linked(&self) {
        poll_for("the replica of Redis", || {
            let info = self.run("INFO replication");
            let text = String::from_utf8(info.bytes()?.to_vec()).unwrap();
            text.contains("master_link_status:up").then_some(())
        });
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(directory: &Scratch, arguments: &[String], address: SocketAddr) -> Child {
    Command::new(redis_server())
        .args(["--bind", "127.0.0.1", "--port", &address.port().to_string()])
        .args([
            "--save",
            "",
            "--appendonly",
            "yes",
            "--dir",
            directory.path(),
        ])
        // So that the stop of a replica's replica is noticed soon, and a kill finds all that was acknowledged.
        .args(["--appendfsync", "always", "--repl-diskless-sync-delay", "0"])
        .args(["--enable-debug-command", "local"])
        .args(arguments)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn is_answering(address: SocketAddr, child: &mut Child) -> bool {
    poll_for("an answer of the server", || {
        if child.try_wait().unwrap().is_some() {
            return Some(false);
        }
        let reply = run(address, "PING").ok()?;
        (reply == Reply::Status("PONG".to_owned())).then_some(true)
    })
}

fn run(address: SocketAddr, command: &str) -> std::io::Result<Reply> {
    let words: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
    run_parts(address, &words)
}

fn run_parts(address: SocketAddr, parts: &[&[u8]]) -> std::io::Result<Reply> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    let mut request = Vec::new();
    encode(parts, &mut request);
    stream.write_all(&request)?;
    let (mut reader, mut bytes) = (ReplyReader::default(), [0; 4096]);
    loop {
        if let Some(reply) = reader.poll_reply().expect("a reply") {
            return Ok(reply);
        }
        match stream.read(&mut bytes)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            count => reader.feed(&bytes[..count]),
        }
    }
}
