//! What must become of a job whose command has to run first.

use super::commands::{Commands, number_in};
use super::model::{Due, LIFETIME_MS, Model, Pending, workspace};
use super::receiver::Answer;
use super::senders::Step;
use super::standing::{Seen, Standing};
use super::work::Run;
use crate::app::Delivery;
use crate::commands::RunEnd;
use crate::jobs::MadeReply;
use crate::slab::Key;
use crate::time::Tick;

/// A run is over so long before its `response_url` expires.
const MARGIN_MS: u64 = 35_000;
/// Posts that Slack takes, less the reply.
const MESSAGES_MAX: u8 = 4;

impl Pending {
    /// Whether its command has yet to run, or is running.
    pub(super) const fn needs_run(&self) -> bool {
        matches!(self.run, Run::Wanted | Run::Running { .. })
    }

    pub(super) const fn is_running(&self) -> bool {
        matches!(self.run, Run::Running { .. })
    }

    pub(super) const fn run_deadline(&self) -> Tick {
        Tick(self.expires_at.0.saturating_sub(MARGIN_MS))
    }

    /// Whether this is what a run has made.
    pub(super) fn is_made(&self) -> bool {
        matches!(self.run, Run::Made(_) | Run::GivenUp)
    }

    /// Whether this is the message that it must post.
    pub(super) fn is_right(&self, body: &[u8]) -> Option<bool> {
        match &self.run {
            Run::Made(made) => Some(made == body),
            Run::GivenUp => Some(String::from_utf8_lossy(body).contains("took too long")),
            Run::None => None,
            Run::Wanted | Run::Running { .. } => Some(false),
        }
    }
}

impl Model {
    /// What senders did with commands before the bot was told, or after it had handed them out.
    pub(super) fn follow_run(&mut self, step: &Step, seen: &Seen<'_>, commands: &mut Commands) {
        match step {
            Step::RunTaken(job) => self.begin_run(*job, seen, commands),
            Step::Message(delivery, answer) => self.message(delivery, *answer, commands),
            Step::NotRun(job) => self.not_run(*job, seen, commands),
            Step::Ran(job, made, end, asked_ms) => {
                self.end_run(*job, made, *end, *asked_ms, seen, commands);
            }
            Step::Reported(..) | Step::Taken(..) | Step::MessagesUsed(..) => {}
        }
    }

    /// How many posts of a job the store has to know of, now that so many messages of its run were used.
    pub(super) fn uses(&self, job: Key, uses: u8) -> Option<u8> {
        let pending = self.pending.get(&job.generation())?;
        (pending.is_of(job) && pending.is_running()).then(|| pending.attempts + uses)
    }

    fn begin_run(&mut self, job: Key, seen: &Seen<'_>, commands: &mut Commands) {
        let (number, now) = (job.generation(), seen.now.tick);
        self.tally.note("runs");
        self.schedules += 1;
        let Some(pending) = self.pending.get_mut(&number) else {
            panic!("command {number} is run, and not pending");
        };
        assert_eq!(pending.run, Run::Wanted, "command {number} is run again");
        assert!(pending.is_kept, "command {number} is not kept yet");
        let due = pending.due.take().expect("no sender has it");
        assert!(due.least <= now, "command {number} is run early: {due:?}");
        let is_in_time = now < pending.run_deadline();
        assert!(is_in_time, "command {number} is run too late");
        pending.run = Run::Running { used: 0 };
        commands.of_mut(pending.id, number).begin_run();
    }

    fn message(&mut self, delivery: &Delivery, answer: Answer, commands: &mut Commands) {
        self.tally.note("messages");
        let id = number_in(&delivery.url);
        let command = commands.of_mut(id, delivery.job.generation());
        command.post(Some(answer));
        let text = format!(
            "{{\"text\": \"message {} of {}\"}}",
            command.next_message(),
            command.text
        );
        assert_eq!(String::from_utf8_lossy(&delivery.body), text);
        let pending = self.pending.get_mut(&delivery.job.generation());
        if let Some(Run::Running { used }) = pending.map(|pending| &mut pending.run) {
            *used += u8::from(!answer.is_unsent());
        }
    }

    fn not_run(&mut self, job: Key, seen: &Seen<'_>, commands: &mut Commands) {
        let number = job.generation();
        self.tally.note("runs that found no thread");
        let pending = self.pending.get_mut(&number);
        let Some(pending) = pending.filter(|pending| pending.is_running()) else {
            return;
        };
        pending.run = Run::Wanted;
        pending.unsent += 1;
        let doublings = (pending.unsent - 1).min(10);
        commands.of_mut(pending.id, number).runs -= 1;
        let base_ms = (1000 << doublings).min(30_000);
        let is_pending = seen.standing.contains_key(&number);
        self.retry(number, (base_ms, 0), is_pending, seen.now, commands);
    }

    fn end_run(
        &mut self,
        job: Key,
        made: &MadeReply,
        end: RunEnd,
        asked_ms: u64,
        seen: &Seen<'_>,
        commands: &mut Commands,
    ) {
        let (number, now) = (job.generation(), seen.now.tick);
        let pending = self.pending.get_mut(&number);
        let Some(pending) = pending.filter(|pending| pending.is_running()) else {
            return self.tally.note("runs that ended too late");
        };
        let command = commands.of_mut(pending.id, number);
        command.end_run(&made.message, end);
        self.tally.note(match end {
            RunEnd::Panicked => "runs that panicked",
            RunEnd::Failed => "runs that failed",
            _ => "runs that replied",
        });
        let Run::Running { used } = pending.run else {
            unreachable!("it is running");
        };
        assert_eq!(made.uses, used, "command {number}: posts that count");
        pending.attempts += used;
        assert!(
            pending.attempts <= MESSAGES_MAX,
            "there is no place for a reply"
        );
        pending.run = Run::Made(made.message.clone());
        pending.due = Some(at(now));
        self.schedules += 1;
        if made.limited.is_some() {
            self.tally.note("messages that met a limit");
            let until = self.limited.entry(workspace(&command.url).to_owned());
            let until = until.or_default();
            let asked = now.not_before(asked_ms).min(now.not_before(LIFETIME_MS));
            *until = asked.max(*until);
        }
    }

    /// A run that is not over in time is given up, whether it has begun or not.
    pub(super) fn give_up_overdue(&mut self, seen: &Seen<'_>) {
        let now = seen.now.tick;
        for (number, pending) in &mut self.pending {
            let is_overdue =
                pending.needs_run() && pending.is_kept && now >= pending.run_deadline();
            if !is_overdue {
                continue;
            }
            match seen.standing.get(number) {
                // It is not due.
                Some((Standing::Thinking | Standing::Retrying, _)) if !pending.is_running() => {
                    continue;
                }
                Some((Standing::Waiting | Standing::Running, _)) => {
                    panic!("command {number} should have been given up: {pending:?}");
                }
                _ => {}
            }
            self.tally.note("runs given up");
            if pending.is_running() {
                pending.attempts = pending.attempts.max(MESSAGES_MAX);
            }
            pending.run = Run::GivenUp;
            pending.due = Some(at(now));
        }
    }
}

/// Due now.
const fn at(now: Tick) -> Due {
    Due {
        least: now,
        most: now,
        order: None,
    }
}
