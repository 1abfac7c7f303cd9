//! The journal of the real binary: what a restart finds, and what people are shown.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Instant;

use test_support::{Bot, Finished, Process, SECRET, SECRET_PATH, Scratch, finish};

use crate::TORRAP;
use crate::printing::{read_slowly, to_stdout};

pub const FIRST: &str = "0000000001.log";
pub const SECOND: &str = "0000000002.log";
pub const THIRD: &str = "0000000003.log";

pub fn start(directory: &Scratch, delay: &str) -> Bot {
    start_with(directory, delay, |_| {})
}

/// The same, with what `change` sets besides.
pub fn start_with(directory: &Scratch, delay: &str, change: impl FnOnce(&mut Command)) -> Bot {
    TORRAP.start(|command| {
        command.args(["--journal", directory.path(), "--delay", delay]);
        change(command);
    })
}

/// The bot once more, with the stand-in of its earlier life.
pub fn restart(bot: Bot, directory: &Scratch, delay: &str) -> Bot {
    let Bot { process, slack, .. } = bot;
    drop(process);
    let mut command = TORRAP.serve(&slack, |command| {
        command.args(["--journal", directory.path(), "--delay", delay]);
    });
    Bot::told(Process::start(&mut command), slack)
}

pub fn texts(bot: &Bot, count: usize) -> Vec<String> {
    let mut texts: Vec<String> = bot
        .posts(count)
        .iter()
        .map(|post| String::from_utf8(post.content.clone()).unwrap())
        .collect();
    texts.sort_unstable();
    texts
}

/// What `torrap journal` prints.
pub fn shown(directory: &Scratch, more: &[&str]) -> Finished {
    finish(
        TORRAP
            .command()
            .args(["journal", directory.path()])
            .args(more),
    )
}

pub fn refused(directory: &str) -> Finished {
    let mut command = TORRAP.command();
    command.env("SLACK_SIGNING_SECRET", SECRET);
    finish(command.args(["--listen", "127.0.0.1:0", "--journal", directory]))
}

