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
    /// In place of so many lines.
    Dropped(u64),
}

/// Entries in the order in which they were logged.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Wakes the writer.
    added: Condvar,
    /// Wakes those who flush.
    settled: Condvar,
}

#[derive(Default)]
struct State {
    entries: VecDeque<Entry>,
    text_bytes: usize,
    spares: Vec<String>,
    /// Lines dropped since the last one that was added.
    dropped: u64,
    /// Entries ever added, and those of them that were written or failed to be. The drops that are
    /// being counted are one entry.
    added: u64,
    settled: u64,
    is_writer_waiting: bool,
    flushers: usize,
    is_closed: bool,
}

impl Queue {
    /// A buffer for the next line; none, and a drop, if the queue is full, so that an overload
    /// does not cost the formatting too.
    pub(super) fn buffer(&self) -> Option<String> {
        let mut state = self.lock();
        if state.has_room(0) {
            return Some(state.spares.pop().unwrap_or_default());
        }
        state.count_drop();
        None
    }

    /// Adds a line, or drops it if the queue is full. Never waits for the writer.
    pub(super) fn push(&self, line: Line) {
        let mut state = self.lock();
        if !state.has_room(line.text.len()) {
            state.count_drop();
            state.keep(line.text);
            return;
        }
        if state.dropped > 0 {
            let dropped = Entry::Dropped(mem::take(&mut state.dropped));
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
    fn has_room(&self, text_bytes: usize) -> bool {
        let share = if self.dropped > 0 { 2 } else { 1 };
        self.entries.len() < LINES_MAX / share
            && self.text_bytes + text_bytes <= TEXT_BYTES_MAX / share
    }

    fn count_drop(&mut self) {
        if self.dropped == 0 {
            self.added += 1;
        }
        self.dropped += 1;
    }

    fn take(&mut self) -> Option<Entry> {
        match self.entries.pop_front() {
            Some(Entry::Line(line)) => {
                self.text_bytes -= line.text.len();
                Some(Entry::Line(line))
            }
            Some(dropped) => Some(dropped),
            None if self.dropped > 0 => Some(Entry::Dropped(mem::take(&mut self.dropped))),
            None => None,
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

    fn log(queue: &Queue, text: &str) {
        if let Some(mut buffer) = queue.buffer() {
            buffer.push_str(text);
            queue.push(Line {
                level: Level::Info,
                text: buffer,
                target_bytes: 0,
            });
        }
    }

    /// Writes what is there, without waiting for more.
    fn write(queue: &Queue, entries_max: usize) -> Vec<String> {
        let mut written = Vec::new();
        while written.len() < entries_max && !queue.flush(Duration::ZERO) {
            let entry = queue.next().unwrap();
            written.push(match &entry {
                Entry::Line(line) => line.text.clone(),
                Entry::Dropped(lines) => format!("dropped {lines}"),
            });
            queue.settle(entry);
        }
        written
    }

    #[test]
    fn lines_leave_in_order() {
        let queue = Queue::default();
        for text in ["a", "b", "c"] {
            log(&queue, text);
        }
        assert_eq!(write(&queue, 2), ["a", "b"]);
        log(&queue, "d");
        assert_eq!(write(&queue, 9), ["c", "d"]);
    }

    #[test]
    fn a_full_queue_drops_and_counts_in_place() {
        let queue = Queue::default();
        for number in 0..LINES_MAX + 3 {
            log(&queue, &number.to_string());
        }
        assert_eq!(write(&queue, LINES_MAX / 2).len(), LINES_MAX / 2);
        log(&queue, "dropped too, half the queue is still full");
        assert_eq!(write(&queue, 1), [(LINES_MAX / 2).to_string()]);
        log(&queue, "after");
        let rest = write(&queue, LINES_MAX);
        let end = [
            (LINES_MAX - 1).to_string(),
            "dropped 4".into(),
            "after".into(),
        ];
        assert_eq!(rest[rest.len() - 3..], end);
    }

    #[test]
    fn drops_at_the_end_are_told_too() {
        let queue = Queue::default();
        for _ in 0..LINES_MAX + 2 {
            log(&queue, "x");
        }
        assert_eq!(write(&queue, LINES_MAX + 2).last().unwrap(), "dropped 2");
        assert!(queue.flush(Duration::ZERO));
    }

    #[test]
    fn bytes_are_bounded_as_well() {
        let queue = Queue::default();
        let text = "x".repeat(TEXT_BYTES_MAX / 4);
        for _ in 0..5 {
            log(&queue, &text);
        }
        log(&queue, "dropped as well");
        assert_eq!(write(&queue, 9)[4..], ["dropped 2"]);
        log(&queue, "after");
        assert_eq!(write(&queue, 9), ["after"]);
    }

    #[test]
    fn buffers_are_used_again_unless_they_are_large() {
        let queue = Queue::default();
        log(&queue, "some text");
        write(&queue, 1);
        assert!(queue.buffer().unwrap().capacity() >= "some text".len());
        log(&queue, &"x".repeat(SPARE_BYTES_MAX + 1));
        write(&queue, 1);
        assert_eq!(queue.buffer().unwrap().capacity(), 0);
        for _ in 0..2 * SPARES_MAX {
            log(&queue, "x");
        }
        write(&queue, 2 * SPARES_MAX);
        assert_eq!(queue.lock().spares.len(), SPARES_MAX);
    }

    #[test]
    fn a_closed_queue_gives_what_is_left() {
        let queue = Queue::default();
        log(&queue, "last");
        queue.close();
        assert_eq!(write(&queue, 1), ["last"]);
        assert!(queue.next().is_none());
    }

    #[test]
    fn flushing_waits_no_longer_than_allowed() {
        let queue = Queue::default();
        assert!(queue.flush(Duration::ZERO));
        log(&queue, "x");
        assert!(!queue.flush(Duration::ZERO));
        let entry = queue.next().unwrap();
        assert!(!queue.flush(Duration::ZERO), "taken, but not yet written");
        queue.settle(entry);
        assert!(queue.flush(Duration::ZERO));
    }
}
