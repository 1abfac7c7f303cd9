//! The commands that senders run in one process.

use std::collections::VecDeque;

use super::Generator;
use crate::app::{CommandRun, RunReport, SenderEvent};
use crate::time::{Tick, UnixTime};

/// A command that runs.
pub(super) struct Running {
    pub(super) run: CommandRun,
    pub(super) over_at: Tick,
    /// `None`: it hangs.
    pub(super) ends_at: Option<Tick>,
    /// What it has made, if it posts its messages at once; otherwise it posts them in the end.
    pub(super) report: Option<EndedRun>,
    /// It has found no thread.
    pub(super) is_missed: bool,
}

/// What came of a run, and which wait the receiver has asked for with a 429.
pub(super) struct EndedRun {
    pub(super) report: RunReport,
    pub(super) asked: Asked,
}

/// A wait that was asked for during a run; the bot hears of it at its end.
#[derive(Clone, Copy)]
pub(super) enum Asked {
    Ms(u64),
    /// Until this date, ms.
    Until(u64),
}

impl Asked {
    pub(super) const fn ms(self, unix: UnixTime) -> u64 {
        match self {
            Self::Ms(ms) => ms,
            Self::Until(date) => date.saturating_sub(unix.0),
        }
    }
}

/// The commands that run in one process.
pub(super) struct SimulatedRuns {
    pub(super) max: usize,
    pub(super) hung_percent: u64,
    pub(super) missed_percent: u64,
    /// Of this turn.
    pub(super) batch: Vec<CommandRun>,
    pub(super) running: Vec<Running>,
    /// What they have reported, and the loop has not taken.
    pub(super) reports: VecDeque<SenderEvent>,
}

impl SimulatedRuns {
    pub(super) fn new(generator: &mut Generator) -> Self {
        Self {
            max: generator.pick(&[1, 2, 8, 56]),
            hung_percent: generator.pick(&[0, 0, 5, 50]),
            missed_percent: generator.pick(&[0, 0, 10]),
            batch: Vec::new(),
            running: Vec::new(),
            reports: VecDeque::new(),
        }
    }

    pub(super) fn room(&self) -> usize {
        let taken = self.running.len() + self.batch.len();
        self.max.saturating_sub(taken)
    }

    pub(super) const fn counts(&self) -> (usize, usize) {
        (self.running.len(), self.max)
    }

    pub(super) fn enqueue(&mut self, run: CommandRun) {
        self.batch.push(run);
    }

    /// When there is a report.
    pub(super) fn report_at(&self, now: Tick) -> Option<Tick> {
        let reported_at = (!self.reports.is_empty()).then_some(now);
        let ends = self.running.iter().filter_map(|run| run.ends_at);
        ends.chain(reported_at).min()
    }

    pub(super) fn stop(&mut self) {
        self.running.clear();
        self.reports.clear();
    }
}
