//! What is known of each command by those who sent it and those who got its reply, from one process to the next.
//!
//! A request that is sent again when its job is over makes another job, of which as much is known. What is known of the job
//! before is kept.

use std::collections::{BTreeMap, BTreeSet};

use super::kept::Remembered;
use super::receiver::Answer;
use super::work::{Run, judge};
use crate::commands::RunEnd;
use crate::slab::Key;
use crate::time::Tick;

/// What is known of a command from outside.
#[derive(Debug, Default)]
pub(super) struct Command {
    pub(super) text: String,
    pub(super) url: String,
    pub(super) signed_at: u64,
    /// It was sent to its last byte.
    pub(super) is_complete: bool,
    /// How often it was sent, or is to be.
    pub(super) copies: u32,
    /// A process has taken it on, by this number.
    number: Option<u32>,
    /// The turn in which that was, and the one in which its job was over, if it is.
    begun: usize,
    over: Option<usize>,
    pub(super) due: Tick,
    pub(super) expires_at: Tick,
    /// Its client was told that its reply comes.
    pub(super) is_acknowledged: bool,
    /// The process that lives has taken it back, so that its client is told that the bot is busy.
    pub(super) is_withdrawn: bool,
    /// Its client was told so by this process or by an earlier one.
    pub(super) is_turned_down: bool,
    /// Attempts and messages that may have reached the receiver; of all processes, and those that the one that lives knows of.
    posts: u32,
    posts_now: u32,
    /// Whether it runs on a sender.
    pub(super) is_work: bool,
    /// Whether it came late; not known of one that a process has taken on in the turn in which it died.
    pub(super) is_late: Option<bool>,
    /// How often the process that lives has run it, and how often any has; how many messages the latest run has posted.
    pub(super) runs: u32,
    runs_ever: u32,
    messages: u32,
    /// What its run has made.
    reply: Option<String>,
    /// How often the receiver has answered for good, and at how many crashes that was not known well enough.
    finals: u32,
    forgotten: u32,
    /// It has, since the command was last found to be pending.
    is_answered: bool,
    /// A process has found it at its start.
    pub(super) is_found: bool,
    /// The bot has given it up, by its rules.
    pub(super) is_given_up: bool,
    /// It may be lost: no process could have known of it, or not in time.
    is_excused: bool,
    /// What a process that starts must know, and what it must know after a power cut: what a start has only read is
    /// not durable by that.
    remembered: Remembered,
    durable: Remembered,
}

/// All commands, by the number that stands in their `response_url`.
#[derive(Default)]
pub(super) struct Commands {
    all: BTreeMap<u64, Command>,
    /// What is known of jobs that were over when another one was made of the same request; the last one last.
    earlier: Vec<(u64, Command)>,
    /// Whose each job's number is.
    numbers: BTreeMap<u32, u64>,
    /// The number of the turn that is being followed.
    pub(super) turn: usize,
}

impl Commands {
    /// A client will send this command; tells whether that was said of it before.
    pub(super) fn add(
        &mut self,
        id: u64,
        text: &str,
        url: &str,
        signed_at: u64,
        is_work: bool,
    ) -> bool {
        if let Some(command) = self.all.get_mut(&id) {
            command.copies += 1;
            return true;
        }
        let command = Command {
            text: text.to_owned(),
            url: url.to_owned(),
            signed_at,
            is_work,
            copies: 1,
            expires_at: Tick(u64::MAX),
            ..Command::default()
        };
        self.all.insert(id, command);
        false
    }

    pub(super) fn get(&self, id: u64) -> &Command {
        &self.all[&id]
    }

    pub(super) fn get_mut(&mut self, id: u64) -> &mut Command {
        self.all.get_mut(&id).expect("a command that was sent")
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&u64, &Command)> {
        let earlier = self.earlier.iter().map(|(id, command)| (id, command));
        earlier.chain(&self.all)
    }

    /// The command as this job's.
    pub(super) fn of(&self, id: u64, job: u32) -> &Command {
        self.try_of(id, job).unwrap_or_else(|| self.get(id))
    }

    fn try_of(&self, id: u64, job: u32) -> Option<&Command> {
        let is_of =
            |(other, command): &(&u64, &Command)| **other == id && command.number == Some(job);
        let found = self.iter().filter(is_of).last();
        found.map(|(_, command)| command)
    }

    /// The same, to be changed.
    pub(super) fn of_mut(&mut self, id: u64, job: u32) -> &mut Command {
        let is_of = |command: &Command| command.number == Some(job);
        let mut earlier = self.earlier.iter_mut().rev();
        let found = earlier.find(|(other, command)| *other == id && is_of(command));
        let last = self.all.get_mut(&id).expect("a command that was sent");
        match found {
            Some((_, command)) if !is_of(last) => command,
            _ => last,
        }
    }

