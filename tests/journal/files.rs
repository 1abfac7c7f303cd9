//! Files that are not as the log has left them: which are the log, and what is told of the others.

use torrap::journal::{LOG_BYTES_MIN, Sizes};

use crate::disk::FakeDisk;
use crate::process::{Answer, Process, config};
use crate::rules::{FIRST, ONE_BATCH, START, pending, segments};

/// Four batches of one command fill a segment.
const FOUR_BATCHES: Sizes = Sizes {
    segment: 700,
    log_min: LOG_BYTES_MIN,
};

/// A log of four segments, of which the newest has room for outcomes, and everything is due.
fn four_segments(disk: &FakeDisk) -> Process {
    let (mut process, _) = Process::start_with(disk, FOUR_BATCHES, &config(1000), START).unwrap();
    let mut numbers = 0..;
    while disk.segments().len() < 4 {
        let number = numbers.next().unwrap();
        process.turn(number..number + 1, START);
    }
    disk.take_trace();
    process
}

#[test]
fn a_file_that_only_has_a_segments_name_does_not_take_the_place_of_the_log() {
    for name in ["0000000100.log", "4294967295.log"] {
        let disk = segments(3);
        disk.set_content_of_new(name, b"garbage".to_vec());
        let (mut process, recovery) = Process::start(&disk, &config(1000), START).unwrap();
        assert_eq!(process.bot.pending(), 3, "{name}");
        assert_eq!(recovery.kept_aside, [format!("{name}.damaged")]);
        assert!(!disk.segments().contains(&name.to_owned()));
        process.turn(3..4, START);
        let mut left = pending(&disk, START);
        left.sort_unstable();
        assert_eq!(left, [0, 1, 2, 3], "{name}");
    }
}

#[test]
fn a_renamed_segment_costs_what_it_holds_and_no_more() {
    let disk = segments(3);
    disk.rename("0000000003.log", "0000000007.log");
    assert_eq!(pending(&disk, START), [0, 1]);
}

#[test]
fn a_segment_that_was_cut_is_told_of() {
    for left in [0, 40] {
        let disk = segments(3);
        let mut content = disk.content("0000000002.log");
        let lost = content.len() as u64 - left;
        content.truncate(left as usize);
        disk.set_content("0000000002.log", content);
        let (process, recovery) = Process::start(&disk, &config(1000), START).unwrap();
        assert_eq!(process.bot.pending(), 2);
        assert_eq!(recovery.kept_aside, ["0000000002.log.damaged"]);
        assert!(
            recovery.damages > 0 && recovery.damaged_bytes >= lost,
            "{recovery:?}"
        );
    }
}

#[test]
fn a_file_that_is_all_there_is_does_not_keep_the_bot_from_starting() {
    let disk = FakeDisk::new(1);
    disk.set_content_of_new("4294967295.log", b"garbage".to_vec());
    let (mut process, recovery) = Process::start(&disk, &config(1000), START).unwrap();
    assert_eq!(recovery.kept_aside, ["4294967295.log.damaged"]);
    assert_eq!(process.turn(0..1, START), [Answer::Acknowledged]);
    drop(process);
    assert_eq!(disk.segments(), [FIRST]);
    assert_eq!(pending(&disk, START), [0]);
}

/// A backup that is copied back, for example, while the bot runs.
#[test]
fn a_file_that_has_the_name_of_the_next_segment_is_kept_aside() {
    let disk = FakeDisk::new(1);
    let (mut process, _) = Process::start_with(&disk, ONE_BATCH, &config(1000), START).unwrap();
    process.turn(0..1, START);
    disk.set_content_of_new("0000000002.log", b"garbage".to_vec());
    assert_eq!(process.turn(1..2, START), [Answer::Acknowledged]);
    assert_eq!(disk.content("0000000002.log.damaged"), b"garbage");
    drop(process);
    assert_eq!(pending(&disk, START), [0, 1]);
}

/// The newest header still counts them: a power cut that brought back one in front of others would look like damage, and
/// the replies of that one would be posted again.
#[test]
fn segments_are_deleted_one_after_the_other_for_good() {
    let disk = FakeDisk::new(1);
    let mut process = four_segments(&disk);
    process.deliver(START + 2000);
    let trace = disk.take_trace();
    assert!(trace[0].starts_with("write 0000000004.log"), "{trace:?}");
    let removals = [1, 2, 3].map(|number| {
        [
            format!("remove 000000000{number}.log"),
            "sync names".to_owned(),
        ]
    });
    assert_eq!(trace[1..], removals.concat());
}

#[test]
fn a_segment_that_cannot_be_deleted_keeps_those_behind_it() {
    let disk = FakeDisk::new(1);
    let mut process = four_segments(&disk);
    disk.with(|disk| disk.other_faults = 100);
    process.deliver(START + 2000);
    assert_eq!(disk.segments().len(), 4);
    assert_eq!(disk.take_trace()[1..], ["remove 0000000001.log"]);
    disk.with(|disk| disk.other_faults = 0);
    process.turn(100..101, START + 2000);
    let trace = disk.take_trace();
    assert!(
        trace.contains(&"remove 0000000001.log".to_owned()),
        "{trace:?}"
    );
    assert_eq!(disk.segments().len(), 1);
    drop(process);
    assert_eq!(pending(&disk, START + 2000), [100]);
}

/// Whatever is deleted when the power goes, nothing looks like damage.
#[test]
fn no_deletion_that_a_power_cut_undoes_leaves_a_gap() {
    for seed in 0..200 {
        let disk = FakeDisk::new(seed);
        let mut process = four_segments(&disk);
        disk.with(|disk| disk.other_faults = 30);
        process.deliver(START + 2000);
        disk.with(|disk| disk.other_faults = 0);
        drop(process);
        disk.cut_power();
        let (_, recovery) = Process::start(&disk, &config(1000), START).unwrap();
        assert_eq!(recovery.damages, 0, "seed {seed}");
    }
}
