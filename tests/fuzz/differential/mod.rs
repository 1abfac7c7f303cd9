//! torrap's connection beside hyper's server: both are given the same bytes, and what they take for
//! requests, where those end and when the connection does must be the same, or one of the
//! [differences] that are known, each as narrow as it can be.
//!
//! Where one would end a request's content elsewhere than the other, a request could be smuggled past
//! a proxy that reads like the other. There is no difference of that sort.

mod differences;
mod peer;
pub mod resp;
pub mod whatwg;
mod wires;

use crate::bodies::wire::feed;
use differences::Head;
use torrap::http::{CloseReason, Error, Limits, Version};

pub use wires::seeds;

/// What is compared of a request.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    method: String,
    path: String,
    query: Option<String>,
    old: bool,
    content: Vec<u8>,
}

/// What a server makes of what may be a request.
#[derive(Debug)]
enum Outcome {
    /// It ends after so many bytes, and perhaps the connection with it.
    Accepted {
        seen: Seen,
        len: usize,
        closes: bool,
    },
    Refused,
    /// It is not complete.
    Waits,
}

/// The body: what a client sends.
pub fn check(wire: &[u8]) {
    difference(wire);
}

/// The name of the first difference, where the comparison ends. Panics if it is not known.
fn difference(wire: &[u8]) -> Option<&'static str> {
    let mut rest = wire;
    while !rest.is_empty() {
        let (torrap, refusal) = first(rest);
        let hyper = peer::first(rest);
        let head = Head::read(rest);
        let known = || differences::find(&head, refusal, &torrap, &hyper);
        match (&torrap, &hyper) {
            (Outcome::Waits, Outcome::Waits) | (Outcome::Refused, Outcome::Refused) => return None,
            (
                Outcome::Accepted { seen, len, closes },
                Outcome::Accepted {
                    seen: theirs,
                    len: their_len,
                    closes: they_close,
                },
            ) => {
                assert_eq!(len, their_len, "the request ends elsewhere");
                assert_eq!(seen, theirs);
                if closes != they_close {
                    return Some(known().unwrap_or_else(|| unknown(rest, &torrap, &hyper)));
                }
                if *closes {
                    return None;
                }
                rest = &rest[*len..];
            }
            _ => return Some(known().unwrap_or_else(|| unknown(rest, &torrap, &hyper))),
        }
    }
    None
}

fn unknown(rest: &[u8], torrap: &Outcome, hyper: &Outcome) -> ! {
    let shown = rest.escape_ascii();
    panic!("torrap: {torrap:?}\nhyper: {hyper:?}\nof b\"{shown}\"");
}

/// What torrap makes of the first request, and why if it is refused.
fn first(wire: &[u8]) -> (Outcome, Option<Error>) {
    let limits = Limits {
        requests_per_turn_max: usize::MAX,
        ..Limits::default()
    };
    let serve = |len: usize| feed(&wire[..len], &[len], &limits);
    let all = serve(wire.len());
    if all.requests.is_empty() {
        return match all.closed {
            Some(CloseReason::Fault(error)) => (Outcome::Refused, Some(error)),
            None => (Outcome::Waits, None),
            closed => panic!("{closed:?} without a request"),
        };
    }
    let len = shortest(wire.len(), |len| !serve(len).requests.is_empty());
    let mut seen = serve(len);
    let asked = seen.requests.remove(0);
    let accepted = Outcome::Accepted {
        seen: Seen {
            method: asked.method,
            path: asked.path,
            query: asked.query,
            old: asked.version == Version::Http10,
            content: asked.content,
        },
        len,
        closes: seen.closed.is_some(),
    };
    (accepted, None)
}

/// The least length up to `most` for which `holds`, as it does for `most` and all between.
fn shortest(most: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut least, mut most) = (0, most);
    while least < most {
        let middle = usize::midpoint(least, most);
        if holds(middle) {
            most = middle;
        } else {
            least = middle + 1;
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{difference, resp, seeds, whatwg};
    use crate::bodies::near::near;

    #[test]
    fn near_the_seeds_all_differences_are_known() {
        near(&seeds(), 10_000).for_each(|wire| {
            difference(&wire);
        });
    }

    #[test]
    fn a_browser_reads_urls_as_we_do() {
        check_near(&whatwg::seeds(), whatwg::check);
    }

    #[test]
    fn another_codec_reads_replies_as_we_do() {
        check_near(&resp::seeds(), resp::check);
    }

    fn check_near(seeds: &[Vec<u8>], check: fn(&[u8])) {
        let near = near(seeds, 10_000);
        seeds
            .iter()
            .cloned()
            .chain(near)
            .for_each(|bytes| check(&bytes));
    }

    #[test]
    fn on_the_seeds_each_difference_of_the_table_is_there_and_no_other() {
        let table = include_str!("DIFFERENCES.md");
        let rows = table.lines().filter_map(|line| line.strip_prefix("| "));
        let names = rows.filter_map(|row| row.split(" | ").next());
        let named: BTreeSet<&str> = names
            .filter(|name| !["difference", "---"].contains(name))
            .collect();
        let there_are = seeds().iter().filter_map(|seed| difference(seed)).collect();
        assert_eq!(named, there_are);
    }
}
