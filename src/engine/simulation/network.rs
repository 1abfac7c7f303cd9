//! A kernel in memory: sockets and their buffers, and events that come late, in any order, for no
//! reason, or for a socket that is closed.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::rc::Rc;

use super::Generator;
use crate::endpoint::socket::{Listener, Readiness, Socket};
use crate::endpoint::source::Source;

const EMFILE: i32 = 24;
const ENOSPC: i32 = 28;

/// The two ends of a connection.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    /// What the server's end is watched as.
    source: Option<Source>,
    /// What has arrived and is not read yet.
    inbound: VecDeque<u8>,
    /// What was written and the client has not taken yet, and how much of that the kernel keeps.
    outbound: VecDeque<u8>,
    capacity: usize,
    client_fin: bool,
    reset: bool,
    pub(crate) server_fin: bool,
    /// The server's end is closed.
    pub(crate) closed: bool,
    /// A write has found no room: room is worth an event.
    blocked: bool,
    /// It has, once or more.
    pub(crate) was_blocked: bool,
    /// Its end resets the connection.
    is_abandoned: bool,
}

impl Wire {
    pub(crate) const fn is_seated(&self) -> bool {
        self.source.is_some() && !self.closed
    }

    pub(crate) fn is_unanswered(&self) -> bool {
        self.outbound.is_empty()
    }

    /// Closed without ever having had a place.
    pub(crate) const fn is_turned_away(&self) -> bool {
        self.closed && self.source.is_none()
    }

    /// Closed while the client does not read, and left to the kernel.
    pub(crate) const fn is_left_behind(&self) -> bool {
        self.closed && self.blocked && !self.is_abandoned && !self.reset
    }

    /// The client has gone, and nothing is left to be written to it.
    pub(crate) const fn is_over(&self) -> bool {
        self.client_fin && !self.blocked
    }

    fn readiness(&self) -> Readiness {
        let closed = self.client_fin || self.reset;
        Readiness {
            readable: !self.inbound.is_empty() || closed,
            writable: self.outbound.len() < self.capacity || self.reset,
            closed,
        }
    }
}

pub(crate) struct Network {
    pub(crate) wires: Vec<Wire>,
    backlog: VecDeque<usize>,
    /// Wires with something to tell.
    events: Vec<usize>,
    pub(crate) knocks: bool,
    /// How many descriptors there are for connections, and how many are open.
    pub(crate) descriptors_max: usize,
    pub(crate) open: usize,
    /// There is no room to watch another one.
    pub(crate) is_watch_full: bool,
    /// Of each hundred calls, so many go wrong in a way that means nothing.
    pub(crate) fault_percent: u64,
    pub(crate) generator: Generator,
    pub(crate) bytes_read: usize,
    /// How often there was no descriptor, and how many events were for a socket that is closed.
    pub(crate) exhausted: u64,
    pub(crate) stale: u64,
}

pub(crate) type Shared = Rc<RefCell<Network>>;

impl Network {
    pub(crate) fn new(generator: Generator, fault_percent: u64) -> Shared {
        Rc::new(RefCell::new(Self {
            wires: Vec::new(),
            backlog: VecDeque::new(),
            events: Vec::new(),
            knocks: false,
            descriptors_max: usize::MAX,
            open: 0,
            is_watch_full: false,
            fault_percent,
            generator,
            bytes_read: 0,
            exhausted: 0,
            stale: 0,
        }))
    }

    /// A client's handshake is done.
    pub(crate) fn connect(&mut self, capacity: usize) -> usize {
        self.wires.push(Wire {
            capacity,
            ..Wire::default()
        });
        self.backlog.push_back(self.wires.len() - 1);
        self.knocks = true;
        self.wires.len() - 1
    }

    pub(crate) fn deliver(&mut self, index: usize, bytes: &[u8]) {
        self.wires[index].inbound.extend(bytes);
        self.tell(index);
    }

    pub(crate) fn end(&mut self, index: usize, with_reset: bool) {
        let wire = &mut self.wires[index];
        wire.client_fin = true;
        if with_reset {
            wire.reset = true;
            wire.inbound.clear();
        }
        self.tell(index);
    }

    /// The client takes up to so many bytes.
    pub(crate) fn take(&mut self, index: usize, max: usize) -> Vec<u8> {
        let wire = &mut self.wires[index];
        let len = max.min(wire.outbound.len());
        let taken = wire.outbound.drain(..len).collect();
        if len > 0 && std::mem::take(&mut wire.blocked) {
            self.tell(index);
        }
        taken
    }

    fn tell(&mut self, index: usize) {
        if self.wires[index].source.is_some() {
            self.events.push(index);
        }
    }

    /// The wires with something for their clients to read.
    pub(crate) fn answered(&self) -> Vec<usize> {
        let all = 0..self.wires.len();
        all.filter(|index| !self.wires[*index].outbound.is_empty())
            .collect()
    }

    pub(crate) fn is_anyone_at_the_door(&self) -> bool {
        !self.backlog.is_empty()
    }

