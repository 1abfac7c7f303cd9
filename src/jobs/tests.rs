//! The table of jobs: what is pending, and until when.

use super::*;
use crate::time::{Now, UnixTime};

fn at(ms: u64) -> Now {
    Now {
        tick: Tick(ms),
        unix: UnixTime(ms),
    }
}

fn new_job(due: u64) -> NewJob<'static> {
    NewJob {
        command: 0,
        origin: 0,
        path: "/commands/é",
        text: "text 👍",
        fields: "",
        is_late: false,
        needs_run: false,
        due: Tick(due),
        expires_at: Tick(LIFETIME_MS),
        request: None,
    }
}

const fn rejected(status: u16) -> Outcome {
    Outcome::Rejected {
        status,
        is_about_message: status == 400,
    }
}

fn expire(jobs: &mut Jobs, ms: u64) {
    jobs.handle_timeout(Tick(ms), &mut 1000);
}

#[test]
fn a_job_is_ready_when_due_and_settled_once() {
    let mut jobs = Jobs::new(1, Tick(0));
    let key = jobs.schedule(new_job(5000)).unwrap();
    expire(&mut jobs, 4999);
    assert!(!jobs.has_ready());
    expire(&mut jobs, 5000);
    let (taken, job) = jobs.poll_ready(Tick(5000)).unwrap();
    let job = job.unwrap();
    assert_eq!(
        (taken, job.path(), job.text(), job.attempts_begun()),
        (key, "/commands/é", "text 👍", 1)
    );
    assert!(jobs.poll_ready(Tick(5000)).is_none());
    assert_eq!(jobs.len(), 1, "it is pending while it is being sent");
    assert_eq!(
        jobs.handle_outcome(key, &Outcome::Delivered, at(5100)),
        Some(Verdict::Settled)
    );
    assert!(jobs.is_empty() && jobs.poll_timeout().is_none());
    assert_eq!(
        jobs.handle_outcome(key, &Outcome::Delivered, at(5100)),
        None
    );
}

#[test]
fn capacity_counts_pending_jobs_in_every_state() {
    let mut jobs = Jobs::new(2, Tick(0));
    jobs.schedule(new_job(0)).unwrap();
    expire(&mut jobs, 0);
    let (key, _) = jobs.poll_ready(Tick(0)).unwrap();
    jobs.schedule(new_job(0)).unwrap();
    assert_eq!(jobs.schedule(new_job(0)), Err(Full));
    jobs.handle_outcome(key, &rejected(404), at(1));
    assert!(jobs.schedule(new_job(0)).is_ok());
}

#[test]
fn capacity_counts_bytes_as_well() {
    let mut jobs = Jobs::new(2, Tick(0));
    let text = "a".repeat(PAYLOAD_BYTES_MEAN_MAX * 2 - "/commands/é".len());
    let large = NewJob {
        text: &text,
        ..new_job(0)
    };
    let key = jobs.schedule(large).unwrap();
    assert_eq!(jobs.schedule(new_job(0)), Err(Full));
    expire(&mut jobs, 0);
    assert!(jobs.poll_ready(Tick(0)).is_some());
    jobs.handle_outcome(key, &Outcome::Delivered, at(0));
    assert!(jobs.schedule(large).is_ok(), "the bytes are given back");
}

#[test]
fn a_failed_attempt_is_made_again_until_they_are_spent() {
    let mut jobs = Jobs::new(1, Tick(0));
    let key = jobs.schedule(new_job(0)).unwrap();
    let mut now = 0;
    for attempt in 1..=ATTEMPTS_MAX {
        expire(&mut jobs, now);
        assert_eq!(
            jobs.poll_ready(Tick(now))
                .unwrap()
                .1
                .unwrap()
                .attempts_begun(),
            attempt
        );
        match jobs
            .handle_outcome(key, &Outcome::Unknown, at(now))
            .unwrap()
        {
            Verdict::RetryAt(next) => {
                expire(&mut jobs, next.0 - 1);
                assert!(!jobs.has_ready(), "not before its time");
                now = next.0;
            }
            verdict => {
                assert_eq!(verdict, Verdict::Abandon(Abandoned::AttemptsSpent));
                assert_eq!(attempt, ATTEMPTS_MAX);
            }
        }
    }
    assert!(jobs.is_empty());
}

