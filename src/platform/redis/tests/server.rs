//! A real `redis-server`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::redis::{Reply, ReplyReader, encode};

/// A server of its own, which ends with the test.
pub(crate) struct Server {
    child: Child,
    directory: PathBuf,
    pub(crate) at: SocketAddr,
}

impl Server {
    /// `None` where there is no `redis-server`. A configuration file stands in front of the options.
    pub(crate) fn start(options: &[&str]) -> Option<Self> {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let directory = format!("torrap-real-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(directory);
        std::fs::create_dir_all(&directory).unwrap();
        // Another program may take the port before the server does.
        for _ in 0..10 {
            let at = TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap();
            let is_tls = options.contains(&"--tls-port");
            let port = at.port().to_string();
            let ports = match is_tls {
                true => ["--port", "0", "--tls-port", &port],
                false => ["--port", &port, "--tls-port", "0"],
            };
            let dir = directory.to_str().unwrap();
            let mut command = Command::new(test_support::redis_server());
            let (files, options): (Vec<&str>, Vec<_>) =
                options.iter().partition(|it| it.ends_with(".conf"));
            let options = options.into_iter().filter(|it| *it != "--tls-port");
            command
                .args(files)
                .args(["--bind", "127.0.0.1", "--dir", dir]);
            command.args(ports).args(options);
            let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
            let Ok(mut child) = child else {
                eprintln!("!!! NOT TESTED: there is no redis-server here; install Redis or Valkey");
                return None;
            };
            while child.try_wait().unwrap().is_none() {
                if TcpStream::connect(at).is_ok() {
                    return Some(Self {
                        child,
                        directory,
                        at,
                    });
                }
                std::thread::yield_now();
            }
        }
        panic!("redis-server does not start with {options:?}");
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.at)
    }

    /// Runs a command, given as words.
    pub(crate) fn run(&self, command: &str) -> Reply {
        let words: Vec<_> = command.split(' ').map(str::as_bytes).collect();
        self.run_parts(&words)
    }

    /// Runs a command as the user `default`, who may have the password `hunter2`.
    pub(crate) fn run_parts(&self, parts: &[&[u8]]) -> Reply {
        let mut requests = Vec::new();
        encode(&[b"AUTH", b"hunter2"], &mut requests);
        encode(parts, &mut requests);
        let mut stream = TcpStream::connect(self.at).unwrap();
        stream.write_all(&requests).unwrap();
        let (mut reader, mut bytes) = (ReplyReader::default(), [0; 4096]);
        let mut replies = Vec::new();
        while replies.len() < 2 {
            let length = stream.read(&mut bytes).unwrap();
            assert!(length > 0, "it has closed the connection");
            reader.feed(&bytes[..length]);
            while let Some(reply) = reader.poll_reply().unwrap() {
                replies.push(reply);
            }
        }
        replies.remove(1)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
