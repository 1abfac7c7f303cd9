//! The stand-in for Slack that replies are posted to: counts them and says `200 ok`, at once or after a while.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::pool::REPLY;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nok";

/// The listener and its connections; their tokens begin at `first_token`, the listener's own.
pub struct Sink {
    listener: TcpListener,
    first_token: usize,
    posters: Vec<Option<Poster>>,
    tls: Option<Arc<ServerConfig>>,
    delay: Duration,
    /// Answers that are not yet sent: when they are, and to which posters.
    answers: VecDeque<(Instant, usize)>,
    /// Right replies so far.
    pub delivered: u64,
    /// Posts that were something else.
    pub wrong: u64,
}

struct Poster {
    stream: Stream,
    partial: Vec<u8>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }

    /// Two dozen bytes for a client that waits for them: there is room.
    fn answer(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.write_all(OK),
            Self::Tls(stream) => stream.write_all(OK),
        }
    }

    /// Whether a read that fills less than the buffer has read all.
    const fn is_plain(&self) -> bool {
        matches!(self, Self::Plain(_))
    }
}

impl Sink {
    pub fn new(
        listener: TcpListener,
        first_token: usize,
        registry: &Registry,
        delay: Duration,
        tls: Option<Arc<ServerConfig>>,
    ) -> io::Result<Self> {
        let mut sink = Self {
            listener,
            first_token,
            posters: Vec::new(),
            tls,
            delay,
            answers: VecDeque::new(),
            delivered: 0,
            wrong: 0,
        };
        registry.register(&mut sink.listener, Token(first_token), Interest::READABLE)?;
        Ok(sink)
    }

    /// Accepts, or reads and answers, whichever the token stands for.
    pub fn handle(
        &mut self,
        token: Token,
        buffer: &mut [u8],
        registry: &Registry,
    ) -> io::Result<()> {
        let Some(index) = token.0.checked_sub(self.first_token + 1) else {
            return self.accept(registry);
        };
        let Some(poster) = &mut self.posters[index] else {
            return Ok(());
        };
        let is_prompt = self.delay.is_zero();
        match poster.receive(buffer, is_prompt) {
            Ok((right, wrong)) => {
                self.delivered += right;
                self.wrong += wrong;
                if !is_prompt {
                    let due = Instant::now() + self.delay;
                    self.answers
                        .extend((0..right + wrong).map(|_| (due, index)));
                }
            }
            // The server closes what it does not need any more.
            Err(_) => self.posters[index] = None,
        }
        Ok(())
    }

    /// Sends the answers that are due.
    pub fn answer(&mut self) {
        let now = Instant::now();
        while let Some(&(_, index)) = self.answers.front().filter(|(due, _)| *due <= now) {
            self.answers.pop_front();
            if self.posters[index]
                .as_mut()
                .is_some_and(|poster| poster.stream.answer().is_err())
            {
                self.posters[index] = None;
            }
        }
    }

    /// How long until the next answer is due.
    pub fn timeout(&self) -> Option<Duration> {
        let (due, _) = self.answers.front()?;
        Some(due.saturating_duration_since(Instant::now()))
    }

    fn accept(&mut self, registry: &Registry) -> io::Result<()> {
        while let Ok((mut socket, _)) = self.listener.accept() {
            socket.set_nodelay(true)?;
            let token = Token(self.first_token + 1 + self.posters.len());
            registry.register(&mut socket, token, Interest::READABLE)?;
            let stream = match &self.tls {
                None => Stream::Plain(socket),
                Some(config) => {
                    let connection =
                        ServerConnection::new(config.clone()).map_err(io::Error::other)?;
                    Stream::Tls(Box::new(StreamOwned::new(connection, socket)))
                }
            };
            self.posters.push(Some(Poster {
                stream,
                partial: Vec::new(),
            }));
        }
        Ok(())
    }
}

impl Poster {
    /// Reads until there is no more, answers each whole post if it is to be answered at once, and says how many were right
    /// and wrong.
    fn receive(&mut self, buffer: &mut [u8], is_prompt: bool) -> io::Result<(u64, u64)> {
        let (mut right, mut wrong) = (0, 0);
        loop {
            let kept = self.partial.len();
            buffer[..kept].copy_from_slice(&self.partial);
            let len = match self.stream.read(&mut buffer[kept..]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok((right, wrong));
                }
                Err(error) => return Err(error),
            };
            let filled = kept + len == buffer.len();
            let mut rest = &buffer[..kept + len];
            while let Some((is_right, length)) = parse(rest)? {
                rest = &rest[length..];
                *(if is_right { &mut right } else { &mut wrong }) += 1;
                if is_prompt {
                    self.stream.answer()?;
                }
            }
            self.partial.clear();
            self.partial.extend_from_slice(rest);
            if !filled && self.stream.is_plain() {
                return Ok((right, wrong));
            }
        }
    }
}

/// Whether a post is a reply as it must be, and its length; nothing if it is not whole yet.
fn parse(bytes: &[u8]) -> io::Result<Option<(bool, usize)>> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut fields);
    let parsed = request.parse(bytes).map_err(io::Error::other)?;
    let httparse::Status::Complete(head) = parsed else {
        return Ok(None);
    };
    let length: usize = request
        .headers
        .iter()
        .find(|field| field.name.eq_ignore_ascii_case("content-length"))
        .and_then(|field| std::str::from_utf8(field.value).ok()?.parse().ok())
        .unwrap_or_default();
    let Some(content) = bytes.get(head..head + length) else {
        return Ok(None);
    };
    let is_right = request.method == Some("POST") && content.ends_with(REPLY);
    Ok(Some((is_right, head + length)))
}
