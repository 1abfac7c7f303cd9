//! Journals that the binary of an earlier version wrote (`fixtures/README.md`): what they hold is answered.

use std::collections::BTreeSet;

use torrap::journal::Sizes;
use torrap::slack::response_url::Origin;

use crate::disk::FakeDisk;
use crate::process::{Process, config};
use crate::world::SMALL;

/// When the fixtures were written: 2026-11-27 01:29:00 UTC.
const WRITTEN: u64 = 1_795_742_940_000;
/// By then every reply in them is due, and no `response_url` has expired.
const ALL_DUE: u64 = WRITTEN + 700_000;

const PENDING: &[u8] = include_bytes!("fixtures/0.1.0/pending.log");
const ATTEMPTED: &[u8] = include_bytes!("fixtures/0.1.0/attempted.log");
const STOPPED: &[u8] = include_bytes!("fixtures/0.1.0/stopped.log");

fn start(segment: &[u8]) -> Process {
    start_on(&disk_with(segment), Sizes::default())
}

fn disk_with(segment: &[u8]) -> FakeDisk {
    let disk = FakeDisk::new(1);
    disk.set_content_of_new("0000000001.log", segment.to_vec());
    disk
}

fn start_on(disk: &FakeDisk, sizes: Sizes) -> Process {
    let mut config = config(5000);
    config.reply_origins = vec![Origin::parse("http://127.0.0.1:9000").unwrap()];
    let (process, recovery) = Process::start_with(disk, sizes, &config, WRITTEN + 60_000).unwrap();
    assert_eq!(recovery.damages, 0);
    process
}

/// The numbers in the paths of the replies that are due by then, and their messages.
fn replies(process: &mut Process, unix: u64) -> Vec<(u64, String)> {
    let now = process.at(unix);
    process.bot.handle_timeout(now, &mut 10_000_000);
    let mut replies: Vec<_> = std::iter::from_fn(|| process.dispatch(now))
        .map(|delivery| {
            let path = delivery
                .url
                .strip_prefix("http://127.0.0.1:9000/commands/T1/");
            let number = path.and_then(|path| path.strip_suffix("/abc")).unwrap();
            let message = String::from_utf8(delivery.body).unwrap();
            (number.parse().unwrap(), message)
        })
        .collect();
    replies.sort_unstable();
    replies
}

#[test]
fn what_0_1_0_left_when_it_was_killed_is_answered_when_it_is_due() {
    let mut process = start(PENDING);
    assert_eq!(process.bot.pending(), 12);
    assert_eq!(replies(&mut process, WRITTEN + 590_000), []);
    let replies = replies(&mut process, ALL_DUE);
    let numbers: Vec<u64> = replies.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, Vec::from_iter(0..12));
    assert_eq!(replies[0].1, r#"{"text": "this is backwards"}"#);
    assert_eq!(replies[2].1, r#"{"text": "&gt;x&lt; &amp; 👍🏽 語本日"}"#);
    let shout = r#""response_type": "in_channel""#;
    for (number, message) in &replies {
        assert_eq!(message.contains(shout), number % 5 == 4, "{message}");
    }
    assert_eq!(replies[3].1.matches('a').count(), 3000);
}

#[test]
fn attempts_that_0_1_0_made_count() {
    let mut process = start(ATTEMPTED);
    let replies = replies(&mut process, ALL_DUE);
    let numbers: BTreeSet<u64> = replies.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, BTreeSet::from([1, 7, 11]));
    let mut undelivered = process.bot.undelivered();
    assert!(undelivered.all(|line| line.contains("3 of 5 attempts made")));
}

#[test]
fn what_0_1_0_left_at_a_stop_is_answered() {
    let mut process = start(STOPPED);
    let replies = replies(&mut process, ALL_DUE);
    let numbers: Vec<u64> = replies.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, Vec::from_iter(0..6));
}

/// It is killed, or the power is cut, after each part of the checkpoint that copies them into segments of format 2.
#[test]
fn nothing_is_lost_on_the_way_to_format_2() {
    let expected = replies(&mut start(PENDING), ALL_DUE);
    let is_of = |disk: &FakeDisk, version: u8| {
        let contents = disk.all_contents();
        contents
            .iter()
            .any(|content| content.get(6) == Some(&version))
    };
    let mut mixed = 0;
    for parts in 0..24 {
        for is_power_cut in [false, true] {
            let disk = disk_with(PENDING);
            let mut process = start_on(&disk, SMALL);
            for _ in 0..parts {
                assert!(process.commit(process.at(WRITTEN + 60_000)));
            }
            let is_done = process.journal.counts().checkpoints == 1;
            drop(process);
            if is_power_cut {
                disk.cut_power();
            }
            assert!(!is_done || is_power_cut || !is_of(&disk, 1), "{parts}");
            mixed += u32::from(is_of(&disk, 1) && is_of(&disk, 2));
            let mut process = start_on(&disk, SMALL);
            assert_eq!(replies(&mut process, ALL_DUE), expected, "{parts}");
        }
    }
    assert!(mixed > 5, "{mixed}");
}