    /// This job of the command is pending no longer.
    pub(super) fn end(&mut self, id: u64, job: u32) -> &mut Command {
        let turn = self.turn;
        let command = self.of_mut(id, job);
        command.over = Some(turn);
        command
    }

    /// The jobs of a command that were pending at some time since the beginning of this turn.
    pub(super) fn jobs_since(&self, id: u64, turn: usize) -> impl Iterator<Item = &Command> {
        let all = self.iter().filter(move |(other, _)| **other == id);
        all.map(|(_, command)| command).filter(move |command| {
            command.is_accepted() && command.over.is_none_or(|over| over >= turn)
        })
    }

    /// Whether a job of the command was pending in this turn from its beginning to its end.
    pub(super) fn was_pending(&self, id: u64, turn: usize) -> bool {
        let is_over = |command: &Command| command.over.is_some_and(|over| over <= turn);
        self.jobs_since(id, turn)
            .any(|command| command.begun < turn && !is_over(command))
    }

    /// The client of a command that was sent once or more was told that its reply comes, in this turn or a later one. If it
    /// can only have been one of its jobs, that one's reply has to come.
    pub(super) fn acknowledge(&mut self, id: u64, turn: usize) -> bool {
        let jobs = self.jobs_since(id, turn);
        let kept = jobs.filter(|command| !command.is_withdrawn);
        let numbers: Vec<u32> = kept.filter_map(|command| command.number).collect();
        if let [number] = numbers[..] {
            self.of_mut(id, number).is_acknowledged = true;
        }
        !numbers.is_empty()
    }

    /// A process has taken on a command under this number.
    pub(super) fn accept(&mut self, id: u64, job: Key, due: Tick, expires_at: Tick) {
        let turn = self.turn;
        let last = self.get_mut(id);
        if last.number.is_some() {
            assert!(last.copies > 1, "{id} was taken on twice");
            let next = last.again();
            let last = std::mem::replace(last, next);
            self.earlier.push((id, last));
        }
        let number = job.generation();
        if let Some(other) = self.numbers.insert(number, id) {
            let is_free = other == id || !self.get(other).is_acknowledged;
            assert!(is_free, "two commands have the number {number}");
        }
        let command = self.get_mut(id);
        assert!(command.is_complete, "{id} was not sent to its end");
        (command.number, command.begun, command.over) = (Some(number), turn, None);
        command.is_withdrawn = false;
        (command.due, command.expires_at) = (due, expires_at);
    }

    /// A sender has made an attempt, which the receiver has answered so.
    pub(super) fn post(&mut self, id: u64, job: u32, answer: Option<Answer>) {
        let command = self.of_mut(id, job);
        assert!(
            !command.is_withdrawn,
            "{id}: posted though the bot was busy"
        );
        command.post(answer);
        if answer.is_some_and(Answer::is_final) {
            command.finals += 1;
            command.is_answered = true;
        }
    }

    /// The process is gone. What it has written and what is durable, or that the next one can know nothing.
    pub(super) fn end_process(
        &mut self,
        known: Option<&[BTreeMap<u32, Remembered>; 2]>,
        is_power_cut: bool,
    ) {
        if known.is_none() {
            self.numbers.clear();
        }
        let turn = self.turn;
        let earlier = self.earlier.iter_mut().map(|(_, command)| command);
        for command in self.all.values_mut().chain(earlier) {
            (command.posts_now, command.runs) = (0, 0);
            command.over.get_or_insert(turn);
            let Some([written, durable]) = known else {
                command.is_excused = true;
                continue;
            };
            let number = command.number.unwrap_or(0);
            command.remembered.add(written.get(&number));
            command.durable.add(durable.get(&number));
            if is_power_cut {
                command.remembered = command.durable;
            }
            let is_forgotten = command.is_answered && !command.remembered.is_settled;
            command.forgotten += u32::from(is_forgotten);
            command.is_withdrawn = false;
        }
    }