#[test]
fn a_stop_leaves_what_is_pending_to_the_next_start_and_takes_under_a_second() {
    let directory = Scratch::new("stop");
    let mut bot = start(&directory, "2");
    bot.command("olleh");
    let asked = Instant::now();
    bot.process.signal("TERM");
    assert_eq!(bot.process.wait(), Some(0), "{:#?}", bot.process.log);
    assert!(asked.elapsed().as_millis() < 1000, "{:?}", asked.elapsed());
    assert!(
        bot.process
            .messages()
            .contains(&"replies left to the next start: 1")
    );
    assert!(bot.slack.posts().is_empty());
    let mut bot = restart(bot, &directory, "2");
    assert_eq!(texts(&bot, 1), [r#"{"text": "hello"}"#]);
    assert!(
        bot.process
            .messages()
            .contains(&"journal: 1 replies pending from an earlier process")
    );
    assert_eq!(bot.process.stop(), Some(0));
    assert!(shown(&directory, &[]).stdout.contains("pending: 0\n"));
}

/// Files that are open tell nothing of that, and another process may have the path by now.
#[test]
fn nothing_is_acknowledged_or_left_to_a_directory_that_was_removed() {
    let directory = Scratch::new("removed");
    for is_made_anew in [false, true] {
        let mut bot = start(&directory, "1");
        bot.command("olleh");
        fs::remove_dir_all(directory.path()).unwrap();
        if is_made_anew {
            fs::create_dir(directory.path()).unwrap();
        }
        let busy = bot.connect().exchange(bot.signed("dlrow"));
        let content = String::from_utf8(busy.content).unwrap();
        assert!(content.contains("I am busy"), "{content}");
        assert_eq!(bot.process.stop(), Some(0), "{:#?}", bot.process.log);
        assert_eq!(texts(&bot, 1), [r#"{"text": "hello"}"#]);
        assert_eq!(bot.slack.posts().len(), 1);
    }
}

#[test]
fn no_other_user_can_look_and_a_second_bot_is_refused() {
    let directory = Scratch::new("alone");
    let mut bot = start(&directory, "1000");
    bot.command("olleh");
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(directory.join("")), 0o700);
    assert_eq!(
        (mode(directory.join(FIRST)), mode(directory.join("lock"))),
        (0o600, 0o600)
    );
    let second = refused(directory.path());
    let (path, process) = (directory.path(), bot.process.pid());
    let line = format!(
        "torrap: --journal {path:?}: another torrap uses it (process {process}); stop it, or give each its own directory\n"
    );
    assert_eq!((second.code, second.stderr), (Some(1), line));
    bot.command("olleh");
    assert_eq!(bot.process.stop(), Some(0), "the first has noticed nothing");
}

#[test]
fn a_directory_that_others_may_look_into_is_told() {
    let directory = Scratch::new("open");
    fs::create_dir(directory.path()).unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let bot = start(&directory, "0");
    let told = "--journal: other users may look into the directory, its mode is 755; chmod 700 it";
    assert!(
        bot.process.messages().contains(&told),
        "{:#?}",
        bot.process.log
    );
}

#[test]
fn what_is_no_directory_is_refused_with_its_name() {
    let directory = Scratch::new("nothing");
    fs::write(directory.path(), "a file").unwrap();
    let missing = directory.join("below").display().to_string();
    for path in [directory.path(), &missing] {
        let finished = refused(path);
        assert_eq!(finished.code, Some(2), "{}", finished.stderr);
        assert!(
            finished
                .stderr
                .starts_with(&format!("torrap: --journal {path:?}: "))
        );
        assert!(
            finished
                .stderr
                .ends_with("; give a directory of torrap's own\n")
        );
        assert_eq!(finished.stderr.lines().count(), 1);
    }
    fs::remove_file(directory.path()).unwrap();
}

#[test]
fn an_unknown_format_is_refused_and_left_alone() {
    let directory = Scratch::new("format");
    fs::create_dir(directory.path()).unwrap();
    let content = b"torrap\x03\x00\xfc\xff and whatever a later version has here, in whatever form";
    fs::write(directory.join(FIRST), content).unwrap();
    let finished = refused(directory.path());
    assert_eq!(finished.code, Some(2));
    let says = "0000000001.log is of format 3, and this torrap knows no format after 2; ";
    assert!(finished.stderr.contains(says), "{}", finished.stderr);
    assert_eq!(fs::read(directory.join(FIRST)).unwrap(), content);
    let shown = shown(&directory, &[]);
    assert_eq!((shown.code, shown.stdout.as_str()), (Some(2), ""));
}

#[test]
fn a_damaged_record_is_skipped_told_and_kept_aside() {
    let directory = Scratch::new("damage");
    let bot = start(&directory, "0.3");
    for text in ["a", "b", "c", "d"] {
        bot.command(text);
    }
    bot.process.signal("KILL");
    let mut content = fs::read(directory.join(FIRST)).unwrap();
    let paths = content.windows(SECRET_PATH.len());
    let mut second = paths
        .enumerate()
        .filter(|(_, window)| *window == SECRET_PATH.as_bytes());
    let (second, _) = second.nth(1).unwrap();
    content[second] ^= 1;
    fs::write(directory.join(FIRST), &content).unwrap();
    let report = shown(&directory, &[]).stdout;
    assert!(
        report.contains("damaged: 0000000001.log, 1 places, "),
        "{report}"
    );
    let mut bot = restart(bot, &directory, "0");
    let expected = ["a", "c", "d"].map(|text| format!("{{\"text\": \"{text}\"}}"));
    assert_eq!(texts(&bot, 3), expected);
    let log = bot.process.messages().join("\n");
    assert!(
        log.contains("journal: 0000000001.log is damaged in 1 places, "),
        "{log}"
    );
    assert!(
        log.contains("0000000001.log.damaged is kept aside for a look"),
        "{log}"
    );
    assert_eq!(bot.process.stop(), Some(0));
    assert_eq!(
        fs::read(directory.join("0000000001.log.damaged")).unwrap(),
        content
    );
}

#[test]
fn a_torn_tail_loses_nothing_that_was_acknowledged() {
    let directory = Scratch::new("torn");
    let bot = start(&directory, "0.3");
    bot.command("a");
    let acknowledged = fs::metadata(directory.join(FIRST)).unwrap().len();
    bot.command("b");
    bot.process.signal("KILL");
    let file = fs::OpenOptions::new()
        .write(true)
        .open(directory.join(FIRST))
        .unwrap();
    file.set_len(acknowledged + 60).unwrap();
    let mut bot = restart(bot, &directory, "0");
    assert_eq!(texts(&bot, 1), [r#"{"text": "a"}"#]);
    let log = bot.process.messages().join("\n");
    assert!(
        log.contains("bytes of unfinished writes, which were never acknowledged"),
        "{log}"
    );
    assert!(!log.contains("damaged"), "{log}");
    assert_eq!(bot.process.stop(), Some(0));
    assert!(!fs::exists(directory.join(FIRST)).unwrap());
}

#[test]
fn the_journal_is_shown_beside_a_running_bot_without_secrets() {
    let directory = Scratch::new("shown");
    let mut bot = start(&directory, "1000");
    bot.command("a text that is secret");
    let finished = shown(&directory, &["--jobs"]);
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    let report = finished.stdout;
    assert!(report.starts_with(&format!(
        "in use: by process {}\npending: 1\n",
        bot.process.pid()
    )));
    let origin = bot.slack.origin();
    assert!(report.contains("command 1: due 20"), "{report}");
    assert!(
        report.ends_with(&format!("/torrap to {origin}, 21 bytes of text\n")),
        "{report}"
    );
    assert!(!report.contains("secret"), "{report}");
    assert_eq!(
        shown(&directory, &[]).stdout.lines().count(),
        report.lines().count() - 1
    );
    assert_eq!(bot.process.stop(), Some(0));
    assert!(
        shown(&directory, &[])
            .stdout
            .starts_with("in use: no\npending: 1\n")
    );
    let nowhere = finish(TORRAP.command().args(["journal", "/nowhere"]));
    assert_eq!((nowhere.code, nowhere.stdout.as_str()), (Some(2), ""));
    assert!(
        nowhere
            .stderr
            .starts_with("torrap: --journal \"/nowhere\": cannot be used (")
    );
}

#[test]
fn a_slow_reader_sees_all_of_the_journal() {
    let directory = Scratch::new("read-slowly");
    let mut bot = start(&directory, "1000");
    bot.commands("olleh", 1_000);
    assert_eq!(bot.process.stop(), Some(0));
    let mut command = TORRAP.command();
    command.args(["journal", directory.path(), "--jobs"]);
    let (code, report) = read_slowly(&mut command, to_stdout);
    assert_eq!(code, Some(0));
    // How long it is until a job is due changes from one second to the next.
    let timeless = |report: &str| {
        let lines = report.lines().map(|line| {
            let (begin, rest) = line.split_once(", in ").unwrap_or((line, ""));
            let (_, end) = rest.split_once(" s, ").unwrap_or(("", rest));
            format!("{begin}, {end}")
        });
        lines.collect::<Vec<_>>()
    };
    let at_once = shown(&directory, &["--jobs"]).stdout;
    assert_eq!(timeless(&report), timeless(&at_once));
    assert!(report.lines().count() > 1_000);
}

#[test]
fn systemds_state_directory_is_the_journals() {
    let directory = Scratch::new("systemd");
    let mut bot = TORRAP.start(|command| {
        command.env("STATE_DIRECTORY", format!("{}:/nowhere", directory.path()));
    });
    bot.command("olleh");
    bot.posts(1);
    assert_eq!(bot.process.stop(), Some(0));
    // With nothing pending, a stop leaves an empty segment.
    assert!(fs::exists(directory.join(SECOND)).unwrap());
}
