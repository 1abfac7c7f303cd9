//! A signed request that can be spoilt before it is sent.

use test_support::{SECRET, unix_secs};
use torrap::slack::request;
use torrap::slack::signature::{SIGNATURE_FIELD, TIMESTAMP_FIELD};

pub const SIGNATURE: &str = SIGNATURE_FIELD;
pub const TIMESTAMP: &str = TIMESTAMP_FIELD;

/// A request that is not on the wire yet.
#[derive(Clone)]
pub struct Draft {
    line: String,
    fields: Vec<(String, String)>,
    content: Vec<u8>,
}

impl Draft {
    /// A request without content.
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            line: format!("{method} {target} HTTP/1.1"),
            fields: Vec::new(),
            content: Vec::new(),
        }
        .with("Host", "torrap.example")
    }

    /// A form as Slack sends it, signed now.
    pub fn signed(content: impl AsRef<[u8]>) -> Self {
        Self::signed_with(SECRET, unix_secs(), content)
    }

    pub fn signed_with(secret: &str, timestamp: u64, content: impl AsRef<[u8]>) -> Self {
        let fields = request::fields(secret.as_bytes(), timestamp, content.as_ref());
        let draft = Self::new("POST", "/slack").content(content);
        fields
            .iter()
            .fold(draft, |draft, (name, value)| draft.with(name, value))
    }

    /// Another target for the same request.
    pub fn target(mut self, target: &str) -> Self {
        self.line = format!("POST {target} HTTP/1.1");
        self
    }

    /// Other content under the same signature.
    pub fn content(mut self, content: impl AsRef<[u8]>) -> Self {
        self.content = content.as_ref().to_vec();
        self
    }

    /// A field with this value alone.
    pub fn with(self, name: &str, value: &str) -> Self {
        self.without(name).and(name, value)
    }

    /// One more field, even if there is one of this name.
    pub fn and(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(other, _)| other != name);
        self
    }

    /// The value of a field.
    pub fn value(&self, name: &str) -> &str {
        let mut fields = self.fields.iter();
        &fields.find(|(other, _)| other == name).unwrap().1
    }

    /// The request with Content-Length.
    pub fn bytes(&self) -> Vec<u8> {
        let length = format!("Content-Length: {}\r\n", self.content.len());
        [self.head(&length).as_bytes(), &self.content].concat()
    }

    /// The request in chunks of `size`, with an extension and a trailer.
    pub fn chunked(&self, size: usize) -> Vec<u8> {
        let mut bytes = self.head("Transfer-Encoding: chunked\r\n").into_bytes();
        for chunk in self.content.chunks(size) {
            bytes.extend_from_slice(format!("{:X};note=\"a b\"\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\nX-Slack-Signature: v0=trailer\r\n\r\n");
        bytes
    }

    fn head(&self, framing: &str) -> String {
        let line = |(name, value): &(String, String)| format!("{name}: {value}\r\n");
        let fields: String = self.fields.iter().map(line).collect();
        format!("{}\r\n{fields}{framing}\r\n", self.line)
    }
}
