//! Responses as a client reads them.

use super::model::Content;

/// A response that must come.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub content: Content,
    pub closes: bool,
    /// The answer to a HEAD: the length without the content.
    pub is_head: bool,
}

/// Whether `bytes` are these responses, in this order, and nothing else.
pub fn check(mut bytes: &[u8], answers: &[Answer], may_continue: bool) {
    const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
    let mut answers = answers.iter();
    loop {
        if let Some(rest) = bytes.strip_prefix(CONTINUE) {
            assert!(may_continue, "nobody asked to continue");
            bytes = rest;
            continue;
        }
        let Some(answer) = answers.next() else { break };
        bytes = check_next(bytes, answer);
    }
    assert!(
        bytes.is_empty(),
        "an answer too many: {:?}",
        String::from_utf8_lossy(bytes)
    );
}

fn check_next<'a>(bytes: &'a [u8], answer: &Answer) -> &'a [u8] {
    let mut fields = [httparse::EMPTY_HEADER; 8];
    let mut response = httparse::Response::new(&mut fields);
    let Ok(httparse::Status::Complete(head_len)) = response.parse(bytes) else {
        panic!("not answered: {answer:?}");
    };
    assert_eq!(response.code, Some(answer.status), "{answer:?}");
    let field = |name: &str| {
        let field = response.headers.iter().find(|field| field.name == name);
        field.map(|field| std::str::from_utf8(field.value).expect("fields are ASCII"))
    };
    assert_eq!(
        field("Connection") == Some("close"),
        answer.closes,
        "{answer:?}"
    );
    let length = field("Content-Length").and_then(|length| length.parse().ok());
    let length: usize = length.expect("a length");
    let (content, rest) = bytes[head_len..].split_at(if answer.is_head { 0 } else { length });
    let is_json = field("Content-Type") == Some("application/json");
    assert_eq!(is_json, answer.content != Content::Empty, "{answer:?}");
    check_content(content, length, answer);
    rest
}

fn check_content(content: &[u8], length: usize, answer: &Answer) {
    let content = std::str::from_utf8(content).expect("content is UTF-8");
    match &answer.content {
        Content::Empty => assert_eq!(length, 0, "Slack would show it"),
        Content::Exactly(text) => {
            assert_eq!(length, text.len());
            assert!(answer.is_head || content == text, "{content}");
        }
        Content::Busy => assert!(
            is_ephemeral(content) && content.contains("busy"),
            "{content}"
        ),
        Content::TooLate => assert!(
            is_ephemeral(content) && content.contains("too long"),
            "{content}"
        ),
        Content::Usage => assert!(
            is_ephemeral(content) && content.contains("backwards"),
            "{content}"
        ),
    }
}

fn is_ephemeral(content: &str) -> bool {
    content.contains(r#""response_type": "ephemeral""#)
}
