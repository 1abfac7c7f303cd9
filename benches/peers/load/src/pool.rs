//! Requests made before the run: signed just then, each with a text of its own.

use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

use torrap::slack::request;

/// Memory for requests; large ones are fewer and come round again sooner.
const POOL_BYTES: usize = 64 * 1024 * 1024;
/// What a text begins with, and so what a reply ends with.
const TEXT: &str = "sdrawkcab si siht";
const SLACKER: &str = "/commands/T1DC2JH3J/397700885554/96rGlfmibIGlgcZRskXaIFfN";
/// What every reply has in it, a reversed `TEXT`.
pub const REPLY: &[u8] = b"this is backwards\"}";

/// What the requests are to be like.
pub struct Shape {
    pub distinct: usize,
    /// Whether there are so many, whatever memory they need.
    pub fresh: bool,
    /// Content is padded to this many bytes with a field that no server reads.
    pub content_bytes: usize,
    /// The text is padded to this many bytes.
    pub text_bytes: usize,
    /// Each so many has a wrong signature; 0 for none.
    pub forged_every: usize,
    pub reply_origin: String,
}

/// The requests one after the other, so that neighbours can be sent in one piece.
pub struct Pool {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    forged_every: usize,
}

impl Pool {
    pub fn new(secret: &[u8], shape: &Shape) -> Self {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let request_bytes = shape.content_bytes.max(shape.text_bytes).max(1024);
        let distinct = match shape.fresh {
            true => shape.distinct,
            false => shape.distinct.min(POOL_BYTES / request_bytes),
        };
        let distinct = distinct.max(1);
        let mut pool = Self {
            bytes: Vec::new(),
            ends: Vec::with_capacity(distinct),
            forged_every: shape.forged_every,
        };
        for index in 0..distinct {
            let key: &[u8] = if pool.is_forged(index) {
                b"forged"
            } else {
                secret
            };
            let request = request::signed(key, now, content(index, shape).as_bytes());
            pool.bytes.extend_from_slice(&request);
            pool.ends.push(pool.bytes.len());
        }
        pool
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether the request must be answered with 401.
    pub fn is_forged(&self, index: usize) -> bool {
        self.forged_every > 0 && index % self.forged_every == self.forged_every - 1
    }

    /// Where requests lie that stand next to each other.
    pub fn place(&self, requests: &Range<usize>) -> Range<usize> {
        let end_before = |index: usize| index.checked_sub(1).map_or(0, |before| self.ends[before]);
        end_before(requests.start)..end_before(requests.end)
    }

    pub fn bytes(&self, place: &Range<usize>) -> &[u8] {
        &self.bytes[place.clone()]
    }
}

fn content(index: usize, shape: &Shape) -> String {
    let url = format!("{}{SLACKER}", shape.reply_origin);
    let mut text = format!("{TEXT} {index}");
    text.extend(std::iter::repeat_n(
        'x',
        shape.text_bytes.saturating_sub(text.len()),
    ));
    let mut content = request::form("/torrap", &text, &url);
    let missing = shape.content_bytes.saturating_sub(content.len());
    if missing > 0 {
        content.push_str("&padding=");
        content.extend(std::iter::repeat_n('x', missing.saturating_sub(9)));
    }
    content
}
