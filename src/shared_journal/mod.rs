//! The shared journal: a fleet keeps its pending replies in Redis, and posts those of a replica that has died.
//!
//! ```text
//!   batches ──▶ Replica ──▶ renew, put, WAIT, take, … ──▶ Redis
//!   events  ◀──         ◀──        replies            ◀──
//! ```
//!
//! Each process is a replica with an id of its own, which it chooses anew at each start. It has a hash with the jobs it
//! has to post, and a lease that it renews. When its lease is over, the others move its jobs into their hashes, a part at
//! a time. A hash mirrors the memory of its replica: after each new connection the two are compared, and what Redis has
//! lost is put again. So an emptied Redis, a lost answer and a failover that forgot the last second are one case.
//!
//! A replica may have acknowledged a request whose job another one has, or have passed on a job to the others. Of these it keeps
//! spare copies until they are settled, and puts them into a Redis that has lost them (`spares.rs`). What it has acknowledged
//! is thus in its own memory, whatever becomes of the others.
//!
//! # Keys
//!
//! Jobs that a replica may not post, or cannot open, it hands to the others: to a replica that does not live, called `parcel:…`,
//! whose lease is over soon.
//!
//! All have the hash tag `{FLEET}`, so that they lie in one slot of a cluster. None has a time to live.
//!
//! | key | type | |
//! | --- | --- | --- |
//! | `{FLEET}:replicas` | sorted set | replica → end of its lease, ms by Redis's clock; 0: its jobs are being taken over; 1: it has left |
//! | `{FLEET}:jobs:REPLICA` | hash | name of a job → its value (`value.rs`) |
//! | `{FLEET}:fleet` | hash | `beat`: when a lease was last renewed; `grace`: until then no jobs are taken over |
//! | `{FLEET}:dead` | sorted set | replica → when it was emptied: it has to learn that others have its jobs; kept for 2 h |
//! | `{FLEET}:aside` | hash | `REPLICA:name` → a value that no replica can read, or that came from too many dead ones; at most 1,000 |
//!
//! # Time
//!
//! All of it is Redis's: scripts ask for it, and a replica keeps the distance between it and its own steady clock. No
//! replica's clock is compared with another one's.
//!
//! Nothing here opens a socket or reads a clock.

mod answers;
mod backoff;
mod clock;
mod deletions;
mod gate;
#[cfg(test)]
pub(crate) mod model;
mod name;
mod pace;
mod pipeline;
mod replica;
mod scripts;
mod seal;
#[cfg(test)]
mod simulation;
mod spares;
mod table;
mod trouble;
mod value;

pub use gate::PostingGate;
pub use name::Name;
pub use pipeline::Exchange;
pub use replica::{Action, Next, Replica, Settings};
pub use scripts::Script;
pub use seal::{Opened, Random, Sealer};
pub use trouble::Trouble;
pub use value::{Head, Value};

/// Milliseconds since 1970 by Redis's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RedisTime(pub u64);

/// No job lives longer: Slack takes no answer later.
const LIFETIME_MS: u64 = 30 * 60 * 1000;
