//! A client and its connection: what it has sent, what it must get for that, and until when.

use std::collections::VecDeque;

use torrap::app::Bot;
use torrap::http::{CloseReason, Connection, Error, Limits, Request, Staging};
use torrap::time::{Now, Tick};

use super::model::{Content, Model};
use super::requests::{Sent, What};
use super::wire::{self, Answer};

/// What a client waits for, or rather what the bot waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    Idle,
    Head,
    Content,
    Closing,
}

/// What a connection's turn works with.
pub struct Turn<'a> {
    pub now: Now,
    pub limits: &'a Limits,
    pub staging: &'a mut Staging,
    pub bot: &'a mut Bot,
    pub model: &'a mut Model,
}

impl Turn<'_> {
    /// Tells the bot of a fault that a connection has answered by itself.
    fn refuse(&mut self, error: Error) {
        self.bot.on_fault(error, self.now);
        self.model.tally.note("refusals");
    }
}

pub struct Client {
    connection: Connection,
    /// Bytes that the network has not delivered yet.
    outgoing: VecDeque<u8>,
    /// Requests that are not answered, in order.
    unanswered: VecDeque<Sent>,
    /// How many bytes of those the connection has got.
    fed: usize,
    waiting: Waiting,
    since: Tick,
    /// When its patience must be over.
    until: Tick,
    draining: bool,
    /// The bot has believed one of its requests.
    is_signed: bool,
}

impl Client {
    pub fn new(now: Tick, limits: &Limits) -> Self {
        Self {
            connection: Connection::new(now, limits),
            outgoing: VecDeque::new(),
            unanswered: VecDeque::new(),
            fed: 0,
            waiting: Waiting::Idle,
            since: now,
            until: now.after(limits.idle_timeout_ms),
            draining: false,
            is_signed: false,
        }
    }

    pub fn send(&mut self, sent: Sent) {
        self.outgoing.extend(&sent.bytes);
        if self.waiting != Waiting::Closing {
            self.unanswered.push_back(sent);
        }
    }

    pub fn outgoing(&self) -> usize {
        self.outgoing.len()
    }

    pub const fn has_backlog(&self) -> bool {
        self.connection.has_backlog()
    }

    pub const fn is_closing(&self) -> bool {
        self.connection.close_reason().is_some()
    }

    pub const fn deadline(&self) -> Tick {
        self.connection.deadline()
    }

