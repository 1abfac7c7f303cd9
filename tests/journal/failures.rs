//! Disks that are full or fail: rule 6, and what was answered "busy".

use torrap::jobs::Outcome;

use crate::disk::FakeDisk;
use crate::process::{Answer, Process, config, report, signed};
use crate::rules::{FIRST, ONE_BATCH, START, pending, segments, start, start_at};

/// Rule 6: after a failed write the next one goes to the same place.
#[test]
fn a_full_disk_makes_busy_and_nothing_else() {
    let disk = FakeDisk::new(1);
    let mut process = start(&disk);
    process.turn(0..3, START);
    let end = disk.content(FIRST).len();
    disk.with(|disk| disk.capacity = disk.used() + 100);
    assert_eq!(process.turn(3..9, START + 1), [Answer::Busy; 6]);
    assert_eq!(
        process.turn(9..11, START + 2),
        [Answer::Busy; 2],
        "the disk has its rest"
    );
    disk.with(|disk| disk.capacity = u64::MAX);
    disk.take_trace();
    assert_eq!(
        process.turn(11..12, START + 1500),
        [Answer::Acknowledged],
        "by itself"
    );
    let trace = disk.take_trace();
    assert!(trace[0].starts_with("write 0000000001.log"), "{trace:?}");
    assert!(disk.content(FIRST).len() > end);
    assert_eq!(process.deliver(START + 3000), 4);
    assert_eq!(process.turn(12..13, START + 5000), [Answer::Acknowledged]);
    drop(process);
    assert_eq!(pending(&disk, START + 5000), [12]);
}

/// A limit of file sizes (`ulimit -f`) below that of segments makes smaller segments.
#[test]
fn a_segment_that_may_not_grow_is_followed_by_another_at_once() {
    for seed in 0..20 {
        let disk = FakeDisk::new(seed);
        let mut process = start(&disk);
        disk.with(|disk| disk.file_max = 1000);
        for number in 0..20 {
            let answers = process.turn(number..number + 1, START + number);
            assert_eq!(answers, [Answer::Acknowledged], "{number}");
        }
        assert!(disk.segments().len() > 2, "{:?}", disk.segments());
        drop(process);
        disk.cut_power();
        assert_eq!(pending(&disk, START + 20), Vec::from_iter(0..20));
    }
}

/// What fits in no file is answered "busy", and leaves one empty file however often that happens.
#[test]
fn a_batch_beyond_the_limit_of_file_sizes_hurts_no_other() {
    let disk = FakeDisk::new(1);
    let mut process = start(&disk);
    disk.with(|disk| disk.file_max = 1000);
    assert_eq!(process.turn(0..1, START), [Answer::Acknowledged]);
    for second in 1..10 {
        let answers = process.turn(10..30, START + second * 2000);
        assert_eq!(answers, [Answer::Busy; 20]);
    }
    assert_eq!(disk.segments().len(), 2, "{:?}", disk.segments());
    assert_eq!(process.turn(1..2, START + 20_000), [Answer::Acknowledged]);
    drop(process);
    disk.cut_power();
    assert_eq!(pending(&disk, START + 20_000), [0, 1]);
}

/// A start under this limit copies what is pending in parts that fit.
#[test]
fn a_checkpoint_keeps_to_the_limit_of_file_sizes() {
    const COUNT: u64 = 400;
    let disk = FakeDisk::new(1);
    start(&disk).turn(0..COUNT, START);
    assert!(disk.content(FIRST).len() > 30_000);
    disk.with(|disk| disk.file_max = 10_000);
    let mut process = start(&disk);
    let mut unix = START;
    while process.journal.counts().checkpoints == 0 {
        unix += 2000;
        process.commit(process.at(unix));
        assert!(unix < START + 200_000, "{:?}", process.journal.counts());
    }
    assert!(process.journal.counts().failures < 5);
    assert!(!disk.segments().contains(&FIRST.to_owned()));
    drop(process);
    disk.cut_power();
    let mut left = pending(&disk, unix);
    left.sort_unstable();
    assert_eq!(left, Vec::from_iter(0..COUNT));
}