#[test]
fn a_job_that_waited_too_long_for_a_sender_is_given_up() {
    let mut jobs = Jobs::new(1, Tick(0));
    let key = jobs.schedule(new_job(0)).unwrap();
    expire(&mut jobs, 0);
    let (late, job) = jobs.poll_ready(Tick(LIFETIME_MS)).unwrap();
    assert_eq!((late, job.err()), (key, Some(Abandoned::Expired)));
    assert!(jobs.is_empty());
}

#[test]
fn an_outcome_for_a_job_that_is_not_being_sent_counts_for_nothing() {
    let mut jobs = Jobs::new(1, Tick(0));
    let key = jobs.schedule(new_job(100)).unwrap();
    assert_eq!(jobs.handle_outcome(key, &Outcome::Delivered, at(0)), None);
    assert_eq!(jobs.len(), 1);
}

#[test]
fn a_wave_of_expiries_is_split_by_the_budget() {
    let mut jobs = Jobs::new(100, Tick(0));
    for _ in 0..100 {
        jobs.schedule(new_job(0)).unwrap();
    }
    let mut budget = 30;
    jobs.handle_timeout(Tick(0), &mut budget);
    assert_eq!((budget, jobs.ready.len()), (0, 30));
    assert!(
        jobs.poll_timeout() <= Some(Tick(0)),
        "the rest is due at once"
    );
}

/// While a journal cannot be written every command is withdrawn, and its timer stays until it is due.
#[test]
fn timers_of_withdrawn_jobs_are_no_more_than_the_capacity() {
    let mut jobs = Jobs::new(2, Tick(0));
    for _ in 0..2 {
        let key = jobs.schedule(new_job(5000)).unwrap();
        jobs.withdraw(key);
    }
    assert_eq!((jobs.len(), jobs.schedule(new_job(5000))), (0, Err(Full)));
    expire(&mut jobs, 5000);
    assert!(jobs.schedule(new_job(9000)).is_ok());
}

/// An outage, of the network or of this machine's threads, that lasts for almost as long as the reply can wait.
#[test]
fn an_attempt_that_was_not_sent_costs_nothing() {
    let mut jobs = Jobs::new(1, Tick(0));
    let key = jobs.schedule(new_job(0)).unwrap();
    let (mut now, mut tries) = (0, 0);
    while now < LIFETIME_MS - 60_000 {
        expire(&mut jobs, now);
        let (_, job) = jobs.poll_ready(Tick(now)).unwrap();
        assert_eq!(job.unwrap().attempts_begun(), 1);
        tries += 1;
        let verdict = jobs.handle_outcome(key, &Outcome::Unsent, at(now));
        let Some(Verdict::RetryAt(next)) = verdict else {
            panic!("{verdict:?} after {tries} tries");
        };
        assert!(next.millis_since(Tick(now)) <= 30_000);
        now = next.0;
    }
    assert!(tries > 60, "{tries}");
    expire(&mut jobs, now);
    assert!(jobs.poll_ready(Tick(now)).is_some());
    let verdict = jobs.handle_outcome(key, &Outcome::Delivered, at(now));
    assert_eq!(verdict, Some(Verdict::Settled));
}

#[test]
fn an_apology_takes_the_place_of_a_reply_once() {
    let mut jobs = Jobs::new(1, Tick(0));
    let key = jobs.schedule(new_job(0)).unwrap();
    expire(&mut jobs, 0);
    assert!(!jobs.poll_ready(Tick(0)).unwrap().1.unwrap().is_apology);
    let verdict = jobs.handle_outcome(key, &rejected(400), at(0));
    assert_eq!(verdict, Some(Verdict::Apologise));
    let (_, apology) = jobs.poll_ready(Tick(0)).unwrap();
    let apology = apology.unwrap();
    assert_eq!((apology.is_apology, apology.attempts_begun()), (true, 2));
    let verdict = jobs.handle_outcome(key, &rejected(400), at(0));
    assert_eq!(verdict, Some(Verdict::Abandon(Abandoned::Rejected(400))));
    assert!(jobs.is_empty());
}

/// Many ready jobs of a workspace that has just been limited: a turn of the loop holds some of them.
#[test]
fn a_wave_that_must_be_held_is_split_as_well() {
    let mut jobs = Jobs::new(10_000, Tick(0));
    for _ in 0..3 * HELD_PER_POLL_MAX {
        jobs.schedule(new_job(0)).unwrap();
    }
    jobs.handle_timeout(Tick(0), &mut 10_000);
    let (key, _) = jobs.poll_ready(Tick(0)).unwrap();
    let limited = Outcome::Limited { retry_after: None };
    let verdict = jobs.handle_outcome(key, &limited, at(0));
    assert!(
        matches!(verdict, Some(Verdict::HeldUntil(_))),
        "{verdict:?}"
    );
    let mut turns = 0;
    while jobs.has_ready() {
        assert!(jobs.poll_ready(Tick(0)).is_none());
        turns += 1;
    }
    assert_eq!(turns, 3);
    assert_eq!(jobs.len(), 3 * HELD_PER_POLL_MAX);
}

