//! A connection driven through its bytes, and what is to be seen of it from outside.

use torrap::http::{CloseReason, Connection, Limits, Request, Response, Staging, Status, Version};
use torrap::time::{Tick, UnixTime};

/// The fields by which heads are compared.
const NAMES: [&str; 6] = [
    "host",
    "connection",
    "expect",
    "content-length",
    "transfer-encoding",
    "a",
];

/// A request as the handler was shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub query: Option<String>,
    pub version: Version,
    /// For each of [`NAMES`] its value, `Err` where it is repeated.
    pub fields: Vec<Result<Option<Vec<u8>>, ()>>,
    pub content: Vec<u8>,
}

impl Asked {
    fn of(request: &Request<'_>) -> Self {
        let field = |name| {
            let value = request.fields.unique(name).map_err(|_| ())?;
            Ok(value.map(<[u8]>::to_vec))
        };
        Self {
            method: request.method.to_owned(),
            path: request.path.to_owned(),
            query: request.query.map(str::to_owned),
            version: request.version,
            fields: NAMES.into_iter().map(field).collect(),
            content: request.content.to_vec(),
        }
    }

    fn has(&self, name: &str) -> bool {
        let at = NAMES.iter().position(|n| *n == name);
        at.is_some_and(|at| self.fields[at] != Ok(None))
    }

    /// Half of the requests get the answer that nearly all get, half one with content.
    fn response(&self) -> Response {
        if self.path.len().is_multiple_of(2) {
            Response::empty(Status::Ok)
        } else {
            Response::json(format!("{:?}", self.content.len()).into_bytes())
        }
    }
}

/// What became of the bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    pub requests: Vec<Asked>,
    /// The final answers, byte for byte.
    pub answers: Vec<u8>,
    pub closed: Option<CloseReason>,
    pub idle: bool,
}

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Feeds `wire` to a new connection, cut into pieces of these sizes over and over, and checks at each
/// step what must hold however it is cut.
pub fn feed(wire: &[u8], sizes: &[usize], limits: &Limits) -> Seen {
    let mut connection = Connection::new(Tick(0), limits);
    let (mut requests, mut answers) = (Vec::new(), Vec::new());
    let (mut rest, mut now) = (wire, Tick(0));
    let mut progress = now;
    for size in sizes.iter().cycle() {
        let (piece, later) = rest.split_at((*size).clamp(1, rest.len().max(1)).min(rest.len()));
        rest = later;
        let mut piece = piece.to_vec();
        let longest = limits.head_bytes_max + limits.content_bytes_max + piece.len();
        loop {
            let before = requests.len();
            let mut staging = Staging::default();
            staging.begin(UnixTime(0));
            connection.receive(&mut piece, now, limits, &mut staging, |request| {
                let asked = Asked::of(request);
                let response = asked.response();
                requests.push(asked);
                response
            });
            check_interim(staging.bytes());
            answers.extend_from_slice(staging.bytes());
            piece.clear();
            let answered = requests.len() - before;
            assert!(answered <= limits.requests_per_turn_max, "no end of a turn");
            if answered > 0 {
                progress = now;
            }
            if !connection.has_backlog() {
                break;
            }
            assert!(answered > 0, "a backlog without progress");
        }
        check_limits(&connection, limits, longest, now, progress);
        // A client that is as slow as it can be without running out of time.
        now = Tick(now.0.max((now.0 + 1_000).min(connection.deadline().0 - 1)));
        if rest.is_empty() {
            break;
        }
    }
    let closed = connection.close_reason();
    let answers = check_answers(&requests, &answers, closed);
    Seen {
        requests,
        answers,
        closed,
        idle: connection.is_idle(),
    }
}

/// 100 is for whom waits: nothing of what he was to send is there yet, let alone an answer to it.
fn check_interim(staged: &[u8]) {
    let mut interim = staged.windows(CONTINUE.len()).enumerate();
    let first = interim.find(|(_, window)| *window == CONTINUE);
    assert!(first.is_none_or(|(at, _)| at + CONTINUE.len() == staged.len()));
}

fn check_limits(
    connection: &Connection,
    limits: &Limits,
    longest: usize,
    now: Tick,
    progress: Tick,
) {
    let held = connection.held_bytes();
    if connection.close_reason().is_some() {
        assert_eq!(held, 0, "a closing connection holds bytes");
        assert!(connection.deadline() <= now.after(limits.linger_timeout_ms));
    } else if connection.is_idle() {
        assert!(held <= 8, "an idle connection holds {held} bytes");
        assert!(connection.deadline() <= now.after(limits.idle_timeout_ms));
    }
    assert!(held <= 2 * longest + 64, "{held} bytes held");
    // Whoever never completes a request is rid of in the end, however cleverly he sends.
    let patience = limits.idle_timeout_ms + limits.head_timeout_ms + limits.content_timeout_ms;
    assert!(
        connection.close_reason().is_some() || connection.deadline() <= progress.after(patience)
    );
}

/// One answer for each request, in order and as it was meant; one more for a fault; and the last
/// says close if and only if the connection closes. Returns them without the interim ones.
fn check_answers(requests: &[Asked], wire: &[u8], closed: Option<CloseReason>) -> Vec<u8> {
    let mut answers = Vec::new();
    let mut rest = wire;
    let fault = match closed {
        Some(CloseReason::Fault(error)) => Some(Response::empty(error.status())),
        _ => None,
    };
    let finals = requests.len() + usize::from(fault.is_some());
    for number in 0..finals {
        let request = requests.get(number);
        if let Some(after) = rest.strip_prefix(CONTINUE) {
            rest = after;
            assert!(
                request.is_none_or(|r| r.has("expect") && r.version == Version::Http11),
                "100 for whom does not ask"
            );
        }
        let response = match request {
            Some(request) => request.response(),
            None => fault.clone().expect("one more answer than requests"),
        };
        let closes = number + 1 == finals && closed.is_some();
        let head_only = request.is_some_and(|request| request.method == "HEAD");
        let len = check_answer(rest, &response, head_only, closes);
        answers.extend_from_slice(&rest[..len]);
        rest = &rest[len..];
    }
    assert!(
        rest.is_empty() || (rest == CONTINUE && closed.is_none()),
        "more answers than requests: {:?}",
        String::from_utf8_lossy(rest)
    );
    answers
}

/// Checks the answer at the start of `wire` and tells its length.
fn check_answer(wire: &[u8], response: &Response, head_only: bool, closes: bool) -> usize {
    let mut fields = [httparse::EMPTY_HEADER; 16];
    let mut answer = httparse::Response::new(&mut fields);
    let head = answer.parse(wire).expect("a well-formed answer");
    let httparse::Status::Complete(head) = head else {
        panic!("an answer is missing: {:?}", String::from_utf8_lossy(wire));
    };
    assert_eq!(answer.code, Some(response.status.code()));
    let field = |name: &str| {
        let mut values = answer.headers.iter().filter(|f| f.name == name);
        let value = values.next().map(|f| f.value);
        assert!(values.next().is_none(), "{name} twice");
        value
    };
    let content: &[u8] = match &response.content {
        torrap::http::Content::Empty => b"",
        torrap::http::Content::Json(content) => content,
        torrap::http::Content::Text(content) => content,
    };
    assert_eq!(
        field("Content-Length"),
        Some(content.len().to_string().as_bytes())
    );
    assert_eq!(field("Connection") == Some(b"close".as_slice()), closes);
    assert!(field("Date").is_some());
    if head_only {
        return head;
    }
    assert_eq!(&wire[head..head + content.len()], content);
    head + content.len()
}
