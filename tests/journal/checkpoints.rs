//! What a start does with what it has found: it is copied while the bot runs, and then the old files count no more.

use torrap::journal::{LOG_BYTES_MIN, SEGMENT_BYTES};
use torrap::time::Tick;

use crate::disk::FakeDisk;
use crate::process::{Answer, Process, config, signed};
use crate::rules::{ONE_BATCH, START, pending, segments, segments_on, start, start_at};

/// What the journal's thread does while no batch comes: all that the journal asks for, and how often.
fn tend(process: &mut Process, unix: u64) -> usize {
    let now = process.at(unix);
    for count in 0..100_000 {
        if process
            .journal
            .poll_timeout()
            .is_none_or(|at| at > now.tick)
        {
            return count;
        }
        process.commit(now);
    }
    panic!("it does not come to an end");
}

fn sorted(mut numbers: Vec<u64>) -> Vec<u64> {
    numbers.sort_unstable();
    numbers
}

/// Whether some file has these bytes.
fn is_on_disk(disk: &FakeDisk, bytes: &[u8]) -> bool {
    disk.all_contents()
        .iter()
        .any(|content| content.windows(bytes.len()).any(|at| at == bytes))
}

#[test]
fn a_start_writes_nothing_and_asks_for_a_checkpoint() {
    let disk = segments(3);
    disk.take_trace();
    let mut process = start(&disk);
    assert_eq!(disk.take_trace(), [""; 0]);
    assert_eq!(process.bot.pending(), 3);
    assert_eq!(process.journal.poll_timeout(), Some(Tick(0)));
    tend(&mut process, START);
    let counts = process.journal.counts();
    assert_eq!((counts.moved, counts.checkpoints), (3, 1));
    assert_eq!(process.journal.poll_timeout(), None, "jobs are pending");
    assert_eq!(disk.segments().len(), 2, "the copies and the last header");
    drop(process);
    disk.cut_power();
    assert_eq!(sorted(pending(&disk, START)), [0, 1, 2]);
}

/// The oldest segment first, and none before the copies of its jobs are synced.
#[test]
fn a_segment_goes_when_its_copies_are_durable() {
    let disk = segments(3);
    let mut process = start(&disk);
    disk.take_trace();
    tend(&mut process, START);
    let trace = disk.take_trace();
    let syncs_before = |name: &str| {
        let end = trace
            .iter()
            .position(|line| *line == format!("remove {name}"));
        let before = &trace[..end.unwrap()];
        before
            .iter()
            .filter(|line| line.starts_with("sync 0"))
            .count()
    };
    let syncs = ["0000000001.log", "0000000002.log", "0000000003.log"].map(syncs_before);
    assert_eq!(syncs, [1, 2, 3], "{trace:?}");
}

/// So that no command waits for more than its own batch and some 64 KiB.
#[test]
fn it_is_copied_in_parts_between_the_batches() {
    let disk = FakeDisk::new(1);
    let mut process = start(&disk);
    let text = "x".repeat(10_000);
    let now = process.at(START);
    process.begin(now);
    let requests = (0..400).map(|number| signed(number, &text, START));
    process.receive(requests.collect(), now);
    assert!(process.commit(now));
    drop(process);
    let mut process = start(&disk);
    let before = process.journal.counts();
    assert_eq!(process.turn(400..401, START), [Answer::Acknowledged]);
    let counts = process.journal.counts();
    assert!(counts.moved > 0 && counts.syncs == before.syncs + 1);
    assert!(counts.bytes < 90_000, "{counts:?}");
    let parts = tend(&mut process, START);
    assert!((50..80).contains(&parts), "{parts}");
    let counts = process.journal.counts();
    assert_eq!((counts.moved, counts.checkpoints), (400, 1));
    assert!(counts.peak_bytes < 3 * SEGMENT_BYTES);
}