/// A wait for its workspace's turn would be over at once, and the caller would be woken for nothing.
#[test]
fn a_ready_job_that_has_expired_is_given_up_and_not_held() {
    const EXPIRES: u64 = 20;
    let mut jobs = Jobs::new(2, Tick(0));
    jobs.schedule(new_job(0)).unwrap();
    jobs.handle_timeout(Tick(0), &mut 100);
    let (first, _) = jobs.poll_ready(Tick(0)).unwrap();
    let late = NewJob {
        expires_at: Tick(EXPIRES),
        ..new_job(0)
    };
    let late = jobs.schedule(late).unwrap();
    jobs.handle_timeout(Tick(0), &mut 100);
    let limited = Outcome::Limited {
        retry_after: Some("100".to_owned()),
    };
    jobs.handle_outcome(first, &limited, at(0));
    let polled = jobs.poll_ready(Tick(EXPIRES));
    assert!(matches!(polled, Some((key, Err(Abandoned::Expired))) if key == late));
    assert!(jobs.poll_timeout().is_some_and(|at| at > Tick(EXPIRES)));
}

/// Slack's limits: a bucket of 25, refilled by one a second.
struct Receiver {
    milli_tokens: u64,
    at: u64,
    refusals: usize,
}

impl Receiver {
    fn answer(&mut self, now: u64) -> Outcome {
        self.milli_tokens = (self.milli_tokens + now - self.at).min(25_000);
        self.at = now;
        match self.milli_tokens.checked_sub(1_000) {
            Some(left) => {
                self.milli_tokens = left;
                Outcome::Delivered
            }
            None => {
                self.refusals += 1;
                Outcome::Limited {
                    retry_after: Some("1".to_owned()),
                }
            }
        }
    }
}

/// A hundred commands at once to one workspace, and now and then one to another, each attempt taking 50 ms.
#[test]
fn a_burst_to_a_limited_receiver_is_delivered_wholly() {
    const BURST: usize = 100;
    let mut jobs = Jobs::new(1_000, Tick(0));
    for _ in 0..BURST {
        let path = "/commands/T0001/1/x";
        jobs.schedule(NewJob { path, ..new_job(0) }).unwrap();
    }
    let mut slack = Receiver {
        milli_tokens: 25_000,
        at: 0,
        refusals: 0,
    };
    let (mut now, mut delivered, mut others) = (0, 0, 0);
    let mut under_way: VecDeque<(u64, Key, bool)> = VecDeque::new();
    while delivered < BURST {
        if now / 10_000 >= others {
            let path = "/commands/T0002/1/x";
            jobs.schedule(NewJob {
                path,
                ..new_job(now)
            })
            .unwrap();
            others += 1;
        }
        while let Some(&(end, key, is_other)) = under_way.front()
            && end <= now
        {
            under_way.pop_front();
            let outcome = match is_other {
                true => Outcome::Delivered,
                false => slack.answer(now),
            };
            delivered += usize::from(!is_other && outcome == Outcome::Delivered);
            assert!(jobs.handle_outcome(key, &outcome, at(now)).is_some());
        }
        expire(&mut jobs, now);
        while let Some((key, job)) = jobs.poll_ready(Tick(now)) {
            let is_other = job.unwrap().path().contains("T0002");
            under_way.push_back((now + 50, key, is_other));
        }
        assert!(!jobs.has_ready());
        let next = jobs.poll_timeout().map_or(u64::MAX, |at| at.0);
        let end = under_way.front().map_or(u64::MAX, |(end, ..)| *end);
        now = next.min(end).min(others * 10_000).max(now);
        assert!(now < 150_000, "{delivered} delivered by {now}");
    }
    println!("{BURST} after {now} ms and {} refusals", slack.refusals);
    assert!(slack.refusals < BURST - 25 + 40, "{}", slack.refusals);
    let is_other = |job: &Job| job.path().contains("T0002");
    let waiting = jobs.iter().filter(|(_, job)| is_other(job)).count();
    assert!(waiting <= 1, "others go on: {waiting}");
}
