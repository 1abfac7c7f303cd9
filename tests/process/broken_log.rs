//! A log that cannot be written: the bot answers, replies and stops all the same.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;

use test_support::{Bot, DEADLINE, Process, SECRET};
use torrap::tools::trial::stand_in::{Answer, SlackStandIn};

use crate::TORRAP;

/// Enough to fill a pipe at debug several times.
const COMMANDS: usize = 1_000;

fn debug(command: &mut Command) {
    command.env("LOG_LEVEL", "debug");
}

/// In the lines of `simple_logger`, and in those that torrap writes itself.
const FORMATS: [fn(&mut Command); 2] = [debug, json];

fn json(command: &mut Command) {
    debug(command);
    command.env("LOG_FORMAT", "json");
}

/// The bot with a log whose reader reads as far as the address and then gives itself to `then`.
fn with_reader<T>(
    change: impl FnOnce(&mut Command),
    then: impl FnOnce(BufReader<std::io::PipeReader>) -> T,
) -> (Bot, T) {
    let slack = SlackStandIn::start(|_| Answer::ok()).unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = TORRAP.serve(&slack, change);
    let process = Process::start_unread(command.stderr(writer));
    // The command holds a writer of its own.
    drop(command);
    let (reader, address) = address_in(BufReader::new(reader));
    let bot = Bot {
        process,
        slack,
        address,
    };
    (bot, then(reader))
}

/// Reads up to a line with this in it, on a thread, since the read itself has no deadline.
fn read_until<R: BufRead + Send + 'static>(mut reader: R, part: &'static str) -> (R, String) {
    let (sender, found) = channel();
    thread::spawn(move || {
        let mut line = String::new();
        while !line.contains(part) {
            line.clear();
            assert!(reader.read_line(&mut line).unwrap() > 0, "no {part}");
        }
        sender.send((reader, line))
    });
    let found = found.recv_timeout(DEADLINE);
    found.unwrap_or_else(|_| panic!("no {part} in time"))
}

fn address_in<R: BufRead + Send + 'static>(log: R) -> (R, SocketAddr) {
    let (log, line) = read_until(log, "http://");
    let (_, address) = line.trim().split_once("http://").unwrap();
    let address = address.trim_end_matches(['"', '}']);
    (log, address.parse().unwrap())
}

