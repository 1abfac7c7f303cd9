//! The journal on a disk whose syncs take seconds, with the real binary: a library before libc's makes them so.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use test_support::{Bot, Client, DEADLINE, Scratch, poll_for};

use crate::journal::{restart, shown, start_with, texts};
use crate::metrics::{sample, watched};

/// The library's source: its `fdatasync` waits for as long as a file says.
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/fdatasync.c");
/// Where programs can be run from, unlike some systems' folder of temporary files.
const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");

const AGE: &str = "torrap_journal_commit_age_seconds";
const COLLECTED: &str = "torrap_journal_collected_bytes";
const WITHDRAWN: &str = "torrap_commands_withdrawn_total{reason=\"held_too_long\"}";

const BUSY: &str = "I am busy, please try again in a moment.";

/// One sync, which is longer than all that must not wait for it.
const SYNC: Duration = Duration::from_secs(6);
/// What must not wait for it takes less, on a machine with much else to do.
const AT_ONCE: Duration = Duration::from_secs(2);
/// After 2 s a held command is answered "busy".
const HELD: Duration = Duration::from_secs(4);
/// A stop with a journal takes 0.5 s, and 0.4 s for the last batch.
const STOP: Duration = Duration::from_secs(4);

/// A disk whose syncs take as long as it is told.
struct SlowDisk(PathBuf);

