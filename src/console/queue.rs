//! The lines between those who log and the thread that writes: bounded, and nobody waits to add one.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use log::Level;

/// Most lines that wait.
pub(super) const LINES_MAX: usize = 8192;
/// Most bytes of text that wait.
const TEXT_BYTES_MAX: usize = 1024 * 1024;
/// The part of both, as a divisor, that only warnings and errors may use: whatever fills the log, a flood of
/// refusals or a lesson's story at `debug`, what an operator must see has room.
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

/// Lines that are told as a number.
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
    /// Wakes those who flush.
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
mod tests {
    use super::*;

    /// Lines that are no warnings, in a queue that is full for them.
    const ROOM: usize = LINES_MAX - LINES_MAX / RESERVED_PART;

    fn log_at(queue: &Queue, level: Level, text: &str) {
        if let Some(mut buffer) = queue.buffer(level) {
            buffer.push_str(text);
            queue.push(Line {
                level,
                text: buffer,
                target_bytes: 0,
            });
        }
    }

    fn log(queue: &Queue, text: &str) {
        log_at(queue, Level::Info, text);
    }

    /// Writes what is there, without waiting for more.
    fn write(queue: &Queue, entries_max: usize) -> Vec<String> {
        let mut written = Vec::new();
        while written.len() < entries_max && !queue.flush(Duration::ZERO) {
            let entry = queue.next().unwrap();
            written.push(match &entry {
                Entry::Line(line) => line.text.clone(),
                Entry::Dropped(loss) => format!("dropped {} {}", loss.lines, loss.level),
            });
            queue.settle(entry);
        }
        written
    }

    #[test]
    fn lines_leave_in_order() {
        let queue = Queue::new();
        for text in ["a", "b", "c"] {
            log(&queue, text);
        }
        assert_eq!(write(&queue, 2), ["a", "b"]);
        log(&queue, "d");
        assert_eq!(write(&queue, 9), ["c", "d"]);
    }

    #[test]
    fn a_full_queue_drops_and_counts_in_place() {
        let queue = Queue::new();
        for number in 0..ROOM + 3 {
            log(&queue, &number.to_string());
        }
        assert_eq!(
            write(&queue, ROOM - LINES_MAX / 2).len(),
            ROOM - LINES_MAX / 2
        );
        log(&queue, "dropped too, half the queue is still full");
        assert_eq!(write(&queue, 1), [(ROOM - LINES_MAX / 2).to_string()]);
        log(&queue, "after");
        let rest = write(&queue, ROOM);
        let end = [
            (ROOM - 1).to_string(),
            "dropped 4 WARN".into(),
            "after".into(),
        ];
        assert_eq!(rest[rest.len() - 3..], end);
    }

    #[test]
    fn drops_at_the_end_are_told_too() {
        let queue = Queue::new();
        for _ in 0..ROOM + 2 {
            log(&queue, "x");
        }
        assert_eq!(write(&queue, ROOM + 2).last().unwrap(), "dropped 2 WARN");
        assert!(queue.flush(Duration::ZERO));
    }

    #[test]
    fn bytes_are_bounded_as_well() {
        let queue = Queue::new();
        let text = "x".repeat(TEXT_BYTES_MAX / 4);
        for _ in 0..4 {
            log(&queue, &text);
        }
        log(&queue, "dropped as well");
        assert_eq!(write(&queue, 9)[3..], ["dropped 2 WARN"]);
        log(&queue, "after");
        assert_eq!(write(&queue, 9), ["after"]);
    }

    #[test]
    fn warnings_have_room_whatever_else_fills_the_queue() {
        for text in ["x".to_owned(), "x".repeat(TEXT_BYTES_MAX / 4)] {
            let queue = Queue::new();
            for _ in 0..2 * LINES_MAX {
                log_at(&queue, Level::Debug, &text);
            }
            let before = queue.lock().entries.len();
            // Each comes with an entry about the drops before it.
            let warnings = LINES_MAX / RESERVED_PART / 2;
            for _ in 0..warnings {
                log_at(&queue, Level::Warn, "a warning");
                log(&queue, "dropped");
            }
            let written = write(&queue, usize::MAX);
            let count = |line: &str| written.iter().filter(|written| *written == line).count();
            assert_eq!(count("a warning"), warnings);
            assert_eq!(count("dropped 1 WARN"), warnings);
            assert!(count(&format!("dropped {} WARN", 2 * LINES_MAX - before)) == 1);
        }
    }

    #[test]
    fn warnings_are_bounded_too_and_their_loss_is_as_severe_as_they_are() {
        let queue = Queue::new();
        for _ in 0..LINES_MAX + 1 {
            log_at(&queue, Level::Warn, "a warning");
        }
        for _ in 0..2 {
            log_at(&queue, Level::Error, "an error");
        }
        let written = write(&queue, usize::MAX);
        assert_eq!(written.len(), LINES_MAX + 1);
        assert_eq!(written[LINES_MAX], "dropped 3 ERROR");
    }

    #[test]
    fn buffers_are_used_again_unless_they_are_large() {
        let queue = Queue::new();
        log(&queue, "some text");
        write(&queue, 1);
        assert!(queue.buffer(Level::Info).unwrap().capacity() >= "some text".len());
        log(&queue, &"x".repeat(SPARE_BYTES_MAX + 1));
        write(&queue, 1);
        assert_eq!(queue.buffer(Level::Info).unwrap().capacity(), 0);
        for _ in 0..2 * SPARES_MAX {
            log(&queue, "x");
        }
        write(&queue, 2 * SPARES_MAX);
        assert_eq!(queue.lock().spares.len(), SPARES_MAX);
    }

    #[test]
    fn a_closed_queue_gives_what_is_left() {
        let queue = Queue::new();
        log(&queue, "last");
        queue.close();
        assert_eq!(write(&queue, 1), ["last"]);
        assert!(queue.next().is_none());
    }

    #[test]
    fn flushing_waits_no_longer_than_allowed() {
        let queue = Queue::new();
        assert!(queue.flush(Duration::ZERO));
        log(&queue, "x");
        assert!(!queue.flush(Duration::ZERO));
        let entry = queue.next().unwrap();
        assert!(!queue.flush(Duration::ZERO), "taken, but not yet written");
        queue.settle(entry);
        assert!(queue.flush(Duration::ZERO));
    }
}
