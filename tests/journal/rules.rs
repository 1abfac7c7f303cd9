//! The rules that the log is made by, each on its own.

use torrap::journal::{Error, LOG_BYTES_MIN, SEGMENT_BYTES, Sizes};

use crate::disk::FakeDisk;
use crate::process::{Answer, Process, config, signed};

pub const START: u64 = 1_600_000_000_000;
pub const FIRST: &str = "0000000001.log";

pub fn start(disk: &FakeDisk) -> Process {
    start_at(disk, START)
}

pub fn start_at(disk: &FakeDisk, unix: u64) -> Process {
    Process::start(disk, &config(1000), unix).unwrap().0
}

/// A journal of so many segments, each with a job of its own.
pub fn segments(count: u64) -> FakeDisk {
    segments_on(FakeDisk::new(1), count)
}

/// Each batch goes to a segment of its own.
pub const ONE_BATCH: Sizes = Sizes {
    segment: 1,
    log_min: LOG_BYTES_MIN,
};

pub fn segments_on(disk: FakeDisk, count: u64) -> FakeDisk {
    let (mut process, _) = Process::start_with(&disk, ONE_BATCH, &config(1000), START).unwrap();
    for number in 0..count {
        process.turn(number..number + 1, START);
    }
    assert_eq!(disk.segments().len() as u64, count);
    disk
}

/// The paths of the pending replies, in the order in which they become due.
pub fn pending(disk: &FakeDisk, unix: u64) -> Vec<u64> {
    let mut process = start_at(disk, unix);
    let now = process.at(unix + 5000);
    process.bot.handle_timeout(now, &mut 10_000_000);
    std::iter::from_fn(|| process.dispatch(now))
        .map(|delivery| delivery.url.rsplit_once('/').unwrap().1.parse().unwrap())
        .collect()
}

/// Rule 1: a record in another segment than its own does not count.
#[test]
fn a_segment_under_another_name_has_no_records() {
    let disk = FakeDisk::new(1);
    start(&disk).turn(0..3, START);
    disk.rename(FIRST, "0000000007.log");
    let (process, recovery) = Process::start(&disk, &config(1000), START).unwrap();
    assert_eq!(process.bot.pending(), 0);
    assert!(recovery.damages + recovery.torn_bytes > 0, "it is noticed");
}

/// Rules 2 and 3: one write and one sync for all that a turn has accepted, the directory's before the
/// first; outcomes are written without a sync; a turn without either touches nothing.
#[test]
fn a_turn_costs_one_write_and_one_sync() {
    let disk = FakeDisk::new(1);
    let mut process = start(&disk);
    assert_eq!(process.turn(0..5, START), [Answer::Acknowledged; 5]);
    let all = [
        "sync names",
        "create 0000000001.log",
        "write 0000000001.log at 0",
    ];
    let ends = ["sync 0000000001.log", "sync names"];
    assert_eq!(disk.take_trace(), [&all[..], &ends[..]].concat());
    process.turn(5..9, START + 1);
    let trace = disk.take_trace();
    assert_eq!(trace.len(), 2, "{trace:?}");
    assert!(
        trace[0].starts_with("write ") && trace[1].starts_with("sync 0"),
        "{trace:?}"
    );
    process.turn(9..9, START + 2);
    assert_eq!(disk.take_trace(), [""; 0]);
    assert_eq!(process.deliver(START + 1500), 9);
    let trace = disk.take_trace();
    assert_eq!(trace.len(), 1, "{trace:?}");
    assert!(trace[0].starts_with("write "), "{trace:?}");
}

/// Rule 3: segments of 4 MiB.
#[test]
fn a_full_segment_is_synced_and_followed_by_another() {
    let disk = FakeDisk::new(1);
    let mut process = start(&disk);
    let text = "x".repeat(200_000);
    let mut number = 0;
    while disk.segments().len() == 1 || number == 0 {
        accept(&mut process, number, &text, START);
        number += 1;
    }
    assert_eq!(number, SEGMENT_BYTES / 200_000 + 2);
    let trace = disk.take_trace();
    let made = trace
        .iter()
        .position(|line| line == "create 0000000002.log")
        .unwrap();
    assert_eq!(
        trace[made + 1..],
        [
            "write 0000000002.log at 0",
            "sync 0000000002.log",
            "sync names"
        ]
    );
    drop(process);
    assert_eq!(pending(&disk, START).len() as u64, number);
}

fn accept(process: &mut Process, number: u64, text: &str, unix: u64) {
    let now = process.at(unix);
    process.begin(now);
    process.receive(vec![signed(number, text, unix)], now);
    process.commit(now);
    assert_eq!(process.transmit(), [[Answer::Acknowledged]]);
}

/// Rule 4: segments are deleted in their order, so that one that is missing between others is damage.
#[test]
fn a_missing_segment_costs_what_it_held_and_no_more() {
    let disk = segments(4);
    disk.delete("0000000002.log");
    let (process, recovery) = Process::start(&disk, &config(1000), START).unwrap();
    assert_eq!((process.bot.pending(), recovery.damages), (3, 1));
    drop(process);
    assert_eq!(pending(&disk, START), [0, 2, 3]);
    let left = ["0000000001.log", "0000000003.log", "0000000004.log"];
    assert_eq!(disk.segments(), left);
}

/// A number is given out again if those who had it were never acknowledged, and not to be found then.
#[test]
fn of_two_jobs_with_one_number_the_later_counts() {
    let disk = FakeDisk::new(1);
    disk.set_content_of_new(FIRST, b"garbage".to_vec());
    start(&disk).turn(7..8, START);
    let mut later = disk.content("0000000002.log");
    later[0] ^= 1; // the header would say that nothing before it counts
    disk.set_content("0000000002.log", later);
    let other = FakeDisk::new(2);
    start(&other).turn(5..6, START);
    disk.set_content_of_new(FIRST, other.content(FIRST));
    assert_eq!(pending(&disk, START), [7]);
}

