//! What a receiver answers and when a reply is tried again: never early, never after its expiry,
//! never more often than Slack allows, and each job settles once.

use super::input::Input;
use torrap::jobs::{ATTEMPTS_MAX, Abandoned, Jobs, LIFETIME_MS, NewJob, Outcome, Verdict, answer};
use torrap::slab::Key;
use torrap::time::{Now, Tick, UnixTime};

/// The body: a clock, when the job expires, and an outcome for each attempt; or an answer and the
/// path that it may repeat.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    match input.byte() % 2 {
        0 => check_attempts(input),
        _ => check_excerpt(input),
    }
}

fn check_attempts(mut input: Input<'_>) {
    let mut now = Now {
        tick: Tick(u64::from(input.u32())),
        unix: UnixTime(input.u64() >> input.of(&[0, 20, 23, 40])),
    };
    let expires_at = now
        .tick
        .after(u64::from(input.u32()) >> input.of(&[0, 11, 16, 22]));
    let mut jobs = Jobs::new(1, now.tick);
    let new = NewJob {
        command: 0,
        origin: 0,
        path: "/x",
        text: "y",
        fields: "",
        is_late: false,
        needs_run: false,
        due: now.tick,
        expires_at,
        request: None,
    };
    let key = jobs.schedule(new).expect("there is room for one");
    let mut counted = Counted::default();
    loop {
        let mut waits = 0..10;
        let (taken, job) = loop {
            jobs.handle_timeout(now.tick, &mut 1_000);
            if let Some(taken) = jobs.poll_ready(now.tick) {
                break taken;
            }
            // Its workspace is paced: it waits for its turn.
            assert!(counted.is_paced && waits.next().is_some(), "not ready");
            let next = jobs.poll_timeout().expect("it waits for something");
            now.tick = next.max(now.tick);
        };
        assert_eq!(taken, key);
        let Ok(job) = job else {
            assert!(
                now.tick >= expires_at && jobs.is_empty(),
                "given up before its expiry"
            );
            return;
        };
        assert!(now.tick < expires_at, "tried after its expiry");
        let begun = counted.attempts + 1;
        assert_eq!(
            (job.attempts_begun(), job.path(), job.text()),
            (begun, "/x", "y")
        );
        assert_eq!(job.is_apology, counted.is_apology);
        assert!(begun <= ATTEMPTS_MAX, "tried too often");
        now.tick = now.tick.after(u64::from(input.byte()) * 40);
        now.unix = UnixTime(now.unix.0.saturating_add(u64::from(input.byte()) * 40));
        let outcome = outcome(&mut input, now.unix);
        let verdict = jobs
            .handle_outcome(key, &outcome, now)
            .expect("it was being sent");
        assert_eq!(
            jobs.handle_outcome(key, &Outcome::Delivered, now),
            None,
            "counts once"
        );
        counted.count(&outcome);
        check_verdict(verdict, &outcome, &counted, expires_at, now);
        match verdict {
            Verdict::RetryAt(at) | Verdict::HeldUntil(at) => {
                assert_waits_until(&mut jobs, key, at.min(expires_at));
                now.tick = at.after(u64::from(input.byte()));
            }
            Verdict::Apologise => counted.is_apology = true,
            _ => return assert!(jobs.is_empty()),
        }
    }
}

/// How often the job was tried.
#[derive(Default)]
struct Counted {
    attempts: u8,
    unsent: u8,
    is_apology: bool,
    /// There was a 429.
    is_paced: bool,
}

impl Counted {
    fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Unsent | Outcome::Limited { .. } => {
                self.unsent = self.unsent.saturating_add(1);
                self.is_paced |= *outcome != Outcome::Unsent;
            }
            _ => (self.attempts, self.unsent) = (self.attempts + 1, 0),
        }
    }
}

/// The job is there, and not ready, until that tick: its next attempt, or its expiry while it is held.
fn assert_waits_until(jobs: &mut Jobs, key: Key, at: Tick) {
    assert!(jobs.len() == 1 && !jobs.has_ready());
    assert!(jobs.poll_timeout().is_some_and(|next| next <= at));
    let early = Tick(at.0 - 1);
    jobs.handle_timeout(early, &mut 1_000);
    // A workspace that was paced may have something to do before; its job has not.
    assert!(jobs.poll_ready(early).is_none(), "early");
    assert!(jobs.iter().all(|(pending, _)| pending == key));
}

