//! What torrap answers: a status, a few fields, at most one short content.

use std::borrow::Cow;
use std::sync::Arc;

macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident = $code:literal $reason:literal,)*) => {
        /// A status code (RFC 9110 section 15; 431 from RFC 6585).
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Status { $($(#[$doc])* $name,)* }

        impl Status {
            /// The three digits.
            #[must_use]
            pub const fn code(self) -> u16 {
                match self { $(Self::$name => $code,)* }
            }

            pub(super) const fn line(self) -> &'static str {
                match self {
                    $(Self::$name => concat!("HTTP/1.1 ", $code, " ", $reason, "\r\n"),)*
                }
            }
        }
    };
}

statuses! {
    /// 200
    Ok = 200 "OK",
    /// 400
    BadRequest = 400 "Bad Request",
    /// 401
    Unauthorized = 401 "Unauthorized",
    /// 404
    NotFound = 404 "Not Found",
    /// 405
    MethodNotAllowed = 405 "Method Not Allowed",
    /// 408
    RequestTimeout = 408 "Request Timeout",
    /// 411
    LengthRequired = 411 "Length Required",
    /// 413
    ContentTooLarge = 413 "Content Too Large",
    /// 414
    UriTooLong = 414 "URI Too Long",
    /// 415
    UnsupportedMediaType = 415 "Unsupported Media Type",
    /// 417
    ExpectationFailed = 417 "Expectation Failed",
    /// 431
    RequestHeaderFieldsTooLarge = 431 "Request Header Fields Too Large",
    /// 501
    NotImplemented = 501 "Not Implemented",
    /// 503
    ServiceUnavailable = 503 "Service Unavailable",
    /// 505
    HttpVersionNotSupported = 505 "HTTP Version Not Supported",
}

/// A response's content. An empty one has no Content-Type: Slack shows people any other content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Zero bytes.
    Empty,
    /// `application/json`.
    Json(Cow<'static, [u8]>),
    /// The same, made once for all responses that have it.
    SharedJson(Arc<[u8]>),
    /// Plain text in the format of Prometheus.
    Text(Vec<u8>),
    /// Plain text for a person who has opened the address in a browser.
    Note(Arc<str>),
}

/// Why a request is not answered yet. Only the application knows what the numbers mean: it gets them back when
/// the answer is [released](super::Connection::release).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The commit that the answer waits for. It never decreases from one hold to the next.
    pub ticket: u64,
    /// What the application finds the request by.
    pub token: u64,
}

/// A response without what the connection decides: Date, Connection, whether content is sent at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: Status,
    /// The content.
    pub content: Content,
    /// The methods of an Allow field, which a 405 must carry (RFC 9110 section 15.5.6).
    pub allow: Option<&'static str>,
    /// The challenge of a WWW-Authenticate field, which a 401 must carry (RFC 9110 section 15.5.2).
    pub challenge: Option<&'static str>,
    /// What the answer waits for, if it does. The answer is then the response that
    /// [`Connection::release`](super::Connection::release) is given, and not this one.
    pub hold: Option<Hold>,
    /// Whether the request was authenticated, and with it its connection.
    pub is_authenticated: bool,
}

impl Response {
    /// A status alone.
    #[must_use]
    pub const fn empty(status: Status) -> Self {
        Self {
            status,
            content: Content::Empty,
            allow: None,
            challenge: None,
            hold: None,
            is_authenticated: false,
        }
    }

    /// A 200 with JSON that was made before.
    #[must_use]
    pub fn shared_json(content: Arc<[u8]>) -> Self {
        Self {
            content: Content::SharedJson(content),
            ..Self::empty(Status::Ok)
        }
    }

    /// A 200 with JSON.
    #[must_use]
    pub fn json(content: impl Into<Cow<'static, [u8]>>) -> Self {
        Self {
            status: Status::Ok,
            content: Content::Json(content.into()),
            allow: None,
            challenge: None,
            hold: None,
            is_authenticated: false,
        }
    }

    /// A 200 with text.
    #[must_use]
    pub const fn text(content: Vec<u8>) -> Self {
        Self {
            status: Status::Ok,
            content: Content::Text(content),
            allow: None,
            challenge: None,
            hold: None,
            is_authenticated: false,
        }
    }

    /// The same with a line of text for a person in place of its content.
    #[must_use]
    pub fn noting(self, note: &Arc<str>) -> Self {
        Self {
            content: Content::Note(Arc::clone(note)),
            ..self
        }
    }

    pub(super) const fn is_empty_ok(&self) -> bool {
        matches!(self.status, Status::Ok)
            && matches!(self.content, Content::Empty)
            && self.allow.is_none()
            && self.challenge.is_none()
    }

    /// A 401 with a WWW-Authenticate field.
    #[must_use]
    pub const fn challenging(challenge: &'static str) -> Self {
        Self {
            status: Status::Unauthorized,
            content: Content::Empty,
            allow: None,
            challenge: Some(challenge),
            hold: None,
            is_authenticated: false,
        }
    }

    /// A status with an Allow field.
    #[must_use]
    pub const fn allowing(status: Status, methods: &'static str) -> Self {
        Self {
            status,
            content: Content::Empty,
            allow: Some(methods),
            challenge: None,
            hold: None,
            is_authenticated: false,
        }
    }
}
