//! A client that speaks to the bot byte by byte.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use torrap::tools::trial::command::{self, Response};

use crate::DEADLINE;

/// A client that sends what it is told and reads what it gets.
pub struct Client {
    pub stream: TcpStream,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.write_all(bytes.as_ref()).unwrap();
        self
    }

    /// The next response.
    pub fn receive(&mut self) -> Response {
        command::receive(&mut self.stream).unwrap()
    }

    /// Ends the connection with a RST, as a crash or an impatient proxy does.
    pub fn reset(self) {
        let socket = socket2::SockRef::from(&self.stream);
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    }

    pub fn exchange(&mut self, request: impl AsRef<[u8]>) -> Response {
        self.send(request).receive()
    }

    /// Everything up to the server's close; a reset counts as one.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.stream.read_to_end(&mut bytes) {
            Err(error) if error.kind() != io::ErrorKind::ConnectionReset => panic!("{error}"),
            _ => bytes,
        }
    }
}
