//! The stand-in for Slack that replies are posted to: counts them and says `200 ok` at once.

use std::io::{self, Read, Write};

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};

use crate::pool::REPLY;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nok";

/// The listener and its connections; their tokens begin at `first_token`, the listener's own.
pub struct Sink {
    listener: TcpListener,
    first_token: usize,
    posters: Vec<Option<Poster>>,
    /// Right replies so far.
    pub delivered: u64,
    /// Posts that were something else.
    pub wrong: u64,
}

struct Poster {
    socket: TcpStream,
    partial: Vec<u8>,
}

impl Sink {
    pub fn new(listener: TcpListener, first_token: usize, registry: &Registry) -> io::Result<Self> {
        let mut sink = Self {
            listener,
            first_token,
            posters: Vec::new(),
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
        match poster.receive(buffer) {
            Ok((right, wrong)) => {
                self.delivered += right;
                self.wrong += wrong;
            }
            // The server closes what it does not need any more.
            Err(_) => self.posters[index] = None,
        }
        Ok(())
    }

    fn accept(&mut self, registry: &Registry) -> io::Result<()> {
        while let Ok((mut socket, _)) = self.listener.accept() {
            socket.set_nodelay(true)?;
            let token = Token(self.first_token + 1 + self.posters.len());
            registry.register(&mut socket, token, Interest::READABLE)?;
            self.posters.push(Some(Poster {
                socket,
                partial: Vec::new(),
            }));
        }
        Ok(())
    }
}

impl Poster {
    /// Reads until there is no more, answers each whole post, and says how many were right and wrong.
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<(u64, u64)> {
        let (mut right, mut wrong) = (0, 0);
        loop {
            let kept = self.partial.len();
            buffer[..kept].copy_from_slice(&self.partial);
            let len = match self.socket.read(&mut buffer[kept..]) {
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
                // Two dozen bytes for a client that waits for them: there is room.
                self.socket.write_all(OK)?;
            }
            self.partial.clear();
            self.partial.extend_from_slice(rest);
            if !filled {
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
