//! A request on its way: how it is put on the wire, and what the answer to it depends on.

use super::Generator;
use crate::http::Error;
use crate::slack::request::sign;
use crate::slack::signature::{SIGNATURE_FIELD, TIMESTAMP_FIELD};

pub(super) const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
pub(super) const ORIGINS: [&str; 2] = ["https://hooks.slack.com", "https://hooks.slack-gov.com"];
/// Most commands come from one of them.
pub(super) const WORKSPACES: [&str; 4] = ["T0001", "T0001", "T0001", "T0002"];

/// What the answer depends on.
#[derive(Debug)]
pub(super) enum What {
    /// A signed command with text.
    Command {
        id: u64,
        signed_at: u64,
        text: String,
        url: String,
        /// It runs on a sender.
        is_work: bool,
    },
    /// A signed command that asks for the usage.
    Help {
        signed_at: u64,
    },
    /// Signed, and no use: 400.
    Unusable {
        signed_at: u64,
    },
    /// 401, whatever the time.
    Forged,
    /// 200 and nothing else.
    CertificateCheck,
    Health,
    /// The metrics.
    Page,
    /// A status that depends on nothing.
    Plain(u16),
    /// … with a line of text that says what this is, for people who open the address in a browser.
    Note(u16),
    /// The connection's own business; nothing after it is answered.
    Fault(Error),
}

/// A request on its way.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) what: What,
    pub(super) bytes: Vec<u8>,
    pub(super) closes: bool,
    pub(super) expects_continue: bool,
    pub(super) is_head: bool,
}

impl Sent {
    /// A request that breaks the protocol or a limit.
    pub(super) fn fault(wire: String, error: Error) -> Self {
        Self {
            what: What::Fault(error),
            bytes: wire.into_bytes(),
            closes: true,
            expects_continue: false,
            is_head: false,
        }
    }

    /// The number of the command that it is.
    pub(super) const fn command(&self) -> Option<u64> {
        match self.what {
            What::Command { id, .. } => Some(id),
            _ => None,
        }
    }
}

/// How a request is put on the wire.
pub(super) struct Draft {
    method: &'static str,
    target: &'static str,
    version: &'static str,
    fields: String,
    pub(super) content: Vec<u8>,
}

impl Draft {
    pub(super) fn new(method: &'static str, target: &'static str) -> Self {
        Self {
            method,
            target,
            version: "1.1",
            fields: String::from("Host: torrap.example\r\n"),
            content: Vec::new(),
        }
    }

    pub(super) fn field(mut self, name: &str, value: &str) -> Self {
        self.fields += &format!("{name}: {value}\r\n");
        self
    }

    pub(super) fn post(content: &str) -> Self {
        let mut draft = Self::new("POST", "/slack").field(
            "Content-Type",
            "application/x-www-form-urlencoded; charset=utf-8",
        );
        draft.content = content.as_bytes().to_vec();
        draft
    }

    /// A form with its signature.
    pub(super) fn signed(content: &str, signed_at: u64) -> Self {
        Self::post(content)
            .field(TIMESTAMP_FIELD, &signed_at.to_string())
            .field(
                &SIGNATURE_FIELD.to_lowercase(),
                &sign(SECRET.as_bytes(), signed_at, content.as_bytes()),
            )
    }

    pub(super) fn finish(self, what: What, generator: &mut Generator) -> Sent {
        let (draft, closes) = self.with_connection(generator);
        let (draft, expects_continue) = draft.with_expectation(generator);
        let http11 = draft.version == "1.1";
        let chunked = http11 && !draft.content.is_empty() && generator.percent(30);
        let length = draft.content.len().to_string();
        let draft = if chunked {
            draft.field("Transfer-Encoding", "chunked")
        } else if draft.method == "POST" || !draft.content.is_empty() {
            draft.field("Content-Length", &length)
        } else {
            draft
        };
        let (method, target, version) = (draft.method, draft.target, draft.version);
        let lead = generator.weighted(&[(20, ""), (1, "\r\n"), (1, "\r\n\r\n\r\n")]);
        let fields = draft.fields;
        let head = format!("{lead}{method} {target} HTTP/{version}\r\n{fields}\r\n");
        let mut bytes = head.into_bytes();
        if chunked {
            append_chunked(&draft.content, &mut bytes, generator);
        } else {
            bytes.extend_from_slice(&draft.content);
        }
        Sent {
            what,
            bytes,
            closes,
            expects_continue,
            is_head: method == "HEAD",
        }
    }

    /// Now and then another version, or the wish to close.
    fn with_connection(mut self, generator: &mut Generator) -> (Self, bool) {
        match generator.below(40) {
            0 => return (self.field("Connection", "close"), true),
            1 | 2 => self.version = "1.0",
            _ => return (self, false),
        }
        if generator.percent(25) {
            return (self, true);
        }
        (self.field("Connection", "keep-alive"), false)
    }

    fn with_expectation(self, generator: &mut Generator) -> (Self, bool) {
        let expects = self.version == "1.1" && generator.percent(4);
        if expects {
            return (self.field("Expect", "100-continue"), true);
        }
        (self, false)
    }
}

fn append_chunked(mut content: &[u8], bytes: &mut Vec<u8>, generator: &mut Generator) {
    while !content.is_empty() {
        let len = content.len().min(1 + generator.index(content.len()));
        let extension = generator.pick(&["", "", ";a=b", " ; c"]);
        bytes.extend_from_slice(format!("{len:x}{extension}\r\n").as_bytes());
        bytes.extend_from_slice(&content[..len]);
        bytes.extend_from_slice(b"\r\n");
        content = &content[len..];
    }
    let trailer = generator.pick(&["", "", "A: b\r\n", "A: b\r\nC: d\r\n"]);
    bytes.extend_from_slice(format!("0\r\n{trailer}\r\n").as_bytes());
}
