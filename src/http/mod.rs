//! HTTP/1.1, the server's side, without a socket (RFC 9110, RFC 9112).
//!
//! ```text
//!            first byte            head complete        content complete
//!   Idle ───────────────▶ Head ───────────────▶ Content ───────────────▶ answered
//!    ▲                     │ no content: straight to the answer              │
//!    ├─────────────────────┴───── persistent connection ─────────────────────┤
//!    │                                                                       ▼
//!    └ idle too long, a fault, `Connection: close`, drain ─▶ Closing(CloseReason)
//! ```
//!
//! An answer that the application holds stands between a request and its end:
//!
//! ```text
//!                                   hold                   release
//!   Head or Content, complete ─────────────▶ Held ───────────────────────▶ answered
//! ```
//!
//! Nothing behind a held request is parsed, so that a connection has one of them at most.
//!
//! [`Connection`] is that machine: bytes in, requests to a handler, responses out, in order. It owns
//! bytes only while a request is incomplete, so an idle connection costs no buffer. What arrives in
//! one piece is parsed where the socket was read into and never copied.

mod chunked;
mod connection;
mod field_name;
mod foreign;
mod framing;
mod host;
mod request;
mod response;
mod staging;

pub use connection::{CloseReason, Connection};
pub use request::{Fields, Repeated, Request, Version};
pub use response::{Content, Hold, Response, Status};
pub use staging::Staging;

/// The most header fields a request may have.
pub const FIELDS_MAX: usize = 64;

/// See [`Limits::answer_timeout_ms`]; for the kernel as well.
pub const ANSWER_TIMEOUT_MS: u64 = 10_000;

/// What a connection may take up: bytes and waiting time.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a head: request line, fields and the empty line, and empty lines before it.
    pub head_bytes_max: usize,
    /// Bytes of a request-target; RFC 9112 section 3 asks for at least 8,000.
    pub target_bytes_max: usize,
    /// Bytes of content, after its chunked coding is undone.
    pub content_bytes_max: usize,
    /// From a head's first byte to its last, ms. It begins with the first of the empty lines before it.
    pub head_timeout_ms: u64,
    /// From a head's end to the content's end, ms.
    pub content_timeout_ms: u64,
    /// Between requests of a connection on which none was authenticated, ms.
    pub idle_timeout_ms: u64,
    /// For the answers of a turn to be read by a client that the kernel takes no more for, ms. Slack reads them at
    /// once.
    pub answer_timeout_ms: u64,
    /// Between requests of one on which one was, ms. Longer than its proxy keeps it for reuse, which may not retry
    /// a POST that raced with our close: Google's load balancer keeps one for 600 s and cannot be told otherwise,
    /// caddy for 120 s, cloudflared for 90 s.
    pub signed_idle_timeout_ms: u64,
    /// For a head, for content, for answers to be read, after the last answer and between requests, while all
    /// places are taken and a client waits for one, ms. More than 0: a request may come in two segments, and a
    /// connection in use is idle for moments. Short: connections in the backlog are accepted in their order, and
    /// Slack waits for 3 s.
    pub crowded_timeout_ms: u64,
    /// Between requests while the server stops, ms. More than 0, since a request may be on its way; short, since a
    /// restart waits for it.
    pub draining_timeout_ms: u64,
    /// From a request to its answer, while the application holds it, ms. Slack waits for 3 s.
    pub held_timeout_ms: u64,
    /// For how long bytes are still read and dropped after the last answer, ms, so that a reset
    /// does not eat that answer (RFC 9112 section 9.6).
    pub linger_timeout_ms: u64,
    /// Requests of one connection that are answered before others get their turn.
    pub requests_per_turn_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes_max: 16 * 1024,
            target_bytes_max: 8 * 1024,
            content_bytes_max: 256 * 1024,
            head_timeout_ms: 30_000,
            content_timeout_ms: 30_000,
            idle_timeout_ms: 120_000,
            answer_timeout_ms: ANSWER_TIMEOUT_MS,
            signed_idle_timeout_ms: 620_000,
            crowded_timeout_ms: 100,
            draining_timeout_ms: 500,
            held_timeout_ms: 2_000,
            linger_timeout_ms: 5_000,
            requests_per_turn_max: 64,
        }
    }
}

