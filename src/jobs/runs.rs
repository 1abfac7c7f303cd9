//! Jobs whose command has to run on a sender thread before there is a reply to post.
//!
//! A run takes as long as it takes. So it has nothing to do with attempts: it waits in a queue of its own, no limit of a
//! workspace holds it up, and it is over by a deadline that leaves time to tell the person. Then the job is ready like any
//! other, with its reply made, and each of its attempts posts that.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Jobs, State};
use crate::jobs::{ATTEMPTS_MAX, Job, LIFETIME_MS, Outcome};
use crate::slab::Key;
use crate::time::{Now, Tick};

/// So long before its `response_url` expires a run is given up, so that the person can be told: three attempts and what
/// lies between them.
pub const RUN_MARGIN_MS: u64 = 35_000;
const _: () = assert!(RUN_MARGIN_MS < LIFETIME_MS, "a run has time");

/// Room for this many waiting jobs is kept when a wave of them has passed.
const WAITING_KEPT: usize = 64;

/// What is known of runs beside the table: other jobs pay nothing for it.
#[derive(Debug, Default)]
pub(super) struct Runs {
    /// Due jobs that wait for a thread that runs their command. Some may have been given up since, but not the first one.
    waiting: VecDeque<Key>,
    /// By when each job that waits or runs must have its reply.
    deadlines: BTreeSet<(Tick, u64)>,
    /// Replies that were made, until their jobs are settled.
    made: BTreeMap<u64, Box<[u8]>>,
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeReply {
    /// The message that is to be posted.
    pub message: Vec<u8>,
    /// How many messages were posted before it, or may have been.
    pub uses: u8,
    /// What the receiver has answered to the last of them, if it was a 429.
    pub limited: Option<Outcome>,
}

impl Runs {
    /// Takes a job that is due.
    pub(super) fn wait(&mut self, key: Key, expires_at: Tick) {
        self.waiting.push_back(key);
        self.deadlines.insert((deadline(expires_at), key.to_u64()));
    }

    /// A job is not due any more.
    pub(super) fn postpone(&mut self, key: Key, expires_at: Tick) {
        self.deadlines.remove(&(deadline(expires_at), key.to_u64()));
    }

    /// A job is pending no more. Gives how many bytes its reply had.
    pub(super) fn forget(&mut self, key: Key, expires_at: Tick) -> usize {
        if self.deadlines.is_empty() && self.made.is_empty() {
            return 0;
        }
        self.postpone(key, expires_at);
        self.made.remove(&key.to_u64()).map_or(0, |made| made.len())
    }

    /// When the next deadline is.
    pub(super) fn poll_timeout(&self) -> Option<Tick> {
        self.deadlines.first().map(|(at, _)| *at)
    }
}

/// When a run must be over.
const fn deadline(expires_at: Tick) -> Tick {
    Tick(expires_at.0.saturating_sub(RUN_MARGIN_MS))
}

impl Job {
    /// When the run of its command must be over.
    #[must_use]
    pub const fn run_deadline(&self) -> Tick {
        deadline(self.expires_at)
    }
}

impl Jobs {
    /// Whether [`Self::poll_run`] has something to give.
    #[must_use]
    pub fn has_run(&self) -> bool {
        !self.runs.waiting.is_empty()
    }

    /// The next job whose command is to be run: its run begins.
    pub fn poll_run(&mut self) -> Option<(Key, &Job)> {
        let key = self.runs.waiting.pop_front()?;
        self.drop_given_up();
        self.sending += 1;
        let job = self.table.get_mut(key)?;
        job.state = State::Running;
        Some((key, job))
    }

    /// Takes the jobs that do not wait any more off the front of those that do: while all threads hang, none is taken there.
    pub(super) fn drop_given_up(&mut self) {
        let waiting = &mut self.runs.waiting;
        let waits = |job: &Job| job.needs_run && job.state == State::Ready;
        while let Some(key) = waiting.front()
            && !self.table.get(*key).is_some_and(waits)
        {
            waiting.pop_front();
        }
        if waiting.is_empty() {
            waiting.shrink_to(WAITING_KEPT);
        }
    }

    /// A job whose run is not over, or has not begun, though its deadline has come.
    #[must_use]
    pub fn poll_overdue(&self, now: Tick) -> Option<Key> {
        let (at, key) = self.runs.deadlines.first()?;
        (*at <= now).then(|| Key::from_u64(*key))
    }

