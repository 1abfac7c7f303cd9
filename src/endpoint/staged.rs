//! The responses of one turn: encoded one after the other, and written when all of them are.

use std::ops::Range;

use crate::http::Staging;
use crate::slab::Key;
use crate::time::UnixTime;

/// The encoded responses, and which part of them is for which session.
#[derive(Debug, Default)]
pub(super) struct StagedResponses {
    area: Staging,
    parts: Vec<(Key, Range<usize>)>,
}

impl StagedResponses {
    /// Empties the area for another turn.
    pub(super) fn begin(&mut self, now: UnixTime) {
        debug_assert!(self.parts.is_empty(), "what was staged is written");
        self.area.begin(now);
    }

    /// Where responses are encoded.
    pub(super) const fn area_mut(&mut self) -> &mut Staging {
        &mut self.area
    }

    /// Where the next response begins.
    pub(super) fn end(&self) -> usize {
        self.area.len()
    }

    /// Assigns what was encoded from `start` on to a session. `false`: nothing was.
    pub(super) fn assign(&mut self, key: Key, start: usize) -> bool {
        let end = self.end();
        if end > start {
            self.parts.push((key, start..end));
        }
        end > start
    }

    /// How many parts there are.
    pub(super) const fn len(&self) -> usize {
        self.parts.len()
    }

    /// One of the parts, in the order in which they were assigned.
    pub(super) fn part(&self, index: usize) -> (Key, &[u8]) {
        let (key, range) = &self.parts[index];
        (*key, &self.area.bytes()[range.clone()])
    }

    /// What was encoded from `start` on.
    pub(super) fn since(&self, start: usize) -> &[u8] {
        &self.area.bytes()[start..]
    }

    /// Forgets the parts: they are written.
    pub(super) fn clear(&mut self) {
        self.parts.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Connection, Limits, Request, Response, Status};
    use crate::time::Tick;

    #[test]
    fn each_session_is_assigned_what_was_encoded_for_it() {
        let mut staged = StagedResponses::default();
        staged.begin(UnixTime(0));
        let keys = [1, 2].map(|index| Key::from_parts(index, 1));
        assert!(!staged.assign(keys[0], staged.end()), "nothing is encoded");
        for (key, path) in keys.into_iter().zip(["/a", "/b"]) {
            let limits = Limits::default();
            let mut connection = Connection::new(Tick(0), &limits);
            let start = staged.end();
            let mut bytes = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes();
            let respond = |request: &Request<'_>| match request.path {
                "/a" => Response::empty(Status::Ok),
                _ => Response::empty(Status::NotFound),
            };
            connection.receive(&mut bytes, Tick(0), &limits, staged.area_mut(), respond);
            assert!(staged.assign(key, start));
        }
        assert_eq!(staged.len(), 2);
        for (index, status) in [(0, "200"), (1, "404")] {
            let (key, bytes) = staged.part(index);
            assert_eq!(key, keys[index]);
            let text = std::str::from_utf8(bytes).unwrap();
            assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{text}");
            assert_eq!(text.matches("HTTP/").count(), 1, "{text}");
        }
        staged.clear();
        staged.begin(UnixTime(0));
        assert_eq!((staged.len(), staged.end()), (0, 0));
    }
}
