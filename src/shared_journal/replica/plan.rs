//! What is done next, and when.

use super::super::name::Name;
use super::super::pipeline::{Exchange, Pipeline, Step};
use super::super::table::Stage;
use super::link::InFlight;
use super::{Action, Replica, new_id, random_number};
use crate::store::{ADOPTED_AT_ONCE_MAX, Event};
use crate::time::Tick;

/// A batch has time for two of these.
const EXCHANGE_MS: u64 = 500;
/// So much of an exchange is left to the way when replicas of Redis are waited for.
const WAIT_MARGIN_MS: u64 = 100;
/// The shortest time that any exchange or connection gets.
const SHORTEST_MS: u64 = 50;
const CONNECT_MS: u64 = 1_000;
/// One exchange puts so many jobs again, or bytes, looks for so many of others, lists so many and fetches so many.
const AGAIN_MAX: usize = 512;
const AGAIN_BYTES_MAX: usize = 1024 * 1024;
const LOOKED_FOR_MAX: usize = 256;
const LISTED_MAX: usize = 1_024;
const FETCHED_MAX: usize = 64;
const PASSED_MAX: usize = 256;
/// What this replica may not post, the others are given after so long: a replica with other settings may have started.
const PARCEL_MS: u64 = 30_000;

impl Replica {
    /// What is to be done next, until `None`. It must be asked again when something was submitted, answered or told, and at
    /// [`Self::poll_timeout`].
    #[must_use]
    pub fn poll_action(&mut self, now: Tick) -> Option<Action> {
        if self.link.is_awaited() {
            return None;
        }
        if self.gives_up(now) {
            return None;
        }
        for ticket in self.tickets.overdue(now) {
            self.refuse(ticket);
        }
        self.events.extend(self.tickets.pop_empty());
        if self.is_finished() || self.due().is_none_or(|due| now < due) {
            return None;
        }
        if self.link.is_up() {
            return Some(Action::Exchange(self.exchange(now)));
        }
        self.link.connect();
        let deadline = self.bounded(now, CONNECT_MS);
        Some(Action::Connect { deadline })
    }

