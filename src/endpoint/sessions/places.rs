//! Who has a place among the sessions: how it is taken, given up to somebody else, and left.

use std::io;

use super::Sessions;
use crate::endpoint::Turn;
use crate::endpoint::session::{Service, Session};
use crate::endpoint::socket::Socket;
use crate::endpoint::source::Source;
use crate::http::{self, Connection};
use crate::slab::Key;
use crate::time::Tick;

impl<S: Socket> Sessions<S> {
    /// Takes in a connection that was accepted.
    ///
    /// # Errors
    /// The system has no room to watch it: it is closed.
    pub(crate) fn admit(&mut self, socket: S, now: Tick) -> io::Result<()> {
        let connection = Connection::new(now, &self.limits);
        let deadline = connection.deadline();
        // The timer needs the session's key and the session the timer's.
        let placeholder = Key::from_parts(u32::MAX, 0);
        let key = self
            .slab
            .insert(Session::new(socket, connection, placeholder));
        let timer = self.timers.schedule(deadline, key);
        let Some(session) = self.slab.get_mut(key) else {
            return Ok(());
        };
        session.timer = timer;
        if self.is_draining {
            session.drain(&self.limits);
        }
        let source = Source::Session(self.side, key);
        let watched = session.socket_mut().watch(&self.registry, source);
        match watched {
            Ok(()) => self.arm(key),
            Err(_) => self.remove(key),
        }
        watched
    }

    /// Makes room for somebody who waits, if a session may go for it.
    pub(crate) fn make_room(&mut self, turn: &mut Turn<'_, impl Service>) -> bool {
        let Some(index) = self.evictor.choose(&self.slab, &self.limits, turn.now.tick) else {
            return false;
        };
        self.dismiss(index, turn);
        self.close(index);
        true
    }

    /// Tells the client of an incomplete request that it is given up, if the kernel takes that at once:
    /// nobody waits for it to be read.
    fn dismiss(&mut self, index: u32, turn: &mut Turn<'_, impl Service>) {
        let Some(session) = self.slab.at_mut(index) else {
            return;
        };
        if session.connection.is_incomplete() && !session.is_blocked() {
            let start = self.staging.len();
            session
                .connection
                .shed(turn.now.tick, &self.limits, &mut self.staging);
            turn.service.note_fault(http::Error::Overloaded, turn.now);
            let _ = session.transmit(&self.staging.bytes()[start..]);
        }
    }

    /// Closes connections that have been idle for a moment, and the others with their next answer. Each
    /// is looked at once more: a request may lie in the kernel's buffer whose event has not been taken
    /// yet.
    pub(crate) fn drain(&mut self) {
        self.is_draining = true;
        let keys: Vec<Key> = self.slab.iter().map(|(key, _)| key).collect();
        for key in keys {
            if let Some(session) = self.slab.get_mut(key) {
                session.drain(&self.limits);
            }
            self.arm(key);
            self.activate(key);
        }
    }

    /// Closes the session in a slot.
    pub(crate) fn close(&mut self, index: u32) {
        self.holders.forget(index);
        if let Some(session) = self.slab.remove_at(index) {
            session.abandon();
            self.timers.cancel(session.timer);
            if session.is_held() {
                self.forget_released();
            }
        }
    }

    pub(crate) fn remove(&mut self, key: Key) {
        if self.slab.contains(key) {
            self.close(key.index());
        }
    }
}
