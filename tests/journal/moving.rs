//! Records of the oldest segment that are to be written anew, and cannot be read again.

use torrap::app::Delivery;
use torrap::jobs::Outcome;

use crate::disk::FakeDisk;
use crate::process::{Answer, Process, config, report};
use crate::rules::{START, pending};
use crate::world::SMALL;

const FIRST: &str = "0000000001.log";

/// A bot that has taken three commands into its first segment, and what it posts: no outcome is told.
fn three_pending(disk: &FakeDisk) -> (Process, Vec<Delivery>) {
    let (mut process, _) = Process::start_with(disk, SMALL, &config(1000), START).unwrap();
    process.turn(0..3, START);
    let now = process.at(START + 1500);
    process.bot.handle_timeout(now, &mut 1000);
    let deliveries: Vec<_> = std::iter::from_fn(|| process.dispatch(now)).collect();
    assert_eq!(deliveries.len(), 3);
    (process, deliveries)
}

/// A command each 300 ms, answered a second later; far more than the log may keep.
fn go_on(process: &mut Process, unix: &mut u64) {
    for _ in 0..100 {
        let answer = process.turn(9..10, *unix);
        assert_eq!(answer, [Answer::Acknowledged]);
        *unix += 300;
        process.deliver(*unix);
    }
    *unix += 2000;
    process.deliver(*unix);
}

/// With nothing to tell, nothing is written, and the loop sleeps.
fn assert_at_rest(process: &mut Process, disk: &FakeDisk, unix: u64) {
    disk.take_trace();
    for ms in 0..5000 {
        let now = process.at(unix + ms);
        assert!(process.commit(now));
        let next = process.journal.poll_timeout();
        assert!(
            next.is_none_or(|next| next > now.tick),
            "it is called again at once"
        );
    }
    assert_eq!(disk.take_trace(), [""; 0]);
}

#[test]
fn what_is_damaged_is_kept_aside_and_its_job_answered() {
    let disk = FakeDisk::new(1);
    let (mut process, deliveries) = three_pending(&disk);
    let mut content = disk.content(FIRST);
    let second = content.windows(5).position(|at| at == b"/T1/1").unwrap();
    content[second + 4] ^= 4;
    disk.set_content(FIRST, content.clone());
    let mut unix = START + 2000;
    go_on(&mut process, &mut unix);
    assert_at_rest(&mut process, &disk, unix);
    unix += 5000;
    let counts = process.journal.counts();
    assert!(counts.moved >= 2 && counts.unreadable == 1, "{counts:?}");
    assert!(!disk.segments().contains(&FIRST.to_owned()));
    assert!(process.journal.bytes().0 <= SMALL.log_min);
    assert!(disk.content("0000000001.log.damaged").starts_with(&content));
    let is_second = |delivery: &&Delivery| delivery.url.ends_with("/1");
    let second = deliveries.iter().find(is_second).unwrap();
    assert_eq!(process.bot.pending(), 3, "the second is in memory");
    process.settle(&report(second.job, Outcome::Delivered), process.at(unix));
    go_on(&mut process, &mut unix);
    drop(process);
    let mut left = pending(&disk, unix);
    left.sort_unstable();
    assert_eq!(left, [0, 2]);
}

/// Takes commands until the first segment is to be emptied and is not found.
fn await_first_try(process: &mut Process, disk: &FakeDisk, unix: &mut u64) {
    while disk.segments().len() == 1 {
        process.turn(9..10, *unix);
    }
    disk.rename(FIRST, "elsewhere");
    let has_failed = |process: &Process, unix| {
        let next = process.journal.poll_timeout();
        next.is_some_and(|next| next > process.at(unix).tick)
    };
    while !has_failed(process, *unix) {
        process.turn(9..10, *unix);
        *unix += 100;
        process.deliver(*unix);
    }
}

#[test]
fn a_file_that_is_away_for_a_while_is_emptied_when_it_is_back() {
    let disk = FakeDisk::new(1);
    let (mut process, _) = three_pending(&disk);
    let mut unix = START + 2000;
    await_first_try(&mut process, &disk, &mut unix);
    for _ in 0..3 {
        unix += 1000;
        process.deliver(unix);
    }
    assert_eq!(process.journal.counts().moved, 0);
    disk.rename("elsewhere", FIRST);
    go_on(&mut process, &mut unix);
    let counts = process.journal.counts();
    assert!(counts.moved >= 3 && counts.unreadable == 0, "{counts:?}");
    assert!(!disk.segments().contains(&FIRST.to_owned()));
    drop(process);
    let mut left = pending(&disk, unix);
    left.sort_unstable();
    assert_eq!(left, [0, 1, 2]);
}

#[test]
fn a_file_that_is_away_for_good_is_not_waited_for() {
    let disk = FakeDisk::new(1);
    let (mut process, deliveries) = three_pending(&disk);
    let mut unix = START + 2000;
    await_first_try(&mut process, &disk, &mut unix);
    unix += 10_000;
    go_on(&mut process, &mut unix);
    let counts = process.journal.counts();
    assert!(counts.unreadable >= 3, "{counts:?}");
    assert_eq!(counts.unreadable_segments, 1, "the first one");
    assert!(process.journal.bytes().0 <= SMALL.log_min);
    for Delivery { job, .. } in deliveries {
        process.settle(&report(job, Outcome::Delivered), process.at(unix));
    }
    assert_eq!(process.bot.pending(), 0, "answered from memory");
}

/// Of a segment with many damaged records a part is passed over with each batch.
#[test]
fn a_damaged_segment_is_counted_once_however_many_of_its_records_are_damaged() {
    const COMMANDS: u64 = 40;
    let disk = FakeDisk::new(1);
    let (mut process, _) = Process::start_with(&disk, SMALL, &config(1000), START).unwrap();
    process.turn(0..COMMANDS, START);
    let now = process.at(START + 1500);
    process.bot.handle_timeout(now, &mut 1000);
    while process.dispatch(now).is_some() {}
    let mut content = disk.content(FIRST);
    let texts = |at: &usize| content[*at..].starts_with(b"olleh");
    let texts: Vec<_> = (0..content.len()).filter(texts).collect();
    assert_eq!(texts.len() as u64, COMMANDS);
    texts.into_iter().for_each(|at| content[at] ^= 4);
    disk.set_content(FIRST, content);
    go_on(&mut process, &mut (START + 2000));
    let counts = process.journal.counts();
    let unreadable = (counts.unreadable, counts.unreadable_segments);
    assert_eq!(unreadable, (COMMANDS, 1), "{counts:?}");
}

/// The next file gets the number of one that was deleted, and other jobs stand where its jobs stood.
#[test]
fn jobs_of_a_deleted_file_are_not_taken_for_those_of_the_next() {
    let disk = FakeDisk::new(1);
    let (mut process, deliveries) = three_pending(&disk);
    disk.delete(FIRST);
    assert_eq!(process.turn(3..6, START + 2000), [Answer::Acknowledged; 3]);
    assert!(disk.segments().contains(&FIRST.to_owned()));
    assert_eq!(process.deliver(START + 3500), 3);
    let mut unix = START + 4000;
    go_on(&mut process, &mut unix);
    assert_eq!(process.journal.counts().unreadable, 0);
    assert!(!disk.segments().contains(&FIRST.to_owned()));
    for Delivery { job, .. } in deliveries {
        process.settle(&report(job, Outcome::Delivered), process.at(unix));
    }
    assert_eq!(process.bot.pending(), 0, "answered from memory");
    assert!(process.commit(process.at(unix)));
    drop(process);
    assert_eq!(pending(&disk, unix), [0; 0]);
}
