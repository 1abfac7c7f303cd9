//! What each request must be answered.

use super::{Turned, World};
use crate::engine::simulation::client::Asked;
use crate::engine::simulation::model::times;
use crate::engine::simulation::requests::What;
use crate::engine::simulation::wire::Response;
use crate::time::Now;

impl World {
    /// A client reads its answers.
    pub(super) fn read(&mut self, index: usize) {
        if self.clients[index].reads {
            self.read_answers(index, false);
        }
    }

    /// The same after the death of the process, of which the last turn is not known.
    pub(super) fn read_last(&mut self, index: usize) {
        self.read_answers(index, true);
    }

    fn read_answers(&mut self, index: usize, is_last: bool) {
        let has_room = self.has_room() && !is_last;
        let now = self.clock.now();
        let answered = {
            let mut network = self.network.borrow_mut();
            self.clients[index].read(&mut network, has_room, now.tick)
        };
        if is_last {
            // The turn in which it died.
            self.turns.push(Turned {
                now,
                was_busy: true,
            });
        }
        for (asked, response) in answered {
            self.trace(|| format!("client {index} reads {}", response.status));
            self.judge(&asked, &response, is_last);
        }
    }

    fn judge(&mut self, asked: &Asked, response: &Response, is_last: bool) {
        let sent = &asked.sent;
        let may_close = sent.closes || self.is_stopping() || self.habits.is_crowded();
        let closes_rightly = response.closes == sent.closes || may_close && response.closes;
        assert!(closes_rightly, "{sent:?}: {response:?}");
        let is_empty = response.length == 0;
        let status = response.status;
        let has_usage = || is_ephemeral(response) && response.content.contains("backwards");
        let is_right = match &sent.what {
            What::Command { id, signed_at, .. } => {
                self.is_right_for_command(*id, *signed_at, asked.turn, response, is_last)
            }
            What::Help { signed_at } if status == 200 => {
                has_usage() && self.was(asked, |now, world| !world.is_stale(*signed_at, now))
            }
            What::Unusable { signed_at } if status == 400 => {
                is_empty && self.was(asked, |now, world| !world.is_stale(*signed_at, now))
            }
            What::Help { signed_at } | What::Unusable { signed_at } => {
                is_empty && status == 401 && self.was_stale(asked.turn, *signed_at)
            }
            What::Forged => is_empty && status == 401,
            What::CertificateCheck => is_empty && status == 200,
            What::Health => {
                status == 200 && self.was(asked, |now, _| is_health(response, sent.is_head, now))
            }
            What::Page => {
                self.tally.note("pages of metrics");
                status == 200 && response.length > 1_000
            }
            What::Plain(right) => is_empty && status == *right,
            What::Note(right) => response.content.starts_with("This is") && status == *right,
            What::Fault(error) => {
                self.tally.note("faults");
                is_empty && status == error.status().code()
            }
        };
        assert!(is_right, "{sent:?}: {response:?}");
    }

    /// Whether this held in one of the turns in which a request can have been answered.
    fn was(&self, asked: &Asked, held: impl Fn(Now, &Self) -> bool) -> bool {
        self.turns[asked.turn..]
            .iter()
            .any(|turn| held(turn.now, self))
    }

    fn is_stale(&self, signed_at: u64, now: Now) -> bool {
        signed_at.abs_diff(now.unix.secs()) > self.model.tolerance_secs
    }

    /// Whether the signature was stale in one of the turns from this one on.
    fn was_stale(&mut self, turn: usize, signed_at: u64) -> bool {
        self.tally.note("stale timestamps");
        let mut turns = self.turns[turn..].iter();
        turns.any(|turn| self.is_stale(signed_at, turn.now))
    }

    fn is_right_for_command(
        &mut self,
        id: u64,
        signed_at: u64,
        turn: usize,
        response: &Response,
        is_last: bool,
    ) -> bool {
        if self.commands.get(id).copies > 1 {
            return self.is_right_for_repeated(id, signed_at, turn, response, is_last);
        }
        let command = self.commands.get(id);
        if response.status == 401 {
            let is_untaken = !command.is_accepted();
            return is_untaken && response.length == 0 && self.was_stale(turn, signed_at);
        }
        let turns = &self.turns[turn..];
        if response.length == 0 {
            let is_taken = is_last || command.is_accepted() && !command.is_withdrawn;
            self.tally.note("accepted commands");
            self.commands.get_mut(id).is_acknowledged = true;
            if self.is_durable() {
                self.assert_kept(id);
            }
            return response.status == 200 && is_taken;
        }
        if response.content.contains("too long") {
            let was_late = turns.iter().any(|turn| self.is_late(signed_at, turn));
            self.tally.note("too late");
            return was_late && is_ephemeral(response) && !command.is_accepted();
        }
        let was_busy = turns.iter().any(|turn| turn.was_busy);
        let is_refused = !command.is_accepted() && was_busy;
        let is_right = command.is_withdrawn || is_refused || is_last;
        self.tally.note("busy");
        let command = self.commands.get_mut(id);
        (command.is_turned_down, command.is_withdrawn) = (true, true);
        is_right && is_ephemeral(response) && response.content.contains("busy")
    }

    fn is_late(&self, signed_at: u64, turn: &Turned) -> bool {
        let (due, expires_at) = times(self.config.delay_ms, signed_at, turn.now);
        due >= expires_at
    }

    /// The same for a command that was sent more than once: what it is told depends on the jobs that it has had since this
    /// turn. While one was pending, nothing else can have been said than what was said of that one.
    fn is_right_for_repeated(
        &mut self,
        id: u64,
        signed_at: u64,
        turn: usize,
        response: &Response,
        is_last: bool,
    ) -> bool {
        if response.status == 401 {
            return response.length == 0 && self.was_stale(turn, signed_at);
        }
        if response.length == 0 {
            self.tally.note("accepted commands");
            let is_taken = self.commands.acknowledge(id, turn);
            if is_taken && self.is_durable() {
                self.assert_kept(id);
            }
            return response.status == 200 && (is_taken || is_last);
        }
        let turns = (turn..).zip(&self.turns[turn..]);
        let mut free = turns.filter(|(number, _)| !self.commands.was_pending(id, *number));
        if response.content.contains("too long") {
            self.tally.note("too late");
            return is_ephemeral(response) && free.any(|(_, turn)| self.is_late(signed_at, turn));
        }
        let is_refused = free.any(|(_, turn)| turn.was_busy);
        let mut jobs = self.commands.jobs_since(id, turn);
        let is_withdrawn = jobs.any(|command| command.is_withdrawn);
        self.tally.note("busy repeats");
        let is_right = is_withdrawn || is_refused || is_last;
        is_right && is_ephemeral(response) && response.content.contains("busy")
    }
}

fn is_ephemeral(response: &Response) -> bool {
    let is_json = response.is_json && response.status == 200;
    is_json && response.content.contains(r#""response_type": "ephemeral""#)
}

fn is_health(response: &Response, is_head: bool, now: Now) -> bool {
    let (secs, ms) = (now.unix.0 / 1000, now.unix.0 % 1000);
    let json = format!("{{\"success\":true,\"timestamp\":{secs}.{ms:03}}}");
    let is_same = is_head || response.content == json;
    response.is_json && response.length == json.len() && is_same
}
