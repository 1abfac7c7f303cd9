//! A connection driven through its bytes, and what is to be seen of it from outside.

use torrap::http::{
    CloseReason, Connection, Hold, Limits, Repeated, Request, Response, Staging, Status, Version,
};
use torrap::time::{Tick, UnixTime};

/// The fields by which heads are compared, in the order in which [`Asked::of`] asks for them.
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
        let owned = |value: Result<Option<&[u8]>, Repeated>| {
            let value = value.map_err(|_| ())?;
            Ok(value.map(<[u8]>::to_vec))
        };
        let fields = [
            request.fields.unique(b"host"),
            request.fields.unique(b"connection"),
            request.fields.unique(b"expect"),
            request.fields.unique(b"content-length"),
            request.fields.unique(b"transfer-encoding"),
            request.fields.unique(b"a"),
        ];
        Self {
            method: request.method.to_owned(),
            path: request.path.to_owned(),
            query: request.query.map(str::to_owned),
            version: request.version,
            fields: fields.into_iter().map(owned).collect(),
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

/// Which answers are held, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Holding {
    /// One of so many requests; none if it is 0.
    pub every: usize,
    /// While so many further pieces arrive.
    pub pieces: usize,
    /// Whether it is its time limit that releases it.
    pub is_late: bool,
}

pub const NO_HOLDING: Holding = Holding {
    every: 0,
    pieces: 0,
    is_late: false,
};

/// Feeds `wire` to a new connection, cut into pieces of these sizes over and over, and checks at each
/// step what must hold however it is cut.
pub fn feed(wire: &[u8], sizes: &[usize], limits: &Limits) -> Seen {
    feed_holding(wire, sizes, limits, NO_HOLDING)
}

/// The same with answers that are held for a while.
pub fn feed_holding(wire: &[u8], sizes: &[usize], limits: &Limits, holding: Holding) -> Seen {
    let mut feeding = Feeding {
        connection: Connection::new(Tick(0), limits),
        limits,
        holding,
        requests: Vec::new(),
        answers: Vec::new(),
        now: Tick(0),
        progress: Tick(0),
        waited: 0,
    };
    let mut rest = wire;
    for size in sizes.iter().cycle() {
        let (piece, later) = rest.split_at((*size).clamp(1, rest.len().max(1)).min(rest.len()));
        rest = later;
        feeding.take(piece, rest.is_empty());
        if rest.is_empty() {
            break;
        }
    }
    let Feeding {
        connection,
        requests,
        answers,
        ..
    } = feeding;
    let closed = connection.close_reason();
    let answers = check_answers(&requests, &answers, closed);
    Seen {
        requests,
        answers,
        closed,
        idle: connection.is_idle(),
    }
}

/// A connection that is being fed.
struct Feeding<'a> {
    connection: Connection,
    limits: &'a Limits,
    holding: Holding,
    requests: Vec<Asked>,
    answers: Vec<u8>,
    now: Tick,
    /// When the last request was answered.
    progress: Tick,
    /// Pieces that have come while an answer is held.
    waited: usize,
}

impl Feeding<'_> {
    /// A piece arrives, and all its turns are done.
    fn take(&mut self, piece: &[u8], is_last: bool) {
        let longest = self.limits.head_bytes_max + self.limits.content_bytes_max + piece.len();
        let mut piece = piece.to_vec();
        loop {
            let answered = self.receive(&mut piece);
            piece.clear();
            if self.connection.hold().is_some() {
                if self.waited < self.holding.pieces && !is_last {
                    self.waited += 1;
                    return self.wait();
                }
                self.release();
            }
            if !self.connection.has_backlog() {
                break;
            }
            assert!(answered > 0, "a backlog without progress");
        }
        check_limits(
            &self.connection,
            self.limits,
            longest,
            self.now,
            self.progress,
        );
        self.wait();
    }

    /// The time of a client that is as slow as it can be without running out of it.
    fn wait(&mut self) {
        let latest = self.connection.deadline().0 - 1;
        self.now = Tick(self.now.0.max((self.now.0 + 1_000).min(latest)));
    }

    /// One turn, and how many requests it has answered or is to release.
    fn receive(&mut self, piece: &mut [u8]) -> usize {
        let was_held = self.connection.hold();
        let before = self.requests.len();
        let mut staging = Staging::default();
        staging.begin(UnixTime(0));
        let (requests, holding) = (&mut self.requests, self.holding);
        let handler = |request: &Request<'_>| {
            let asked = Asked::of(request);
            let mut response = asked.response();
            let token = requests.len() as u64;
            requests.push(asked);
            if holding.every > 0 && token.is_multiple_of(holding.every as u64) {
                response.hold = Some(Hold { ticket: 0, token });
            }
            response
        };
        self.connection
            .receive(piece, self.now, self.limits, &mut staging, handler);
        check_interim(staging.bytes());
        self.answers.extend_from_slice(staging.bytes());
        let answered = self.requests.len() - before;
        assert!(
            answered <= self.limits.requests_per_turn_max,
            "no end of a turn"
        );
        if answered > 0 {
            self.progress = self.now;
        }
        if was_held.is_some() {
            assert_eq!(self.connection.hold(), was_held);
            assert!(answered == 0 && staging.is_empty(), "looked behind it");
        }
        answered + usize::from(was_held.is_some())
    }

    /// What is held goes out: it is the answer to the latest request.
    fn release(&mut self) {
        let mut staging = Staging::default();
        staging.begin(UnixTime(0));
        let hold = self.connection.hold().expect("it is held");
        assert_eq!(hold.token + 1, self.requests.len() as u64);
        if self.holding.is_late {
            self.now = self.connection.deadline();
            let overdue = self
                .connection
                .handle_timeout(self.now, self.limits, &mut staging);
            assert_eq!(overdue, Some(hold));
        }
        assert!(staging.is_empty() && self.connection.close_reason().is_none());
        let response = self.requests[self.requests.len() - 1].response();
        // The second finds nothing.
        for _ in 0..2 {
            self.connection
                .release(&response, self.now, self.limits, &mut staging);
        }
        assert_eq!(self.connection.hold(), None);
        self.answers.extend_from_slice(staging.bytes());
        (self.waited, self.progress) = (0, self.now);
    }
}

/// 100 is for a client that waits: none of its content has arrived yet, let alone been answered.
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
    // A client that never completes a request is closed in the end, however cleverly it sends.
    let allowed = limits.idle_timeout_ms + limits.head_timeout_ms + limits.content_timeout_ms;
    assert!(
        connection.close_reason().is_some() || connection.deadline() <= progress.after(allowed)
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
                "100 for a client that does not ask"
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
        torrap::http::Content::SharedJson(content) => content,
        torrap::http::Content::Text(content) => content,
        torrap::http::Content::Note(note) => note.as_bytes(),
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
