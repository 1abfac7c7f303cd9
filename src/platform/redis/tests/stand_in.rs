//! A server that does what a test says.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::redis::{Reply, ReplyReader};

/// The words of a command.
pub(super) type Words = Vec<String>;

/// A server on a port of its own, which ends with the test.
pub(super) struct StandIn {
    pub(super) at: SocketAddr,
    accepted: Arc<AtomicUsize>,
    commands: Arc<Mutex<Vec<Words>>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What the stand-in does about a command.
pub(super) enum Act {
    Answer(Vec<u8>),
    /// Nothing, for ever.
    Hang,
    /// A long answer, of which a byte comes now and then.
    Trickle,
    Close,
}

impl<T: AsRef<[u8]>> From<T> for Act {
    fn from(bytes: T) -> Self {
        Self::Answer(bytes.as_ref().to_vec())
    }
}

impl StandIn {
    /// One that hands each connection to this function, on a thread of its own.
    pub(super) fn serving(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        Self::start(Arc::default(), serve)
    }

    fn start(
        commands: Arc<Mutex<Vec<Words>>>,
        serve: impl Fn(TcpStream) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let (accepted, is_over) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (counter, ends, serve) = (accepted.clone(), is_over.clone(), Arc::new(serve));
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if ends.load(Ordering::SeqCst) {
                    return;
                }
                counter.fetch_add(1, Ordering::SeqCst);
                let serve = serve.clone();
                thread::spawn(move || serve(stream.unwrap()));
            }
        });
        Self {
            at,
            accepted,
            commands,
            is_over,
            thread: Some(thread),
        }
    }

    /// One that does this about each command, and what a master would about the others.
    pub(super) fn acting(act: impl Fn(&[String]) -> Option<Act> + Send + Sync + 'static) -> Self {
        Self::acting_with(move |words, _| act(words))
    }

    /// The same with the connection at hand.
    pub(super) fn acting_with(
        act: impl Fn(&[String], &mut TcpStream) -> Option<Act> + Send + Sync + 'static,
    ) -> Self {
        let commands: Arc<Mutex<Vec<Words>>> = Arc::default();
        let seen = commands.clone();
        Self::start(commands, move |mut stream| {
            let mut reader = ReplyReader::default();
            let mut bytes = [0; 4096];
            loop {
                while let Some(words) = reader.poll_reply().unwrap().map(words) {
                    seen.lock().unwrap().push(words.clone());
                    match act(&words, &mut stream).unwrap_or_else(|| of_master(&words)) {
                        // The client may have gone away.
                        Act::Answer(answer) => drop(stream.write_all(&answer)),
                        Act::Hang => return hang(stream),
                        Act::Trickle => return trickle(stream),
                        Act::Close => return,
                    }
                }
                match stream.read(&mut bytes) {
                    Ok(0) | Err(_) => return,
                    Ok(length) => reader.feed(&bytes[..length]),
                }
            }
        })
    }

    /// A master that answers one command in its own way.
    pub(super) fn answering(command: &'static str, answer: &str) -> Self {
        let answer = answer.to_owned();
        Self::acting(move |words| (words[0] == command).then(|| answer.as_str().into()))
    }

    pub(super) fn master() -> Self {
        Self::acting(|_| None)
    }

    pub(super) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// All commands so far, each as one text.
    pub(super) fn commands(&self) -> Vec<String> {
        let commands = self.commands.lock().unwrap();
        commands.iter().map(|words| words.join(" ")).collect()
    }

    pub(super) fn url(&self) -> String {
        format!("redis://{}", self.at)
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.at);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Reads until the client goes away, and says nothing.
pub(super) fn hang(mut stream: TcpStream) {
    let mut bytes = [0; 4096];
    while stream.read(&mut bytes).is_ok_and(|length| length > 0) {}
}

/// A string of which a byte comes now and then, until the client goes away.
fn trickle(mut stream: TcpStream) {
    let _ = stream.set_read_timeout(Some(Duration::from_millis(5)));
    let mut sent = stream.write_all(b"$100000\r\n");
    while sent.is_ok() {
        // This is the pause.
        match stream.read(&mut [0]) {
            Ok(0) => return,
            _ => sent = stream.write_all(b"x"),
        }
    }
}

pub(super) fn words(command: Reply) -> Words {
    let Reply::Array(words) = command else {
        panic!("{command:?} is no command");
    };
    let words = words.iter().map(|word| word.text().unwrap().to_owned());
    words.collect()
}

pub(super) fn bulk(text: &str) -> Vec<u8> {
    format!("${}\r\n{text}\r\n", text.len()).into_bytes()
}

/// What a master without any data answers.
pub(super) fn of_master(words: &[String]) -> Act {
    match words[0].as_str() {
        "AUTH" | "SELECT" => "+OK\r\n".into(),
        "ROLE" => "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n".into(),
        "INFO" => bulk("# Server\r\nredis_version:7.0.15\r\n").into(),
        "HGET" | "ZSCORE" => "$-1\r\n".into(),
        "PING" => "+PONG\r\n".into(),
        "ECHO" => bulk(&words[1]).into(),
        _ => "-ERR unknown command\r\n".into(),
    }
}