/// A process is killed at any step of a checkpoint, and the power is cut at any moment of the next one's: what stood in
/// the system's memory alone when that began must not have been relied on.
#[test]
fn a_checkpoint_that_was_killed_is_begun_anew() {
    for (seed, step, commits) in (0..15)
        .flat_map(|seed| (1..40).map(move |step| (seed, step)))
        .flat_map(|(seed, step)| (0..5).map(move |commits| (seed, step, commits)))
    {
        let disk = segments_on(FakeDisk::new(seed), 3);
        let again = || {
            Process::start_with(&disk, ONE_BATCH, &config(1000), START)
                .unwrap()
                .0
        };
        let mut first = again();
        disk.with(|disk| disk.crash_at = Some(disk.steps + step));
        for _ in 0..8 {
            first.commit(first.at(START));
        }
        drop(first);
        disk.with(|disk| disk.crash_at = None);
        disk.kill();
        let mut second = again();
        for _ in 0..commits {
            assert!(second.commit(second.at(START)));
        }
        drop(second);
        disk.cut_power();
        let left = sorted(pending(&disk, START));
        assert_eq!(
            left,
            [0, 1, 2],
            "seed {seed}, step {step}, commits {commits}"
        );
    }
}

#[test]
fn deleted_segments_that_come_back_revive_nothing() {
    let disk = segments(3);
    let old = [1, 2, 3].map(|number| {
        let name = format!("{number:010}.log");
        let content = disk.content(&name);
        (name, content)
    });
    let mut process = start(&disk);
    tend(&mut process, START);
    assert_eq!(process.deliver(START + 1500), 3);
    drop(process);
    for (name, content) in &old {
        disk.set_content_of_new(name, content.clone());
    }
    assert_eq!(pending(&disk, START + 2000), [0; 0]);
    assert!(disk.segments().contains(&old[2].0), "a start only reads");
    tend(&mut start_at(&disk, START + 2000), START + 2000);
    assert_eq!(disk.segments().len(), 1, "deleted again");
}

/// What is settled while its old segment is still there is settled; what an earlier process has settled as well.
#[test]
fn what_is_settled_during_a_checkpoint_stays_settled() {
    for commits in 0..8 {
        let disk = segments(4);
        let mut process = start(&disk);
        for _ in 0..commits {
            process.commit(process.at(START));
        }
        assert_eq!(process.deliver(START + 1500), 4);
        drop(process);
        assert_eq!(pending(&disk, START + 2000), [0; 0], "after {commits}");
        let mut process = start_at(&disk, START + 2000);
        tend(&mut process, START + 2000);
        drop(process);
        disk.cut_power();
        assert_eq!(pending(&disk, START + 3000), [0; 0], "after {commits}");
    }
}

#[test]
fn a_full_disk_stops_no_start_and_costs_nothing_that_is_pending() {
    let disk = segments(3);
    disk.with(|disk| disk.capacity = disk.used());
    let mut process = start(&disk);
    assert!(!process.commit(process.at(START)));
    assert!(process.journal.is_failing());
    assert_eq!(process.turn(3..4, START + 1), [Answer::Busy]);
    let next = process.journal.poll_timeout().unwrap();
    assert_eq!(next, Tick(1000), "each second it is tried again");
    assert!(!process.commit(process.at(START + 1000)));
    for number in 1..4 {
        assert!(disk.segments().contains(&format!("{number:010}.log")));
    }
    disk.with(|disk| disk.capacity = u64::MAX);
    assert!(process.commit(process.at(START + 2000)));
    assert!(!process.journal.is_failing());
    tend(&mut process, START + 2000);
    assert_eq!(process.journal.counts().checkpoints, 1);
    drop(process);
    disk.cut_power();
    assert_eq!(sorted(pending(&disk, START + 2000)), [0, 1, 2]);
}

#[test]
fn with_nothing_pending_a_stop_leaves_the_next_number_and_the_time_alone() {
    let disk = FakeDisk::new(1);
    let mut process = start(&disk);
    process.turn(0..5, START);
    assert!(is_on_disk(&disk, b"/commands/T1/") && is_on_disk(&disk, b"olleh"));
    assert_eq!(process.deliver(START + 1500), 5);
    assert!(is_on_disk(&disk, b"olleh"));
    process.finish(process.at(START + 1500)).unwrap();
    drop(process);
    assert!(!is_on_disk(&disk, b"/commands/T1/") && !is_on_disk(&disk, b"olleh"));
    let [name] = &disk.segments()[..] else {
        panic!("one segment")
    };
    assert!(disk.content(name).len() < 120);
    disk.cut_power();
    // A clock that is set back has not moved.
    let mut process = start_at(&disk, START - 10_000);
    process.turn(5..6, START - 10_000);
    let now = process.at(START - 5_000);
    process.bot.handle_timeout(now, &mut 100);
    let delivery = process.dispatch(now).unwrap();
    assert_eq!(delivery.job.generation(), 6, "numbers go on");
    drop(process);
    // By the journal's clock nothing has expired, which went on from the time of the stop.
    let (process, recovery) = Process::start(&disk, &config(1000), START - 5_000).unwrap();
    assert_eq!((process.bot.pending(), recovery.expired), (1, 0));
}

