//! Sends a request over a socket as Slack does, and reads the response to it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long an answer may take before Slack shows the person an error
/// (docs.slack.dev/interactivity/implementing-slash-commands).
pub const ACKNOWLEDGEMENT_TIMEOUT: Duration = Duration::from_secs(3);

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
/// No connection, no answer in time, or no HTTP.
pub fn send(address: SocketAddr, request: &[u8]) -> io::Result<Response> {
    let mut stream = TcpStream::connect_timeout(&address, ACKNOWLEDGEMENT_TIMEOUT)?;
    stream.set_read_timeout(Some(ACKNOWLEDGEMENT_TIMEOUT))?;
    stream.write_all(request)?;
    receive(&mut stream)
}

/// Reads one response with a Content-Length.
///
/// # Errors
/// The connection ended before, or what came is no HTTP.
pub fn receive(stream: &mut impl Read) -> io::Result<Response> {
    let mut bytes = Vec::new();
    loop {
        if let Some(response) = parse(&bytes)? {
            return Ok(response);
        }
        // Byte by byte, so that the next response stays in the stream.
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        bytes.push(byte[0]);
    }
}

fn parse(bytes: &[u8]) -> io::Result<Option<Response>> {
    if !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
        return Ok(None);
    }
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut fields);
    let parsed = response.parse(bytes).map_err(io::Error::other)?;
    let httparse::Status::Complete(head) = parsed else {
        return Ok(None);
    };
    let length = response
        .headers
        .iter()
        .find(|field| field.name.eq_ignore_ascii_case("content-length"));
    let length = length
        .and_then(|field| std::str::from_utf8(field.value).ok()?.parse().ok())
        .unwrap_or(0);
    let Some(content) = bytes.get(head..head.saturating_add(length)) else {
        return Ok(None);
    };
    Ok(Some(Response {
        status: response.code.unwrap_or_default(),
        head: String::from_utf8_lossy(&bytes[..head]).into_owned(),
        content: content.to_vec(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_read_when_it_is_complete() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        for end in 0..whole.len() {
            assert_eq!(parse(&whole[..end]).unwrap(), None);
        }
        assert_eq!(parse(whole).unwrap().unwrap().content, b"ok");
        let endless = b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n";
        assert_eq!(parse(endless).unwrap(), None);
    }
}
