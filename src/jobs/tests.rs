//! The table of jobs: what is owed, and until when.

use super::*;
use crate::time::UnixTime;

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
        due: Tick(due),
        expires_at: Tick(LIFETIME_MS),
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
        (taken, job.path(), job.text(), job.attempts),
        (key, "/commands/é", "text 👍", 1)
    );
    assert!(jobs.poll_ready(Tick(5000)).is_none());
    assert_eq!(jobs.len(), 1, "it is owed while it is being sent");
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
fn capacity_counts_what_is_owed_in_every_state() {
    let mut jobs = Jobs::new(2, Tick(0));
    jobs.schedule(new_job(0)).unwrap();
    expire(&mut jobs, 0);
    let (key, _) = jobs.poll_ready(Tick(0)).unwrap();
    jobs.schedule(new_job(0)).unwrap();
    assert_eq!(jobs.schedule(new_job(0)), Err(Full));
    jobs.handle_outcome(key, &Outcome::Rejected { status: 404 }, at(1));
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
            jobs.poll_ready(Tick(now)).unwrap().1.unwrap().attempts,
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
