//! How much of a session is read at once: the buffer that all sessions share, and the limits of one turn.

use super::service::{Service, Turn};
use super::session::{Progress, Session};
use super::socket::Socket;
use super::turns::Quota;
use crate::http::{Limits, Staging};

/// Bytes read at once. One buffer serves all sessions; only incomplete requests are kept elsewhere.
const READ_BYTES: usize = 288 * 1024;

/// Bytes read of a session whose quota is a command: what a command ever has.
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
        }
    }

    /// The limits of all connections.
    pub(super) const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Reads once from a session and answers what is complete, into `staging`.
    pub(super) fn receive<S: Socket>(
        &mut self,
        session: &mut Session<S>,
        quota: Quota,
        staging: &mut Staging,
        turn: &mut Turn<'_, impl Service>,
    ) -> Progress {
        let (limits, bytes_max) = match quota {
            Quota::Command => (&self.command_limits, READ_FIRST_BYTES),
            Quota::Full => (&self.limits, READ_BYTES),
        };
        session.receive(&mut self.buffer[..bytes_max], limits, staging, turn)
    }
}
