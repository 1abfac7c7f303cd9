//! The good client: one command after the other, on a kept connection and on new ones in turn.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use torrap::tools::trial::command::ACKNOWLEDGEMENT_TIMEOUT;

use super::server::Server;

/// Between two commands.
const PAUSE: Duration = Duration::from_millis(3);

/// What is sent at once, and the pause before the rest: one command in four takes that.
const PIECE: usize = 11_000;
const BETWEEN_PIECES: Duration = Duration::from_millis(1);

/// What became of its commands.
pub struct Report {
    /// From sending, or connecting, to the answer; sorted.
    pub waits: Vec<Duration>,
    pub faults: Vec<String>,
}

/// Gives commands until it is over, asked with the number of those given.
pub fn give_commands(server: &Server, is_over: impl Fn(usize) -> bool) -> Report {
    let (mut waits, mut faults) = (Vec::new(), Vec::new());
    let mut kept = None;
    for number in 0.. {
        if is_over(number) {
            break;
        }
        let mut request = server.signed("gnip");
        // On the kept connection: where places are few, a new one that pauses has to go for another.
        if number % 4 == 0 {
            request = request.replacen("\r\n", &large_field(), 1);
        }
        let begin = Instant::now();
        let answer = if number % 2 == 0 {
            on_kept(&mut kept, server.address, request.as_bytes())
        } else {
            connect(server.address).and_then(|mut stream| exchange(&mut stream, request.as_bytes()))
        };
        match answer {
            Ok(200) => waits.push(begin.elapsed()),
            Ok(status) => faults.push(format!("a command was answered {status}")),
            Err(error) => faults.push(format!("after {:?}: {error}", begin.elapsed())),
        }
        thread::park_timeout(PAUSE);
    }
    waits.sort_unstable();
    Report { waits, faults }
}

/// A connection that the server has closed in the meantime is replaced, as any client does.
fn on_kept(kept: &mut Option<TcpStream>, address: SocketAddr, request: &[u8]) -> io::Result<u16> {
    let mut stream = match kept.take().filter(is_open) {
        Some(stream) => stream,
        None => connect(address)?,
    };
    let status = exchange(&mut stream, request)?;
    *kept = Some(stream);
    Ok(status)
}

fn is_open(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).is_ok()
        && stream
            .peek(&mut [0])
            .is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
        && stream.set_nonblocking(false).is_ok()
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, ACKNOWLEDGEMENT_TIMEOUT)?;
    stream.set_read_timeout(Some(ACKNOWLEDGEMENT_TIMEOUT))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A field that makes a request as large as one with a long text, which comes in two pieces. With the line ends.
fn large_field() -> String {
    format!("\r\nX-Long: {:12000}\r\n", "a")
}

/// The status of the answer, whose content is empty.
fn exchange(stream: &mut TcpStream, request: &[u8]) -> io::Result<u16> {
    let (first, rest) = request.split_at(request.len().min(PIECE));
    stream.write_all(first)?;
    if !rest.is_empty() {
        thread::park_timeout(BETWEEN_PIECES);
        stream.write_all(rest)?;
    }
    let mut answer = Vec::new();
    let mut piece = [0; 512];
    while !answer.ends_with(b"\r\n\r\n") {
        let len = stream.read(&mut piece)?;
        if len == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        answer.extend_from_slice(&piece[..len]);
    }
    let status = std::str::from_utf8(answer.get(9..12).unwrap_or_default());
    status
        .ok()
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

impl Report {
    pub fn median_ms(&self) -> f64 {
        self.waits
            .get(self.waits.len() / 2)
            .map_or(f64::NAN, |wait| wait.as_secs_f64() * 1e3)
    }

    pub fn worst_ms(&self) -> f64 {
        self.waits
            .last()
            .map_or(f64::NAN, |wait| wait.as_secs_f64() * 1e3)
    }
}
