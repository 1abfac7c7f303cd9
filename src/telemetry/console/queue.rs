//! The lines between the threads that log and the thread that writes: bounded, and adding one never waits.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use log::Level;

/// Most lines that wait.
pub(super) const LINES_MAX: usize = 8192;
/// Most bytes of text that wait.
const TEXT_BYTES_MAX: usize = 1024 * 1024;
/// The part of both, as a divisor, that only warnings and errors may use, so that a flood of refusals or of lines
/// at `debug` cannot displace them.
const RESERVED_PART: usize = 8;
/// Most spent buffers kept for lines to come.
const SPARES_MAX: usize = 512;
/// Largest buffer that is kept, in bytes.
const SPARE_BYTES_MAX: usize = 1024;

/// A line to be written: target and message in one recycled buffer.
pub(super) struct Line {
    pub(super) level: Level,
    pub(super) text: String,
    /// Where the target ends and the message begins.
    pub(super) target_bytes: usize,
}

/// What is to be written next.
pub(super) enum Entry {
    Line(Line),
    /// In place of lines.
    Dropped(Loss),
}

/// Lines that were lost, of which only the number is logged.
#[derive(Clone, Copy)]
pub(super) struct Loss {
    pub(super) lines: u64,
    /// How severe the worst of them is. At a log level at which a warning is not written, all of them
    /// were errors.
    pub(super) level: Level,
}

impl Loss {
    pub(super) const NONE: Self = Self {
        lines: 0,
        level: Level::Warn,
    };

    pub(super) const fn is_some(self) -> bool {
        self.lines > 0
    }

    pub(super) fn add(&mut self, other: Self) {
        self.lines += other.lines;
        self.level = self.level.min(other.level); // errors come first
    }
}

impl Entry {
    /// What is lost if this cannot be written.
    pub(super) const fn loss(&self) -> Loss {
        match self {
            Self::Line(line) => Loss {
                lines: 1,
                level: line.level,
            },
            Self::Dropped(loss) => *loss,
        }
    }
}

/// Entries in the order in which they were logged.
pub(super) struct Queue {
    state: Mutex<State>,
    /// Wakes the writer.
    added: Condvar,
    /// Wakes the threads that flush.
    settled: Condvar,
}

struct State {
    entries: VecDeque<Entry>,
    text_bytes: usize,
    spares: Vec<String>,
    /// Lines dropped since the last one that was added.
    dropped: Loss,
    /// The queue was full, and has not been half empty since.
    is_flooded: bool,
    /// Entries ever added, and those of them that were written or failed to be. The drops that are
    /// being counted are one entry.
    added: u64,
    settled: u64,
    is_writer_waiting: bool,
    flushers: usize,
    is_closed: bool,
}

impl Queue {
    pub(super) const fn new() -> Self {
        Self {
            state: Mutex::new(State {
                entries: VecDeque::new(),
                text_bytes: 0,
                spares: Vec::new(),
                dropped: Loss::NONE,
                is_flooded: false,
                added: 0,
                settled: 0,
                is_writer_waiting: false,
                flushers: 0,
                is_closed: false,
            }),
            added: Condvar::new(),
            settled: Condvar::new(),
        }
    }

    /// A buffer for the next line; none, and a drop, if the queue is full, so that an overload
    /// does not cost the formatting too.
    pub(super) fn buffer(&self, level: Level) -> Option<String> {
        let mut state = self.lock();
        if state.has_room(level, 0) {
            return Some(state.spares.pop().unwrap_or_default());
        }
        state.drop_line(level);
        None
    }

    /// Adds a line, or drops it if the queue is full. Never waits for the writer.
    pub(super) fn push(&self, line: Line) {
        let mut state = self.lock();
        if !state.has_room(line.level, line.text.len()) {
            state.drop_line(line.level);
            state.keep(line.text);
            return;
        }
        if let Some(dropped) = state.take_dropped() {
            state.entries.push_back(dropped);
        }
        state.text_bytes += line.text.len();
        state.entries.push_back(Entry::Line(line));
        state.added += 1;
        // Waking is a system call, which a busy writer does not need.
        if mem::take(&mut state.is_writer_waiting) {
            drop(state);
            self.added.notify_one();
        }
    }

    /// The oldest entry, once there is one; none once the queue is closed and empty. Each must be
    /// settled before the next is taken.
    pub(super) fn next(&self) -> Option<Entry> {
        let mut state = self.lock();
        loop {
            if let Some(entry) = state.take() {
                return Some(entry);
            }
            if state.is_closed {
                return None;
            }
            state.entries.shrink_to(SPARES_MAX);
            state.is_writer_waiting = true;
            state = self
                .added
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Notes that an entry was written, or failed to be, and takes its buffer back.
    pub(super) fn settle(&self, entry: Entry) {
        let mut state = self.lock();
        state.settled += 1;
        if let Entry::Line(line) = entry {
            state.keep(line.text);
        }
        if state.flushers > 0 {
            self.settled.notify_all();
        }
    }

    /// Waits until all that was added before is settled; says whether it came to that in time.
    pub(super) fn flush(&self, timeout: Duration) -> bool {
        let mut state = self.lock();
        let target = state.added;
        state.flushers += 1;
        let is_unsettled = |state: &mut State| state.settled < target;
        let (mut state, _) = self
            .settled
            .wait_timeout_while(state, timeout, is_unsettled)
            .unwrap_or_else(PoisonError::into_inner);
        state.flushers -= 1;
        state.settled >= target
    }

    /// Lets the writer end once it has written what is left.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.added.notify_one();
    }

    /// A panic elsewhere must not silence the log; no state is left half changed in here.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Once a line was dropped, more are until half the queue is free again: otherwise each line
    /// that finds room would bring a line about the drops before it.
    fn has_room(&mut self, level: Level, text_bytes: usize) -> bool {
        let part = |most: usize| match level {
            Level::Error | Level::Warn => most,
            _ => most - most / RESERVED_PART,
        };
        let (lines, bytes) = (self.entries.len(), self.text_bytes);
        self.is_flooded &= lines >= LINES_MAX / 2 || bytes > TEXT_BYTES_MAX / 2;
        let waits = self.is_flooded && level > Level::Warn;
        !waits && lines < part(LINES_MAX) && bytes + text_bytes <= part(TEXT_BYTES_MAX)
    }

    fn drop_line(&mut self, level: Level) {
        if !self.dropped.is_some() {
            self.added += 1;
        }
        self.dropped.add(Loss { lines: 1, level });
        self.is_flooded = true;
    }

    fn take_dropped(&mut self) -> Option<Entry> {
        let dropped = mem::replace(&mut self.dropped, Loss::NONE);
        dropped.is_some().then_some(Entry::Dropped(dropped))
    }

    fn take(&mut self) -> Option<Entry> {
        match self.entries.pop_front() {
            Some(Entry::Line(line)) => {
                self.text_bytes -= line.text.len();
                Some(Entry::Line(line))
            }
            Some(dropped) => Some(dropped),
            None => self.take_dropped(),
        }
    }

    fn keep(&mut self, mut buffer: String) {
        if self.spares.len() < SPARES_MAX && buffer.capacity() <= SPARE_BYTES_MAX {
            buffer.clear();
            self.spares.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests;
