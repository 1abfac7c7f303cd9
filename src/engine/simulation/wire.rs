//! Responses as a client reads them.

/// A response, interim ones apart.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) closes: bool,
    pub(super) is_json: bool,
    /// Bytes of content, as its field says; the answer to a HEAD has none of them.
    pub(super) length: usize,
    pub(super) content: String,
}

/// Takes the next whole response, or an interim one, which is none.
pub(super) fn take(received: &mut Vec<u8>, is_head: bool) -> Option<Option<Response>> {
    const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
    if received.starts_with(CONTINUE) {
        received.drain(..CONTINUE.len());
        return Some(None);
    }
    let (response, len) = parse(received, is_head)?;
    received.drain(..len);
    Some(Some(response))
}

fn parse(bytes: &[u8], is_head: bool) -> Option<(Response, usize)> {
    let mut fields = [httparse::EMPTY_HEADER; 8];
    let mut parsed = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(head) = parsed.parse(bytes).expect("a response is HTTP") else {
        return None;
    };
    let field = |name: &str| {
        let field = parsed.headers.iter().find(|field| field.name == name);
        field.map(|field| std::str::from_utf8(field.value).expect("fields are ASCII"))
    };
    let length = field("Content-Length").and_then(|length| length.parse().ok());
    let length: usize = length.expect("a length");
    let end = head + if is_head { 0 } else { length };
    let content = bytes.get(head..end)?.to_vec();
    let response = Response {
        status: parsed.code.expect("a status"),
        closes: field("Connection") == Some("close"),
        is_json: field("Content-Type") == Some("application/json"),
        length,
        content: String::from_utf8(content).expect("content is UTF-8"),
    };
    Some((response, end))
}
