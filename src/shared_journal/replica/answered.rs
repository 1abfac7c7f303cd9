//! What follows from answers, and from their absence.

use std::collections::BTreeSet;

use super::super::RedisTime;
use super::super::answers::{self, Renewed};
use super::super::clock::RedisClock;
use super::super::deletions::Sent;
use super::super::name::Name;
use super::super::pipeline::Step;
use super::super::trouble::{Remedy, Trouble, remedy};
use super::super::value::Head;
use super::link::InFlight;
use super::{Next, Replica, random_number};
use crate::redis::{ErrorKind, Reply, ServerError};
use crate::store::{Event, Ticket};
use crate::time::Tick;

/// What a server that cannot answer yet is given, and an operator.
const WAIT_MS: u64 = 400;
const OPERATOR_MS: u64 = 1_000;

/// Why the rest of the answers is not looked at.
enum Stop {
    /// They were for a replica that this one is no more, or were refused as well.
    GoOn,
    Close {
        moved: Option<String>,
    },
}

/// What the answers so far have said.
struct Answered {
    sent: Tick,
    now: Tick,
    /// The last batch that was put.
    through: Option<Ticket>,
    /// The jobs of these batches that others have; `None`: nothing was put.
    put: Option<BTreeSet<Name>>,
    /// Whether any were, so that `WAIT` has something to wait for on this connection.
    is_any_put: bool,
}

impl Replica {
    /// A connection is open, to a server that takes writes: to this one, in this run and with this history of its data. Empty:
    /// it does not say.
    pub fn handle_connected(&mut self, server: &str, now: Tick) {
        if self.link.open(server, now) {
            self.doubt_server();
        }
        self.membership.forget_renewal();
        self.found.clear();
        self.take_over.start_again();
        if self.membership.is_joined() {
            self.comparison.begin();
        }
    }

    /// There is no connection, or no answer: the connection is closed. `why` is for the log.
    pub fn handle_failure(&mut self, why: &str, now: Tick) {
        self.fail(Trouble::NoAnswer(why.to_owned()), now);
    }

    /// The server has answered, and no connection to it can be used for that reason. `why` is for the log.
    pub fn handle_refusal(&mut self, why: &str, kind: ErrorKind, now: Tick) {
        let why = why.to_owned();
        self.fail(Trouble::Unusable { why, kind }, now);
    }

    fn fail(&mut self, trouble: Trouble, now: Tick) {
        self.troubles.count(&trouble);
        self.troubles.refuse_all(trouble);
        let in_flight = self.link.take_exchange();
        if in_flight.as_ref().is_some_and(InFlight::has_parts) {
            self.pace.slow_down(now);
        }
        self.close(in_flight.and_then(|exchange| exchange.through), now);
    }

    /// The answers to the last exchange.
    pub fn handle_replies(&mut self, replies: Vec<Reply>, now: Tick) -> Next {
        let Some(in_flight) = self.link.take_exchange() else {
            self.be_out_of_step();
            self.close(None, now);
            return Next::Close { moved: None };
        };
        let has_parts = in_flight.has_parts();
        let InFlight {
            steps,
            sent,
            through,
        } = in_flight;
        if replies.len() != steps.len() {
            self.be_out_of_step();
            self.close(through, now);
            return Next::Close { moved: None };
        }
        if let Some(Step::Load) = steps.first() {
            self.keys.unload();
        }
        if has_parts {
            self.pace.go_on(now);
        }
        let mut answered = Answered {
            sent,
            now,
            through,
            put: None,
            is_any_put: false,
        };
        for (step, reply) in steps.into_iter().zip(replies) {
            match self.handle_step(step, reply, &mut answered) {
                Ok(()) => {}
                Err(Stop::GoOn) => break,
                Err(Stop::Close { moved }) => {
                    self.close(through, now);
                    return Next::Close { moved };
                }
            }
        }
        Next::GoOn
    }

    fn be_out_of_step(&mut self) {
        self.troubles.count(&Trouble::OutOfStep);
        self.troubles.refuse_all(Trouble::OutOfStep);
    }