    /// When [`Self::poll_action`] must be asked next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        if self.link.is_awaited() || self.is_finished() {
            return None;
        }
        let give_up_at = self.life.give_up_at().filter(|_| self.table.has_lost());
        let due = self.due().into_iter().chain(give_up_at);
        due.chain(self.tickets.deadline()).min()
    }

    /// Redis has lost jobs and does not take them again, but a stop is not to lose what only this process has: from now on it
    /// alone posts them.
    fn gives_up(&mut self, now: Tick) -> bool {
        if self.life.is_out_of_time(now) && self.table.has_lost() {
            self.events.push_back(Event::GivenUp);
            self.life.leave();
        }
        self.life.has_left()
    }

    /// When the next action is due.
    fn due(&self) -> Option<Tick> {
        let renewal = self.membership.next_renewal();
        let next = self
            .troubles
            .probe_at()
            .into_iter()
            .fold(renewal, Tick::min);
        let due = if self.has_work() { Tick(0) } else { next };
        self.link.ready_at(due)
    }

    /// Whether there is something to send before the next renewal.
    fn has_work(&self) -> bool {
        let is_setting_up = !self.keys.is_loaded() || !self.membership.is_joined();
        let has_puts = self.tickets.names().next().is_some()
            || !self.troubles.are_puts_refused()
                && (!self.table.again().is_empty() || self.spares.doubted() > 0);
        is_setting_up
            || has_puts
            || !self.deletions.is_empty()
            || !self.comparison.is_over()
            || self.life.is_finishing()
            || self.life.is_running() && self.has_own_work()
    }

    /// The same of what a stop leaves to the others.
    fn has_own_work(&self) -> bool {
        self.fetchable() > 0
            || !self.table.declined().is_empty()
            || !self.unreadable.is_empty()
            || self.may_take()
    }

    fn exchange(&mut self, now: Tick) -> Exchange {
        let (exchange, steps) = match self.keys.is_loaded() {
            false => self.load(now),
            true => self.whole(now),
        };
        let is_put = steps.iter().any(|step| matches!(step, Step::Put(_)));
        self.link.send(InFlight {
            through: self.tickets.newest().filter(|_| is_put),
            steps,
            sent: now,
        });
        exchange
    }

    fn pipeline(&self) -> Pipeline<'_> {
        Pipeline::new(&self.keys, self.membership.id(), self.membership.lease_ms())
    }

    fn load(&self, now: Tick) -> (Exchange, Vec<Step>) {
        let mut pipeline = self.pipeline();
        pipeline.load();
        pipeline.into_exchange(self.bounded(now, EXCHANGE_MS))
    }

    /// All that there is to do, in the order in which the answers are judged.
    fn whole(&mut self, now: Tick) -> (Exchange, Vec<Step>) {
        let unreadable = self.unreadable.keys();
        let passed = self.table.declined().iter().chain(unreadable);
        let passed: Vec<_> = passed.copied().take(PASSED_MAX).collect();
        let parcel = (!passed.is_empty()).then(|| format!("parcel:{}", new_id(&mut self.random)));
        let deadline = self.bounded(now, EXCHANGE_MS);
        let new = self.new_jobs();
        let wait_ms = deadline.millis_since(now).saturating_sub(WAIT_MARGIN_MS);
        let wait_ms = wait_ms.max(SHORTEST_MS / 2);
        let is_probe = self.troubles.begin_probe(now);
        let target = self.next_target();
        let looked_for = self.next_looked_for(now);
        let fetchable = self.fetchable();
        let mut pipeline = self.pipeline();
        let is_joined = self.membership.is_joined();
        if !is_joined {
            pipeline.join();
        }
        pipeline.renew(self.deletions.next());
        // A batch whose jobs were all withdrawn is kept when the lease is.
        if !self.tickets.is_empty() || is_probe {
            let value = |name: &Name| Some((*name, &self.table.get(name)?.value));
            let jobs: Vec<_> = new.iter().filter_map(value).collect();
            pipeline.put(&jobs);
            if self.wait > 0 {
                pipeline.wait(self.wait, wait_ms);
            }
        }
        if !self.troubles.are_puts_refused() || is_probe {
            self.plan_again(&mut pipeline);
            self.plan_spares(looked_for, &mut pipeline);
        }
        // What Redis has lost, a stop must put again before others are relied on.
        if let Some(cursor) = self.comparison.cursor().filter(|_| is_joined) {
            pipeline.list(cursor, LISTED_MAX);
        }
        if self.life.is_running() && is_joined {
            let found = self.found.iter().take(fetchable);
            found.for_each(|name| pipeline.fetch(*name));
            if let Some(parcel) = &parcel {
                pipeline.pass(passed, parcel, PARCEL_MS);
            }
            if let Some((them, cursor)) = &target {
                let room = self.take_over.room().min(ADOPTED_AT_ONCE_MAX);
                pipeline.take(them, room, cursor);
            }
        }
        if self.life.is_finishing() && self.is_leaving() {
            pipeline.leave();
        }
        let (exchange, steps) = pipeline.into_exchange(deadline);
        self.membership.send_renewal(now);
        if let Some(parcel) = parcel {
            // Its end would be seen here first, and the others would never have it.
            let skipped_ms = PARCEL_MS + self.membership.lease_ms();
            self.take_over.skip(parcel, now.after(skipped_ms));
        }
        for name in new {
            if let Some(job) = self.table.get_mut(&name) {
                job.stage = Stage::New { was_sent: true };
            }
        }
        (exchange, steps)
    }

    /// The jobs whose commands are not acknowledged, those of requests first.
    fn new_jobs(&self) -> Vec<Name> {
        let is_new = |name: &&Name| {
            let job = self.table.get(name);
            job.is_some_and(|job| job.stage != Stage::Kept)
        };
        let mut names: Vec<_> = self.tickets.names().filter(is_new).copied().collect();
        names.sort_by_key(|name| !name.is_of_request());
        names
    }

    fn plan_again(&self, pipeline: &mut Pipeline<'_>) {
        let (mut jobs, mut bytes) = (Vec::new(), 0);
        for name in self.table.again().iter().take(self.pace.of(AGAIN_MAX)) {
            if let Some(job) = self.table.get(name) {
                jobs.push((*name, &job.value));
                bytes += job.value.as_bytes().len();
            }
            if bytes > self.pace.of(AGAIN_BYTES_MAX) {
                break;
            }
        }
        if !jobs.is_empty() {
            pipeline.put_again(&jobs);
        }
    }

    /// The jobs of others that Redis is to be asked for now.
    fn next_looked_for(&mut self, now: Tick) -> Vec<Name> {
        if !self.membership.is_joined() || !self.life.is_running() {
            return Vec::new();
        }
        let interval_ms = self.membership.lease_ms() / 4;
        self.spares.next_due(now, interval_ms, LOOKED_FOR_MAX)
    }

    /// A stop puts what Redis may have forgotten as well: the others find it.
    fn plan_spares(&self, looked_for: Vec<Name>, pipeline: &mut Pipeline<'_>) {
        let [jobs_max, bytes_max] = [AGAIN_MAX, AGAIN_BYTES_MAX].map(|most| self.pace.of(most));
        let doubted = self.spares.next_doubted(jobs_max, bytes_max);
        if !doubted.is_empty() || !looked_for.is_empty() {
            pipeline.spare(&doubted, looked_for);
        }
    }

    /// Whether this exchange does all that is left to do, or as much as can be done.
    fn is_leaving(&self) -> bool {
        let most = self.pace.of(AGAIN_MAX);
        let fits = self.table.again().len() <= most && self.spares.doubted() <= most;
        let is_put = fits || self.troubles.are_puts_refused();
        is_put && self.deletions.fits() && self.comparison.is_over()
    }

    /// How many of the found jobs may be fetched now: the loop is told of so many at once.
    pub(super) fn fetchable(&self) -> usize {
        let room = ADOPTED_AT_ONCE_MAX.saturating_sub(self.table.unanswered());
        self.found.len().min(self.pace.of(FETCHED_MAX)).min(room)
    }

    /// Whether the next jobs of a dead replica may be taken: not before the last ones are answered.
    pub(super) fn may_take(&self) -> bool {
        let is_free = self.found.is_empty() && self.table.unanswered() == 0;
        let is_settled = self.comparison.is_over() && self.membership.is_joined();
        is_free && is_settled && self.take_over.is_possible()
    }

    /// Whose jobs are taken next, and from where on.
    fn next_target(&mut self) -> Option<(String, String)> {
        if !self.life.is_running() || !self.may_take() {
            return None;
        }
        self.take_over.target(|| random_number(&mut self.random))
    }

    /// By when something has to be done that may take so long, if a batch waits for it.
    fn bounded(&self, now: Tick, ms: u64) -> Tick {
        let latest = now.after(ms);
        let batch = self.tickets.deadline().unwrap_or(latest);
        latest.min(batch).max(now.after(SHORTEST_MS))
    }
}
