//! From one life of the process to the next: times, numbers, attempts, and what people are shown.

use torrap::jobs::Outcome;
use torrap::time::UnixTime;
use torrap::tools::journal::Report;

use crate::disk::FakeDisk;
use crate::process::{Answer, Process, config, report, signed};
use crate::rules::{START, pending, start, start_at};

#[test]
fn what_has_expired_meanwhile_is_not_answered_and_forgotten() {
    let disk = FakeDisk::new(1);
    start(&disk).turn(0..2, START);
    let later = START + 31 * 60 * 1000;
    let (mut process, recovery) = Process::start(&disk, &config(1000), later).unwrap();
    assert_eq!((process.bot.pending(), recovery.expired), (0, 2));
    process.turn(9..10, later);
    drop(process);
    let (_, recovery) = Process::start(&disk, &config(1000), later).unwrap();
    assert_eq!(
        (recovery.pending, recovery.expired),
        (1, 0),
        "it is told once"
    );
}

#[test]
fn attempts_are_counted_on_and_due_times_kept() {
    let disk = FakeDisk::new(1);
    let mut process = start(&disk);
    process.turn(0..1, START);
    for (attempt, unix) in [(1, START + 1500), (2, START + 4000)] {
        let now = process.at(unix);
        process.bot.handle_timeout(now, &mut 100);
        let delivery = process.dispatch(now).unwrap();
        process.settle(&report(delivery.job, Outcome::Unknown), now);
        process.commit(now);
        drop(process);
        process = start_at(&disk, unix);
        assert_eq!(process.found[0].attempts, attempt);
        assert_eq!(process.deliver(unix + 700), 0, "not before its time");
    }
}

/// In an outage nothing is written for an attempt that was not sent or was limited, however often that is.
#[test]
fn an_outage_writes_nothing() {
    let disk = FakeDisk::new(1);
    let mut process = start(&disk);
    process.turn(0..50, START);
    let limited = Outcome::Limited {
        retry_after: Some("1".to_owned()),
    };
    disk.take_trace();
    let mut unix = START + 1500;
    let mut tries = 0;
    while unix < START + 20 * 60_000 {
        let now = process.at(unix);
        process.bot.handle_timeout(now, &mut 1000);
        while let Some(delivery) = process.dispatch(now) {
            let outcome = match unix < START + 300_000 {
                true => &limited,
                false => &Outcome::Unsent,
            };
            process.settle(&report(delivery.job, outcome.clone()), now);
            tries += 1;
        }
        assert!(process.commit(now));
        unix += 500;
    }
    assert!(tries > 500, "{tries}");
    assert_eq!(disk.take_trace(), [""; 0]);
    drop(process);
    // Nor do they count for the next process, for which all of it is due at once.
    let mut process = start_at(&disk, unix);
    assert_eq!(process.found[0].attempts, 0);
    assert_eq!(process.deliver(unix + 1), 50);
}

/// A process that is started again has everything due at once, and its receiver takes 25 and then one a second.
#[test]
fn a_burst_after_a_restart_is_delivered_wholly() {
    let disk = FakeDisk::new(1);
    let mut process = start(&disk);
    process.turn(0..50, START);
    process.turn(50..100, START);
    drop(process);
    let mut unix = START + 60_000;
    let mut process = start_at(&disk, unix);
    let (mut tokens, mut delivered) = (25.0, 0);
    while delivered < 100 {
        let now = process.at(unix);
        process.bot.handle_timeout(now, &mut 1000);
        let due: Vec<_> = std::iter::from_fn(|| process.dispatch(now)).collect();
        for delivery in due {
            let is_taken = tokens >= 1.0;
            let outcome = match is_taken {
                true => Outcome::Delivered,
                false => Outcome::Limited {
                    retry_after: Some("1".to_owned()),
                },
            };
            tokens -= f64::from(u8::from(is_taken));
            delivered += u32::from(is_taken);
            process.settle(&report(delivery.job, outcome), now);
        }
        assert!(process.commit(now));
        unix += 10;
        tokens = f64::min(tokens + 0.01, 25.0);
        assert!(unix < START + 300_000, "only {delivered}");
    }
    drop(process);
    assert_eq!(pending(&disk, unix), [0; 0]);
}