fn outcome(input: &mut Input<'_>, now: UnixTime) -> Outcome {
    match input.byte() % 8 {
        0 => {
            let content = input.of(&["ok", "", r#"{"ok": false}"#]);
            answer::outcome(
                200 + u16::from(input.byte() % 100),
                None,
                content.as_bytes(),
            )
        }
        1 => answer::outcome(
            input.of(&[101, 199, 300, 302, 400, 404, 410, 430, 499, 600]),
            Some(b"1"),
            input.of(&["msg_too_long", "no_service"]).as_bytes(),
        ),
        2 => Outcome::Unsent,
        3 => Outcome::Unknown,
        kind => {
            let status = input.of(&[408, 429, 500, 503, 599]);
            let field = retry_after(kind, input, now);
            answer::outcome(status, field.as_deref().map(str::as_bytes), b"")
        }
    }
}

/// The field's value: none, anything, a number or a date.
fn retry_after(kind: u8, input: &mut Input<'_>, now: UnixTime) -> Option<String> {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    match kind {
        4 => None,
        5 => Some(text(input.some())),
        6 => Some(format!(
            "{}{}",
            u32::from(input.byte()) * 8,
            input.of(&["", " ", "\t", ".", "0"])
        )),
        _ => {
            let secs = now.secs().saturating_add(u64::from(input.byte()) * 8);
            // The calendar of HTTP ends with the year 9999.
            let secs = secs.min(253_402_300_799);
            let date = std::time::UNIX_EPOCH + std::time::Duration::from_secs(secs);
            Some(httpdate::fmt_http_date(date))
        }
    }
}

/// What the field asks for, from now, in milliseconds: RFC 9110, section 10.2.3.
fn asked_ms(outcome: &Outcome, now: UnixTime) -> u128 {
    let (Outcome::Unavailable {
        retry_after: Some(value),
        ..
    }
    | Outcome::Limited {
        retry_after: Some(value),
    }) = outcome
    else {
        return 0;
    };
    let value = value.trim_matches([' ', '\t']);
    if !value.is_empty() && value.chars().all(|c| c.is_ascii_digit()) {
        let secs = value.parse::<u64>().unwrap_or(u64::MAX);
        return u128::from(secs) * 1000;
    }
    let Ok(date) = httpdate::parse_http_date(value) else {
        return 0;
    };
    let since = date
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    since.as_millis().saturating_sub(u128::from(now.0))
}

fn check_verdict(
    verdict: Verdict,
    outcome: &Outcome,
    counted: &Counted,
    expires_at: Tick,
    now: Now,
) {
    let is_last = counted.attempts == ATTEMPTS_MAX;
    let (base, jitter) = match outcome {
        Outcome::Delivered if counted.is_apology => {
            return assert_eq!(verdict, Verdict::Apologised);
        }
        Outcome::Delivered => return assert_eq!(verdict, Verdict::Settled),
        Outcome::Rejected {
            is_about_message: true,
            ..
        } if !counted.is_apology && !is_last && now.tick < expires_at => {
            return assert_eq!(verdict, Verdict::Apologise);
        }
        Outcome::Rejected { status, .. } => {
            return assert_eq!(verdict, Verdict::Abandon(Abandoned::Rejected(*status)));
        }
        Outcome::Unsent => ((1000 << (counted.unsent - 1).min(5)).min(30_000), 0),
        // One job that is refused again and again: its own jitter and its workspace's grow alike.
        Outcome::Limited { .. } => (1000, 400_u128 << counted.unsent.min(6)),
        Outcome::Unknown | Outcome::Unavailable { .. } if is_last => {
            return assert_eq!(verdict, Verdict::Abandon(Abandoned::AttemptsSpent));
        }
        Outcome::Unknown | Outcome::Unavailable { .. } => (1000 << (counted.attempts - 1), 0),
    };
    let asked = asked_ms(outcome, now.unix);
    // A tick is the floor of its moment: one more, or the wait is a fraction too short.
    let asked = if asked == 0 { 0 } else { asked + 1 };
    let (least, most) = (base * 8 / 10, (base * 12 / 10).min(30_000));
    let left = u128::from(expires_at.millis_since(now.tick));
    match verdict {
        Verdict::RetryAt(at) | Verdict::HeldUntil(at) => {
            let wait = u128::from(at.millis_since(now.tick));
            // A workspace waits no longer than any of its jobs lives; here a job may live longer.
            let is_held = matches!(verdict, Verdict::HeldUntil(_));
            let kept = if is_held {
                asked.min(u128::from(LIFETIME_MS) + 1)
            } else {
                asked
            };
            assert!(
                wait >= kept && wait >= least,
                "early: {wait} of {asked} and {least}"
            );
            // It also keeps to what it was told before.
            assert!(
                is_held || wait <= asked.max(most) + jitter,
                "late: {wait} of {asked} and {most}"
            );
            assert!(is_held || wait < left, "after its expiry");
        }
        Verdict::Abandon(Abandoned::WaitTooLong) => assert!(asked >= left),
        Verdict::Abandon(Abandoned::Expired) => {
            assert!(asked < left && asked.max(most) + jitter >= left);
        }
        verdict => panic!("{verdict:?}"),
    }
}

/// However much of an answer was read, what the log shows of it is short, and of the path's parts
/// none, nor the beginning of one at its end.
fn check_excerpt(mut input: Input<'_>) {
    let marks = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/?&=-_%.";
    let path: String = input
        .some()
        .iter()
        .map(|b| char::from(marks[usize::from(*b) % 70]))
        .collect();
    let times = usize::from(input.byte() % 16);
    let words = input.some();
    let (cut, tail) = (input.byte(), input.rest());
    let mut answer = [words, &path.as_bytes().repeat(times), tail].concat();
    answer.truncate(answer.len() - usize::from(cut).min(answer.len()));
    let shown = answer::excerpt(&answer, &format!("https://hooks.slack.com/{path}"));
    assert!(shown.len() <= 100);
    let lower = shown.to_ascii_lowercase();
    for part in path
        .to_ascii_lowercase()
        .split(['/', '?', '&', '='])
        .filter(|part| part.len() >= 8)
    {
        assert!(!lower.contains(part), "{shown:?} has {part:?}");
        let begins = (8..part.len()).any(|len| lower.ends_with(&part[..len]));
        assert!(
            !begins || shown.len() > 90,
            "{shown:?} ends in the beginning of {part:?}"
        );
    }
    // What has nothing of the path is shown as it is.
    let plain = answer::excerpt(words, "https://hooks.slack.com");
    let text = String::from_utf8_lossy(words);
    assert!(text.starts_with(&*plain) && plain.len() + 4 > text.len().min(100));
}

/// Each outcome at each attempt, with little time left and with much.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for shift in [0, 1, 2, 3] {
        for last in 0..8 {
            for failures in 0..5 {
                let clock = [
                    0, 0, 0, 0, 9, 0, 0, 1, 0x64, 0x92, 0x41, 0, 0, 1, 0x20, 0, 0, 0, shift,
                ];
                let mut seed = clock.to_vec();
                for _ in 0..failures {
                    seed.extend([1, 1, 2 + failures % 2, 5]);
                }
                seed.extend([1, 1, last, 0, 3, b'1', b'2', b' ']);
                seeds.push(seed);
            }
        }
    }
    for value in [
        "0",
        "12",
        "-5",
        "soon",
        "1.5",
        "99999999999999999999999",
        "",
        " 30\t",
    ] {
        let clock = [
            0, 0, 0, 0, 9, 0, 0, 1, 0x64, 0x92, 0x41, 0, 0, 0, 0x1b, 0x77, 0x40, 0, 0,
        ];
        let field = [&[1, 1, 5, 0, value.len() as u8], value.as_bytes()].concat();
        seeds.push([&clock, &*field].concat());
    }
    // The wait ends one millisecond before, at and after the expiry.
    for expiry in [0xe0, 0xe1, 0xe2] {
        let clock = [
            0, 0, 0, 0, 9, 0, 0, 1, 0x64, 0x92, 0x41, 0, 0, 0, 0, 0, 0x2e, expiry, 0,
        ];
        seeds.push([clock.as_slice(), &[0, 0, 5, 0, 2, b'1', b'2']].concat());
    }
    for cut in 0..20 {
        let path = [
            [1, 24].as_slice(),
            &b"commands/T1DC2JH3J/39770".map(|b| b ^ cut),
        ]
        .concat();
        seeds.push(
            [
                &path[..],
                &[cut, 4, b'n', b'o', b' ', 0xc3, cut],
                b"found".as_slice(),
            ]
            .concat(),
        );
    }
    seeds
}
