//! The end of an engine: when it has come, and what is left then.

use log::{info, warn};

use super::Engine;
use super::drain::Left;
use super::platform::{Platform, Senders};
use crate::endpoint::Turn;
use crate::store::Store;
use crate::time::Tick;

impl<P: Platform> Engine<P> {
    pub(crate) fn is_drained(&self) -> bool {
        let left = || Left {
            is_all_read: self.public.is_drained(),
            pending: self.bot.pending(),
            sending: self.bot.sending(),
            clients: self.public.sessions.unfinished(),
        };
        self.drain.is_over(left, self.watermark.known_until())
    }

    /// When the store must be asked next. One that is given up is not asked any more.
    pub(super) fn store_timeout(&self) -> Option<Tick> {
        self.store
            .poll_timeout()
            .filter(|_| self.drain.is_durable())
    }

    /// Ends the engine, and returns how many replies are left undelivered. Those that a store keeps are not.
    pub(crate) fn end(&mut self) -> usize {
        let now = self.platform.now();
        // A command that is not kept by now is answered "busy".
        if self.public.sessions.has_held() {
            let service = &mut self.bot;
            self.public
                .sessions
                .begin_turn(now, self.watermark.known_until());
            self.public
                .sessions
                .withdraw_held(&mut Turn { now, service });
            self.public.sessions.transmit();
        }
        self.senders.stop();
        self.bot.handle_stop();
        let pending = self.bot.pending();
        if !self.drain.is_durable() {
            return pending;
        }
        let (ticket, batch) = self.bot.take_batch();
        let is_finished = self.store.finish(batch, ticket);
        let (storage, successor) = match self.store.is_shared() {
            true => ("Redis", "the fleet"),
            false => ("the disk", "the next start"),
        };
        if !is_finished {
            warn!(
                "journal: {storage} does not answer; replies that were just posted may be posted again"
            );
        }
        info!("replies left to {successor}: {pending}");
        0
    }
}
