//! The log against sinks that stall and panic, and lines that are not for it.

use super::*;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

/// Longer than anything here takes: it ends a test that would hang.
const DEADLINE: Duration = Duration::from_secs(60);

fn log(console: &Console, level: Level, target: &str, message: &str) {
    let mut record = Record::builder();
    console.log(
        &record
            .level(level)
            .target(target)
            .args(format_args!("{message}"))
            .build(),
    );
}

fn info(console: &Console, message: &str) {
    log(console, Level::Info, "torrap::tests", message);
}

/// A console whose sink sends each line as text.
fn recording(level: LevelFilter) -> (Console, Receiver<String>) {
    let (sender, lines) = channel();
    let sink = move |record: &Record<'_>| {
        let _ = sender.send(format!(
            "{} {} {}",
            record.level(),
            record.target(),
            record.args()
        ));
    };
    (Console::start(level, sink).unwrap(), lines)
}

/// A console whose sink, for each line, says that it has begun and waits to be let on.
fn stalled() -> (Console, Receiver<String>, Sender<()>) {
    let (begun, lines) = channel();
    let (go, may_go) = channel::<()>();
    let sink = move |record: &Record<'_>| {
        let _ = begun.send(record.args().to_string());
        // Once the other end is gone, nothing stalls any more.
        let _ = may_go.recv();
    };
    (Console::start(LevelFilter::Info, sink).unwrap(), lines, go)
}

#[test]
fn lines_arrive_whole_and_in_order() {
    let (console, lines) = recording(LevelFilter::Trace);
    for number in 0..1000 {
        info(&console, &number.to_string());
    }
    log(&console, Level::Error, "torrap", "the end");
    assert!(console.flush(DEADLINE));
    let lines: Vec<_> = lines.try_iter().collect();
    assert_eq!(lines.len(), 1001);
    assert_eq!(lines[17], "INFO torrap::tests 17");
    assert_eq!(
        lines[999..],
        ["INFO torrap::tests 999", "ERROR torrap the end"]
    );
}

#[test]
fn the_level_and_the_target_are_judged() {
    let (console, lines) = recording(LevelFilter::Info);
    log(&console, Level::Debug, "torrap", "too fine");
    for target in ["ureq", "ureq::run", "ureq_proto::util", "rustls::client"] {
        log(&console, Level::Error, target, "may hold a secret");
    }
    for target in ["torrap::app", "mybot", "mybot::ureq"] {
        log(&console, Level::Warn, target, "ours");
    }
    assert!(console.flush(DEADLINE));
    assert_eq!(
        lines.try_iter().collect::<Vec<_>>(),
        [
            "WARN torrap::app ours",
            "WARN mybot ours",
            "WARN mybot::ureq ours"
        ]
    );
}

#[test]
fn off_starts_no_thread() {
    let console = Console::start(LevelFilter::Off, |_| panic!("a line")).unwrap();
    assert!(console.queue.is_none());
    log(&console, Level::Error, "torrap", "unheard");
    assert!(console.flush(Duration::ZERO));
}

#[test]
fn messages_are_escaped_and_cut() {
    let (console, lines) = recording(LevelFilter::Info);
    info(&console, "a\n2026-11-23 INFO [torrap] forged\u{1b}[2J");
    info(&console, &"é".repeat(MESSAGE_BYTES_MAX));
    assert!(console.flush(DEADLINE));
    let lines: Vec<_> = lines.try_iter().collect();
    let escaped = r"INFO torrap::tests a\n2026-11-23 INFO [torrap] forged\u{1b}[2J";
    assert_eq!(lines[0], escaped);
    assert_eq!(
        lines[1],
        format!("INFO torrap::tests {}…", "é".repeat(MESSAGE_BYTES_MAX / 2))
    );
}

#[test]
fn a_stalled_reader_blocks_no_thread_and_the_drops_are_told() {
    let (console, lines, go) = stalled();
    info(&console, "0");
    assert_eq!(lines.recv_timeout(DEADLINE).unwrap(), "0");
    // The sink holds line 0, so exactly a queue of further lines fits.
    for number in 1..=queue::LINES_MAX + 5 {
        log(&console, Level::Warn, "torrap", &number.to_string());
    }
    assert!(!console.flush(Duration::from_millis(1)));
    drop(go);
    assert!(console.flush(DEADLINE));
    info(&console, "after");
    assert!(console.flush(DEADLINE));
    let lines: Vec<_> = lines.try_iter().collect();
    assert_eq!(lines.len(), queue::LINES_MAX + 2);
    assert_eq!(lines[0], "1");
    let end = ["5 lines dropped, the log is not read fast enough", "after"];
    assert_eq!(lines[queue::LINES_MAX..], end);
}

