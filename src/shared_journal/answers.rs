//! What the scripts answer, read strictly: an answer of another form belongs to another question.

use super::RedisTime;
use super::name::Name;
use super::value::Head;
use crate::redis::Reply;

/// `renew`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Renewed {
    Ok {
        now: RedisTime,
        /// Whose jobs may be taken over.
        over: Vec<String>,
        replicas: u64,
        /// How many jobs my hash has.
        jobs: u64,
        /// Withdrawn jobs that have to be posted nevertheless.
        relied_on: Vec<Name>,
    },
    Fenced,
    Unknown,
}

/// `take`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) cursor: String,
    pub(super) left: u64,
    pub(super) expired: u64,
    pub(super) poisoned: u64,
    pub(super) unreadable: u64,
    pub(super) newer: u64,
    pub(super) jobs: Vec<Name>,
}

pub(super) fn renewed(reply: &Reply) -> Option<Renewed> {
    let parts = reply.array()?;
    let now = RedisTime(count(parts.first()?)?);
    match (parts.get(1)?.text()?, &parts[2..]) {
        ("fenced", []) => Some(Renewed::Fenced),
        ("unknown", []) => Some(Renewed::Unknown),
        ("ok", [over, replicas, jobs, relied_on]) => Some(Renewed::Ok {
            now,
            over: texts(over)?,
            replicas: count(replicas)?,
            jobs: count(jobs)?,
            relied_on: names(relied_on)?,
        }),
        _ => None,
    }
}

/// `put`: which jobs others have, by their place among those that were sent; `None` inside: there is no lease.
pub(super) fn put(reply: &Reply) -> Option<Option<Vec<usize>>> {
    let [is_put, duplicates] = reply.array()? else {
        return None;
    };
    let duplicates = duplicates.array()?.iter();
    let duplicates: Option<Vec<_>> = duplicates
        .map(|reply| (count(reply)? as usize).checked_sub(1))
        .collect();
    match count(is_put)? {
        0 => Some(None),
        1 => Some(Some(duplicates?)),
        _ => None,
    }
}

/// `take`; `None` inside: it may not be.
pub(super) fn taken(reply: &Reply) -> Option<Option<Taken>> {
    match reply.array()? {
        [Reply::Integer(0), _] => Some(None),
        [
            Reply::Integer(1),
            _,
            cursor,
            left,
            expired,
            poisoned,
            unreadable,
            newer,
            jobs,
        ] => Some(Some(Taken {
            cursor: cursor_of(cursor)?,
            left: count(left)?,
            expired: count(expired)?,
            poisoned: count(poisoned)?,
            unreadable: count(unreadable)?,
            newer: count(newer)?,
            jobs: names(jobs)?,
        })),
        _ => None,
    }
}

/// `pass`; `false` inside: there is no lease.
pub(super) fn passed(reply: &Reply) -> Option<bool> {
    match reply.array()? {
        [Reply::Integer(0), _] => Some(false),
        [Reply::Integer(1), _, _] => Some(true),
        _ => None,
    }
}

/// A job of a hash.
pub(super) type Listed = (Name, Seen);

/// What a list says of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Head(Head),
    /// It is of another format.
    Other,
    /// It is empty, or longer than any value, and not to be fetched: a reply has a limit.
    Odd,
}

impl Seen {
    fn read(head: &[u8]) -> Self {
        match Head::read(head) {
            Some(head) => Self::Head(head),
            None if head.is_empty() => Self::Odd,
            None => Self::Other,
        }
    }
}

/// `list`: the next cursor, and names with heads. What has no job's name is another program's.
pub(super) fn listed(reply: &Reply) -> Option<(String, Vec<Listed>)> {
    let [cursor, jobs] = reply.array()? else {
        return None;
    };
    let (pairs, []) = jobs.array()?.as_chunks::<2>() else {
        return None;
    };
    let mut found = Vec::new();
    for [name, head] in pairs {
        let head = Seen::read(head.bytes()?);
        found.extend(Name::read(name.bytes()?).map(|name| (name, head)));
    }
    Some((cursor_of(cursor)?, found))
}

pub(super) fn count(reply: &Reply) -> Option<u64> {
    match reply {
        Reply::Integer(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}

fn cursor_of(reply: &Reply) -> Option<String> {
    let text = reply.text()?;
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.to_owned())
}

/// The members of a sorted set. What is no text is no replica's id.
fn texts(reply: &Reply) -> Option<Vec<String>> {
    let texts = reply.array()?.iter();
    Some(
        texts
            .filter_map(|text| text.text().map(str::to_owned))
            .collect(),
    )
}

fn names(reply: &Reply) -> Option<Vec<Name>> {
    let names = reply.array()?.iter();
    names.map(|name| Name::read(name.bytes()?)).collect()
}
