//! A reply that torrap reads is the same to `redis-protocol`, the codec of another client. What torrap refuses and that one takes
//! is beyond torrap's limits or not written as the protocol says.

use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::types::OwnedFrame;

use crate::bodies::redis_replies::{REPLIES, read};
use torrap::redis::{Reply, ServerError};

/// Arrays in each other; with some thousands of them the other one overflows its stack.
const DEPTH_MAX: usize = 100;

/// The body: what a server sends.
pub fn check(bytes: &[u8]) {
    let depth = bytes.iter().filter(|b| **b == b'*').count();
    if depth > DEPTH_MAX {
        return;
    }
    let (replies, end) = read(bytes, bytes.len().max(1));
    let mut rest = bytes;
    for reply in &replies {
        let Ok(Some((frame, length))) = decode(rest) else {
            // It takes an error for text, and text for UTF-8.
            assert!(str::from_utf8(rest).is_err(), "{reply:?}");
            return;
        };
        assert_eq!(*reply, reply_of(frame));
        rest = &rest[length..];
    }
    // What torrap waits for, the other one waits for as well.
    if end.is_ok() && str::from_utf8(rest).is_ok() {
        let next = decode(rest);
        assert!(
            matches!(next, Ok(None)) || rest.is_empty() || is_loose(rest),
            "{next:?}"
        );
    }
}

/// Whether the other one judges the beginning before torrap does: a length of which the end has not come.
fn is_loose(rest: &[u8]) -> bool {
    !rest.ends_with(b"\n")
}

fn reply_of(frame: OwnedFrame) -> Reply {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match frame {
        OwnedFrame::SimpleString(bytes) => Reply::Status(text(&bytes)),
        OwnedFrame::Error(line) => Reply::Error(ServerError::parse(&line)),
        OwnedFrame::Integer(number) => Reply::Integer(number),
        OwnedFrame::BulkString(bytes) => Reply::Bulk(bytes),
        OwnedFrame::Null => Reply::Null,
        OwnedFrame::Array(frames) => Reply::Array(frames.into_iter().map(reply_of).collect()),
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    REPLIES
        .iter()
        .map(|reply| reply.as_bytes().to_vec())
        .collect()
}
