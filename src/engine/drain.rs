//! A graceful stop: how it begins, when it is over, and what it leaves.

use log::{debug, info, warn};

use super::Engine;
use super::platform::{Platform, Senders, Stop};
use crate::endpoint::Turn;
use crate::store::{Store, Ticket};
use crate::telemetry::health::Condition;
use crate::time::{Seconds, Tick};

/// How long a stop waits for requests that are incomplete and for clients that do not read, ms: long
/// enough for an honest client, and one byte of another must not hold up a restart.
const STOP_GRACE_MS: u64 = 3_000;
/// With a store, how long a stop waits for those, and for what came of the attempts that have begun: an
/// attempt whose outcome is not known is made again.
const KEPT_DRAIN_MS: u64 = 500;

/// How far a stop has come.
#[derive(Debug)]
pub(super) struct Drain {
    drain_ms: u64,
    /// Whether what is pending outlives the process.
    is_durable: bool,
    /// Whether the store has said that the process may leave what it keeps.
    is_leavable: bool,
    /// When the stop gives up waiting for replies, once it has begun.
    until: Option<Tick>,
    /// When it gives up waiting for clients; none once it has.
    grace_until: Option<Tick>,
}

impl Drain {
    pub(super) const fn new(drain_ms: u64, is_durable: bool) -> Self {
        Self {
            drain_ms,
            is_durable,
            is_leavable: false,
            until: None,
            grace_until: None,
        }
    }

    pub(super) const fn has_begun(&self) -> bool {
        self.until.is_some()
    }

    pub(super) const fn is_durable(&self) -> bool {
        self.is_durable
    }

    pub(super) const fn note_leavable(&mut self) {
        self.is_leavable = true;
    }

    pub(super) fn poll_timeout(&self) -> Option<Tick> {
        self.until.into_iter().chain(self.grace_until).min()
    }

    /// Gives up waiting for clients when it is time. All that had arrived by `known` is known.
    pub(super) fn expire(&mut self, known: Tick) {
        self.grace_until.take_if(|until| known >= *until);
    }

    /// Begins, and tells how long it may take.
    fn begin(&mut self, now: Tick) -> u64 {
        // What a store keeps need not be waited for.
        let (drain_ms, grace_ms) = match self.is_durable {
            true => (KEPT_DRAIN_MS.min(self.drain_ms), KEPT_DRAIN_MS),
            false => (self.drain_ms, STOP_GRACE_MS),
        };
        self.until = Some(now.not_before(drain_ms));
        self.grace_until = Some(now.not_before(grace_ms));
        drain_ms
    }
}

impl<P: Platform> Engine<P> {
    pub(super) fn begin_drain(&mut self) {
        debug!("received cancellation signal");
        let pending = self.bot.pending();
        self.store.begin_stop();
        // The turn may have begun a while ago.
        let drain_ms = self.drain.begin(self.platform.now().tick);
        let patience = Seconds { ms: drain_ms };
        info!("stopping; replies pending: {pending}, waiting up to {patience} s");
        self.platform.tell_stopping(pending, drain_ms);
        self.public.drain();
        self.bot.set_condition(Condition::Draining);
        debug!("stopped slackbot");
    }

    /// Nothing is kept any more: what is pending is posted before the end, as without a store.
    pub(super) fn give_up_store(&mut self) {
        warn!(
            "journal: its directory is gone, and the next start would not find what is owed: it is posted before the end"
        );
        let now = self.platform.now();
        self.drain.is_durable = false;
        self.bot.end_store(now.tick);
        self.release(Ticket::MAX, true, now);
        if self.platform.stop() != Some(Stop::AtOnce) {
            let drain_ms = self.drain.drain_ms;
            self.drain.until = Some(now.tick.not_before(drain_ms));
            self.platform.tell_stopping(self.bot.pending(), drain_ms);
        }
    }

    /// The second stop: nothing is waited for any more.
    pub(super) fn end_drain(&mut self) {
        let pending = self.bot.pending();
        info!("stopping at once; replies pending: {pending}");
        // Over with this turn, which has heard of all until then.
        self.drain.until = Some(self.hearing.until());
    }

    pub(crate) fn is_drained(&self) -> bool {
        let Some(until) = self.drain.until else {
            return false;
        };
        let Drain {
            is_durable,
            is_leavable,
            ..
        } = self.drain;
        let awaited = match is_durable {
            true => self.bot.sending(),
            false => self.bot.pending(),
        };
        // Whether the next start would find what is kept is known before that is left to it.
        let is_left = self.public.is_drained() && (is_leavable || !is_durable);
        let are_clients_served =
            self.drain.grace_until.is_none() || self.public.sessions.owed() == 0;
        // Not by the clock: what has come in time is taken in first, however late it is.
        is_left && awaited == 0 && are_clients_served || self.hearing.until() >= until
    }

    /// Whether it is stopping, and what no sender has yet is left to the next start.
    pub(super) const fn leaves_rest(&self) -> bool {
        self.drain.is_durable && self.drain.has_begun()
    }

    /// The end: how many replies are left undelivered. What a store keeps is not.
    pub(crate) fn end(&mut self) -> usize {
        let now = self.platform.now();
        // What is not kept by now is not acknowledged.
        if self.public.sessions.has_held() {
            let service = &mut self.bot;
            self.public.sessions.begin_turn(now, self.hearing.until());
            self.public
                .sessions
                .withdraw_held(&mut Turn { now, service });
            self.public.sessions.transmit();
        }
        self.senders.stop();
        self.bot.handle_stop();
        let pending = self.bot.pending();
        if !self.drain.is_durable {
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
