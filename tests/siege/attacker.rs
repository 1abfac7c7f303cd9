//! A hostile client's means: connections from an address of its own, until its time is over.

use std::cell::Cell;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};

/// What a single wait on a connection may take.
const DEADLINE: Duration = Duration::from_secs(1);

pub struct Attacker {
    address: SocketAddr,
    until: Instant,
    /// A good request, to be spoilt.
    pub request: String,
    /// How many connections it has asked for.
    connects: Cell<u32>,
}

impl Attacker {
    pub fn new(address: SocketAddr, until: Instant, request: String) -> Self {
        Self {
            address,
            until,
            request,
            connects: Cell::default(),
        }
    }

    pub fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    /// Lets time pass, but not beyond the end.
    pub fn wait(&self, duration: Duration) {
        thread::sleep(duration.min(self.until.saturating_duration_since(Instant::now())));
    }

    /// A new connection, if there is one to be had. They come from 64,000 addresses in turn: ports of
    /// closed connections are not free at once, and the good client needs some.
    pub fn connect(&self) -> Option<TcpStream> {
        let number = self.connects.replace(self.connects.get().wrapping_add(1));
        let [.., subnet, host] = number.to_be_bytes();
        let source = SocketAddr::from((Ipv4Addr::new(127, 1, subnet, host.clamp(1, 254)), 0));
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).ok()?;
        socket.bind(&source.into()).ok()?;
        socket
            .connect_timeout(&self.address.into(), DEADLINE)
            .ok()?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(DEADLINE)).ok()?;
        stream.set_write_timeout(Some(DEADLINE)).ok()?;
        Some(stream)
    }

    /// As many as there are to be had, up to a number, without waiting for what is sent on them.
    pub fn crowd(&self, count: usize, first: &[u8]) -> Vec<TcpStream> {
        let mut crowd = Vec::new();
        while crowd.len() < count && !self.is_over() {
            let Some(mut stream) = self.connect() else {
                continue;
            };
            if stream.write_all(first).is_ok() && stream.set_nonblocking(true).is_ok() {
                crowd.push(stream);
            }
        }
        crowd
    }

    /// Has `act` on new connections, one after the other, for as long as there is time. How many.
    pub fn repeat(&self, mut act: impl FnMut(u64, TcpStream)) -> u64 {
        let mut count = 0;
        while !self.is_over() {
            if let Some(stream) = self.connect() {
                act(count, stream);
                count += 1;
            }
        }
        count
    }
}

/// Ends a connection with a RST.
pub fn reset(stream: TcpStream) {
    let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    drop(stream);
}

/// Sends all of it, half-closes and waits for the end; how much came back.
pub fn send_and_hear_out(mut stream: TcpStream, bytes: &[u8]) -> usize {
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answers = Vec::new();
    let _ = stream.read_to_end(&mut answers);
    answers.len()
}

/// Sends one and the same again and again, until it is not read any more or there was enough of it.
pub fn send_without_end(stream: &mut TcpStream, piece: &[u8], bytes_max: usize) -> usize {
    let bulk = piece.repeat(16 * 1024 / piece.len() + 1);
    let mut sent = 0;
    while sent < bytes_max {
        match stream.write(&bulk) {
            Ok(len) => sent += len,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    sent
}

/// Whether the server has not closed the connection. What it has answered is dropped.
pub fn is_open(mut stream: &TcpStream) -> bool {
    loop {
        match stream.read(&mut [0; 512]) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
}
