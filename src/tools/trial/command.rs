//! Sends a request over a socket as Slack does, and reads the response to it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long an answer may take before Slack shows the person an error
/// (docs.slack.dev/interactivity/implementing-slash-commands).
pub const ACKNOWLEDGEMENT_TIMEOUT: Duration = Duration::from_secs(3);

/// The most that is read of a response's head, and of its content: `torrap check` asks whatever program has the address.
const HEAD_BYTES_MAX: usize = 16 * 1024;
const CONTENT_BYTES_MAX: usize = 1024 * 1024;

/// A response as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The head, as text.
    pub head: String,
    /// The content.
    pub content: Vec<u8>,
}

/// Sends a request on a new connection and reads the response to it.
///
/// # Errors
/// No connection, no whole answer in time, or no HTTP.
pub fn send(address: SocketAddr, request: &[u8]) -> io::Result<Response> {
    let mut stream = TcpStream::connect_timeout(&address, ACKNOWLEDGEMENT_TIMEOUT)?;
    stream.write_all(request)?;
    receive(&mut Timed {
        stream,
        deadline: Instant::now() + ACKNOWLEDGEMENT_TIMEOUT,
    })
}

/// A socket of which nothing is read beyond a deadline, however often something comes.
struct Timed {
    stream: TcpStream,
    deadline: Instant,
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let late = || io::Error::new(ErrorKind::TimedOut, "no whole answer in time");
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(late());
        }
        self.stream.set_read_timeout(Some(left))?;
        self.stream
            .read(buffer)
            .map_err(|error| match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => late(),
                _ => error,
            })
    }
}

/// Reads one response with a Content-Length.
///
/// # Errors
/// The connection ended before, what came is no HTTP, or it is too long.
pub fn receive(stream: &mut impl Read) -> io::Result<Response> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == HEAD_BYTES_MAX {
            return Err(io::Error::other("the head of the response is too long"));
        }
        // Byte by byte, so that the next response stays in the stream.
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let (status, length) = parse(&head)?;
    if length > CONTENT_BYTES_MAX {
        return Err(io::Error::other("the content of the response is too long"));
    }
    let mut content = vec![0; length];
    stream.read_exact(&mut content)?;
    Ok(Response {
        status,
        head: String::from_utf8_lossy(&head).into_owned(),
        content,
    })
}

/// The status that a whole head says, and the length of the content.
fn parse(head: &[u8]) -> io::Result<(u16, usize)> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut fields);
    response.parse(head).map_err(io::Error::other)?;
    let mut fields = response.headers.iter();
    let length = fields.find(|field| field.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|field| std::str::from_utf8(field.value).ok()?.parse().ok());
    Ok((response.code.unwrap_or_default(), length.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    #[test]
    fn a_response_is_read_to_its_end_and_no_further() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        for end in 0..whole.len() {
            let error = receive(&mut &whole[..end]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{end}");
        }
        let two = [whole.as_slice(), whole].concat();
        let mut stream = two.as_slice();
        for _ in 0..2 {
            let response = receive(&mut stream).unwrap();
            assert_eq!(
                (response.status, &*response.content),
                (200, b"ok".as_slice())
            );
        }
        assert!(stream.is_empty());
    }

    #[test]
    fn what_is_endless_is_not_read_to_its_end() {
        assert!(receive(&mut io::repeat(b'x')).is_err());
        let endless = b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n";
        let error = receive(&mut endless.chain(io::repeat(b'x'))).unwrap_err();
        assert!(error.to_string().contains("too long"), "{error}");
    }

    /// Each byte comes in time, and the whole answer never does.
    #[test]
    fn an_answer_that_drips_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let dripping = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let pause = Some(Duration::from_millis(20));
            stream.set_read_timeout(pause).unwrap();
            // Until the other side has given up, and says so with a reset.
            while stream.write_all(b"x").is_ok() {
                let _ = stream.read(&mut [0]);
            }
        });
        let mut timed = Timed {
            stream: TcpStream::connect(address).unwrap(),
            deadline: Instant::now() + Duration::from_millis(300),
        };
        let error = receive(&mut timed).unwrap_err();
        drop(timed);
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
        dripping.join().unwrap();
    }
}