    /// The connection is of no use any more.
    fn close(&mut self, through: Option<Ticket>, now: Tick) {
        if let Some(through) = through {
            let spent = self.tickets.count_try(through);
            spent.into_iter().for_each(|ticket| self.refuse(ticket));
        }
        if self.link.close(now, random_number(&mut self.random)) {
            self.counters.reconnects += 1;
        }
    }

    fn handle_step(
        &mut self,
        step: Step,
        reply: Reply,
        answered: &mut Answered,
    ) -> Result<(), Stop> {
        if let Reply::Error(error) = reply {
            return self.handle_error(&step, error, answered.now);
        }
        let is_understood = match step {
            Step::Load => reply.bytes().map(|digest| self.keys.load(digest)),
            Step::Join => answers::count(&reply).map(|now| self.joined(RedisTime(now), answered)),
            Step::Renew(deletions) => match answers::renewed(&reply) {
                Some(renewed) => return self.renewed(renewed, &deletions, answered),
                None => None,
            },
            Step::Put(names) => {
                answers::put(&reply).map(|duplicates| self.put(&names, duplicates, answered))
            }
            Step::Wait => answers::count(&reply).map(|count| self.waited(count, answered)),
            Step::PutAgain(jobs) => answers::put(&reply).map(|put| {
                let round = self.comparison.round();
                for (name, head) in jobs.iter().filter(|_| put.is_some()) {
                    self.has_unconfirmed |= self.table.is_there_again(name, head, round);
                }
            }),
            Step::Spare { put, looked_for } => {
                answers::put(&reply).map(|found| self.looked(&put, &looked_for, found))
            }
            Step::List => answers::listed(&reply).map(|(cursor, jobs)| self.listed(cursor, jobs)),
            Step::Fetch(name) => self.fetched(name, reply, answered.now),
            Step::Pass(names) => answers::passed(&reply).map(|is_passed| {
                let names = names.iter().filter(|_| is_passed);
                names.for_each(|name| self.passed(name));
            }),
            Step::Take(them) => {
                answers::taken(&reply).map(|taken| self.taken(them, taken, answered.now))
            }
            Step::Leave => answers::count(&reply).map(|_| self.life.leave()),
        };
        is_understood.ok_or_else(|| {
            self.be_out_of_step();
            Stop::Close { moved: None }
        })
    }

    fn handle_error(&mut self, step: &Step, error: ServerError, now: Tick) -> Result<(), Stop> {
        let remedy = remedy(&error.kind);
        let trouble = Trouble::Refused(error);
        self.troubles.count(&trouble);
        if let Step::Renew(_) = step {
            self.membership.forget_renewal();
        }
        if remedy == Remedy::Load {
            self.keys.unload();
            if self.troubles.count_load() {
                self.troubles.refuse_all(trouble);
                self.pause(now, WAIT_MS);
            }
            return Err(Stop::GoOn);
        }
        let is_of_data = matches!(
            trouble.refusal(),
            Some(ErrorKind::WrongType | ErrorKind::Other)
        );
        if let Step::Take(them) = step
            && is_of_data
        {
            self.take_over.leave_alone(them.clone(), trouble, now);
            return Ok(());
        }
        let is_put = matches!(
            step,
            Step::Put(_) | Step::PutAgain(_) | Step::Spare { .. } | Step::Wait
        );
        match remedy {
            Remedy::Leave { moved } => {
                self.troubles.refuse_all(trouble);
                return Err(Stop::Close { moved });
            }
            // Renewals, outcomes and take-over go on: they need no memory.
            Remedy::Operator { is_closing: false } if is_put => {
                self.refuse_puts(trouble, now);
                return Ok(());
            }
            Remedy::Operator { .. } => self.pause(now, OPERATOR_MS),
            _ => self.pause(now, WAIT_MS),
        }
        self.troubles.refuse_all(trouble);
        self.refuse_all();
        match remedy {
            Remedy::Operator { is_closing: true } => Err(Stop::Close { moved: None }),
            _ => Err(Stop::GoOn),
        }
    }

    /// New commands are refused until a put succeeds.
    fn refuse_puts(&mut self, trouble: Trouble, now: Tick) {
        self.troubles.refuse_puts(trouble, now);
        self.refuse_all();
    }

    fn refuse_all(&mut self) {
        let all = self.tickets.all();
        all.into_iter().for_each(|ticket| self.refuse(ticket));
    }

