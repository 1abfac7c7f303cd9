//! The log on standard error, written by a thread of its own.
//!
//! `simple_logger` writes line by line, waits for a reader that stalls and panics when a write
//! fails. So the threads that log only format and enqueue; waits and panics are confined to the one that writes.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // the log's thread stands here

mod blocking;
mod escape;
mod format;
mod queue;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::{Arguments, Write};
use std::io;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use log::{Level, LevelFilter, Log, Metadata, Record, SetLoggerError};
use simple_logger::SimpleLogger;

pub use blocking::Blocking;
use escape::Escaped;
pub use escape::escaped;
pub use format::{Format, is_journal, prefix};
use queue::{Entry, Line, Loss, Queue};

use crate::commands::run::panic_text;
use crate::time::{UnixTime, millis};

/// Longest message, in bytes; what is longer is cut. With time, level and module a line is shorter than `PIPE_BUF`
/// (4,096 on Linux): a pipe that has room takes all of it.
const MESSAGE_BYTES_MAX: usize = 3900;

/// How long a flush through the `log` crate, which cannot say how long, waits at most.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Name of the thread, which [`log_panics`] knows it by.
const THREAD_NAME: &str = "torrap-log";

/// The target of the log's own lines.
const TARGET: &str = "torrap";

/// Crates whose lines are left out at every level: an HTTP client's debug line can hold a response_url, a TLS library's trace
/// the bytes of one. These are all crates that torrap is built from and that log; the remaining lines are torrap's own and
/// those of commands.
const LEFT_OUT: [&str; 3] = ["rustls", "ureq", "ureq_proto"];

/// A log whose callers never wait. Dropping it lets its thread end.
pub struct Console {
    level: LevelFilter,
    queue: Option<Arc<Queue>>,
}

impl Console {
    /// Starts the log on standard error, with times in UTC. A line's time is when it was written.
    ///
    /// # Errors
    /// If the system has no thread for it.
    pub fn stderr(level: LevelFilter, format: Format) -> io::Result<Self> {
        match format {
            Format::Plain => Self::simple(level),
            format => Self::formatted(level, format),
        }
    }

    /// Lines of `simple_logger`.
    ///
    /// `simple_logger` prints without a way to go on behind a partial write, so the log waits for room before each
    /// line. Only another process that writes to the same pipe can take that room away; then the line is
    /// tried again.
    fn simple(level: LevelFilter) -> io::Result<Self> {
        // It lets every level pass: what comes here has been judged.
        let logger = SimpleLogger::new().with_utc_timestamps();
        let stderr = io::stderr();
        Self::start(level, move |record| {
            loop {
                blocking::wait_writable(&stderr);
                match catch_unwind(AssertUnwindSafe(|| logger.log(record))) {
                    Ok(()) => break,
                    Err(_) if blocking::is_full_now(&stderr) => {}
                    Err(failed) => panic::resume_unwind(failed),
                }
            }
        })
    }

    /// Lines of another format.
    fn formatted(level: LevelFilter, format: Format) -> io::Result<Self> {
        let mut stderr = Blocking::new(io::stderr());
        let mut line = String::new();
        Self::start(level, move |record| {
            line.clear();
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            format.append(record, UnixTime(millis(now.unwrap_or_default())), &mut line);
            if let Err(error) = io::Write::write_all(&mut stderr, line.as_bytes()) {
                // As simple_logger does it, so that the line counts as lost.
                panic::resume_unwind(Box::new(error));
            }
        })
    }

    /// Starts a log that hands its lines to `sink`, one at a time, on a thread of its own. The
    /// sink may wait, and may panic, which costs that line. For [`LevelFilter::Off`] no thread is
    /// started.
    ///
    /// # Errors
    /// If the system has no thread for it.
    pub fn start(
        level: LevelFilter,
        sink: impl FnMut(&Record<'_>) + Send + 'static,
    ) -> io::Result<Self> {
        if level == LevelFilter::Off {
            return Ok(Self { level, queue: None });
        }
        let queue = Arc::new(Queue::new());
        let writer = Arc::clone(&queue);
        thread::Builder::new()
            .name(THREAD_NAME.into())
            .spawn(move || write_all(&writer, sink))?;
        Ok(Self {
            level,
            queue: Some(queue),
        })
    }

    /// Makes this the log of the process, for as long as the process lives.
    ///
    /// # Errors
    /// If it has one already.
    pub fn install(self) -> Result<&'static Self, SetLoggerError> {
        let level = self.level;
        let console: &'static Self = Box::leak(Box::new(self));
        log::set_logger(console)?;
        log::set_max_level(level);
        Ok(console)
    }