    /// The network delivers `len` bytes.
    pub fn receive(&mut self, len: usize, turn: &mut Turn<'_>) {
        let mut input: Vec<u8> = self.outgoing.drain(..len).collect();
        let was = (self.connection.close_reason(), self.connection.deadline());
        let mut answers = Vec::new();
        turn.staging.begin(turn.now.unix);
        self.fed += len;
        let (unanswered, fed, draining) = (&mut self.unanswered, &mut self.fed, self.draining);
        let (bot, model, now) = (&mut *turn.bot, &mut *turn.model, turn.now);
        let is_signed = &mut self.is_signed;
        let mut expects_continue = unanswered.front().is_some_and(|sent| sent.expects_continue);
        let handler = |request: &Request<'_>| {
            let sent = unanswered.pop_front().expect("a request that nobody sent");
            let left = fed.checked_sub(sent.bytes.len());
            *fed = left.expect("a request is answered before it is complete");
            sent.check(request);
            let next = unanswered.front();
            expects_continue |= next.is_some_and(|next| next.expects_continue);
            let response = bot.handle_request(request, now);
            *is_signed |= response.is_authenticated;
            let (status, content) = model.answer(&sent, now);
            answers.push(Answer {
                status,
                content,
                closes: sent.closes || draining,
                is_head: sent.is_head,
            });
            response
        };
        self.connection
            .receive(&mut input, now.tick, turn.limits, turn.staging, handler);
        assert!(
            answers.len() <= turn.limits.requests_per_turn_max,
            "an unfair turn"
        );
        if was.0.is_some() {
            let is = (self.connection.close_reason(), self.connection.deadline());
            assert_eq!(
                was, is,
                "a client that goes on sending is not waited for longer"
            );
            assert!(turn.staging.is_empty(), "an answer after the last one");
            return;
        }
        self.after_receive(answers, expects_continue, turn);
    }

    fn after_receive(&mut self, mut answers: Vec<Answer>, continues: bool, turn: &mut Turn<'_>) {
        let answered = answers.len();
        match self.connection.close_reason() {
            None => self.check_open(&answers, turn),
            Some(CloseReason::Fault(error)) => {
                let culprit = self.unanswered.front().map(|sent| &sent.what);
                let is_right = matches!(culprit, Some(What::Fault(right)) if *right == error);
                assert!(is_right, "{error:?} for a request without that fault");
                turn.model.tally.note("faults");
                answers.push(fault(error));
                turn.refuse(error);
            }
            Some(reason) => {
                let right = if self.draining {
                    CloseReason::Draining
                } else {
                    CloseReason::Requested
                };
                assert_eq!(reason, right);
                assert!(answers.last().is_some_and(|last| last.closes));
            }
        }
        wire::check(turn.staging.bytes(), &answers, continues);
        self.note_waiting(answered, turn);
    }

    /// While a connection is open, all that is complete is answered unless others have their turn.
    fn check_open(&self, answers: &[Answer], turn: &mut Turn<'_>) {
        assert!(
            answers.iter().all(|answer| !answer.closes),
            "it should have closed"
        );
        if self.has_backlog() {
            assert_eq!(answers.len(), turn.limits.requests_per_turn_max);
            assert!(self.fed > 0, "a backlog of nothing");
            turn.model.tally.note("turns with a backlog");
            return;
        }
        let Some(front) = self.unanswered.front() else {
            return assert_eq!(self.fed, 0);
        };
        assert!(
            self.fed < front.bytes.len(),
            "a complete request is not answered"
        );
    }

    /// The deadline moves when a request is answered and when the next part of one begins, never with
    /// each byte.
    fn note_waiting(&mut self, answered: usize, turn: &Turn<'_>) {
        let waiting = match self.unanswered.front() {
            _ if self.is_closing() => Waiting::Closing,
            _ if self.has_backlog() || self.fed == 0 => Waiting::Idle,
            Some(front) if self.fed < front.head_len => Waiting::Head,
            _ => Waiting::Content,
        };
        let begins = answered > 0 || waiting != self.waiting;
        self.set_waiting(waiting);
        if begins {
            let before = self.until;
            self.begin(turn);
            if self.draining && self.has_sent_empty_lines() {
                self.until = self.until.min(before);
            }
        }
        assert_eq!(self.deadline(), self.until, "{waiting:?}");
        let is_idle = waiting == Waiting::Idle || self.has_sent_empty_lines();
        let is_idle = is_idle && !self.has_backlog();
        assert_eq!(self.connection.is_idle(), is_idle);
    }

    /// Of the next request the connection has got no more than empty lines before it.
    fn has_sent_empty_lines(&self) -> bool {
        let front = self.unanswered.front();
        self.waiting == Waiting::Head && front.is_some_and(|front| self.fed <= front.lead_len)
    }

    fn set_waiting(&mut self, waiting: Waiting) {
        self.waiting = waiting;
        if waiting == Waiting::Closing {
            self.unanswered.clear();
            self.fed = 0;
        }
    }

    /// The wait that has been set begins.
    fn begin(&mut self, turn: &Turn<'_>) {
        let limits = turn.limits;
        let wait_ms = match self.waiting {
            Waiting::Idle if self.draining => limits.draining_timeout_ms,
            Waiting::Idle if self.is_signed => limits.signed_idle_timeout_ms,
            Waiting::Idle => limits.idle_timeout_ms,
            Waiting::Head => limits.head_timeout_ms,
            Waiting::Content => limits.content_timeout_ms,
            Waiting::Closing => limits.linger_timeout_ms,
        };
        self.since = turn.now.tick;
        self.until = self.since.after(wait_ms);
    }

    /// Gives the connection the time, due or not. Says whether it is over.
    pub fn handle_timeout(&mut self, turn: &mut Turn<'_>) -> bool {
        let was = (self.connection.close_reason(), self.deadline());
        let is_due = turn.now.tick >= self.deadline();
        if is_due && self.waiting == Waiting::Closing {
            return true;
        }
        turn.staging.begin(turn.now.unix);
        let overdue = self
            .connection
            .handle_timeout(turn.now.tick, turn.limits, turn.staging);
        assert_eq!(overdue, None, "nothing is held without a journal");
        if !is_due {
            assert_eq!(was, (self.connection.close_reason(), self.deadline()));
            assert!(turn.staging.is_empty());
            return false;
        }
        if self.waiting == Waiting::Idle || self.has_sent_empty_lines() {
            turn.model.tally.note("idle connections closed");
            assert_eq!(self.connection.close_reason(), Some(CloseReason::Idle));
            assert!(turn.staging.is_empty(), "an idle client expects no answer");
            return true;
        }
        turn.model.tally.note("requests not complete in time");
        self.check_refusal(Error::TimedOut, turn);
        false
    }

    /// The bot gives up what the client has not completed.
    pub fn shed(&mut self, turn: &mut Turn<'_>) {
        turn.staging.begin(turn.now.unix);
        let was = (self.connection.close_reason(), self.deadline());
        self.connection
            .shed(turn.now.tick, turn.limits, turn.staging);
        if was.0.is_none() {
            turn.model.tally.note("requests shed");
            return self.check_refusal(Error::Overloaded, turn);
        }
        assert_eq!(was, (self.connection.close_reason(), self.deadline()));
        assert!(turn.staging.is_empty());
    }

    fn check_refusal(&mut self, error: Error, turn: &mut Turn<'_>) {
        let reason = CloseReason::Fault(error);
        assert_eq!(self.connection.close_reason(), Some(reason));
        wire::check(turn.staging.bytes(), &[fault(error)], false);
        turn.refuse(error);
        self.set_waiting(Waiting::Closing);
        self.begin(turn);
        assert_eq!(self.deadline(), self.until);
    }

    /// The client has closed its side. What it had sent completely is answered.
    pub fn half_close(mut self, turn: &mut Turn<'_>) {
        while self.has_backlog() {
            self.receive(0, turn);
        }
        let was = self.connection.close_reason();
        self.connection.handle_peer_closed();
        let reason = was.unwrap_or(CloseReason::PeerClosed);
        assert_eq!(self.connection.close_reason(), Some(reason));
        assert!(!self.has_backlog());
    }

    /// The bot stops.
    pub fn drain(&mut self, limits: &Limits) {
        self.draining = true;
        self.connection.drain(limits);
        if self.connection.is_idle() {
            let moment = self.since.after(limits.draining_timeout_ms);
            self.until = self.until.min(moment);
        }
        assert_eq!(self.deadline(), self.until);
    }
}

const fn fault(error: Error) -> Answer {
    Answer {
        status: error.status().code(),
        content: Content::Empty,
        closes: true,
        is_head: false,
    }
}