    /// Nothing is sent for a while: between half of this and all of it.
    fn pause(&mut self, now: Tick, ms: u64) {
        let random = random_number(&mut self.random);
        self.link.pause(now, ms, random);
    }

    fn joined(&mut self, now: RedisTime, answered: &Answered) {
        self.membership.join();
        self.observe(now, answered.sent);
        self.comparison.begin();
    }

    /// The lease is confirmed, and Redis's clock is known.
    fn observe(&mut self, now: RedisTime, sent: Tick) {
        self.membership.confirm(sent);
        match &mut self.clock {
            None => self.clock = Some(RedisClock::new(sent, now)),
            Some(clock) => {
                if let Some(by) = clock.observe(sent, now) {
                    self.table.change_all(|head| shift(head, by));
                    self.spares.change_all(|head| shift(head, by));
                }
            }
        }
    }

    fn renewed(
        &mut self,
        renewed: Renewed,
        deletions: &Sent,
        answered: &Answered,
    ) -> Result<(), Stop> {
        self.troubles.renewed();
        self.link.succeed(answered.now);
        match renewed {
            Renewed::Fenced => {
                self.fence();
                Err(Stop::GoOn)
            }
            Renewed::Unknown => {
                // Redis was emptied, or a failover has forgotten: no other replica has the jobs.
                self.membership.lose();
                self.counters.put_again += self.table.put_all_again() as u64;
                self.spares.doubt_all();
                Err(Stop::GoOn)
            }
            Renewed::Ok {
                now,
                over,
                replicas,
                jobs,
                relied_on,
            } => {
                self.observe(now, answered.sent);
                self.deletions.confirm(deletions);
                for name in relied_on {
                    self.deletions.forget(&name);
                    self.find(name);
                }
                let me = self.membership.id();
                self.take_over.set_over(over, me, answered.now);
                (self.counters.processes, self.counters.pending) = (replicas, jobs);
                self.compare_if_needed(jobs, answered.now);
                Ok(())
            }
        }
    }

    fn put(&mut self, names: &[Name], duplicates: Option<Vec<usize>>, answered: &mut Answered) {
        let duplicates = duplicates.map(|places| {
            let names = places.iter().filter_map(|at| names.get(*at));
            names.copied().collect::<BTreeSet<_>>()
        });
        let are_fewer = |others: &BTreeSet<_>| others.len() < names.len();
        answered.is_any_put = duplicates.as_ref().is_some_and(are_fewer);
        answered.put = duplicates;
        if self.wait == 0 {
            self.keep(answered);
        }
    }

    fn waited(&mut self, confirmed: u64, answered: &mut Answered) {
        let wanted = self.wait;
        if confirmed >= u64::from(wanted) {
            // Replication is one stream: who has confirmed the last write has all before it.
            if answered.is_any_put && !self.comparison.is_outdated() {
                self.has_unconfirmed = false;
            }
            return self.keep(answered);
        }
        let trouble = Trouble::WaitShort { confirmed, wanted };
        self.troubles.count(&trouble);
        self.counters.wait_short += 1;
        self.refuse_puts(trouble, answered.now);
    }

    /// What was put is kept.
    fn keep(&mut self, answered: &mut Answered) {
        let Some(duplicates) = answered.put.take() else {
            return;
        };
        self.troubles.allow_puts();
        let Some(through) = answered.through else {
            return;
        };
        let round = self.comparison.round();
        while let Some(names) = self.tickets.pop_through(through) {
            for name in names {
                if duplicates.contains(&name) {
                    if let Some(job) = self.table.remove(&name) {
                        self.events.extend(job.key().map(Event::Duplicate));
                        self.spares.keep(name, job.value);
                    }
                    // An earlier try of this put may be executed after all, when the other replica has posted the job.
                    self.deletions.withdraw(name);
                } else {
                    self.table.keep(&name, round);
                    self.spares.remove(&name);
                }
            }
        }
        self.events.push_back(Event::Kept(through));
    }
}

/// Redis's clock was set by so many ms.
fn shift(head: &mut Head, by: i64) {
    for time in [&mut head.expires, &mut head.due] {
        time.0 = time.0.saturating_add_signed(by);
    }
}