/// A clock that is set back between two processes has not moved; one that is set forward has.
#[test]
fn setting_the_clock_moves_no_due_time_while_the_process_lives() {
    let disk = FakeDisk::new(1);
    let mut process = start(&disk);
    process.turn(0..1, START);
    drop(process);
    let an_hour_ago = START - 3_600_000;
    let mut process = start_at(&disk, an_hour_ago);
    assert_eq!(process.bot.pending(), 1, "it has not expired");
    assert_eq!(process.deliver(an_hour_ago + 900), 0, "nor is it early");
    assert_eq!(process.deliver(an_hour_ago + 1100), 1);
    // While the process lives, the clock is set forward by an hour: nothing expires.
    let now = process.now(2000, START + 3_600_000);
    process.begin(now);
    process.receive(vec![signed(1, "olleh", START + 3_600_000)], now);
    assert!(process.commit(now));
    assert_eq!(process.transmit(), [[Answer::Acknowledged]]);
    drop(process);
    assert_eq!(pending(&disk, START + 3_600_100), [1]);
}

#[test]
fn numbers_are_never_given_out_twice() {
    let disk = FakeDisk::new(1);
    let mut newest = 0;
    for life in 0..5 {
        let unix = START + life * 10_000;
        let mut process = start_at(&disk, unix);
        process.turn(life * 3..life * 3 + 3, unix);
        let now = process.at(unix + 2000);
        process.bot.handle_timeout(now, &mut 1000);
        let mut numbers = Vec::new();
        while let Some(delivery) = process.dispatch(now) {
            numbers.push(delivery.job.generation());
            process.settle(&report(delivery.job, Outcome::Delivered), now);
        }
        process.commit(now);
        numbers.sort_unstable();
        assert!(numbers[0] > newest, "{numbers:?} after {newest}");
        assert_eq!(numbers, [numbers[0], numbers[0] + 1, numbers[0] + 2]);
        newest = numbers[2];
    }
}

#[test]
fn the_report_shows_what_is_pending_and_no_secret() {
    let disk = FakeDisk::new(1);
    let mut process = start(&disk);
    process.turn(100..103, START);
    disk.take_trace();
    let shown = Report::of(&mut disk.clone(), UnixTime(START + 400), true).unwrap();
    let text = format!("{shown}{}", shown.jobs().collect::<Vec<_>>().join("\n"));
    for part in [
        "pending: 3\n",
        "oldest: command 1\n",
        "next due: 2020-09-13T12:26:41Z\n",
        "command 3: due 2020-09-13T12:26:41Z, in 1 s, expires 2020-09-13T12:56:40Z, attempts made: 0, \
         /torrap to https://hooks.slack.com, 5 bytes of text",
    ] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    assert!(!text.contains("/10") && !text.contains("olleh"), "{text}");
    assert_eq!(disk.take_trace(), [""; 0], "it only looks");
    let later = Report::of(&mut disk.clone(), UnixTime(START + 3_600_000), false).unwrap();
    assert!(
        later.to_string().contains("expired and not answered: 3\n"),
        "{later}"
    );
}

#[test]
fn a_journal_that_is_not_there_yet_is_empty() {
    let disk = FakeDisk::new(1);
    let (process, recovery) = Process::start(&disk, &config(1000), START).unwrap();
    assert_eq!((recovery.pending, process.journal.bytes()), (0, (0, 0)));
    assert_eq!(
        disk.take_trace(),
        [""; 0],
        "nothing is written before there is something"
    );
}

#[test]
fn what_was_answered_before_a_graceful_end_is_not_pending_after_a_power_cut() {
    for seed in 1..20 {
        let disk = FakeDisk::new(seed);
        let mut process = start(&disk);
        process.turn(0..5, START);
        assert_eq!(process.deliver(START + 1500), 5);
        let now = process.at(START + 1500);
        process.finish(now).unwrap();
        drop(process);
        disk.cut_power();
        assert_eq!(pending(&disk, START), [0; 0], "seed {seed}");
    }
}