/// The journal alone has filled the disk: what is delivered is deleted though no record of that can be written. Otherwise
/// commands would be answered "busy" for good, and each start would post all replies again.
#[test]
fn a_log_that_fills_its_disk_makes_room_when_its_replies_are_posted() {
    const COUNT: u64 = 5;
    for seed in 0..20 {
        let disk = segments(COUNT);
        disk.with(|disk| disk.capacity = disk.used());
        // Copies what is pending, or would.
        let start = Process::start_with(&disk, ONE_BATCH, &config(1000), START + seed * 100);
        let (mut process, _) = start.unwrap();
        assert_eq!(process.turn(10..11, START + 2100), [Answer::Busy]);
        assert_eq!(process.deliver(START + 4000), COUNT as usize);
        // The last but one is the newest that was surely synced.
        assert!(disk.segments().len() <= 3, "{:?}", disk.segments());
        // At any moment the power may go: nothing but the replies of these is posted again.
        if seed % 2 == 1 {
            drop(process);
            disk.cut_power();
            let left = pending(&disk, START + 6000);
            let is_right = left.iter().all(|number| *number >= COUNT - 2);
            assert!(is_right, "seed {seed}: {left:?}");
            continue;
        }
        assert_eq!(process.turn(11..12, START + 6000), [Answer::Acknowledged]);
        assert!(!process.journal.is_failing());
        drop(process);
        disk.cut_power();
        assert_eq!(pending(&disk, START + 6000), [11], "seed {seed}");
    }
}

/// A stop has no later batch for what it could not write.
#[test]
fn a_stop_on_a_full_disk_records_what_was_posted_when_there_is_room_again() {
    const COUNT: u64 = 5;
    let disk = segments(COUNT);
    disk.with(|disk| disk.capacity = disk.used());
    let (mut process, _) =
        Process::start_with(&disk, ONE_BATCH, &config(1000), START + 2000).unwrap();
    let now = process.at(START + 4000);
    process.bot.handle_timeout(now, &mut 10_000_000);
    for _ in 1..COUNT {
        let delivery = process.dispatch(now).unwrap();
        process.settle(&report(delivery.job, Outcome::Delivered), now);
    }
    process.finish(now).unwrap();
    drop(process);
    disk.cut_power();
    assert_eq!(pending(&disk, START + 4000), [COUNT - 1]);
}

/// What was posted is recorded, though there is no room for the last note of all.
#[test]
fn a_stop_that_has_recorded_all_has_not_failed() {
    let disk = FakeDisk::new(1);
    let mut process = start(&disk);
    process.turn(0..2, START);
    let now = process.at(START + 4000);
    process.bot.handle_timeout(now, &mut 10_000_000);
    let delivery = process.dispatch(now).unwrap();
    process.settle(&report(delivery.job, Outcome::Delivered), now);
    const BATCH_AND_OUTCOME: u64 = 33 + 17;
    disk.with(|disk| disk.capacity = disk.used() + BATCH_AND_OUTCOME);
    process.finish(now).unwrap();
    drop(process);
    disk.cut_power();
    assert_eq!(pending(&disk, START + 4000), [1]);
}

/// Who looks at the metrics sees them refused, and not accepted.
#[test]
fn what_was_answered_busy_does_not_count_as_accepted() {
    let disk = FakeDisk::new(1);
    let mut process = start(&disk);
    process.turn(0..3, START);
    disk.with(|disk| disk.write_faults = 100);
    assert_eq!(process.turn(3..9, START + 1), [Answer::Busy; 6]);
    assert_eq!(process.bot.counters_mut().commands_accepted, 3);
    let refused = process.bot.counters_mut().refused;
    assert_eq!(refused.iter().sum::<u64>(), 6);
}

/// Rule 6: a sync that has failed is never tried again on that file.
#[test]
fn a_failed_sync_is_the_end_of_its_segment() {
    let disk = FakeDisk::new(3);
    let mut process = start(&disk);
    process.turn(0..3, START);
    disk.take_trace();
    disk.with(|disk| disk.sync_faults = 100);
    assert_eq!(process.turn(3..5, START + 1), [Answer::Busy; 2]);
    let trace = disk.take_trace();
    let syncs = |name: &str| {
        trace
            .iter()
            .filter(|line| **line == format!("sync {name}"))
            .count()
    };
    assert_eq!((syncs(FIRST), syncs("0000000002.log")), (1, 1), "{trace:?}");
    disk.with(|disk| disk.sync_faults = 0);
    assert_eq!(process.turn(5..6, START + 2000), [Answer::Acknowledged]);
    let trace = disk.take_trace();
    let ends = [format!("remove {FIRST}")];
    let of_first = trace.iter().filter(|line| line.contains(FIRST));
    assert!(of_first.eq(&ends), "{trace:?}");
    drop(process);
    disk.cut_power();
    assert_eq!(pending(&disk, START + 2000), [0, 1, 2, 5]);
}