/// Rules 4 and 5: dead segments go, the newest never; late jobs do not keep all that came after them,
/// however many stand side by side, and moving them loses nothing.
#[test]
fn stragglers_do_not_keep_the_log_from_shrinking() {
    const STRAGGLERS: u64 = 150;
    let disk = FakeDisk::new(1);
    let mut process = start(&disk);
    let text = "x".repeat(100_000);
    // Answered after a second, as all others; but not the first ones, whose receiver fails.
    for number in 0..STRAGGLERS {
        accept(&mut process, number, &text, START);
    }
    let mut peak = 0;
    let mut unix = START + 2000;
    hold(&mut process, unix);
    for number in STRAGGLERS..1500 {
        accept(&mut process, number, &text, unix);
        unix += 300;
        process.deliver(unix);
        let (bytes, live) = process.journal.bytes();
        peak = peak.max(bytes);
        assert!(bytes <= LOG_BYTES_MIN.max(3 * live), "{bytes} of {live}");
    }
    assert!(peak > LOG_BYTES_MIN / 2, "150 MB went through: {peak}");
    assert!(process.journal.counts().moved >= STRAGGLERS);
    disk.cut_power();
    drop(process);
    let left = pending(&disk, unix);
    assert!(
        (0..STRAGGLERS).all(|straggler| left.contains(&straggler)),
        "{left:?}"
    );
    assert!((left.len() as u64) < STRAGGLERS + 10, "{left:?}");
}

/// Takes what is due and never tells what came of it.
fn hold(process: &mut Process, unix: u64) {
    let now = process.at(unix);
    process.bot.handle_timeout(now, &mut 1000);
    while process.dispatch(now).is_some() {}
}

/// Rule 7: only what is damaged is lost, wherever it is, and it is kept for a look.
#[test]
fn damage_loses_what_it_hits() {
    let disk = FakeDisk::new(1);
    let mut process = start(&disk);
    for number in 0..5 {
        process.turn(number..number + 1, START);
    }
    drop(process);
    let content = disk.content(FIRST);
    let third = content.windows(2).position(|two| two == b"/2").unwrap();
    let mut damaged = content.clone();
    damaged[third + 1] ^= 4;
    disk.set_content(FIRST, damaged.clone());
    let (process, recovery) = Process::start(&disk, &config(1000), START).unwrap();
    assert_eq!((process.bot.pending(), recovery.damages), (4, 1));
    assert_eq!(recovery.kept_aside, ["0000000001.log.damaged"]);
    assert_eq!(disk.content("0000000001.log.damaged"), damaged);
    drop(process);
    assert_eq!(pending(&disk, START), [0, 1, 3, 4]);
}

#[test]
fn a_torn_tail_loses_only_what_was_never_acknowledged() {
    let disk = FakeDisk::new(1);
    let mut process = start(&disk);
    process.turn(0..2, START);
    let end = disk.content(FIRST).len();
    process.turn(2..3, START);
    drop(process);
    let content = disk.content(FIRST);
    for len in end..content.len() {
        disk.set_content(FIRST, content[..len].to_vec());
        let (process, recovery) = Process::start(&disk, &config(1000), START).unwrap();
        assert_eq!((process.bot.pending(), recovery.damages), (2, 0), "{len}");
    }
}

#[test]
fn files_of_garbage_never_keep_it_from_starting() {
    for (length, fill) in [
        (0, 0),
        (1, 0),
        (35, 1),
        (36, 0),
        (5000, 0),
        (5000, 0xff),
        (100_000, 4),
    ] {
        let disk = segments(3);
        disk.set_content("0000000003.log", vec![fill; length]);
        assert_eq!(pending(&disk, START), [0, 1], "{length} times {fill}");
    }
}

#[test]
fn an_unknown_format_is_refused_and_left_alone() {
    let disk = FakeDisk::new(1);
    start(&disk).turn(0..2, START);
    let mut content = disk.content(FIRST);
    content[6..10].copy_from_slice(&[3, 0, 0xfc, 0xff]);
    disk.set_content(FIRST, content.clone());
    disk.take_trace();
    let error = Process::start(&disk, &config(1000), START).err().unwrap();
    assert!(
        matches!(error, Error::Version { version: 3, .. }),
        "{error}"
    );
    assert_eq!(disk.take_trace(), [""; 0]);
    assert_eq!(disk.content(FIRST), content);
}

/// Only the newest segment is not synced as a whole, and nothing is deleted before its name is.
#[test]
fn a_segment_is_synced_before_the_next_and_others_are_deleted_afterwards() {
    let disk = FakeDisk::new(1);
    let (mut process, _) = Process::start_with(&disk, ONE_BATCH, &config(1000), START).unwrap();
    process.turn(0..1, START);
    disk.take_trace();
    assert_eq!(process.deliver(START + 1500), 1);
    let outcome = ["create 0000000002.log", "write 0000000002.log at 0"];
    assert_eq!(disk.take_trace(), outcome, "without a sync");
    process.turn(1..2, START + 2000);
    let next = [
        "sync 0000000002.log",
        "sync names",
        "create 0000000003.log",
        "write 0000000003.log at 0",
        "sync 0000000003.log",
        "sync names",
        "remove 0000000001.log",
        "remove 0000000002.log",
    ];
    assert_eq!(disk.take_trace(), next);
}