/// A standard stream that takes not one byte more and that no process reads: its other end, and how many bytes are
/// in it.
pub fn full(is_nonblocking: bool) -> (Stdio, UnixStream, usize) {
    let mut filled = 0;
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    for size in [4096, 1] {
        loop {
            match ours.write(&vec![b'x'; size]) {
                Ok(len) => filled += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
    ours.set_nonblocking(is_nonblocking).unwrap();
    (OwnedFd::from(ours).into(), theirs, filled)
}

fn assert_works(bot: &mut Bot) {
    bot.commands("olleh", COMMANDS);
    bot.posts(COMMANDS);
    assert_eq!(bot.process.stop(), Some(0));
}

#[test]
fn a_reader_that_goes_away() {
    for format in FORMATS {
        let (mut bot, ()) = with_reader(format, drop);
        assert_works(&mut bot);
    }
}

#[test]
fn a_reader_that_goes_away_and_one_that_comes_after_it() {
    let path = format!("{}/log.fifo", env!("CARGO_TARGET_TMPDIR"));
    let _ = std::fs::remove_file(&path);
    assert!(
        Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    // Each end waits for the other one to be opened.
    let opened = path.clone();
    let first = thread::spawn(move || BufReader::new(File::open(opened).unwrap()));
    let writer = OpenOptions::new().write(true).open(&path).unwrap();
    let slack = SlackStandIn::start(|_| Answer::ok()).unwrap();
    let process = Process::start_unread(TORRAP.serve(&slack, debug).stderr(writer));
    let (first, address) = address_in(first.join().unwrap());
    drop(first);
    let mut bot = Bot {
        process,
        slack,
        address,
    };
    // Fewer lines than the queue holds: none of the second reader's is dropped.
    bot.commands("olleh", COMMANDS / 10);
    bot.posts(COMMANDS / 10);
    let second = BufReader::new(File::open(&path).unwrap());
    bot.command("dlrow");
    let (second, _) = read_until(second, "sending reply: world");
    bot.posts(COMMANDS / 10 + 1);
    assert_eq!(bot.process.stop(), Some(0));
    read_until(second, "shutdown");
}

/// A named pipe: what reads it, and what writes to it without ever waiting.
fn non_blocking_pipe(name: &str) -> (File, File) {
    let path = format!("{}/{name}.fifo", env!("CARGO_TARGET_TMPDIR"));
    let _ = std::fs::remove_file(&path);
    let made = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    // Each end waits for the other one to be opened, unless it is told not to wait.
    let opened = path.clone();
    let reader = thread::spawn(move || File::open(opened).unwrap());
    drop(OpenOptions::new().write(true).open(&path).unwrap());
    let reader = reader.join().unwrap();
    let mut writing = OpenOptions::new();
    writing.write(true).custom_flags(libc::O_NONBLOCK);
    (reader, writing.open(&path).unwrap())
}

/// Every line is there and whole, however slowly they are read: fewer than the log's queue holds.
#[test]
fn a_slow_reader_of_a_pipe_that_does_not_block() {
    let (reader, writer) = non_blocking_pipe("slow-log");
    let slack = SlackStandIn::start(|_| Answer::ok()).unwrap();
    let mut command = TORRAP.serve(&slack, debug);
    let process = Process::start_unread(command.stderr(writer));
    drop(command);
    let (reader, address) = address_in(BufReader::with_capacity(64, reader));
    let mut bot = Bot {
        process,
        slack,
        address,
    };
    // // The log is not read meanwhile.
    bot.commands("olleh", COMMANDS);
    bot.posts(COMMANDS);
    let (sender, all) = channel();
    thread::spawn(move || {
        let mut answered = 0;
        for line in reader.lines().map(Result::unwrap) {
            let is_whole = line.contains(" [torrap") && line.matches("Z ").count() == 1;
            assert!(is_whole && !line.contains("could not be"), "{line}");
            answered += usize::from(line.ends_with("successfully sent reply"));
            if line.ends_with("shutdown") || answered == COMMANDS {
                let _ = sender.send(line);
            }
        }
    });
    let last = all.recv_timeout(DEADLINE).unwrap();
    assert!(last.ends_with("successfully sent reply"), "{last}");
    assert_eq!(bot.process.stop(), Some(0));
    all.recv_timeout(DEADLINE).unwrap();
}

#[test]
fn a_reader_that_stalls() {
    for format in FORMATS {
        let (mut bot, reader) = with_reader(format, |reader| reader);
        assert_works(&mut bot);
        drop(reader);
    }
}

#[test]
fn a_reader_that_stalls_and_many_undelivered_replies() {
    let thinking = |command: &mut Command| {
        debug(command);
        command.args(["--delay", "1000", "--drain", "0"]);
    };
    let (mut bot, reader) = with_reader(thinking, |reader| reader);
    bot.commands("olleh", 10_000);
    assert_eq!(bot.process.stop(), Some(1));
    drop(reader);
}

#[test]
fn a_reader_that_stalls_and_a_second_signal() {
    let thinking = |command: &mut Command| {
        debug(command);
        command.args(["--delay", "1000"]);
    };
    let (mut bot, reader) = with_reader(thinking, |reader| reader);
    bot.commands("olleh", COMMANDS);
    assert_eq!(bot.process.stop_twice("TERM", "TERM"), Some(1));
    drop(reader);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk() {
    let full = |command: &mut Command| {
        let disk = OpenOptions::new().write(true).open("/dev/full");
        Process::start_unread(command.stderr(disk.unwrap()))
    };
    for format in FORMATS {
        assert_works(&mut TORRAP.start_silent(full, format));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn no_standard_streams_at_all() {
    let closed = |command: &mut Command| {
        let mut shell = Command::new("sh");
        shell.args(["-c", "exec \"$0\" \"$@\" <&- >&- 2>&-"]);
        shell.arg(command.get_program()).args(command.get_args());
        shell.env_clear();
        shell.envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        Process::start_unread(&mut shell)
    };
    assert_works(&mut TORRAP.start_silent(closed, debug));
}

#[test]
fn an_error_at_the_start_that_is_not_read_is_an_exit_code_still() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (listen, level, code) in [(address.as_str(), "trace", 1), ("nonsense", "off", 2)] {
        let (stderr, _unread, _) = full(level == "off");
        let mut command = TORRAP.command();
        command
            .env("SLACK_SIGNING_SECRET", SECRET)
            .env("LOG_LEVEL", level);
        command.args(["--listen", listen]);
        let mut process = Process::start_unread(command.stderr(stderr));
        assert_eq!(process.wait(), Some(code), "{listen} {level}");
    }
}
