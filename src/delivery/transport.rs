//! The TCP connections under ureq, made for few system calls.
//!
//! As it comes, ureq 3.5 makes twelve of them for a reply on a kept connection: head and content are sent with
//! a call each, each call has a time-out set before it (what is left of ten seconds is never the same twice), and
//! two looks whether the connection is still open take three calls each. Here it is two, while replies follow each
//! other: what is sent is held until an answer is waited for, time-outs come in steps, and there is a look only where a
//! close is likely.

use std::io::{self, ErrorKind, Read, Write};
use std::mem::MaybeUninit;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use socket2::SockRef;
use ureq::unversioned::resolver::Resolver;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, RustlsConnector,
    ShutdownHandle, Transport,
};
use ureq::{Error, Timeout};

use super::monitor::AttemptMonitor;
use super::proxy::TunnelConnector;
use super::resolver::CachingResolver;
use super::timeout::left;

/// Steps of the time-outs that a socket is given: an attempt may last longer by less than this.
const TIMEOUT_STEP: Duration = Duration::from_millis(250);
/// A connection that has served at least so many answers, the last of them so short a time ago, counts as open without a look.
/// A receiver that closes after every answer does so after the first; one that closes idle connections waits longer.
const PROVEN_ANSWERS: u32 = 2;
const PROVEN_AGE: Duration = Duration::from_millis(1);
/// How often a connection is read when an attempt's time is over, for an answer that came in time: its bytes are in the kernel
/// by then, and an answer is no longer than a few reads.
const READS_AFTER_TIMEOUT: usize = 8;
/// Room that ureq must find behind what is held; when there is less, that is sent first.
const OUTPUT_ROOM_MIN: usize = 4 * 1024;

/// ureq's own chain of connectors, with our sockets and tunnels at its bottom; shared by all agents, so that each can resume the
/// TLS sessions of the others. What it makes is monitored for the agent that it is made for.
#[derive(Clone, Debug)]
pub(crate) struct SharedConnector {
    chain: Arc<dyn Connector<Out = Box<dyn Transport>>>,
    monitor: AttemptMonitor,
}

impl SharedConnector {
    pub(crate) fn new(tunnels: TunnelConnector, resolver: CachingResolver) -> Self {
        let chain =
            ().chain(tunnels)
                .chain(TcpConnector(resolver))
                .chain(RustlsConnector::default())
                .chain(BoxingConnector);
        Self {
            chain: Arc::new(chain),
            monitor: AttemptMonitor::default(),
        }
    }

    /// A connector for another agent, and the monitor of its attempts.
    pub(crate) fn for_agent(&self) -> (Self, AttemptMonitor) {
        let monitor = self.monitor.for_agent();
        let connector = Self {
            chain: self.chain.clone(),
            monitor: monitor.clone(),
        };
        (connector, monitor)
    }
}

impl Connector for SharedConnector {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<()>,
    ) -> Result<Option<Self::Out>, Error> {
        let connected = self.chain.connect(details, chained);
        // A proxy and TLS were spoken to by now, and the receiver not yet.
        self.monitor.note_connected();
        Ok(connected?.map(|transport| self.monitor.monitor(transport).boxed()))
    }
}

/// Gives whatever the chain has made the one type that it can be shared under.
#[derive(Debug)]
struct BoxingConnector;

impl<In: Transport> Connector<In> for BoxingConnector {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        Ok(chained.map(Transport::boxed))
    }
}

/// With the names, to ask for addresses and to be told which of them do not answer.
#[derive(Debug)]
struct TcpConnector(CachingResolver);

impl<In: Transport> Connector<In> for TcpConnector {
    type Out = Either<In, Tcp>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        // The tunnel through a proxy, whose own connection was made here before.
        if let Some(tunnel) = chained {
            return Ok(Some(Either::A(tunnel)));
        }
        // ureq looks up no name where there is a proxy; this one may be reached without it. Nor is there an address when the
        // look-up was put off, which our own resolver never does.
        let begun = Instant::now();
        let resolved = match details.addrs.is_empty() {
            true => Some(
                self.0
                    .resolve(details.uri, details.config, details.timeout)?,
            ),
            false => None,
        };
        let addrs = resolved.as_ref().unwrap_or(&details.addrs);
        let time_left = left(details.timeout, begun.elapsed());
        let stream = connect_any(addrs, time_left, |failed| self.0.demote(failed))?;
        stream.set_nodelay(true)?;
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        let stream = Arc::new(Stream(stream));
        let handle: Weak<dyn ShutdownHandle> = Arc::downgrade(&stream) as _;
        (details.register_shutdown)(handle)?;
        Ok(Some(Either::B(Tcp::new(stream, buffers))))
    }
}

/// The first address that answers. Each gets an equal share of the time that is left; those before it have failed.
fn connect_any(
    addrs: &[SocketAddr],
    timeout: NextTimeout,
    mut note_failed: impl FnMut(SocketAddr),
) -> Result<TcpStream, Error> {
    let started = Instant::now();
    let mut last = Error::HostNotFound;
    for (index, addr) in addrs.iter().enumerate() {
        let left = timeout.after.saturating_sub(started.elapsed());
        let share = left / u32::try_from(addrs.len() - index).unwrap_or(u32::MAX);
        if share.is_zero() {
            return Err(Error::Timeout(timeout.reason));
        }
        last = match TcpStream::connect_timeout(addr, share) {
            Ok(stream) => return Ok(stream),
            Err(error) if error.kind() == ErrorKind::TimedOut => Error::Timeout(Timeout::Connect),
            Err(error) => error.into(),
        };
        note_failed(*addr);
    }
    Err(last)
}