#[test]
fn flushing_waits_for_the_line_that_is_being_written() {
    let (console, lines, go) = stalled();
    info(&console, "slow");
    lines.recv_timeout(DEADLINE).unwrap();
    assert!(!console.flush(Duration::ZERO));
    thread::scope(|scope| {
        let flush = scope.spawn(|| console.flush(DEADLINE));
        go.send(()).unwrap();
        assert!(flush.join().unwrap());
    });
}

#[test]
fn a_write_that_fails_costs_its_line_and_other_panics_have_one() {
    let (sender, lines) = channel();
    let console = Console::start(LevelFilter::Info, move |record| {
        let line = record.args().to_string();
        assert_ne!(line, "bad", "failed printing to stderr");
        let _ = sender.send(line);
    });
    let console: &Console = Box::leak(Box::new(console.unwrap()));
    let off = Console::start(LevelFilter::Off, |_| ()).unwrap();
    let reported = Arc::new(AtomicUsize::new(0));
    let reports = [Arc::clone(&reported), Arc::clone(&reported)];
    let [report, report_off] =
        reports.map(|count| move |_: &PanicHookInfo<'_>| _ = count.fetch_add(1, Ordering::SeqCst));
    let told = told_in(console, report);
    let untold = told_in(Box::leak(Box::new(off)), report_off);
    // Other tests panic meanwhile.
    let original = Arc::new(panic::take_hook());
    let other = Arc::clone(&original);
    panic::set_hook(Box::new(move |panic| match thread::current().name() {
        Some(THREAD_NAME | "logged") => told(panic),
        Some("without a log") => untold(panic),
        _ => other(panic),
    }));

    for line in ["good", "bad", "good again"] {
        info(console, line);
    }
    assert!(console.flush(DEADLINE));
    let expected = ["good", "1 line could not be written", "good again"];
    assert_eq!(lines.try_iter().collect::<Vec<_>>(), expected);
    panic_in("logged");
    assert!(console.flush(DEADLINE));
    // A backtrace follows, if the environment asks for one.
    let line = lines.try_iter().next().unwrap();
    assert!(line.starts_with("panic at src/telemetry/console/tests.rs:"));
    assert!(line.ends_with(r": typed\n\u{1b}[31m by a person"), "{line}");
    assert_eq!(reported.load(Ordering::SeqCst), 0);
    panic_in("without a log");
    assert_eq!(reported.load(Ordering::SeqCst), 1);
    panic::set_hook(Box::new(move |panic| original(panic)));
}

/// Panics with what a person has typed, on a thread of this name.
fn panic_in(name: &str) {
    let thread = thread::Builder::new().name(name.into());
    let thread = thread.spawn(|| panic!("typed\n\u{1b}[31m{}", " by a person".to_owned()));
    assert!(thread.unwrap().join().is_err());
}

#[test]
fn what_could_not_be_written_is_told_with_the_next_line_and_as_severely() {
    let (sender, lines) = channel();
    let is_broken = Arc::new(AtomicBool::new(true));
    let broken = Arc::clone(&is_broken);
    let console = Console::start(LevelFilter::Trace, move |record| {
        assert!(!broken.load(Ordering::SeqCst), "failed printing to stderr");
        let _ = sender.send(format!("{} {}", record.level(), record.args()));
    })
    .unwrap();
    for worst in [Level::Debug, Level::Error] {
        is_broken.store(true, Ordering::SeqCst);
        info(&console, "lost");
        log(&console, worst, "torrap", "lost");
        assert!(console.flush(DEADLINE));
        is_broken.store(false, Ordering::SeqCst);
        info(&console, "written");
        assert!(console.flush(DEADLINE));
    }
    let expected = [
        "WARN 2 lines could not be written",
        "INFO written",
        "ERROR 2 lines could not be written",
        "INFO written",
    ];
    assert_eq!(lines.try_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn a_dropped_console_writes_what_is_left() {
    let (console, lines) = recording(LevelFilter::Info);
    for number in 0..100 {
        info(&console, &number.to_string());
    }
    drop(console);
    // The channel ends with the sink, and that with the thread.
    assert_eq!(lines.iter().count(), 100);
}
