//! What one bot has logged: the lines of its own thread, however many bots run beside it.

use std::cell::RefCell;
use std::sync::{Arc, Condvar, Mutex, Once};

use log::{LevelFilter, Log, Metadata, Record};

use crate::DEADLINE;

/// The lines so far; a clone sees the same ones.
#[derive(Clone, Default)]
pub struct LogLines(Arc<(Mutex<Vec<String>>, Condvar)>);

thread_local! {
    static OF_THIS_THREAD: RefCell<Option<LogLines>> = const { RefCell::new(None) };
}

struct ByThread;

impl Log for ByThread {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("torrap")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            OF_THIS_THREAD.with_borrow(|lines| {
                if let Some(lines) = lines {
                    lines.push(format!("{} {}", record.level(), record.args()));
                }
            });
        }
    }

    fn flush(&self) {}
}

impl LogLines {
    /// Runs something whose lines these are.
    pub fn of<T>(self, run: impl FnOnce() -> T) -> T {
        static INSTALL: Once = Once::new();
        INSTALL.call_once(|| {
            log::set_logger(&ByThread).unwrap();
            log::set_max_level(LevelFilter::Debug);
        });
        OF_THIS_THREAD.set(Some(self));
        run()
    }

    fn push(&self, line: String) {
        let (lines, pushed) = &*self.0;
        lines.lock().unwrap().push(line);
        pushed.notify_all();
    }

    /// The lines that contain `part`, once there are `count` of them.
    pub fn wait_for(&self, part: &str, count: usize) -> Vec<String> {
        let (lines, pushed) = &*self.0;
        let matching = |lines: &[String]| -> Vec<String> {
            let lines = lines.iter().filter(|line| line.contains(part));
            lines.cloned().collect()
        };
        let is_short = |lines: &mut Vec<String>| matching(lines).len() < count;
        let lines = lines.lock().unwrap();
        let waited = pushed.wait_timeout_while(lines, DEADLINE, is_short);
        let lines = waited.unwrap().0;
        let found = matching(&lines);
        assert!(found.len() >= count, "{part:?} is not in {lines:#?}");
        found
    }

    /// All lines so far.
    pub fn all(&self) -> Vec<String> {
        self.0.0.lock().unwrap().clone()
    }
}
