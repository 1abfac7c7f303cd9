//! A graceful stop: how it begins, when it is over, and what it leaves.

use log::{debug, info, warn};

use super::Server;
use crate::store::{NoStore, Ticket};
use crate::telemetry::health::Condition;
use crate::time::Seconds;

/// How long a stop waits for requests that are incomplete and for clients that do not read, ms: long
/// enough for whoever is honest, and a stranger's one byte must not hold up a restart.
const STOP_GRACE_MS: u64 = 3_000;
/// With a journal, how long a stop waits for those, and for what came of the attempts that have begun: an
/// attempt whose outcome is not known is made again.
const KEPT_DRAIN_MS: u64 = 500;

impl Server {
    pub(crate) fn begin_drain(&mut self) {
        debug!("received cancellation signal");
        let pending = self.bot.pending();
        self.store.begin_stop();
        // What a store keeps need not be waited for.
        let (drain_ms, grace_ms) = match self.store.is_durable() {
            true => (KEPT_DRAIN_MS.min(self.drain_ms), KEPT_DRAIN_MS),
            false => (self.drain_ms, STOP_GRACE_MS),
        };
        let patience = Seconds { ms: drain_ms };
        info!("stopping; replies pending: {pending}, waiting up to {patience} s");
        self.supervisor.tell_stopping(pending, drain_ms);
        // The turn may have begun a while ago.
        let begin = self.clock.now().tick;
        self.drain_until = Some(begin.not_before(drain_ms));
        self.grace_until = Some(begin.not_before(grace_ms));
        self.admission.leave();
        self.sessions.drain();
        self.bot.set_condition(Condition::Draining);
        debug!("stopped slackbot");
    }

    /// The directory of the journal is gone: what is pending is posted before the end, as without a journal.
    pub(crate) fn give_up_journal(&mut self) {
        warn!(
            "journal: its directory is gone, and the next start would not find what is owed: it is posted before the end"
        );
        let now = self.clock.now();
        self.store = Box::new(NoStore);
        self.bot.end_store(now.tick);
        self.release(Ticket::MAX, true, now);
        if !self.stopper.is_at_once() {
            self.drain_until = Some(now.tick.not_before(self.drain_ms));
            self.supervisor
                .tell_stopping(self.bot.pending(), self.drain_ms);
        }
    }

    /// The second stop: nothing is waited for any more.
    pub(crate) fn end_drain(&mut self) {
        let pending = self.bot.pending();
        info!("stopping at once; replies pending: {pending}");
        // Over with this turn, which has heard of all until then.
        self.drain_until = Some(self.hearing.until());
    }

    pub(crate) fn is_drained(&self) -> bool {
        let Some(until) = self.drain_until else {
            return false;
        };
        let is_durable = self.store.is_durable();
        let owed = match is_durable {
            true => self.bot.sending(),
            false => self.bot.pending(),
        };
        // Whether the next start would find what is kept is known before that is left to it.
        let is_left = self.admission.is_closed()
            && !self.sessions.has_work()
            && (self.is_leavable || !is_durable);
        let is_settled = is_left && owed == 0;
        let are_clients_served = self.grace_until.is_none() || self.sessions.owed() == 0;
        // Not by the clock: what has come in time is taken in first, however late it is.
        is_settled && are_clients_served || self.hearing.until() >= until
    }

    /// Whether it is stopping, and what no sender has yet is left to the next start.
    pub(crate) fn leaves_rest(&self) -> bool {
        self.store.is_durable() && self.drain_until.is_some()
    }

    /// Nothing is waited for any more: what is not kept by now is not promised.
    pub(crate) fn end_held(&mut self) {
        if self.sessions.has_held() {
            let now = self.clock.now();
            self.sessions.begin_turn(now, self.hearing.until());
            self.sessions.withdraw_held(&mut self.bot, now);
            self.sessions.transmit();
        }
    }

    /// The end: how many replies are left undelivered. What a journal keeps is not.
    pub(crate) fn leave_rest(&mut self) -> usize {
        let pending = self.bot.pending();
        if !self.store.is_durable() {
            return pending;
        }
        let (ticket, batch) = self.bot.take_batch();
        if !self.store.finish(batch, ticket) {
            warn!(
                "journal: the disk does not answer; replies that were just posted may be posted again"
            );
        }
        info!("replies left to the next start: {pending}");
        0
    }
}