    /// The run of a job is over and has made its reply, which is ready to be posted now. `false` if the job is not being
    /// run: a run counts once, and not after it was given up.
    pub fn end_run(&mut self, key: Key, made: MadeReply, now: Now) -> bool {
        let job = self.table.get(key);
        let is_running = job.is_some_and(|job| job.state == State::Running);
        if is_running {
            if let Some(outcome) = &made.limited {
                self.pace(key, outcome, now);
            }
            self.set_made(key, made);
        }
        is_running
    }

    /// The run of a job is given up, and this is posted in place of its reply. What the run may still post until it
    /// notices counts as posted.
    pub fn give_up_run(&mut self, key: Key, message: Vec<u8>) {
        let Some(job) = self.table.get(key) else {
            return;
        };
        let uses = match job.state {
            State::Running => job.messages_max(),
            _ => 0,
        };
        let made = MadeReply {
            message,
            uses,
            limited: None,
        };
        self.set_made(key, made);
        self.drop_given_up();
    }

    fn set_made(&mut self, key: Key, made: MadeReply) {
        let Some(job) = self.table.get_mut(key) else {
            return;
        };
        self.sending -= usize::from(job.state == State::Running);
        job.tries.attempts += made.uses.min(job.messages_max());
        (job.needs_run, job.state) = (false, State::Ready);
        self.runs.postpone(key, job.expires_at);
        self.payload_bytes += made.message.len();
        self.runs.made.insert(key.to_u64(), made.message.into());
        self.ready.push_back(key);
    }

    /// The reply that the run of a job has made.
    #[must_use]
    pub fn made(&self, key: Key) -> Option<&[u8]> {
        let made = self.runs.made.get(&key.to_u64());
        made.map(|made| &**made)
    }

