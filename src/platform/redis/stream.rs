//! A TCP connection, encrypted or not, whose every wait ends at a deadline.

use std::io::{self, ErrorKind, Read, Write};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use socket2::SockRef;

/// The bytes of a connection.
#[derive(Debug)]
pub(super) struct Stream {
    tcp: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Stream {
    pub(super) fn connect(to: SocketAddr, deadline: Instant) -> io::Result<Self> {
        let tcp = TcpStream::connect_timeout(&to, left(deadline)?)?;
        // What is sent is whole pipelines: holding back the last part of one gains nothing.
        tcp.set_nodelay(true)?;
        Ok(Self { tcp, tls: None })
    }

    /// Encrypts it, which proves that the server is called `name`.
    pub(super) fn encrypt(
        &mut self,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        deadline: Instant,
    ) -> io::Result<()> {
        let tls = ClientConnection::new(config, name).map_err(io::Error::other)?;
        let tls = self.tls.insert(Box::new(tls));
        let mut tcp = Timed {
            tcp: &self.tcp,
            deadline,
        };
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp)?;
        }
        Ok(())
    }

    pub(super) fn write_all(&mut self, bytes: &[u8], deadline: Instant) -> io::Result<()> {
        let mut tcp = Timed {
            tcp: &self.tcp,
            deadline,
        };
        match &mut self.tls {
            None => tcp.write_all(bytes),
            Some(tls) => {
                let mut stream = rustls::Stream::new(&mut **tls, &mut tcp);
                stream.write_all(bytes)?;
                stream.flush()
            }
        }
    }

    /// Reads what has come, or waits for it. 0 is the end.
    pub(super) fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        let mut tcp = Timed {
            tcp: &self.tcp,
            deadline,
        };
        match &mut self.tls {
            None => tcp.read(buffer),
            Some(tls) => rustls::Stream::new(&mut **tls, &mut tcp).read(buffer),
        }
    }

    /// What has come without having been asked for. An encrypted connection may always have records of its own to read.
    pub(super) fn unread(&self) -> Unread {
        let mut byte = [MaybeUninit::uninit()];
        let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
        match SockRef::from(&self.tcp).recv_with_flags(&mut byte, flags) {
            Ok(0) => Unread::End,
            Ok(_) if self.tls.is_none() => Unread::Bytes,
            Ok(_) => Unread::Nothing,
            Err(error) if error.kind() == ErrorKind::WouldBlock => Unread::Nothing,
            Err(error) if error.kind() == ErrorKind::Interrupted => Unread::Nothing,
            Err(_) => Unread::End,
        }
    }
}

/// What [`Stream::unread`] has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    Nothing,
    Bytes,
    /// The server has closed the connection, or it is broken.
    End,
}

/// A socket whose calls end at a deadline.
struct Timed<'a> {
    tcp: &'a TcpStream,
    deadline: Instant,
}

impl Read for Timed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.tcp.set_read_timeout(Some(left(self.deadline)?))?;
            match (&mut &*self.tcp).read(buffer) {
                Err(error) if is_to_be_repeated(&error) => {}
                result => return result,
            }
        }
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            self.tcp.set_write_timeout(Some(left(self.deadline)?))?;
            match (&mut &*self.tcp).write(bytes) {
                Err(error) if is_to_be_repeated(&error) => {}
                result => return result,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A signal came, or the time-out of the socket is over, which is judged by the deadline: the kernel rounds it.
fn is_to_be_repeated(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut
    )
}

/// The time until a deadline, which is never zero: that would be no time-out at all.
pub(super) fn left(deadline: Instant) -> io::Result<std::time::Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    match left.is_zero() {
        true => Err(ErrorKind::TimedOut.into()),
        false => Ok(left),
    }
}
