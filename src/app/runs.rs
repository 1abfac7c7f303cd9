//! Blocking commands: handed out to be run, and what comes of it taken in.

use super::{Bot, CommandRun, Done, RunReport};
use crate::commands::{Run, RunEnd, run};
use crate::time::Now;

impl Bot {
    /// Whether [`Self::poll_run`] may have something to give.
    #[must_use]
    pub fn has_run(&self) -> bool {
        self.pending.jobs().has_run()
    }

    /// The next blocking command that is due: its run begins, and what comes of it has to come to [`Self::handle_done`].
    pub fn poll_run(&mut self, now: Now) -> Option<CommandRun> {
        let due = self.pending.poll_run()?;
        let job = due.job;
        let command = self.composer.command(job.command);
        let Some(Run::Blocking(function)) = command.map(|command| command.run) else {
            unreachable!("only the job of a blocking command needs a run");
        };
        Some(CommandRun {
            job: due.key,
            time_left_ms: job.run_deadline().millis_since(now.tick),
            function,
            name: self.composer.name(job.command).to_owned(),
            text: job.text().to_owned(),
            fields: job.fields().to_owned(),
            is_late: job.is_late,
            visibility: self.composer.visibility(job.command),
            messages_max: job.messages_max(),
            is_limited: due.is_limited,
            url: due.url,
            path_start: due.path_start,
        })
    }

    /// Takes in what a sender has done.
    pub fn handle_done(&mut self, done: Done, now: Now) {
        match done {
            Done::Posted(report) | Done::NotRun(report) => self.handle_outcome(&report, now),
            Done::Ran(report) => self.handle_run(report, now),
        }
    }

    /// Makes the reply of a run that is over ready to be posted.
    fn handle_run(&mut self, report: RunReport, now: Now) {
        let RunReport {
            job,
            made,
            end,
            cause,
            took_ms,
        } = report;
        self.counters.note_run(end, took_ms);
        let is_awaited = self.pending.end_run(job, made, now);
        self.log
            .ran(job.generation(), end, &cause, took_ms, is_awaited);
    }

    /// Gives up the runs that are not over in time, and tells the people.
    pub(super) fn give_up_overdue(&mut self, now: Now, budget: &mut usize) {
        while let Some(left) = budget.checked_sub(1)
            && let Some(job) = self.pending.give_up_overdue(now.tick, run::overdue)
        {
            *budget = left;
            self.counters.runs[RunEnd::Overdue as usize] += 1;
            self.log.overdue(job.generation());
        }
    }
}
