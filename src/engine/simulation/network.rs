//! A kernel in memory: sockets and their buffers, and events that come late, in any order, for no
//! reason, or for a socket that is closed.

mod sockets;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::rc::Rc;

pub(crate) use sockets::SimulatedListener;

use super::Generator;
use super::life::Life;
use crate::endpoint::socket::Readiness;
use crate::endpoint::source::{Role, Source};

/// The two ends of a connection.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    /// Whether it leads to the address for metrics.
    pub(crate) is_admin: bool,
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
    pub(crate) const fn is_refused_at_once(&self) -> bool {
        self.closed && self.source.is_none()
    }

    pub(crate) const fn is_reset(&self) -> bool {
        self.reset
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
    /// Who waits at the public address, and at the one for metrics.
    backlogs: [VecDeque<usize>; 2],
    /// Wires with something to tell.
    events: Vec<usize>,
    arrivals: [bool; 2],
    /// How many descriptors there are for connections, and how many are open.
    pub(crate) descriptors_max: usize,
    pub(crate) open: usize,
    /// How many of these lead to the address for metrics.
    pub(crate) open_admin: usize,
    /// There is no room to watch another one.
    pub(crate) is_watch_full: bool,
    /// Of each hundred calls, so many go wrong in a way that means nothing.
    pub(crate) fault_percent: u64,
    pub(crate) generator: Generator,
    pub(crate) bytes_read: usize,
    /// Events told, calls that came to something, and such as failed for no reason.
    pub(crate) done: u64,
    pub(crate) life: Life,
    /// How often there was no descriptor, and how many events were for a socket that is closed.
    pub(crate) exhausted: u64,
    pub(crate) stale: u64,
}

pub(crate) type Shared = Rc<RefCell<Network>>;

impl Network {
    pub(crate) fn new(generator: Generator, fault_percent: u64) -> Shared {
        Rc::new(RefCell::new(Self {
            wires: Vec::new(),
            backlogs: [VecDeque::new(), VecDeque::new()],
            events: Vec::new(),
            arrivals: [false; 2],
            descriptors_max: usize::MAX,
            open: 0,
            open_admin: 0,
            is_watch_full: false,
            fault_percent,
            generator,
            bytes_read: 0,
            done: 0,
            life: Life::default(),
            exhausted: 0,
            stale: 0,
        }))
    }

    /// A client's handshake is done.
    pub(crate) fn connect(&mut self, capacity: usize) -> usize {
        self.connect_to(Role::Public, capacity)
    }

    pub(crate) fn connect_to(&mut self, side: Role, capacity: usize) -> usize {
        self.wires.push(Wire {
            is_admin: side == Role::Admin,
            capacity,
            ..Wire::default()
        });
        self.backlogs[side as usize].push_back(self.wires.len() - 1);
        self.arrivals[side as usize] = true;
        self.wires.len() - 1
    }

    /// Whether a client has come to this address since the last time.
    pub(crate) fn take_arrivals(&mut self, side: Role) -> bool {
        let arrivals = std::mem::take(&mut self.arrivals[side as usize]);
        self.done += u64::from(arrivals);
        arrivals
    }

    /// The process is gone, with its listeners: who waits there is reset. Nothing is known of how it has closed.
    pub(crate) fn end_process(&mut self) {
        for wire in self.wires.iter_mut().filter(|wire| wire.closed) {
            (wire.blocked, wire.reset) = (false, true);
        }
        for index in self
            .backlogs
            .iter_mut()
            .flat_map(|waiting| waiting.drain(..))
        {
            self.wires[index].reset = true;
            self.wires[index].closed = true;
        }
        self.events.clear();
        self.arrivals = [false; 2];
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
        let is_watched = self.wires[index].source.is_some();
        // The kernel's list of those that are ready has each once.
        if is_watched && !self.events.contains(&index) {
            self.events.push(index);
        }
    }

    /// The wires with something for their clients to read.
    pub(crate) fn answered(&self) -> Vec<usize> {
        let all = 0..self.wires.len();
        all.filter(|index| !self.wires[*index].outbound.is_empty())
            .collect()
    }

    pub(crate) fn has_backlog(&self) -> bool {
        self.backlogs.iter().any(|waiting| !waiting.is_empty())
    }

    pub(crate) fn has_events(&self) -> bool {
        !self.events.is_empty() || self.arrivals.contains(&true)
    }

    /// Whether the last poll has held something back.
    pub(crate) fn has_untold(&self) -> bool {
        !self.events.is_empty()
    }

    /// All events or the oldest of them, and a few that no change has caused. Returns them, and how many of them came
    /// from the kernel's list of those that are ready.
    pub(crate) fn poll(&mut self, all: bool) -> (Vec<(Source, Readiness)>, usize) {
        let mut told = Vec::new();
        let mut ready = std::mem::take(&mut self.events);
        if !all && !ready.is_empty() {
            self.events = ready.split_off(1 + self.generator.index(ready.len()));
        }
        let mut count = 0;
        for index in ready {
            let wire = &self.wires[index];
            count += usize::from(!wire.closed);
            // That of a closed socket was in the same batch as what led to its close.
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
        self.done += told.len() as u64;
        (told, count)
    }

    /// A call of a process that may be dead by now, or that a signal interrupts.
    fn call(&mut self) -> io::Result<()> {
        if self.life.count_call() {
            return Err(ErrorKind::ConnectionReset.into());
        }
        match self.generator.percent(self.fault_percent) {
            true => {
                self.done += 1;
                Err(ErrorKind::Interrupted.into())
            }
            false => Ok(()),
        }
    }
}
