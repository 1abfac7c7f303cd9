//! A client: what it sends, and what it gets for that.

use std::collections::VecDeque;

use super::Generator;
use super::network::Network;
use super::requests::{Sent, What};
use super::wire::{self, Response};
use crate::time::Tick;

/// For how long the bot waits at least for the rest of a request, or for another one, while there is room.
const WAIT_MS: u64 = 30_000;

/// A request that was or will be sent.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) sent: Sent,
    /// The end of its bytes in all that the client sends.
    end: usize,
    /// The first turn that can have read all of it, by its number.
    pub(super) turn: usize,
}

#[derive(Debug)]
pub(super) struct Client {
    pub(super) wire: usize,
    outgoing: VecDeque<u8>,
    composed: usize,
    delivered: usize,
    unanswered: VecDeque<Asked>,
    received: Vec<u8>,
    /// Reads its answers.
    pub(super) reads: bool,
    pub(super) has_ended: bool,
    /// It was told that its request is given up.
    pub(super) refused: Option<u16>,
    /// It has the last answer.
    is_done: bool,
    pub(super) answers: u64,
    /// When the latest request began to arrive.
    begun: Tick,
}

impl Client {
    pub(super) fn new(wire: usize, reads: bool, now: Tick) -> Self {
        Self {
            wire,
            outgoing: VecDeque::new(),
            composed: 0,
            delivered: 0,
            unanswered: VecDeque::new(),
            received: Vec::new(),
            reads,
            has_ended: false,
            refused: None,
            is_done: false,
            answers: 0,
            begun: now,
        }
    }

    /// Whether it has anything more to ask for on this connection.
    pub(super) fn may_ask(&self) -> bool {
        let is_last = |last: &Asked| last.sent.closes;
        !self.has_ended && !self.is_done && !self.unanswered.back().is_some_and(is_last)
    }

    pub(super) fn compose(&mut self, sent: Sent) {
        self.outgoing.extend(&sent.bytes);
        self.composed += sent.bytes.len();
        self.unanswered.push_back(Asked {
            sent,
            end: self.composed,
            turn: 0,
        });
    }

    /// The network carries some of what was composed before this turn. The commands that are complete now.
    pub(super) fn carry(
        &mut self,
        network: &mut Network,
        generator: &mut Generator,
        turn: usize,
        now: Tick,
    ) -> Vec<u64> {
        let wire = &network.wires[self.wire];
        if wire.closed || wire.server_fin {
            self.has_ended = true;
            return Vec::new();
        }
        let all = self.outgoing.len();
        let len = match generator.below(4) {
            0 => all.min(1),
            1 => generator.index(all + 1),
            _ => all,
        };
        if len == 0 {
            return Vec::new();
        }
        let bytes: Vec<u8> = self.outgoing.drain(..len).collect();
        let before = self.delivered;
        self.delivered += len;
        network.deliver(self.wire, &bytes);
        let mut complete = Vec::new();
        let is_between = |end: usize| (before..=self.delivered).contains(&end);
        for asked in self
            .unanswered
            .iter_mut()
            .filter(|asked| is_between(asked.end))
        {
            self.begun = now;
            if asked.end > before {
                asked.turn = turn;
                complete.extend(asked.sent.command());
            }
        }
        if before == 0
            || self
                .unanswered
                .front()
                .is_some_and(|front| self.is_begun(front, before))
        {
            self.begun = now;
        }
        complete
    }

    /// Whether nothing of this request had arrived before.
    fn is_begun(&self, front: &Asked, before: usize) -> bool {
        front.end - front.sent.bytes.len() == before && self.delivered > before
    }

    /// Requests that have arrived completely and are not answered.
    pub(super) fn unanswered(&self) -> usize {
        let complete = |asked: &&Asked| asked.end <= self.delivered;
        self.unanswered.iter().take_while(complete).count()
    }

    /// Reads what is there: answers, each with what was asked for. While there is room, the bot gives up nothing that
    /// is complete, however late it hears of it, and waits for the rest.
    pub(super) fn read(
        &mut self,
        network: &mut Network,
        has_room: bool,
        now: Tick,
    ) -> Vec<(Asked, Response)> {
        let has_room = has_room && !network.wires[self.wire].was_blocked;
        self.received.extend(network.take(self.wire, usize::MAX));
        let mut answered = Vec::new();
        while !self.received.is_empty() {
            let front = self.unanswered.front().map(|front| &front.sent);
            let is_head = front.is_some_and(|sent| sent.is_head);
            let Some(response) = wire::take(&mut self.received, is_head) else {
                break;
            };
            assert!(!self.is_done, "an answer after the last one: {response:?}");
            let Some(response) = response else {
                let mut asked = self.unanswered.iter().take(2);
                let is_expected = asked.any(|asked| asked.sent.expects_continue);
                assert!(is_expected, "no one has asked to continue");
                continue;
            };
            self.is_done = response.closes;
            self.answers += 1;
            if [408, 503].contains(&response.status) {
                self.note_given_up(&response, has_room, now);
                continue;
            }
            let asked = self.unanswered.pop_front().expect("an answer to nothing");
            // What is no HTTP need not be complete to be known as that.
            let is_known = matches!(asked.sent.what, What::Fault(_));
            let is_complete = asked.end <= self.delivered;
            assert!(is_complete || is_known, "answered before it was complete");
            answered.push((asked, response));
        }
        let wire = &network.wires[self.wire];
        let is_over = wire.closed && !self.is_done && !self.has_ended;
        let is_early = now < self.begun.after(WAIT_MS);
        assert!(
            !(is_over && has_room && is_early),
            "closed too soon: {self:?}"
        );
        answered
    }

    fn note_given_up(&mut self, response: &Response, has_room: bool, now: Tick) {
        assert!(response.closes && response.length == 0, "{response:?}");
        assert!(
            !has_room || self.unanswered() == 0,
            "given up though complete"
        );
        let is_early = now < self.begun.after(WAIT_MS);
        assert!(!has_room || !is_early, "given up too soon: {self:?}");
        self.refused = Some(response.status);
    }
}