impl SlowDisk {
    fn new(name: &str) -> Self {
        let folder = Path::new(FOLDER).join(format!("{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let disk = Self(folder);
        disk.set(Duration::ZERO);
        // Every Rust toolchain on Linux needs it: it links.
        let mut compile = Command::new("cc");
        compile.args(["-shared", "-fPIC", SOURCE, "-o"]);
        let status = compile.arg(disk.library()).status();
        assert!(status.unwrap().success(), "{compile:?}");
        disk
    }

    fn library(&self) -> PathBuf {
        self.0.join("fdatasync.so")
    }

    fn micros(&self) -> PathBuf {
        self.0.join("micros")
    }

    /// Syncs that begin from now on take this long.
    fn set(&self, sync: Duration) {
        let micros = i64::try_from(sync.as_micros()).unwrap();
        let mut options = fs::File::options();
        options.write(true).create(true).truncate(false); // the bot has mapped the file
        let file = options.open(self.micros()).unwrap();
        file.write_all_at(&micros.to_ne_bytes(), 0).unwrap();
    }

    /// The bot with its journal on it.
    fn start(&self, directory: &Scratch, delay: &str) -> Bot {
        start_with(directory, delay, |command| {
            command
                .args(["--metrics-listen", "127.0.0.1:0"])
                .env("LD_PRELOAD", self.library())
                .env("SYNC_MICROSECONDS", self.micros());
        })
    }
}

impl Drop for SlowDisk {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What is answered, and how long it took.
fn ask(bot: &Bot, request: Vec<u8>) -> (u16, String, Duration) {
    let begun = Instant::now();
    let response = Client::connect(bot.address).exchange(request);
    let content = String::from_utf8(response.content).unwrap();
    (response.status, content, begun.elapsed())
}

fn get(bot: &Bot, path: &str) -> (u16, Duration) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: torrap\r\n\r\n");
    let (status, _, took) = ask(bot, request.into_bytes());
    (status, took)
}

/// Waits until a sync has begun and lasts.
fn wait_until_overdue(bot: &Bot) {
    poll_for("not ready", || (get(bot, "/readyz").0 == 503).then_some(()));
}

/// Whatever was seen before this was seen while the sync lasted.
#[track_caller]
fn assert_sync_lasts(bot: &Bot) {
    assert_eq!(get(bot, "/readyz").0, 503);
}

/// A command whose answer a sync holds, sent by a thread.
fn send_held(bot: &Bot, text: &str) -> thread::JoinHandle<(String, Duration)> {
    let (mut stream, request) = (bot.connect(), bot.signed(text));
    thread::spawn(move || {
        let begun = Instant::now();
        let response = stream.exchange(request);
        assert_eq!(response.status, 200);
        let content = String::from_utf8(response.content).unwrap();
        (content, begun.elapsed())
    })
}

#[test]
fn while_one_sync_takes_six_seconds_only_commands_notice() {
    let (disk, directory) = (SlowDisk::new("one-sync"), Scratch::new("one-sync"));
    let mut bot = disk.start(&directory, "2");
    let watched = watched(&mut bot.process);
    bot.command("a");
    assert_eq!(sample(watched, AGE), 0.0);
    disk.set(SYNC);
    let held = send_held(&bot, "b");
    wait_until_overdue(&bot);
    disk.set(Duration::ZERO); // the next ones are short again
    let (age, held_answers) = (sample(watched, AGE), sample(watched, "torrap_answers_held"));
    assert!(age >= 1.0 && held_answers <= 1.0, "{age} {held_answers}");

    let (status, took) = get(&bot, "/healthz");
    assert!(status == 200 && took < AT_ONCE, "{status} after {took:?}");
    let (status, content, took) = ask(&bot, bot.signed("c"));
    assert!(content.contains(BUSY), "{status} {content}");
    assert!(took < AT_ONCE, "{took:?}");
    assert_eq!(
        texts(&bot, 1),
        [r#"{"text": "a"}"#],
        "it fell due meanwhile"
    );
    let (content, took) = held.join().unwrap();
    assert!(content.contains(BUSY), "{content}");
    assert!(took < HELD, "{took:?}");
    let (status, took) = get(&bot, "/healthz");
    assert!(status == 200 && took < AT_ONCE, "{status} after {took:?}");
    assert_eq!(sample(watched, "torrap_answers_held"), 0.0);
    let (collected, age) = (sample(watched, COLLECTED), sample(watched, AGE));
    assert!(collected > 0.0 && age >= 2.0, "{collected} {age}");
    assert_sync_lasts(&bot);

    poll_for("readiness", || {
        (get(&bot, "/readyz").0 == 200).then_some(())
    });
    bot.command("d");
    assert_eq!(sample(watched, WITHDRAWN), 1.0, "b alone has waited");
    let expected = ["a", "d"].map(|text| format!("{{\"text\": \"{text}\"}}"));
    assert_eq!(texts(&bot, 2), expected);
    assert_eq!(bot.process.stop(), Some(0));
    assert_eq!(texts(&bot, 2), expected, "none of b and c");
    let left = shown(&directory, &[]).stdout;
    assert!(left.contains("pending: 0\n"), "{left}");
}

#[test]
fn a_stop_ends_in_time_with_a_disk_that_does_not_answer() {
    let (disk, directory) = (SlowDisk::new("stuck"), Scratch::new("stuck"));
    let mut bot = disk.start(&directory, "5");
    bot.command("a");
    disk.set(2 * DEADLINE);
    let held = send_held(&bot, "b");
    wait_until_overdue(&bot);
    let asked = Instant::now();
    assert_eq!(bot.process.stop(), Some(0), "{:#?}", bot.process.log);
    let took = asked.elapsed();
    assert!(took < STOP, "{took:?}");
    let (content, _) = held.join().unwrap();
    assert!(content.contains(BUSY), "{content}");
    let line =
        "journal: the disk does not answer; replies that were just posted may be posted again";
    assert!(
        bot.process.messages().contains(&line),
        "{:#?}",
        bot.process.log
    );
    // The directory is free, and what is kept there is answered.
    let mut next = restart(bot, &directory, "0");
    next.command("c");
    let is_answered = |text: &str| {
        let reply = format!("{{\"text\": \"{text}\"}}");
        texts(&next, 0).contains(&reply)
    };
    poll_for("replies", || {
        (is_answered("a") && is_answered("c")).then_some(())
    });
    assert_eq!(next.process.stop(), Some(0));
}
