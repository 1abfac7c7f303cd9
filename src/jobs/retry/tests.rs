//! What becomes of a job, by its outcome and how often it was tried.

use super::*;

const NOW: Now = Now {
    tick: Tick(1_000_000),
    unix: UnixTime(784_111_777_000),
};
const NEVER: Tick = Tick(u64::MAX);

fn unavailable(retry_after: &str) -> Outcome {
    Outcome::Unavailable {
        status: 503,
        retry_after: Some(retry_after.to_owned()),
    }
}

fn limited(retry_after: &str) -> Outcome {
    Outcome::Limited {
        retry_after: Some(retry_after.to_owned()),
    }
}

const fn rejected(status: u16, is_about_message: bool) -> Outcome {
    Outcome::Rejected {
        status,
        is_about_message,
    }
}

/// A job whose `number`-th attempt of this kind is judged.
fn case(outcome: &Outcome, number: u8, seed: u64) -> Case {
    let mut tries = Tries::default();
    (0..number).for_each(|_| tries.count(outcome));
    Case {
        tries,
        is_apology: false,
        expires_at: NEVER,
        seed,
    }
}

fn wait_ms(outcome: &Outcome, number: u8, seed: u64) -> u64 {
    match judge(outcome, &case(outcome, number, seed), NOW) {
        Verdict::RetryAt(at) => at.millis_since(NOW.tick),
        verdict => panic!("{verdict:?}"),
    }
}

#[test]
fn some_outcomes_are_final() {
    let expired = Case {
        expires_at: Tick(0),
        ..case(&Outcome::Delivered, 5, 0)
    };
    assert_eq!(judge(&Outcome::Delivered, &expired, NOW), Verdict::Settled);
    let rejected = rejected(404, false);
    assert_eq!(
        judge(&rejected, &case(&rejected, 1, 0), NOW),
        Verdict::Abandon(Abandoned::Rejected(404))
    );
}

#[test]
fn a_fault_of_the_message_has_one_apology_within_the_five() {
    let fault = rejected(400, true);
    let first = case(&fault, 1, 0);
    assert_eq!(judge(&fault, &first, NOW), Verdict::Apologise);
    let refused = Verdict::Abandon(Abandoned::Rejected(400));
    let apology = Case {
        is_apology: true,
        ..first
    };
    assert_eq!(judge(&fault, &apology, NOW), refused);
    assert_eq!(
        judge(&Outcome::Delivered, &apology, NOW),
        Verdict::Apologised
    );
    assert_eq!(judge(&fault, &case(&fault, 4, 0), NOW), Verdict::Apologise);
    assert_eq!(judge(&fault, &case(&fault, 5, 0), NOW), refused);
    let expired = Case {
        expires_at: NOW.tick,
        ..first
    };
    assert_eq!(judge(&fault, &expired, NOW), refused);
}

fn assert_spans(waits: impl Iterator<Item = u64>, least: u64, most: u64) {
    let waits: Vec<u64> = waits.collect();
    let shortest = waits.iter().copied().min().unwrap();
    let longest = waits.iter().copied().max().unwrap();
    assert!(
        shortest >= least && longest <= most,
        "{shortest} to {longest}, not {least} to {most}"
    );
    let span = longest - shortest;
    assert!(span > (most - least) * 9 / 10, "{shortest} to {longest}");
}

#[test]
fn the_wait_doubles_within_its_jitter_and_differs_between_jobs() {
    for (number, base) in [(1, 1000), (2, 2000), (3, 4000), (4, 8000)] {
        for outcome in [Outcome::Unsent, Outcome::Unknown] {
            let waits = (0..1000).map(|seed| wait_ms(&outcome, number, seed));
            assert_spans(waits, base * 4 / 5, base * 6 / 5);
        }
    }
    for (number, least, most) in [
        (5, 12_800, 19_200),
        (6, 24_000, 30_000),
        (255, 24_000, 30_000),
    ] {
        let waits = (0..1000).map(|seed| wait_ms(&Outcome::Unsent, number, seed));
        assert_spans(waits, least, most);
    }
}

#[test]
fn five_attempts_that_may_have_been_posted_and_no_more() {
    for outcome in [Outcome::Unknown, unavailable("1")] {
        assert!(matches!(
            judge(&outcome, &case(&outcome, 4, 0), NOW),
            Verdict::RetryAt(_)
        ));
        let fifth = judge(&outcome, &case(&outcome, 5, 0), NOW);
        assert_eq!(fifth, Verdict::Abandon(Abandoned::AttemptsSpent));
    }
}

#[test]
fn what_was_not_posted_is_tried_until_it_expires() {
    for outcome in [Outcome::Unsent, limited("1")] {
        for number in [1, 5, 6, 100, 255] {
            let case = case(&outcome, number, 0);
            assert_eq!(case.tries.attempts, 0);
            assert!(matches!(judge(&outcome, &case, NOW), Verdict::RetryAt(_)));
        }
        let mut tries = case(&Outcome::Unknown, 4, 0).tries;
        tries.count(&outcome);
        assert_eq!((tries.attempts, tries.unsent), (4, 1));
        tries.count(&Outcome::Unknown);
        assert_eq!((tries.attempts, tries.unsent), (5, 0));
    }
}

#[test]
fn retry_after_is_a_lower_bound() {
    assert_eq!(wait_ms(&unavailable("30"), 1, 0), 30_001);
    assert_eq!(wait_ms(&unavailable(" 30\t"), 1, 0), 30_001);
    assert_eq!(
        wait_ms(&unavailable("Sun, 06 Nov 1994 08:50:37 GMT"), 1, 0),
        60_001
    );
    for none in [
        "0",
        "",
        "-5",
        "soon",
        "1.5",
        "Sun, 06 Nov 1994 08:00:00 GMT",
        "Thu, 01 Jan 1900 00:00:00 GMT",
    ] {
        for outcome in [unavailable(none), limited(none)] {
            assert!(
                (800..=1200).contains(&wait_ms(&outcome, 1, 7)),
                "{outcome:?}"
            );
        }
    }
}

#[test]
fn the_jitter_after_a_429_grows() {
    for (number, jitter) in [(1, 400), (2, 800), (3, 1_600), (7, 25_600), (255, 25_600)] {
        let waits = (0..1000).map(|seed| wait_ms(&limited("30"), number, seed));
        assert_spans(waits, 30_001, 30_001 + jitter);
    }
}

#[test]
fn nothing_is_tried_after_its_expiry() {
    let expiring = |outcome: &Outcome, at: u64| {
        let case = Case {
            expires_at: NOW.tick.after(at),
            ..case(outcome, 1, 0)
        };
        judge(outcome, &case, NOW)
    };
    for outcome in [Outcome::Unsent, Outcome::Unknown, limited("0")] {
        assert_eq!(
            expiring(&outcome, 500),
            Verdict::Abandon(Abandoned::Expired)
        );
    }
    for outcome in [unavailable("60"), limited("60")] {
        assert_eq!(
            expiring(&outcome, 60_001),
            Verdict::Abandon(Abandoned::WaitTooLong)
        );
        assert!(matches!(
            expiring(&outcome, 60_002 + 400),
            Verdict::RetryAt(_)
        ));
    }
    for endless in [
        unavailable("99999999999999999999999"),
        limited("99999999999999999999999"),
    ] {
        let verdict = judge(&endless, &case(&endless, 1, 0), NOW);
        assert_eq!(verdict, Verdict::Abandon(Abandoned::WaitTooLong));
    }
}
