//! The journal's directory, deleted, moved, replaced, shared, and with files of other programs.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::process::Command;

use test_support::{Bot, Scratch, poll_for};

use crate::journal::{SECOND, THIRD, refused, restart, shown, start, texts};

/// Whether a command is acknowledged; otherwise it is answered "busy".
fn is_acknowledged(bot: &Bot) -> bool {
    let response = bot.connect().exchange(bot.signed("olleh"));
    assert_eq!(response.status, 200);
    response.content.is_empty()
}

/// A file without a name can be written and synced, and no later process finds it.
#[test]
fn nothing_is_acknowledged_into_a_directory_that_is_gone() {
    let directory = Scratch::new("gone");
    let mut bot = start(&directory, "1000");
    bot.command("olleh");
    fs::remove_dir_all(directory.path()).unwrap();
    assert!(!is_acknowledged(&bot));
    let why = "the directory was moved, deleted or replaced";
    bot.process.read_until(why);
    // A graceful stop would wait for the pending reply, since no other process will post it.
}

#[test]
fn a_directory_that_is_moved_is_used_again_when_it_is_back() {
    let (directory, elsewhere) = (Scratch::new("moved"), Scratch::new("elsewhere"));
    let mut bot = start(&directory, "1000");
    bot.command("olleh");
    fs::rename(directory.path(), elsewhere.path()).unwrap();
    assert!(!is_acknowledged(&bot));
    // Another bot has its path meanwhile: not a byte of the first one may get there.
    let mut other = start(&directory, "1000");
    other.command("olleh");
    let before = shown(&directory, &[]).stdout;
    assert!(!is_acknowledged(&bot));
    bot.process.read_until("it can be written");
    assert_eq!(shown(&directory, &[]).stdout, before);
    assert_eq!(other.process.stop(), Some(0));
    fs::remove_dir_all(directory.path()).unwrap();
    fs::rename(elsewhere.path(), directory.path()).unwrap();
    poll_for("an acknowledgement", || is_acknowledged(&bot).then_some(()));
    bot.process.read_until("journal: writable again");
    bot.process.signal("KILL");
    let bot = restart(bot, &directory, "1000");
    let told = "journal: 2 replies pending from an earlier process";
    assert!(
        bot.process.messages().contains(&told),
        "{:#?}",
        bot.process.log
    );
}

#[test]
fn a_file_that_was_deleted_is_followed_by_another_at_once() {
    let directory = Scratch::new("deleted");
    let bot = start(&directory, "1000");
    bot.command("a");
    bot.process.signal("KILL");
    let mut bot = restart(bot, &directory, "1000");
    // It copies the first command into the second file and goes on in a third one.
    poll_for("the end of the checkpoint", || {
        fs::exists(directory.join(THIRD)).unwrap().then_some(())
    });
    bot.command("b");
    fs::remove_file(directory.join(THIRD)).unwrap();
    bot.command("c");
    bot.process
        .read_until("the file was deleted; going on in a new segment");
    bot.process.signal("KILL");
    let report = shown(&directory, &[]).stdout;
    assert!(report.contains("pending: 2\n"), "a and c: {report}");
}

/// A person who takes it for a leftover and deletes it must not thereby let a second bot start.
#[test]
fn the_lock_does_not_go_with_its_file() {
    let directory = Scratch::new("lock");
    let mut bot = start(&directory, "1000");
    bot.command("olleh");
    fs::remove_file(directory.join("lock")).unwrap();
    let second = refused(directory.path());
    let line = format!(
        "torrap: --journal {:?}: another torrap uses it; stop it, or give each its own directory\n",
        directory.path()
    );
    assert_eq!((second.code, second.stderr), (Some(1), line));
    let report = shown(&directory, &[]).stdout;
    assert!(
        report.starts_with("in use: by a running torrap\n"),
        "{report}"
    );
    assert_eq!(bot.process.stop(), Some(0));
}

#[test]
fn what_is_no_file_is_a_damaged_segment_and_holds_up_no_reply() {
    let directory = Scratch::new("foreign-files");
    let mut bot = start(&directory, "0.2");
    bot.command("a");
    bot.process.signal("KILL");
    let third = directory.join("0000000003.log");
    let pipe = |path: &std::path::Path| {
        let made = Command::new("mkfifo").arg(path).status().unwrap();
        assert!(made.success());
    };
    pipe(&directory.join(SECOND));
    symlink("/dev/zero", &third).unwrap();
    fs::create_dir(directory.join("0000000004.log")).unwrap();
    // A hole of a terabyte.
    let hole = File::create(directory.join("0000000005.log")).unwrap();
    hole.set_len(1 << 40).unwrap();
    // Behind a gap, where the log would come one day.
    fs::create_dir(directory.join("0000000009.log")).unwrap();
    fs::remove_file(directory.join("lock")).unwrap();
    pipe(&directory.join("lock"));
    let report = shown(&directory, &["--jobs"]);
    assert_eq!(report.code, Some(0), "{}", report.stderr);
    for segment in [2, 3, 4, 5] {
        let line = format!("damaged: 000000000{segment}.log, 1 places, ");
        assert!(report.stdout.contains(&line), "{}", report.stdout);
    }
    assert!(report.stdout.contains("pending: 1\n"), "{}", report.stdout);
    bot = restart(bot, &directory, "0");
    assert_eq!(texts(&bot, 1), [r#"{"text": "a"}"#]);
    assert!(directory.join("0000000009.log.damaged").is_dir());
    assert!(!directory.join("0000000009.log").exists());
    assert_eq!(bot.process.stop(), Some(0));
}
