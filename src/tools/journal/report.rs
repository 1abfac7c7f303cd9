//! What a journal holds, for people: no texts, and no path of a `response_url`.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use crate::journal::{
    ASIDE_SUFFIX, Disk, Entry, Error, Found, JournalTime, Replay, resume, segment_name,
};
use crate::time::{Seconds, UnixTime};

/// How often a log is read again whose segments went while it was read.
const READINGS_MAX: usize = 16;

/// What a journal holds at some moment.
pub struct Report {
    replay: Replay,
    aside: Vec<String>,
    now: UnixTime,
    journal_now: JournalTime,
    pending: Pending,
    /// If they were asked for, one line for each pending job, by its number.
    jobs: BTreeMap<u64, String>,
}

/// The pending jobs, as numbers.
#[derive(Default)]
struct Pending {
    all: usize,
    expired: usize,
    /// Due by now, and not expired.
    due: usize,
    with_failed_attempts: usize,
    oldest: Option<u64>,
    next_due: Option<JournalTime>,
}

impl Pending {
    fn count(&mut self, number: u64, entry: &Entry<'_>, now: JournalTime) {
        self.all += 1;
        self.expired += usize::from(entry.expires_at <= now);
        self.due += usize::from(entry.due <= now && entry.expires_at > now);
        self.with_failed_attempts += usize::from(entry.attempts > 0);
        self.oldest = Some(self.oldest.map_or(number, |oldest| oldest.min(number)));
        if entry.due > now {
            self.next_due = Some(self.next_due.map_or(entry.due, |due| due.min(entry.due)));
        }
    }
}

impl Report {
    /// Reads a journal without changing anything, be there a bot that writes to it or not. Lines for all jobs are made
    /// only if they are asked for.
    ///
    /// # Errors
    /// It cannot be read, or is of an unknown format.
    pub fn of<D: Disk>(disk: &mut D, now: UnixTime, with_jobs: bool) -> Result<Self, Error> {
        for _ in 1..READINGS_MAX {
            match Self::read(disk, now, with_jobs) {
                Err(Error::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => {}
                result => return result,
            }
        }
        Self::read(disk, now, with_jobs)
    }

    fn read<D: Disk>(disk: &mut D, now: UnixTime, with_jobs: bool) -> Result<Self, Error> {
        let replay = Replay::of(disk)?;
        let names = disk.names().unwrap_or_default();
        let is_aside = |name: &String| name.ends_with(ASIDE_SUFFIX);
        let mut aside: Vec<String> = names.into_iter().filter(is_aside).collect();
        aside.sort_unstable();
        let mut report = Self {
            journal_now: resume(replay.time, now),
            replay: Replay::default(),
            aside,
            now,
            pending: Pending::default(),
            jobs: BTreeMap::new(),
        };
        replay.read_pending(disk, &mut |pending| {
            let (number, entry) = (pending.number, &pending.entry);
            report.pending.count(number, entry, report.journal_now);
            if with_jobs {
                let line = report.job(number, entry);
                report.jobs.insert(number, line);
            }
        })?;
        report.replay = replay;
        Ok(report)
    }

    /// The lines of the jobs, in the order in which these were accepted.
    pub fn jobs(&self) -> impl Iterator<Item = &str> {
        self.jobs.values().map(String::as_str)
    }

    fn job(&self, number: u64, entry: &Entry<'_>) -> String {
        format!(
            "command {number}: {}, expires {}, attempts made: {}, {} to {}, {} bytes of text",
            self.due(entry),
            self.unix(entry.expires_at),
            entry.attempts,
            printable(entry.command),
            printable(entry.origin),
            entry.text.len(),
        )
    }

    fn due(&self, entry: &Entry<'_>) -> String {
        let at = self.unix(entry.due);
        if entry.expires_at <= self.journal_now {
            format!("due {at}, expired")
        } else if entry.due <= self.journal_now {
            format!("due {at}, now")
        } else {
            let ms = entry.due.0 - self.journal_now.0;
            let ms = ms.div_ceil(1000).saturating_mul(1000);
            format!("due {at}, in {} s", Seconds { ms })
        }
    }

    /// What the time of day will be at some journal time if the clock is not set, or was if it was not.
    fn unix(&self, time: JournalTime) -> UnixTime {
        let ahead = time.0.saturating_sub(self.journal_now.0);
        let behind = self.journal_now.0.saturating_sub(time.0);
        UnixTime(self.now.0.saturating_add(ahead).saturating_sub(behind))
    }

    fn write_pending(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Pending {
            all,
            expired,
            due,
            with_failed_attempts,
            oldest,
            next_due,
        } = self.pending;
        writeln!(f, "pending: {}", all - expired)?;
        writeln!(f, "  due now: {due}")?;
        writeln!(f, "  with failed attempts: {with_failed_attempts}")?;
        writeln!(f, "expired and not answered: {expired}")?;
        if let Some(number) = oldest {
            writeln!(f, "oldest: command {number}")?;
        }
        match next_due {
            Some(due) => writeln!(f, "next due: {}", self.unix(due)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_pending(f)?;
        let sum = |of: fn(&Found) -> u64| self.replay.segments.iter().map(of).sum::<u64>();
        let segments = self.replay.segments.len();
        writeln!(
            f,
            "log: {} bytes in {segments} segments",
            sum(|found| found.bytes)
        )?;
        if let Some((_, unix)) = self.replay.time {
            writeln!(f, "last written: {unix}")?;
        }
        writeln!(f, "commands taken so far: {}", self.replay.newest_job())?;
        match sum(|found| found.torn_bytes) {
            0 => {}
            bytes => writeln!(f, "unfinished writes: {bytes} bytes, never acknowledged")?,
        }
        for found in self
            .replay
            .segments
            .iter()
            .filter(|found| found.damages > 0)
        {
            let name = segment_name(found.number);
            let (places, bytes) = (found.damages, found.damaged_bytes);
            writeln!(f, "damaged: {name}, {places} places, {bytes} bytes lost")?;
        }
        for (first, last) in &self.replay.missing {
            let (name, count) = (segment_name(*first), last - first + 1);
            writeln!(f, "missing: {count} segments from {name} on, lost")?;
        }
        for number in &self.replay.stale {
            let name = segment_name(*number);
            writeln!(
                f,
                "older than the log: {name}, to be deleted by the next start"
            )?;
        }
        for number in &self.replay.unproven {
            let name = segment_name(*number);
            writeln!(f, "no segment of this log: {name}")?;
        }
        for aside in &self.aside {
            writeln!(f, "kept aside: {}", printable(aside))?;
        }
        Ok(())
    }
}

/// Names come from a file that any program may have written: no control characters on a terminal.
fn printable(text: &str) -> impl fmt::Display {
    text.escape_debug()
}
