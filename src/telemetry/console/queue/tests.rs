//! A queue that is filled and emptied by one thread.

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
