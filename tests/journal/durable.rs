//! What a start reads may be in the system's memory alone: it deletes nothing because of it that a power cut would not also
//! have deleted.

use torrap::jobs::Outcome;
use torrap::journal::{LOG_BYTES_MIN, Sizes};

use crate::disk::FakeDisk;
use crate::process::{Process, config, report};
use crate::rules::{ONE_BATCH, START, pending, start_at};

/// Two batches of one command fill a segment.
const TWO_BATCHES: Sizes = Sizes {
    segment: 250,
    log_min: LOG_BYTES_MIN,
};

fn start_with(disk: &FakeDisk, sizes: Sizes, unix: u64) -> Process {
    Process::start_with(disk, sizes, &config(1000), unix)
        .unwrap()
        .0
}

/// The number that the next command would have.
fn next_number(disk: &FakeDisk, unix: u64) -> u64 {
    start_at(disk, unix).journal.next_job()
}

/// So many replies that are due are posted; that they are is written, and not synced.
fn deliver(process: &mut Process, count: usize, unix: u64) {
    let now = process.at(unix);
    process.bot.handle_timeout(now, &mut 1000);
    for _ in 0..count {
        let delivery = process.dispatch(now).unwrap();
        process.settle(&report(delivery.job, Outcome::Delivered), now);
    }
    process.commit(now);
}

/// The newest header says that all segments before it count no more, and is not synced. The process dies; the next one
/// makes names durable, and nothing else.
#[test]
fn numbers_go_on_when_the_newest_header_is_lost() {
    for seed in 0..40 {
        let disk = FakeDisk::new(seed);
        let mut process = start_with(&disk, ONE_BATCH, START);
        process.turn(0..3, START);
        assert_eq!(process.deliver(START + 1500), 3);
        drop(process);
        disk.kill();
        let mut process = start_with(&disk, ONE_BATCH, START + 2000);
        disk.with(|disk| disk.sync_faults = 100);
        assert!(!process.commit(process.at(START + 2000)));
        disk.with(|disk| disk.sync_faults = 0);
        drop(process);
        disk.cut_power();
        let next = next_number(&disk, START + 3000);
        assert_eq!(next, 4, "seed {seed}");
    }
}

/// What was durably settled stays so if a power cut brings back some of the segments that a start would delete.
#[test]
fn what_is_settled_stays_so_when_the_newest_header_is_lost() {
    for seed in 0..40 {
        let disk = FakeDisk::new(seed);
        let mut process = start_with(&disk, ONE_BATCH, START);
        process.turn(0..2, START);
        // The first segment has both commands, the second says that one is settled, and is synced for the third.
        deliver(&mut process, 1, START + 1500);
        process.turn(2..3, START + 1500);
        assert_eq!(disk.segments().len(), 3);
        deliver(&mut process, 2, START + 3000);
        assert_eq!(disk.segments().len(), 4, "the fourth is not synced");
        drop(process);
        disk.kill();
        drop(start_with(&disk, ONE_BATCH, START + 4000));
        disk.cut_power();
        let left = pending(&disk, START + 5000);
        assert!(!left.contains(&0), "seed {seed}: {left:?}");
    }
}

/// A sync of the last but one has failed, so that no header but the first one's is known to be durable. On a full disk the
/// next process has nothing but this to delete.
#[test]
fn a_full_disk_keeps_the_newest_header_that_is_surely_synced() {
    for seed in 0..40 {
        let disk = FakeDisk::new(seed);
        let mut process = start_with(&disk, TWO_BATCHES, START);
        process.turn(0..1, START);
        process.turn(1..2, START);
        deliver(&mut process, 1, START + 1500);
        assert_eq!(disk.segments().len(), 2);
        disk.with(|disk| {
            disk.sync_faults = 100;
            // Write, sync and cut off; then the names, a new segment, its write, and its sync.
            disk.crash_at = Some(disk.steps + 7);
        });
        process.turn(2..3, START + 1600);
        assert!(disk.with(|disk| disk.crashed));
        drop(process);
        disk.kill();
        assert_eq!(disk.segments().len(), 3);
        disk.with(|disk| {
            (disk.crash_at, disk.sync_faults) = (None, 0);
            disk.capacity = disk.used();
        });
        let mut process = start_with(&disk, TWO_BATCHES, START + 2000);
        process.deliver(START + 4000);
        assert!(process.journal.is_failing(), "the disk is full");
        disk.with(|disk| disk.capacity = u64::MAX);
        drop(process);
        disk.cut_power();
        let next = next_number(&disk, START + 5000);
        assert!(next >= 3, "seed {seed}: {next}");
    }
}

/// What the process before has deleted may come back. On a full disk no other name is given up before that is gone.
#[test]
fn a_full_disk_leaves_no_gap_behind_what_an_earlier_process_has_deleted() {
    for seed in 0..40 {
        let disk = FakeDisk::new(seed);
        let mut process = start_with(&disk, TWO_BATCHES, START);
        (0..7).for_each(|number| _ = process.turn(number..number + 1, START));
        assert_eq!(disk.segments().len(), 4);
        disk.with(|disk| disk.are_names_full = true);
        process.deliver(START + 1500);
        assert_eq!(disk.segments().len(), 3, "the first one is deleted");
        drop(process);
        disk.kill();
        let mut process = start_with(&disk, TWO_BATCHES, START + 2000);
        assert!(!process.commit(process.at(START + 2000)));
        disk.with(|disk| disk.are_names_full = false);
        drop(process);
        disk.cut_power();
        let started = Process::start(&disk, &config(1000), START + 3000);
        let (_, recovery) = started.unwrap();
        assert_eq!(recovery.damages, 0, "seed {seed}");
    }
}
