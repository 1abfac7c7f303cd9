//! The floor: an epoll loop that reads once and writes a fixed 200 once for each event, whatever was
//! sent. Nothing that speaks over a socket on one thread can be cheaper without batching system calls.

use std::env;
use std::io::{self, Read, Write};
use std::net::SocketAddr;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

/// As many bytes as torrap's acknowledgement has.
const RESPONSE: &[u8] =
    b"HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n";
const LISTENER: Token = Token(usize::MAX);

fn main() -> io::Result<()> {
    let address: SocketAddr = env::args()
        .nth(1)
        .and_then(|argument| argument.parse().ok())
        .ok_or_else(|| io::Error::other("ADDRESS is missing"))?;
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(address)?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    let mut streams: Vec<Option<TcpStream>> = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                accept(&listener, &poll, &mut streams)?;
                continue;
            }
            let slot = &mut streams[event.token().0];
            let over = slot
                .as_mut()
                .is_some_and(|stream| event.is_readable() && answer(stream, &mut buffer).is_err());
            if over {
                *slot = None;
            }
        }
    }
}

/// Places are not used again: a run opens a few thousand connections and ends.
fn accept(
    listener: &TcpListener,
    poll: &Poll,
    streams: &mut Vec<Option<TcpStream>>,
) -> io::Result<()> {
    while let Ok((mut stream, _)) = listener.accept() {
        stream.set_nodelay(true)?;
        poll.registry()
            .register(&mut stream, Token(streams.len()), Interest::READABLE)?;
        streams.push(Some(stream));
    }
    Ok(())
}

fn answer(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<()> {
    match stream.read(buffer) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(_) => stream.write_all(RESPONSE),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error),
    }
}