#[test]
fn one_failed_sync_is_made_good_on_a_new_segment_at_once() {
    for seed in 0..20 {
        let disk = FakeDisk::new(seed);
        let mut process = start(&disk);
        process.turn(0..3, START);
        disk.with(|disk| disk.sync_faults = 50);
        let is_acknowledged = process.turn(3..4, START + 1) == [Answer::Acknowledged];
        drop(process);
        disk.cut_power();
        disk.with(|disk| disk.sync_faults = 0);
        assert!(
            !is_acknowledged || pending(&disk, START + 2000).contains(&3),
            "seed {seed}"
        );
    }
}

/// What a start has found settled is not relied on before it is durable, though its file cannot be synced.
#[test]
fn what_is_found_settled_stays_settled() {
    for seed in 0..20 {
        let disk = FakeDisk::new(seed);
        let mut process = start(&disk);
        process.turn(0..3, START);
        assert_eq!(process.deliver(START + 1500), 3);
        drop(process);
        disk.with(|disk| disk.sync_faults = 100);
        let mut process = start_at(&disk, START + 2000);
        assert!(!process.commit(process.at(START + 2000)));
        assert!(process.journal.is_failing(), "it cannot be sure");
        disk.with(|disk| disk.sync_faults = 0);
        assert!(process.commit(process.at(START + 4000)));
        assert!(!process.journal.is_failing());
        assert_eq!(process.journal.counts().checkpoints, 1);
        drop(process);
        disk.cut_power();
        assert_eq!(pending(&disk, START + 5000), [0; 0], "seed {seed}");
    }
}

/// A disk that fails for a day costs no memory: all that was answered "busy" is one record.
#[test]
fn what_was_answered_busy_is_forgotten_in_one_record() {
    let disk = FakeDisk::new(1);
    let mut process = start(&disk);
    process.turn(0..1, START);
    disk.with(|disk| disk.write_faults = 100);
    for second in 1..100 {
        let answers = process.turn(1..11, START + second * 2000);
        assert_eq!(answers, [Answer::Busy; 10]);
    }
    disk.with(|disk| disk.write_faults = 0);
    process.journal.disk().take_trace();
    let before = process.journal.counts().bytes;
    process.turn(11..11, START + 300_000);
    assert!(process.journal.counts().bytes - before < 200);
    drop(process);
    assert_eq!(pending(&disk, START + 300_000), [0]);
}

/// A disk that fails for long is not littered, and what was acknowledged before stays.
#[test]
fn a_disk_that_fails_for_long_keeps_few_files() {
    let disk = FakeDisk::new(5);
    let mut process = start(&disk);
    process.turn(0..3, START);
    disk.with(|disk| disk.sync_faults = 100);
    for second in 1..500 {
        let unix = START + second * 2000;
        assert_eq!(process.turn(9..10, unix), [Answer::Busy]);
    }
    assert!(disk.segments().len() <= 2, "{:?}", disk.segments());
    disk.with(|disk| disk.sync_faults = 0);
    let unix = START + 1_100_000;
    assert_eq!(process.turn(10..11, unix), [Answer::Acknowledged]);
    drop(process);
    disk.cut_power();
    assert_eq!(pending(&disk, unix), [0, 1, 2, 10]);
}

/// Between commands that were answered "busy" while their batch was with the journal there are some that are kept.
#[test]
fn what_took_too_long_is_forgotten_in_runs() {
    let disk = FakeDisk::new(1);
    let mut process = start(&disk);
    let now = process.at(START);
    process.begin(now);
    let requests = (0..10).map(|number| signed(number, "olleh", START));
    process.receive(requests.collect(), now);
    let late = [3, 4, 5, 8];
    let mut number = 0..10;
    assert!(process.commit_late(now, || late.contains(&number.next().unwrap())));
    let answers = process.transmit().remove(0);
    for (number, answer) in answers.iter().enumerate() {
        let expected = match late.contains(&number) {
            true => Answer::Busy,
            false => Answer::Acknowledged,
        };
        assert_eq!(*answer, expected, "{number}");
    }
    let before = process.journal.counts().bytes;
    assert!(process.commit(process.at(START + 1)));
    let (batch, run) = (33, 25);
    let written = process.journal.counts().bytes - before;
    assert_eq!(written, batch + 2 * run, "3 to 5, and 8");
    process.finish(process.at(START + 2)).unwrap();
    drop(process);
    disk.cut_power();
    assert_eq!(pending(&disk, START), [0, 1, 2, 6, 7, 9]);
}