    /// A process has begun with these jobs, each a command with attempts made. What has expired by then, as far as a
    /// clock on the wall can tell, may be missing.
    pub(super) fn begin_process(
        &mut self,
        found: &BTreeMap<u32, (u64, Key, u8)>,
        has_expired: impl Fn(Tick) -> bool,
    ) {
        for (number, (id, job, attempts)) in found {
            let id = *id;
            if self.try_of(id, *number).is_none() {
                self.accept(id, *job, Tick(0), Tick(u64::MAX));
            }
            let command = self.of_mut(id, *number);
            assert_eq!(command.number, Some(*number), "{id}: its number");
            command.find(u32::from(*attempts));
        }
        let all = self.all.iter_mut();
        let earlier = self.earlier.iter_mut().map(|(id, command)| (&*id, command));
        for (id, command) in all.chain(earlier) {
            let is_found = |number: u32| found.get(&number).is_some_and(|(other, ..)| other == id);
            if !command.number.is_some_and(is_found) {
                command.is_excused |= has_expired(command.expires_at);
                assert!(
                    command.may_be_gone(),
                    "{id} was acknowledged and is lost: {command:?}"
                );
            }
        }
    }

    /// Which are settled, given up by the rules, or in these hands.
    pub(super) fn check_end(&self, left: &BTreeSet<u64>) {
        for (id, command) in self.iter() {
            let is_here = left.contains(id) || command.may_be_gone();
            assert!(is_here, "{id} was acknowledged and is lost: {command:?}");
            let most = 1 + command.forgotten;
            assert!(
                command.finals <= most,
                "{id}: answered too often: {command:?}"
            );
        }
    }
}

impl Command {
    /// Something was posted to its `response_url`.
    pub(super) fn post(&mut self, answer: Option<Answer>) {
        // A sender that has died before it could ask has posted nothing.
        let is_post = u32::from(answer.is_some_and(|answer| !answer.is_unsent()));
        self.posts += is_post;
        self.posts_now += is_post;
        assert!(self.posts_now <= 5, "Slack takes five posts: {self:?}");
    }

    /// What its job needs when it is accepted or found.
    pub(super) const fn run_to_do(&self) -> Run {
        if self.is_work { Run::Wanted } else { Run::None }
    }

    pub(super) fn begin_run(&mut self) {
        self.runs += 1;
        assert_eq!(self.runs, 1, "run twice in a process: {self:?}");
        self.runs_ever += 1;
        self.messages = 0;
    }

    /// The number of the message that is posted now.
    pub(super) const fn next_message(&mut self) -> u32 {
        self.messages += 1;
        self.messages - 1
    }

    pub(super) fn end_run(&mut self, message: &[u8], end: RunEnd) {
        let made = judge(&self.text, self.is_late, message, end);
        if let (Some(made), Some(before)) = (&made, &self.reply) {
            assert_eq!(made, before, "its id is another one");
        }
        self.reply = self.reply.take().or(made);
    }

    /// Whether more than one process has run it.
    pub(super) const fn was_run_again(&self) -> bool {
        self.runs_ever > 1
    }

    fn find(&mut self, attempts: u32) {
        let Remembered {
            is_settled,
            attempts: least,
            ..
        } = self.remembered;
        assert!(!is_settled, "pending, and known to be answered: {self:?}");
        let known = u32::from(least)..=self.posts;
        assert!(known.contains(&attempts), "{attempts} attempts: {self:?}");
        // The process that has found it may post what is left of Slack's five.
        self.posts_now = attempts;
        self.is_found = true;
        (self.remembered.may_be_settled, self.durable.may_be_settled) = (false, false);
        (self.is_answered, self.is_given_up, self.is_excused) = (false, false, false);
        self.over = None;
    }

    /// The same request, of which nothing has come yet.
    fn again(&self) -> Self {
        Self {
            text: self.text.clone(),
            url: self.url.clone(),
            signed_at: self.signed_at,
            is_complete: self.is_complete,
            copies: self.copies,
            is_turned_down: self.is_turned_down,
            is_work: self.is_work,
            expires_at: Tick(u64::MAX),
            ..Self::default()
        }
    }

    const fn may_be_gone(&self) -> bool {
        let is_settled = self.finals > 0 || self.is_given_up;
        let is_settled = is_settled || self.remembered.may_be_settled;
        !self.is_acknowledged || is_settled || self.is_excused
    }

    /// Whether a process has ever taken it on.
    pub(super) const fn is_accepted(&self) -> bool {
        self.number.is_some()
    }

    /// Whether the receiver has answered for good.
    pub(super) const fn is_delivered(&self) -> bool {
        self.finals > 0
    }
}

/// The number of a command, as it stands in its `response_url` or in the path of that.
pub(super) fn number_in(url: &str) -> u64 {
    let (_, rest) = url.split_once("/commands/").expect("a command's URL");
    let number = rest.split('/').nth(1);
    number
        .and_then(|number| number.parse().ok())
        .expect("a command's URL has its number")
}