    pub(crate) fn has_events(&self) -> bool {
        !self.events.is_empty() || self.knocks
    }

    /// Whether the last poll has held something back.
    pub(crate) fn has_untold(&self) -> bool {
        !self.events.is_empty()
    }

    /// Some of the events, or all, and a few that nobody has asked for.
    pub(crate) fn poll(&mut self, all: bool) -> Vec<(Source, Readiness)> {
        let mut told = Vec::new();
        for index in std::mem::take(&mut self.events) {
            if !all && self.generator.percent(30) {
                self.events.push(index);
                continue;
            }
            // That of a closed socket was in the same batch as what led to its close.
            let wire = &self.wires[index];
            self.stale += u64::from(wire.closed);
            told.extend(wire.source.map(|source| (source, wire.readiness())));
        }
        if !self.wires.is_empty() && self.generator.percent(self.fault_percent) {
            let wire = &self.wires[self.generator.index(self.wires.len())];
            let idle = Readiness {
                readable: self.generator.percent(50),
                writable: self.generator.percent(50),
                closed: false,
            };
            told.extend(wire.source.map(|source| (source, idle)));
        }
        for at in (1..told.len()).rev() {
            told.swap(at, self.generator.index(at + 1));
        }
        told
    }

    fn hiccup(&mut self) -> io::Result<()> {
        match self.generator.percent(self.fault_percent) {
            true => Err(ErrorKind::Interrupted.into()),
            false => Ok(()),
        }
    }
}

/// The server's end of a wire.
pub(crate) struct SimulatedSocket {
    network: Shared,
    index: usize,
}

impl Read for SimulatedSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut network = self.network.borrow_mut();
        network.hiccup()?;
        let wire = &mut network.wires[self.index];
        if wire.reset {
            return Err(ErrorKind::ConnectionReset.into());
        }
        if wire.inbound.is_empty() && !wire.client_fin {
            return Err(ErrorKind::WouldBlock.into());
        }
        let len = wire.inbound.read(buffer)?;
        // The kernel's buffer is a ring, the deque's two halves are not its.
        let more = if len < buffer.len() {
            wire.inbound.read(&mut buffer[len..])?
        } else {
            0
        };
        network.bytes_read += len + more;
        Ok(len + more)
    }
}

impl Write for SimulatedSocket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut network = self.network.borrow_mut();
        network.hiccup()?;
        let is_short = network.fault_percent > 0 && network.generator.percent(20);
        let short = 1 + network.generator.index(bytes.len().max(1));
        let wire = &mut network.wires[self.index];
        assert!(!wire.server_fin, "a write after the half-close");
        if wire.reset {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let room = wire.capacity - wire.outbound.len();
        if room == 0 {
            wire.blocked = true;
            wire.was_blocked = true;
            return Err(ErrorKind::WouldBlock.into());
        }
        let len = bytes.len().min(room);
        let len = if is_short { len.min(short) } else { len };
        wire.outbound.extend(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Socket for SimulatedSocket {
    type Registry = ();

    fn register(&mut self, (): &(), source: Source) -> io::Result<()> {
        let mut network = self.network.borrow_mut();
        if network.is_watch_full {
            return Err(io::Error::from_raw_os_error(ENOSPC));
        }
        network.wires[self.index].source = Some(source);
        network.tell(self.index);
        Ok(())
    }

    fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let network = self.network.borrow();
        match network.wires[self.index].inbound.len() {
            0 => Err(ErrorKind::WouldBlock.into()),
            len => Ok(len.min(buffer.len())),
        }
    }

    fn half_close(&self) -> io::Result<()> {
        let wire = &mut self.network.borrow_mut().wires[self.index];
        assert!(!wire.server_fin, "half-closed twice");
        wire.server_fin = true;
        match wire.reset {
            true => Err(ErrorKind::NotConnected.into()),
            false => Ok(()),
        }
    }

    fn reset_on_close(&self) -> io::Result<()> {
        self.network.borrow_mut().wires[self.index].is_abandoned = true;
        Ok(())
    }
}

impl Drop for SimulatedSocket {
    fn drop(&mut self) {
        let mut network = self.network.borrow_mut();
        network.open -= 1;
        network.wires[self.index].closed = true;
    }
}

pub(crate) struct SimulatedListener(pub(crate) Shared);

impl Listener for SimulatedListener {
    type Socket = SimulatedSocket;

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Err(ErrorKind::Unsupported.into())
    }

    fn accept(&self) -> io::Result<SimulatedSocket> {
        let mut network = self.0.borrow_mut();
        network.hiccup()?;
        let fault_percent = network.fault_percent;
        if network.generator.percent(fault_percent) {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        if network.open >= network.descriptors_max {
            network.exhausted += 1;
            return Err(io::Error::from_raw_os_error(EMFILE));
        }
        let index = network.backlog.pop_front().ok_or(ErrorKind::WouldBlock)?;
        network.open += 1;
        Ok(SimulatedSocket {
            network: self.0.clone(),
            index,
        })
    }
}
