//! The staging area that a turn's responses are encoded into before any of them is written.

use std::io::Write;
use std::time::{Duration, UNIX_EPOCH};

use super::request::Version;
use super::response::{Content, Response, Status};
use crate::time::UnixTime;

/// How a response goes out on its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exchange {
    /// The request's version: a persistent HTTP/1.0 connection is told so.
    pub(super) version: Version,
    /// Whether the connection stays open after this response.
    pub(super) persistent: bool,
    /// HEAD: the fields of the content, without it (RFC 9110 section 9.3.2).
    pub(super) head_only: bool,
}

/// The staging area of one turn: encoded responses of all connections, one after the other, and the
/// Date that they share.
#[derive(Debug, Default)]
pub struct Staging {
    bytes: Vec<u8>,
    date_secs: u64,
    date: String,
    /// The empty 200 of a persistent HTTP/1.1 connection at this date: what nearly all responses are.
    acknowledgement: Vec<u8>,
}

/// How an acknowledgement goes out to a client that keeps its connection, as all front ends do.
const ACKNOWLEDGED: Exchange = Exchange {
    version: Version::Http11,
    persistent: true,
    head_only: false,
};

/// A staging area gives back what a burst has made it grow by.
const STAGING_BYTES_KEPT: usize = 256 * 1024;

impl Staging {
    /// Empties the area for a turn at `now`; the Date changes at most once a second.
    pub fn begin(&mut self, now: UnixTime) {
        self.bytes.clear();
        self.bytes.shrink_to(STAGING_BYTES_KEPT);
        let secs = now.secs();
        if self.date.is_empty() || secs != self.date_secs {
            self.date_secs = secs;
            self.date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(secs));
            self.encode(&Response::empty(Status::Ok), ACKNOWLEDGED);
            self.acknowledgement.clear();
            self.acknowledgement.append(&mut self.bytes);
        }
    }

    /// What has been staged.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How much has been staged.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing has been staged.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// An interim response: the peer may send its content (RFC 9110 section 15.2.1).
    pub(super) fn push_continue(&mut self) {
        self.bytes
            .extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
    }

    pub(super) fn push(&mut self, response: &Response, exchange: Exchange) {
        if exchange == ACKNOWLEDGED && response.is_empty_ok() {
            self.bytes.extend_from_slice(&self.acknowledgement);
        } else {
            self.encode(response, exchange);
        }
    }

    fn encode(&mut self, response: &Response, exchange: Exchange) {
        let out = &mut self.bytes;
        out.extend_from_slice(response.status.line().as_bytes());
        out.extend_from_slice(b"Date: ");
        out.extend_from_slice(self.date.as_bytes());
        if let Some(challenge) = response.challenge {
            out.extend_from_slice(b"\r\nWWW-Authenticate: ");
            out.extend_from_slice(challenge.as_bytes());
        }
        if let Some(methods) = response.allow {
            out.extend_from_slice(b"\r\nAllow: ");
            out.extend_from_slice(methods.as_bytes());
        }
        match (exchange.persistent, exchange.version) {
            (true, Version::Http11) => {}
            (true, Version::Http10) => out.extend_from_slice(b"\r\nConnection: keep-alive"),
            (false, _) => out.extend_from_slice(b"\r\nConnection: close"),
        }
        let (media_type, content) = match &response.content {
            Content::Empty => return out.extend_from_slice(b"\r\nContent-Length: 0\r\n\r\n"),
            Content::Json(content) => ("application/json", &**content),
            Content::SharedJson(content) => ("application/json", &**content),
            Content::Text(content) => ("text/plain; version=0.0.4; charset=utf-8", &**content),
            Content::Note(note) => ("text/plain; charset=utf-8", note.as_bytes()),
        };
        out.extend_from_slice(b"\r\nContent-Type: ");
        out.extend_from_slice(media_type.as_bytes());
        out.extend_from_slice(b"\r\nContent-Length: ");
        write!(out, "{}", content.len()).expect("a vector takes any number of bytes");
        out.extend_from_slice(b"\r\n\r\n");
        if !exchange.head_only {
            out.extend_from_slice(content);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn staged(response: &Response, version: Version, persistent: bool, head_only: bool) -> String {
        let mut staging = Staging::default();
        staging.begin(UnixTime(784_111_777_999));
        staging.push(
            response,
            Exchange {
                version,
                persistent,
                head_only,
            },
        );
        String::from_utf8(staging.bytes().to_vec()).unwrap()
    }

    #[test]
    fn an_acknowledgement_has_zero_bytes_of_content_and_no_type() {
        assert_eq!(
            staged(&Response::empty(Status::Ok), Version::Http11, true, false),
            "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn connection_is_said_where_it_differs_from_the_versions_default() {
        let ok = Response::empty(Status::Ok);
        assert!(!staged(&ok, Version::Http11, true, false).contains("Connection"));
        assert!(staged(&ok, Version::Http11, false, false).contains("\r\nConnection: close\r\n"));
        assert!(staged(&ok, Version::Http10, true, false).contains("Connection: keep-alive\r\n"));
        assert!(staged(&ok, Version::Http10, false, false).contains("Connection: close\r\n"));
    }

    #[test]
    fn head_has_the_fields_of_the_content_without_it() {
        let json = Response::json(b"{\"a\":1}".to_vec());
        let get = staged(&json, Version::Http11, true, false);
        assert!(
            get.ends_with("Content-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}")
        );
        assert_eq!(
            staged(&json, Version::Http11, true, true),
            get[..get.len() - 7]
        );
    }

    #[test]
    fn a_challenge_stands_in_its_field_and_nowhere_by_itself() {
        let text = |response| staged(&response, Version::Http11, true, false);
        let challenging = text(Response::challenging("Some-Scheme a=\"b\""));
        assert!(challenging.starts_with("HTTP/1.1 401 Unauthorized\r\n"));
        assert!(challenging.contains("\r\nWWW-Authenticate: Some-Scheme a=\"b\"\r\n"));
        assert!(!text(Response::empty(Status::Unauthorized)).contains("WWW-"));
    }

    #[test]
    fn not_allowed_says_what_is() {
        let response = Response::allowing(Status::MethodNotAllowed, "GET, HEAD");
        let text = staged(&response, Version::Http11, true, false);
        assert!(text.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"));
        assert!(text.contains("\r\nAllow: GET, HEAD\r\n"));
    }

    #[test]
    fn a_burst_gives_its_room_back() {
        let mut staging = Staging::default();
        let large = Response::json(vec![b'1'; 4 * STAGING_BYTES_KEPT]);
        staging.push(&large, ACKNOWLEDGED);
        assert!(staging.bytes.capacity() > 4 * STAGING_BYTES_KEPT);
        staging.begin(UnixTime(0));
        assert!(staging.bytes.capacity() < 2 * STAGING_BYTES_KEPT);
    }

    #[test]
    fn the_date_follows_the_clock_in_both_directions() {
        let mut staging = Staging::default();
        for (ms, second) in [(999, "00"), (1_000, "01"), (1_999, "01"), (500, "00")] {
            staging.begin(UnixTime(ms));
            let end = format!("00:00:{second} GMT");
            assert!(staging.date.ends_with(&end), "{} at {ms}", staging.date);
        }
    }
}
