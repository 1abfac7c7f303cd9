//! The server's ends of wires: sockets and listeners.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;

use super::Shared;
use crate::endpoint::socket::{Listener, Socket};
use crate::endpoint::source::{Role, Source};

const EMFILE: i32 = 24;
const ENOSPC: i32 = 28;

/// The server's end of a wire.
pub(crate) struct SimulatedSocket {
    network: Shared,
    index: usize,
}

impl Read for SimulatedSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut network = self.network.borrow_mut();
        network.call()?;
        let wire = &mut network.wires[self.index];
        if wire.reset {
            network.done += 1;
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
        network.done += 1;
        Ok(len + more)
    }
}

impl Write for SimulatedSocket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut network = self.network.borrow_mut();
        network.call()?;
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
        network.done += 1;
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
        network.done += 1;
        let wire = &mut network.wires[self.index];
        wire.closed = true;
        let is_admin = wire.is_admin;
        network.open_admin -= usize::from(is_admin);
    }
}

pub(crate) struct SimulatedListener {
    network: Shared,
    side: Role,
}

impl SimulatedListener {
    pub(crate) const fn new(network: Shared, side: Role) -> Self {
        Self { network, side }
    }
}

impl Listener for SimulatedListener {
    type Socket = SimulatedSocket;

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Err(ErrorKind::Unsupported.into())
    }

    fn accept(&self) -> io::Result<SimulatedSocket> {
        let mut network = self.network.borrow_mut();
        if network.life.count_call() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let fault_percent = network.fault_percent;
        if network.generator.percent(fault_percent) {
            network.done += 1;
            let errors = [ErrorKind::ConnectionAborted, ErrorKind::Interrupted];
            return Err(network.generator.pick(&errors).into());
        }
        if network.open >= network.descriptors_max {
            network.exhausted += 1;
            return Err(io::Error::from_raw_os_error(EMFILE));
        }
        let waiting = &mut network.backlogs[self.side as usize];
        let index = waiting.pop_front().ok_or(ErrorKind::WouldBlock)?;
        network.open += 1;
        network.open_admin += usize::from(self.side == Role::Admin);
        network.done += 1;
        Ok(SimulatedSocket {
            network: self.network.clone(),
            index,
        })
    }
}
