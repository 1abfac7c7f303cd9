//! What torrap answers: a status, a few fields, at most one short content.

use std::borrow::Cow;

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
    /// Plain text in the format of Prometheus.
    Text(Vec<u8>),
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
    /// Whether it promises something that must be durable before it goes out.
    pub is_promise: bool,
    /// Whether the request was authenticated: its connection is not a stranger's.
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
            is_promise: false,
            is_authenticated: false,
        }
    }

    /// A 200 with JSON.
    #[must_use]
    pub fn json(content: impl Into<Cow<'static, [u8]>>) -> Self {
        Self {
            status: Status::Ok,
            content: Content::Json(content.into()),
            allow: None,
            is_promise: false,
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
            is_promise: false,
            is_authenticated: false,
        }
    }

    pub(super) fn is_empty_ok(&self) -> bool {
        self.status == Status::Ok && self.content == Content::Empty && self.allow.is_none()
    }

    /// A status with an Allow field.
    #[must_use]
    pub const fn allowing(status: Status, methods: &'static str) -> Self {
        Self {
            status,
            content: Content::Empty,
            allow: Some(methods),
            is_promise: false,
            is_authenticated: false,
        }
    }
}
