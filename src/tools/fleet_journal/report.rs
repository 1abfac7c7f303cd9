//! What a fleet's journal holds, for people: no texts, no names of jobs, and no path of a `response_url`.

use std::fmt;

use crate::journal::Entry;
use crate::redis::Reply;
use crate::shared_journal::{Head, RedisTime};
use crate::time::{Seconds, UnixTime};

/// What it holds at some moment, by Redis's clock.
#[derive(Debug)]
pub(super) struct Report {
    server: String,
    now: u64,
    /// Until when no jobs are taken over.
    grace: u64,
    pub(super) replicas: Vec<Replica>,
    /// Values that were put aside.
    aside: i64,
    pending: Pending,
}

/// One bot of the fleet.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) id: String,
    /// When its lease ends; 0 if its jobs are being taken over, 1 if it has left.
    lease: u64,
    jobs: u64,
}

impl Replica {
    /// Whether it is not a bot, but jobs that one hands to the others, since it may not post them or cannot open them.
    fn is_parcel(&self) -> bool {
        self.id.starts_with("parcel:")
    }
}

/// The pending jobs of all, as numbers.
#[derive(Debug, Default)]
struct Pending {
    all: u64,
    expired: u64,
    /// Due by now, and not expired.
    due: u64,
    with_failed_attempts: u64,
    taken_over: u64,
    /// Of no known format.
    unreadable: u64,
    /// When the first of them expires: the oldest.
    first_expiry: Option<RedisTime>,
    next_due: Option<RedisTime>,
}

/// What is known of a job beside its head.
pub(super) enum Job<'a> {
    /// There was no secret to open it with.
    Sealed,
    /// None of the secrets opens it.
    Unopened,
    Opened(Entry<'a>),
}

impl Report {
    /// Takes what the server has answered; `None` if that cannot be.
    pub(super) fn begin(
        server: String,
        time: &Reply,
        grace: &Reply,
        aside: &Reply,
        replicas: &Reply,
    ) -> Option<Self> {
        let time = time.array()?;
        let number = |at: usize| time.get(at)?.integer()?.try_into().ok();
        let (secs, micros): (u64, u64) = (number(0)?, number(1)?);
        let replicas = replicas.array()?.chunks_exact(2).map(|pair| {
            Some(Replica {
                id: pair[0].text()?.to_owned(),
                lease: milliseconds(&pair[1])?,
                jobs: 0,
            })
        });
        Some(Self {
            server,
            now: secs.saturating_mul(1000).saturating_add(micros / 1000),
            grace: milliseconds(grace).unwrap_or_default(),
            replicas: replicas.collect::<Option<_>>()?,
            aside: aside.integer()?,
            pending: Pending::default(),
        })
    }

    /// Counts a job of a replica by the head of its value.
    pub(super) fn count(&mut self, replica: usize, head: &[u8]) {
        self.replicas[replica].jobs += 1;
        let now = RedisTime(self.now);
        let pending = &mut self.pending;
        let Some(head) = Head::read(head) else {
            pending.unreadable += 1;
            return;
        };
        if head.expires <= now {
            pending.expired += 1;
            return;
        }
        pending.all += 1;
        pending.due += u64::from(head.due <= now);
        pending.with_failed_attempts += u64::from(head.attempts > 0);
        pending.taken_over += u64::from(head.takeovers > 0);
        let earlier = |known: Option<RedisTime>, time| Some(known.map_or(time, |it| it.min(time)));
        pending.first_expiry = earlier(pending.first_expiry, head.expires);
        if head.due > now {
            pending.next_due = earlier(pending.next_due, head.due);
        }
    }

    /// The line of a job that lies there.
    pub(super) fn job(&self, place: &str, head: Option<Head>, job: Job<'_>) -> String {
        let Some(head) = head else {
            return format!("{place}: unreadable, of no known format");
        };
        let sealed = match &job {
            Job::Sealed => String::new(),
            Job::Unopened => ", sealed with another signing secret, or damaged".to_owned(),
            Job::Opened(entry) => format!(
                ", {} to {}, {} bytes of text",
                printable(entry.command),
                printable(entry.origin),
                entry.text.len()
            ),
        };
        format!(
            "{place}: {}, expires {}, attempts made: {}, taken over: {}{sealed}",
            self.due(&head),
            unix(head.expires),
            head.attempts,
            head.takeovers,
        )
    }

    fn due(&self, head: &Head) -> String {
        let at = unix(head.due);
        if head.expires.0 <= self.now {
            format!("due {at}, expired")
        } else if head.due.0 <= self.now {
            format!("due {at}, now")
        } else {
            let ms = (head.due.0 - self.now).div_ceil(1000).saturating_mul(1000);
            format!("due {at}, in {} s", Seconds { ms })
        }
    }

    fn write_replica(&self, f: &mut fmt::Formatter<'_>, replica: &Replica) -> fmt::Result {
        let tenths = |ms: u64| Seconds { ms: ms / 100 * 100 };
        write!(f, "  {}: ", printable(&replica.id))?;
        match replica.lease {
            lease if replica.is_parcel() && lease > self.now => {
                write!(
                    f,
                    "passed on, to be taken in {} s",
                    tenths(lease - self.now)
                )?;
            }
            _ if replica.is_parcel() => f.write_str("passed on, to be taken now")?,
            0 => f.write_str("dead, and is being taken over")?,
            1 => f.write_str("has left")?,
            lease if lease > self.now => {
                write!(f, "lives, lease ends in {} s", tenths(lease - self.now))?;
            }
            lease => write!(f, "dead, lease ended {} s ago", tenths(self.now - lease))?,
        }
        writeln!(f, ", pending: {}", replica.jobs)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, time there: {}", self.server, UnixTime(self.now))?;
        let replicas = self.replicas.iter().filter(|replica| !replica.is_parcel());
        writeln!(f, "replicas: {}", replicas.count())?;
        for replica in &self.replicas {
            self.write_replica(f, replica)?;
        }
        if self.grace > self.now {
            let ms = (self.grace - self.now) / 100 * 100;
            writeln!(
                f,
                "after an outage nothing is taken over for {} s",
                Seconds { ms }
            )?;
        }
        let pending = &self.pending;
        writeln!(f, "pending: {}", pending.all)?;
        writeln!(f, "  due now: {}", pending.due)?;
        writeln!(
            f,
            "  with failed attempts: {}",
            pending.with_failed_attempts
        )?;
        writeln!(f, "  taken over from dead replicas: {}", pending.taken_over)?;
        writeln!(f, "expired and not answered: {}", pending.expired)?;
        writeln!(f, "unreadable, of no known format: {}", pending.unreadable)?;
        writeln!(f, "put aside: {}", self.aside)?;
        if let Some(expires) = pending.first_expiry {
            writeln!(f, "oldest: expires {}", unix(expires))?;
        }
        match pending.next_due {
            Some(due) => writeln!(f, "next due: {}", unix(due)),
            None => Ok(()),
        }
    }
}

/// A time that Redis keeps as a number with decimals, perhaps, or as none.
fn milliseconds(reply: &Reply) -> Option<u64> {
    let text = reply.text()?;
    let whole = text.split('.').next().unwrap_or_default();
    whole.parse().ok()
}

fn unix(time: RedisTime) -> UnixTime {
    UnixTime(time.0)
}

/// Ids and names come from a server that other programs may write to: no control characters on a terminal.
pub(super) fn printable(text: &str) -> impl fmt::Display {
    text.escape_debug()
}
