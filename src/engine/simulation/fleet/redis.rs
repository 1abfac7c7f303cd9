//! The Redis of a simulated fleet: one server that answers, one that follows it, and a network that is late.

use std::cell::RefCell;
use std::rc::Rc;

use crate::redis::Reply;
use crate::shared_journal::model::Model;
use crate::time::Tick;

/// What all replicas of torrap share.
pub(super) type SharedRedis = Rc<RefCell<Redis>>;

/// Both servers.
pub(super) struct Redis {
    master: Model,
    /// What a failover goes on with.
    follower: Model,
    /// The follower gets nothing at the moment.
    pub(super) is_lagging: bool,
    /// Nothing answers at the moment.
    pub(super) is_down: bool,
    /// Connections of an earlier time are broken.
    pub(super) epoch: u64,
    /// By how much the clock is ahead of that of the replicas, ms.
    ahead_ms: i64,
    /// Requests that are still under way though no replica waits for an answer to them.
    late: Vec<(Tick, Vec<u8>)>,
    /// Exchanges that were carried out.
    pub(super) done: u64,
}

/// What the server's clock says at tick 0.
const BEGINNING_MS: i64 = 1_700_000_000_000;

impl Redis {
    pub(super) fn new() -> SharedRedis {
        Rc::new(RefCell::new(Self {
            master: Model::default(),
            follower: Model::default(),
            is_lagging: false,
            is_down: false,
            epoch: 0,
            ahead_ms: BEGINNING_MS,
            late: Vec::new(),
            done: 0,
        }))
    }

    /// The server that answers.
    pub(super) const fn master(&mut self) -> &mut Model {
        &mut self.master
    }

    /// Carries out a pipeline, and gives the replies.
    pub(super) fn exchange(&mut self, requests: &[u8], now: Tick) -> Vec<Reply> {
        self.done += 1;
        self.master.now = now.0.saturating_add_signed(self.ahead_ms);
        self.master.acknowledging = i64::from(!self.is_lagging);
        let replies = self.master.exchange(requests);
        if !self.is_lagging {
            self.follower = self.master.clone();
        }
        replies
    }

    /// A request arrives later, and its replica has given it up.
    pub(super) fn delay(&mut self, arrives: Tick, requests: Vec<u8>) {
        self.late.push((arrives, requests));
    }

    /// Late requests arrive. How many.
    pub(super) fn receive_late(&mut self, now: Tick) -> usize {
        let mut arrived = 0;
        while !self.is_down
            && let Some(at) = self.late.iter().position(|(at, _)| *at <= now)
        {
            let (_, requests) = self.late.swap_remove(at);
            self.exchange(&requests, now);
            arrived += 1;
        }
        arrived
    }

    pub(super) fn late_at(&self) -> Option<Tick> {
        let late = self.late.iter().map(|(at, _)| *at);
        late.min().filter(|_| !self.is_down)
    }

    /// The server dies, with all connections and what is under way on them.
    pub(super) fn crash(&mut self) {
        self.is_down = true;
        self.epoch += 1;
        self.late.clear();
    }

    /// It is back, with what it had.
    pub(super) fn restart(&mut self) {
        self.is_down = false;
        self.master.flush_scripts();
    }

    /// The follower takes its place, and is followed by another one.
    pub(super) fn fail_over(&mut self) {
        self.crash();
        // What it has; not what was wrong with the other one.
        self.master = Model {
            is_full: false,
            refusal: None,
            ..self.follower.clone()
        };
        self.is_lagging = false;
        self.restart();
    }

    /// All keys and scripts are deleted.
    pub(super) fn empty(&mut self) {
        self.master.keyspace = Default::default();
        self.follower.keyspace = Default::default();
        self.master.flush_scripts();
    }

    /// The server's clock is set.
    pub(super) const fn set_clock(&mut self, by_ms: i64) {
        self.ahead_ms += by_ms;
    }
}
