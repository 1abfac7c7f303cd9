//! Files that are not as the log has left them: which are the log, and what is told of the others.

use crate::disk::FakeDisk;
use crate::process::{Process, config};
use crate::rules::{START, owed, segments};

#[test]
fn a_file_that_only_has_a_segments_name_does_not_take_the_place_of_the_log() {
    for name in ["0000000100.log", "4294967295.log"] {
        let disk = segments(3);
        disk.set_content_of_new(name, b"rubbish".to_vec());
        let (mut process, recovery) = Process::start(&disk, &config(1000), START).unwrap();
        assert_eq!(process.bot.pending(), 3, "{name}");
        assert_eq!(recovery.kept_aside, [format!("{name}.damaged")]);
        assert!(!disk.segments().contains(&name.to_owned()));
        process.turn(3..4, START);
        let mut left = owed(&disk, START);
        left.sort_unstable();
        assert_eq!(left, [0, 1, 2, 3], "{name}");
    }
}

#[test]
fn a_renamed_segment_costs_what_it_holds_and_no_more() {
    let disk = segments(3);
    disk.rename("0000000003.log", "0000000007.log");
    assert_eq!(owed(&disk, START), [0, 1]);
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
    disk.set_content_of_new("4294967295.log", b"rubbish".to_vec());
    let (process, recovery) = Process::start(&disk, &config(1000), START).unwrap();
    assert_eq!(process.bot.pending(), 0);
    assert!(recovery.damages + recovery.torn_bytes > 0);
}