    /// Whether nothing but one probe at a time goes to the workspace of a job.
    #[must_use]
    pub fn is_limited(&self, job: &Job) -> bool {
        !self.pacing.is_empty() && self.pacing.is_paced(job.workspace())
    }
}

impl Job {
    /// How many messages its run may post before the reply: Slack takes five posts in all, retries included.
    #[must_use]
    pub const fn messages_max(&self) -> u8 {
        (ATTEMPTS_MAX - 1).saturating_sub(self.tries.attempts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::{NewJob, Verdict};
    use crate::time::UnixTime;

    const NEW: NewJob<'_> = NewJob {
        command: 0,
        origin: 0,
        path: "/commands/T1/1/x",
        text: "abc",
        fields: "",
        is_late: false,
        needs_run: true,
        due: Tick(10),
        expires_at: Tick(LIFETIME_MS),
        request: None,
    };

    fn at(ms: u64) -> Now {
        Now {
            tick: Tick(ms),
            unix: UnixTime(ms),
        }
    }

    fn made(uses: u8, limited: Option<Outcome>) -> MadeReply {
        MadeReply {
            message: b"{}".to_vec(),
            uses,
            limited,
        }
    }

    /// Jobs of which one is due and waits for its run.
    fn due(new: NewJob<'_>) -> (Jobs, Key) {
        let mut jobs = Jobs::new(10, Tick(0));
        let key = jobs.schedule(new).unwrap();
        assert!(!jobs.has_run());
        jobs.handle_timeout(new.due, &mut 100);
        assert!(jobs.has_run() && !jobs.has_ready());
        (jobs, key)
    }

    #[test]
    fn a_job_is_run_once_and_its_reply_stays_until_it_is_settled() {
        let (mut jobs, key) = due(NEW);
        assert_eq!(jobs.poll_run().unwrap().0, key);
        assert!(jobs.poll_run().is_none());
        assert_eq!(
            (jobs.get(key).unwrap().state, jobs.sending()),
            (State::Running, 1)
        );
        assert!(jobs.end_run(key, made(2, None), at(20)));
        assert!(!jobs.end_run(key, made(2, None), at(20)), "once");
        for attempt in 3..=4 {
            let (_, job) = jobs.poll_ready(Tick(20)).unwrap();
            assert_eq!(job.unwrap().attempts_begun(), attempt);
            assert_eq!(jobs.made(key), Some(&b"{}"[..]));
            let verdict = jobs.handle_outcome(key, &Outcome::Unknown, at(20));
            let Some(Verdict::RetryAt(again)) = verdict else {
                panic!("{verdict:?}");
            };
            jobs.handle_timeout(again, &mut 100);
            assert!(!jobs.has_run(), "posted again, and not run again");
        }
        jobs.poll_ready(Tick(20)).unwrap().1.unwrap();
        let verdict = jobs.handle_outcome(key, &Outcome::Delivered, at(20));
        assert_eq!(verdict, Some(Verdict::Settled));
        assert!(jobs.is_empty() && jobs.made(key).is_none());
        assert_eq!(jobs.payload_bytes, 0);
        assert!(jobs.runs.deadlines.is_empty());
    }

    #[test]
    fn a_run_that_found_no_thread_begins_later() {
        let (mut jobs, key) = due(NEW);
        jobs.poll_run().unwrap();
        let verdict = jobs.handle_outcome(key, &Outcome::Unsent, at(10));
        let Some(Verdict::RetryAt(again)) = verdict else {
            panic!("{verdict:?}");
        };
        assert_eq!(
            (jobs.sending(), jobs.poll_overdue(NEW.expires_at)),
            (0, None)
        );
        jobs.handle_timeout(again, &mut 100);
        assert_eq!(jobs.poll_run().unwrap().0, key);
    }

    #[test]
    fn a_run_that_is_not_over_in_time_is_given_up() {
        for has_begun in [true, false] {
            let (mut jobs, key) = due(NEW);
            if has_begun {
                jobs.poll_run().unwrap();
            }
            let deadline = Tick(LIFETIME_MS - RUN_MARGIN_MS);
            assert_eq!(jobs.poll_timeout(), Some(deadline));
            assert_eq!(jobs.poll_overdue(Tick(deadline.0 - 1)), None);
            assert_eq!(jobs.poll_overdue(deadline), Some(key));
            jobs.give_up_run(key, b"{\"late\"}".to_vec());
            assert_eq!((jobs.poll_overdue(deadline), jobs.sending()), (None, 0));
            assert!(jobs.poll_run().is_none());
            assert!(
                !jobs.end_run(key, made(0, None), at(deadline.0)),
                "too late"
            );
            let (_, job) = jobs.poll_ready(deadline).unwrap();
            let begun = if has_begun { ATTEMPTS_MAX } else { 1 };
            assert_eq!(job.unwrap().attempts_begun(), begun);
            assert_eq!(jobs.made(key), Some(&b"{\"late\"}"[..]));
        }
    }

    /// While all threads that may run commands hang, none of what waits for one is taken.
    #[test]
    fn jobs_that_are_given_up_while_no_run_can_begin_leave_nothing_behind() {
        let mut jobs = Jobs::new(10, Tick(0));
        for round in 1..100 {
            let due = Tick(round * LIFETIME_MS);
            let expires_at = due.after(LIFETIME_MS);
            let new = NewJob {
                due,
                expires_at,
                ..NEW
            };
            let key = jobs.schedule(new).unwrap();
            jobs.handle_timeout(due, &mut 100);
            assert!(jobs.has_run());
            assert_eq!(jobs.poll_overdue(deadline(expires_at)), Some(key));
            jobs.give_up_run(key, b"{}".to_vec());
            assert!(!jobs.has_run() && jobs.runs.waiting.is_empty());
            let (ready, _) = jobs.poll_ready(deadline(expires_at)).unwrap();
            jobs.handle_outcome(ready, &Outcome::Delivered, at(0));
            assert!(jobs.is_empty());
        }
    }

    #[test]
    fn messages_and_attempts_share_what_slack_takes() {
        let (mut jobs, key) = due(NEW);
        assert_eq!(jobs.poll_run().unwrap().1.messages_max(), 4);
        jobs.end_run(key, made(9, None), at(10));
        assert_eq!(
            jobs.poll_ready(Tick(10))
                .unwrap()
                .1
                .unwrap()
                .attempts_begun(),
            5
        );
        let last = jobs.handle_outcome(key, &Outcome::Unknown, at(10));
        assert!(matches!(last, Some(Verdict::Abandon(_))), "{last:?}");
        let mut restored = Jobs::new(10, Tick(0));
        restored.restore(NEW, 3, 7).unwrap();
        restored.handle_timeout(Tick(10), &mut 100);
        assert_eq!(restored.poll_run().unwrap().1.messages_max(), 1);
    }

    #[test]
    fn a_limit_that_a_message_met_holds_for_the_reply_and_for_no_run() {
        let (mut jobs, key) = due(NEW);
        jobs.poll_run().unwrap();
        let limited = Outcome::Limited {
            retry_after: Some("7".to_owned()),
        };
        assert!(jobs.end_run(key, made(0, Some(limited)), at(10)));
        assert!(jobs.poll_ready(Tick(10)).is_none(), "it is held");
        let job = jobs.get(key).unwrap();
        assert!(job.state == State::Held && jobs.is_limited(job));
        let other = jobs.schedule(NEW).unwrap();
        jobs.handle_timeout(Tick(11), &mut 100);
        assert_eq!(jobs.poll_run().unwrap().0, other);
        jobs.handle_timeout(Tick(9_000), &mut 100);
        assert_eq!(jobs.poll_ready(Tick(9_000)).unwrap().0, key);
    }
}
