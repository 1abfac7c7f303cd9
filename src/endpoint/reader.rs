//! What a turn reads: the buffer that all sessions share, and the limits of one turn.
//!
//! Several sessions are read, and then what has come is answered. The processor's nearest caches hold either the kernel's
//! way to a socket's bytes or ours from bytes to an answer: to change between them for each command takes more time
//! (benches/README.md, "What was tried").

use std::collections::VecDeque;
use std::ops::Range;

use super::session::Received;
use super::socket::Socket;
use super::table::SessionTable;
use super::turns::{Quota, Round, Turns};
use crate::http::Limits;
use crate::slab::Key;

/// Bytes read at once. One buffer serves all sessions; only incomplete requests are kept elsewhere.
const READ_BYTES: usize = 288 * 1024;

/// Bytes read of a session whose quota is a command: what a command ever has. As soon as so many have come of all, they
/// are answered: they are in the nearest cache still, and what is left of the buffer has room for the largest request.
const READ_FIRST_BYTES: usize = 16 * 1024;

/// Requests answered of a session whose quota is a command: a command is one, and a client that sends many at once has
/// further turns for the others.
const REQUESTS_FIRST: usize = 4;

/// Reads from sessions, within a quota.
pub(super) struct Reader {
    limits: Limits,
    /// The same for the quota of a command.
    command_limits: Limits,
    buffer: Box<[u8]>,
    /// How many bytes of the buffer have come in, and which are whose.
    len: usize,
    parts: VecDeque<Part>,
}

/// What was read of a session and is not answered yet.
struct Part {
    key: Key,
    quota: Quota,
    bytes: Range<usize>,
}

impl Reader {
    pub(super) fn new(limits: Limits) -> Self {
        let requests_per_turn_max = limits.requests_per_turn_max.min(REQUESTS_FIRST);
        let command_limits = Limits {
            requests_per_turn_max,
            ..limits.clone()
        };
        Self {
            limits,
            command_limits,
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            len: 0,
            parts: VecDeque::new(),
        }
    }

    /// The limits of all connections.
    pub(super) const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether all that was read is answered.
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Reads once from each of the next sessions of a round, as long as there is room. Gives one whose connection is over,
    /// if it finds one; then it is to be called again.
    pub(super) fn read<S: Socket>(
        &mut self,
        round: &mut Round,
        turns: &mut Turns,
        table: &mut SessionTable<S>,
    ) -> Option<Key> {
        while self.len < READ_FIRST_BYTES {
            let (key, quota) = turns.next(round)?;
            let Some(session) = table.get_mut(key) else {
                turns.note_missed();
                continue;
            };
            session.queued = false;
            let room = &mut self.buffer[self.len..];
            let bytes_max = match quota {
                Quota::Command => READ_FIRST_BYTES,
                Quota::Full => room.len(),
            };
            match session.read(&mut room[..bytes_max]) {
                Received::Bytes(len) => {
                    let bytes = self.len..self.len + len;
                    self.len = bytes.end;
                    self.parts.push_back(Part { key, quota, bytes });
                }
                Received::Nothing => {}
                Received::End => return Some(key),
            }
        }
        None
    }

    /// What was read of the next session, and the limits for its answers.
    pub(super) fn pop(&mut self) -> Option<(Key, &mut [u8], &Limits)> {
        let Some(Part { key, quota, bytes }) = self.parts.pop_front() else {
            self.len = 0;
            return None;
        };
        let limits = match quota {
            Quota::Command => &self.command_limits,
            Quota::Full => &self.limits,
        };
        Some((key, &mut self.buffer[bytes], limits))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read, Write};

    use super::*;
    use crate::endpoint::socket::Readiness;
    use crate::endpoint::source::Source;
    use crate::http::Connection;
    use crate::time::Tick;

    /// A client that has sent so many bytes, all with its number, and perhaps a FIN.
    struct Client {
        number: u8,
        sent: usize,
        is_closed: bool,
    }

    impl Read for Client {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let len = self.sent.min(buffer.len());
            if len == 0 && !self.is_closed {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            buffer[..len].fill(self.number);
            self.sent -= len;
            Ok(len)
        }
    }

    impl Write for Client {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Socket for Client {
        type Registry = ();

        fn register(&mut self, (): &(), _: Source) -> io::Result<()> {
            Ok(())
        }

        fn peek(&self, _: &mut [u8]) -> io::Result<usize> {
            Ok(0)
        }

        fn half_close(&self) -> io::Result<()> {
            Ok(())
        }

        fn reset_on_close(&self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is read before each answering: the numbers of the clients and how much each has sent, or that it has gone.
    fn rounds(sent: &[usize]) -> Vec<Vec<(u8, usize)>> {
        let limits = Limits::default();
        let mut reader = Reader::new(limits.clone());
        let mut turns = Turns::new(1_000);
        let mut table = SessionTable::new(1_000, Tick(0));
        for (number, sent) in (0..).zip(sent) {
            let (sent, is_closed) = (*sent, *sent == 0);
            let client = Client {
                number,
                sent,
                is_closed,
            };
            let key = table.insert(client, Connection::new(Tick(0), &limits));
            let event = Readiness {
                readable: true,
                writable: false,
                closed: is_closed,
            };
            table.get_mut(key).unwrap().on_ready(event);
            turns.push_active(key);
        }
        let (mut round, mut found) = (turns.begin_round(|_| true), Vec::new());
        loop {
            let mut read = Vec::new();
            while let Some(key) = reader.read(&mut round, &mut turns, &mut table) {
                read.push((key.index() as u8, 0));
            }
            while let Some((key, bytes, _)) = reader.pop() {
                assert!(bytes.iter().all(|byte| u32::from(*byte) == key.index()));
                read.push((key.index() as u8, bytes.len()));
            }
            match read.is_empty() {
                true => return found,
                false => found.push(read),
            }
        }
    }

    #[test]
    fn several_sessions_are_read_before_the_first_is_answered() {
        let first = vec![(0, 700), (1, 700), (2, 700)];
        assert_eq!(rounds(&[700, 700, 700]), [first]);
        assert_eq!(rounds(&[700, 0, 700]), [vec![(1, 0), (0, 700), (2, 700)]]);
        assert_eq!(rounds(&[]), Vec::<Vec<_>>::new());
    }

    #[test]
    fn what_is_read_before_an_answer_has_a_limit_and_a_large_request_is_read_whole() {
        let counts = |sent: &[usize]| -> Vec<usize> { rounds(sent).iter().map(Vec::len).collect() };
        // The thirtieth has brought 16 KiB together.
        assert_eq!(counts(&[550; 65]), [30, 30, 5]);
        let whole = Limits::default();
        let whole = whole.head_bytes_max + whole.content_bytes_max;
        let behind = READ_FIRST_BYTES - 1;
        assert_eq!(
            rounds(&[behind, whole, 9]),
            [vec![(0, behind), (1, whole)], vec![(2, 9)],]
        );
        let many = rounds(&[whole; 17]);
        assert!(
            many.iter()
                .all(|read| read.len() == 1 && read[0].1 == READ_FIRST_BYTES)
        );
    }
}