/// Lets [`ureq::Agent::shutdown`] interrupt a thread that waits.
#[derive(Debug)]
struct Stream(TcpStream);

impl ShutdownHandle for Stream {
    fn shutdown(&self) {
        // It fails only when the connection is already gone.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// A connection.
#[derive(Debug)]
struct Tcp {
    stream: Arc<Stream>,
    buffers: HeldOutput,
    /// The time-outs that the socket has now.
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
    /// How often it was read since the time of an attempt was over.
    late_reads: usize,
    /// An answer has just come in: the connection was open a moment ago, and it will be looked at again when it
    /// is taken out of the pool.
    fresh: bool,
    /// How many answers it has served, and when the last of them was whole.
    answers: u32,
    answered_at: Option<Instant>,
}

impl Tcp {
    const fn new(stream: Arc<Stream>, buffers: LazyBuffers) -> Self {
        Self {
            stream,
            buffers: HeldOutput { buffers, held: 0 },
            read_timeout: None,
            write_timeout: None,
            late_reads: 0,
            fresh: false,
            answers: 0,
            answered_at: None,
        }
    }

    /// Sends what is held.
    fn flush(&mut self, timeout: NextTimeout) -> Result<(), Error> {
        let held = std::mem::take(&mut self.buffers.held);
        if held == 0 {
            return Ok(());
        }
        let begun = Instant::now();
        let mut sent = 0;
        while sent < held {
            let wanted = in_steps(left(timeout, begun.elapsed()))?;
            if self.write_timeout != wanted {
                self.stream.0.set_write_timeout(wanted)?;
                self.write_timeout = wanted;
            }
            match (&self.stream.0).write(&self.buffers.buffers.output()[sent..held]) {
                Ok(0) => return Err(io::Error::from(ErrorKind::WriteZero).into()),
                Ok(len) => sent += len,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(fault(error, timeout.reason)),
            }
        }
        Ok(())
    }

    fn is_proven(&self) -> bool {
        let is_recent = |at: Instant| at.elapsed() < PROVEN_AGE;
        self.answers >= PROVEN_ANSWERS && self.answered_at.is_some_and(is_recent)
    }

    fn read(&mut self) -> io::Result<usize> {
        let input = self.buffers.buffers.input_append_buf();
        loop {
            match (&self.stream.0).read(input) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Reads without waiting, when the time is over: the process may have been stopped while the answer came, and
    /// a reply whose answer is not read is posted once more.
    fn read_what_is_there(&mut self) -> io::Result<usize> {
        self.stream.0.set_nonblocking(true)?;
        let read = self.read();
        self.stream.0.set_nonblocking(false)?;
        read
    }
}

impl Transport for Tcp {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.buffers.held += amount;
        if self.buffers.output().len() < OUTPUT_ROOM_MIN {
            self.flush(timeout)?;
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.flush(timeout)?;
        let read = match in_steps(timeout) {
            Ok(wanted) => {
                self.late_reads = 0;
                if self.read_timeout != wanted {
                    self.stream.0.set_read_timeout(wanted)?;
                    self.read_timeout = wanted;
                }
                self.read()
            }
            // A receiver that sends interim answers without end must not keep the thread for ever.
            Err(over) if self.late_reads == READS_AFTER_TIMEOUT => return Err(over),
            Err(_) => {
                self.late_reads += 1;
                self.read_what_is_there()
            }
        };
        let len = read.map_err(|error| fault(error, timeout.reason))?;
        self.buffers.buffers.input_appended(len);
        self.fresh = len > 0;
        Ok(len > 0)
    }

    /// Neither closed nor with bytes that belong to no answer.
    fn is_open(&mut self) -> bool {
        if std::mem::take(&mut self.fresh) {
            self.answers = self.answers.saturating_add(1);
            self.answered_at = Some(Instant::now());
            return true;
        }
        if self.is_proven() {
            return true;
        }
        let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
        let look =
            SockRef::from(&self.stream.0).recv_with_flags(&mut [MaybeUninit::uninit()], flags);
        look.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}

/// What is left of an attempt, rounded up to the next step.
fn in_steps(timeout: NextTimeout) -> Result<Option<Duration>, Error> {
    if timeout.after.is_not_happening() {
        return Ok(None);
    }
    if timeout.after.is_zero() {
        return Err(Error::Timeout(timeout.reason));
    }
    let steps = timeout.after.as_nanos().div_ceil(TIMEOUT_STEP.as_nanos());
    Ok(Some(
        TIMEOUT_STEP.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX)),
    ))
}

fn fault(error: io::Error, reason: Timeout) -> Error {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Error::Timeout(reason),
        _ => error.into(),
    }
}

/// ureq's buffers, whose output begins behind what is held.
#[derive(Debug)]
struct HeldOutput {
    buffers: LazyBuffers,
    /// Bytes of the output that are written and not yet sent.
    held: usize,
}

impl Buffers for HeldOutput {
    fn output(&mut self) -> &mut [u8] {
        &mut self.buffers.output()[self.held..]
    }

    fn input(&self) -> &[u8] {
        self.buffers.input()
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        self.buffers.input_append_buf()
    }

    fn input_appended(&mut self, amount: usize) {
        self.buffers.input_appended(amount);
    }

    fn input_consume(&mut self, amount: usize) {
        self.buffers.input_consume(amount);
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        let (tmp, output) = self.buffers.tmp_and_output();
        (tmp, &mut output[self.held..])
    }

    fn can_use_input(&self) -> bool {
        self.buffers.can_use_input()
    }
}

#[cfg(test)]
mod tests;