    /// Waits until every line logged before was written, or could not be; `false` if that took
    /// longer than `timeout`.
    pub fn flush(&self, timeout: Duration) -> bool {
        self.queue.as_ref().is_none_or(|queue| queue.flush(timeout))
    }
}

impl Log for Console {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        let name = target.split_once("::").map_or(target, |(name, _)| name);
        metadata.level() <= self.level && !LEFT_OUT.contains(&name)
    }

    fn log(&self, record: &Record<'_>) {
        let Some(queue) = self
            .queue
            .as_ref()
            .filter(|_| self.enabled(record.metadata()))
        else {
            return;
        };
        let Some(mut text) = queue.buffer(record.level()) else {
            return;
        };
        text.push_str(record.target());
        let target_bytes = text.len();
        // The one error there is says that the message was cut.
        let mut message = Escaped::new(&mut text, target_bytes + MESSAGE_BYTES_MAX);
        let _ = message.write_fmt(*record.args());
        queue.push(Line {
            level: record.level(),
            text,
            target_bytes,
        });
    }

    fn flush(&self) {
        Self::flush(self, FLUSH_TIMEOUT);
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        if let Some(queue) = &self.queue {
            queue.close();
        }
    }
}

/// Writes panics to this log, each on a line, escaped, cut, and without waiting for the log's reader: a command may panic in
/// the event loop, and its message may be what a person has typed. A panic of the log's own thread is not written: a write has
/// just failed. If the log has no level at which errors are written, panics are reported as before.
pub fn log_panics(log: &'static Console) {
    panic::set_hook(Box::new(told_in(log, panic::take_hook())));
}

fn told_in(
    log: &'static Console,
    report: impl Fn(&PanicHookInfo<'_>),
) -> impl Fn(&PanicHookInfo<'_>) {
    move |panic| {
        if thread::current().name() == Some(THREAD_NAME) {
            return;
        }
        if log.level < Level::Error {
            return report(panic);
        }
        let text = panic_text(panic.payload());
        match panic.location() {
            Some(location) => tell_error(log, format_args!("panic at {location}: {text}")),
            None => tell_error(log, format_args!("panic: {text}")),
        }
        let backtrace = Backtrace::capture(); // if RUST_BACKTRACE asks for it
        if backtrace.status() == BacktraceStatus::Captured {
            let lines = backtrace.to_string();
            lines
                .lines()
                .for_each(|line| tell_error(log, format_args!("{line}")));
        }
    }
}

fn tell_error(log: &Console, message: Arguments<'_>) {
    let mut record = Record::builder();
    record.level(Level::Error).target(TARGET);
    log.log(&record.args(message).build());
}

/// The thread.
fn write_all(queue: &Queue, mut sink: impl FnMut(&Record<'_>)) {
    // What could not be written since the last line that was.
    let mut lost = Loss::NONE;
    while let Some(entry) = queue.next() {
        if lost.is_some() && tell(lost, "could not be written", &mut sink) {
            lost = Loss::NONE;
        }
        // While not even that can be written, nor can the line.
        if lost.is_some() || !write(&entry, &mut sink) {
            lost.add(entry.loss());
        }
        queue.settle(entry);
    }
}

/// Whether the entry was written.
fn write(entry: &Entry, sink: &mut impl FnMut(&Record<'_>)) -> bool {
    match entry {
        Entry::Line(line) => {
            let (target, message) = line.text.split_at(line.target_bytes);
            put(line.level, target, format_args!("{message}"), sink)
        }
        Entry::Dropped(loss) => tell(*loss, "dropped, the log is not read fast enough", sink),
    }
}

/// Writes a line that says what has become of lost lines. Returns whether it was written.
fn tell(loss: Loss, fate: &str, sink: &mut impl FnMut(&Record<'_>)) -> bool {
    let Loss { lines, level } = loss;
    let noun = if lines == 1 { "line" } else { "lines" };
    put(level, TARGET, format_args!("{lines} {noun} {fate}"), sink)
}

fn put(
    level: Level,
    target: &str,
    message: Arguments<'_>,
    sink: &mut impl FnMut(&Record<'_>),
) -> bool {
    let mut record = Record::builder();
    record.level(level).target(target);
    catch_unwind(AssertUnwindSafe(|| sink(&record.args(message).build()))).is_ok()
}

#[cfg(test)]
mod tests;