/// A fault of the peer. Each is answered with its status, and then the connection closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// A TLS handshake where HTTP is spoken in the clear.
    Tls,
    /// HTTP/2 without an upgrade.
    Http2,
    /// The PROXY protocol of load balancers, before a request.
    ProxyProtocol,
    /// Not HTTP, or a field that breaks the grammar.
    Malformed,
    /// HTTP/1.1 without exactly one valid Host (RFC 9112 section 3.2).
    BadHost,
    /// Content whose end could be read in two ways (RFC 9112 section 6.3): request smuggling.
    AmbiguousFraming,
    /// The head or the content did not arrive in time.
    TimedOut,
    /// Content without a length: an HTTP/1.0 POST without Content-Length.
    LengthRequired,
    /// More content than the limit.
    ContentTooLarge,
    /// A request-target beyond the limit.
    TargetTooLong,
    /// A Content-Encoding; the signature covers bytes as they are sent.
    UnsupportedContentCoding,
    /// An expectation other than 100-continue.
    UnknownExpectation,
    /// More fields, or a larger head, than the limits.
    FieldsTooLarge,
    /// A transfer coding other than chunked below it.
    UnsupportedTransferCoding,
    /// Neither HTTP/1.1 nor HTTP/1.0.
    UnsupportedVersion,
    /// Not this peer's fault: the incomplete requests of all connections together take up too much memory.
    Overloaded,
}

impl Error {
    /// The status that answers this fault.
    #[must_use]
    pub const fn status(self) -> Status {
        match self {
            Self::Malformed
            | Self::BadHost
            | Self::AmbiguousFraming
            | Self::Tls
            | Self::ProxyProtocol => Status::BadRequest,
            Self::TimedOut => Status::RequestTimeout,
            Self::LengthRequired => Status::LengthRequired,
            Self::ContentTooLarge => Status::ContentTooLarge,
            Self::TargetTooLong => Status::UriTooLong,
            Self::UnsupportedContentCoding => Status::UnsupportedMediaType,
            Self::UnknownExpectation => Status::ExpectationFailed,
            Self::FieldsTooLarge => Status::RequestHeaderFieldsTooLarge,
            Self::UnsupportedTransferCoding => Status::NotImplemented,
            Self::UnsupportedVersion | Self::Http2 => Status::HttpVersionNotSupported,
            Self::Overloaded => Status::ServiceUnavailable,
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tls => {
                "TLS at a port for plain HTTP: let the proxy or tunnel end TLS, and use http:// from there to torrap"
            }
            Self::Http2 => {
                "HTTP/2 at a port for HTTP/1.1: let the proxy use HTTP/1.1 to torrap"
            }
            Self::ProxyProtocol => {
                "PROXY protocol before a request: turn it off where the load balancer sends to torrap"
            }
            Self::Malformed => "malformed request",
            Self::BadHost => "missing, repeated or invalid Host",
            Self::AmbiguousFraming => "ambiguous framing",
            Self::TimedOut => "request not complete in time",
            Self::LengthRequired => "content without a length",
            Self::ContentTooLarge => "content too large",
            Self::TargetTooLong => "request-target too long",
            Self::UnsupportedContentCoding => "content coding not supported",
            Self::UnknownExpectation => "unknown expectation",
            Self::FieldsTooLarge => "header fields too large",
            Self::UnsupportedTransferCoding => "transfer coding not supported",
            Self::UnsupportedVersion => "HTTP version not supported",
            Self::Overloaded => "too many incomplete requests",
        })
    }
}

impl std::error::Error for Error {}