#[test]
fn with_something_pending_a_stop_leaves_it() {
    let disk = FakeDisk::new(1);
    let mut process = start(&disk);
    process.turn(0..5, START);
    process.finish(process.at(START + 500)).unwrap();
    drop(process);
    disk.cut_power();
    assert_eq!(pending(&disk, START), [0, 1, 2, 3, 4]);
}

#[test]
fn a_minute_of_rest_empties_the_log() {
    let disk = FakeDisk::new(1);
    let mut process = start(&disk);
    process.turn(0..5, START);
    process.deliver(START + 1500);
    let rest_at = process.at(START + 61_500).tick;
    assert_eq!(process.journal.poll_timeout(), Some(rest_at));
    assert_eq!(tend(&mut process, START + 61_400), 0);
    assert!(is_on_disk(&disk, b"olleh"));
    assert_eq!(tend(&mut process, START + 61_500), 1);
    assert!(!is_on_disk(&disk, b"olleh") && !is_on_disk(&disk, b"/commands/T1/"));
    assert_eq!(process.journal.poll_timeout(), None, "it is empty");
    assert_eq!(process.turn(5..6, START + 70_000), [Answer::Acknowledged]);
    drop(process);
    disk.cut_power();
    assert_eq!(pending(&disk, START + 70_000), [5]);
}

/// What comes at the very end of the minute goes behind the new beginning.
#[test]
fn a_command_that_ends_the_rest_is_kept() {
    let disk = FakeDisk::new(1);
    let mut process = start(&disk);
    process.turn(0..5, START);
    process.deliver(START + 1500);
    assert_eq!(process.turn(5..6, START + 62_000), [Answer::Acknowledged]);
    assert!(!is_on_disk(&disk, b"/commands/T1/4"));
    drop(process);
    disk.cut_power();
    assert_eq!(pending(&disk, START + 62_000), [5]);
}

/// A file whose sync has failed is replaced like those of an earlier process.
#[test]
fn after_a_failed_sync_everything_goes_to_new_files() {
    for seed in 0..20 {
        let disk = FakeDisk::new(seed);
        let mut process = start(&disk);
        process.turn(0..5, START);
        let settled = process.deliver(START + 1500);
        assert_eq!(settled, 5, "written, and not synced");
        process.turn(5..8, START + 2000);
        disk.with(|disk| disk.sync_faults = 100);
        assert_eq!(process.turn(8..9, START + 2100), [Answer::Busy]);
        disk.with(|disk| disk.sync_faults = 0);
        tend(&mut process, START + 4000);
        assert_eq!(process.journal.counts().checkpoints, 1);
        assert!(!disk.segments().contains(&"0000000001.log".to_owned()));
        drop(process);
        disk.cut_power();
        assert_eq!(
            sorted(pending(&disk, START + 4000)),
            [5, 6, 7],
            "seed {seed}"
        );
    }
}

/// The old files and their copies are there at the same time, and not for longer than that.
#[test]
fn a_checkpoint_takes_no_more_than_twice_what_is_pending() {
    let disk = FakeDisk::new(1);
    let mut process = start(&disk);
    let text = "x".repeat(100_000);
    for number in 0..300 {
        let now = process.at(START);
        process.begin(now);
        process.receive(vec![signed(number, &text, START)], now);
        process.commit(now);
    }
    drop(process);
    let (mut process, _) = Process::start(&disk, &config(1000), START).unwrap();
    let (before, live) = process.journal.bytes();
    assert!(before < LOG_BYTES_MIN);
    tend(&mut process, START);
    let peak = process.journal.counts().peak_bytes;
    // The oldest segments go while later ones are copied.
    assert!(peak < before + 3 * SEGMENT_BYTES, "{peak} of {before}");
    let (after, still) = process.journal.bytes();
    assert!(
        still == live && after < live + SEGMENT_BYTES,
        "{after} of {live}"
    );
}
