//! What a server of Redis sends: the same replies in whatever pieces the bytes come, and none beyond the limits.

use torrap::redis::{
    ProtocolError, REPLY_BYTES_MAX, REPLY_DEPTH_MAX, REPLY_ELEMENTS_MAX, Reply, ReplyReader,
};

/// The body: the length of the pieces, and what is sent.
pub fn check(bytes: &[u8]) {
    let Some((piece, bytes)) = bytes.split_first() else {
        return;
    };
    let whole = read(bytes, bytes.len().max(1));
    let pieces = read(bytes, usize::from(*piece).max(1));
    assert_eq!(whole, pieces, "the pieces make a difference");
    for reply in &whole.0 {
        let (mut elements, mut size) = (0, 0);
        check_limits(reply, 0, &mut elements, &mut size);
        assert!(elements <= REPLY_ELEMENTS_MAX && size <= REPLY_BYTES_MAX);
        assert!(size <= bytes.len() * 3, "more than was sent");
    }
}

/// The replies, and how it ended.
pub fn read(bytes: &[u8], piece: usize) -> (Vec<Reply>, Result<bool, ProtocolError>) {
    let (mut reader, mut replies) = (ReplyReader::default(), Vec::new());
    for piece in bytes.chunks(piece) {
        reader.feed(piece);
        loop {
            match reader.poll_reply() {
                Ok(Some(reply)) => replies.push(reply),
                Ok(None) => break,
                Err(error) => return (replies, Err(error)),
            }
        }
    }
    (replies, Ok(reader.is_empty()))
}

fn check_limits(reply: &Reply, depth: usize, elements: &mut usize, size: &mut usize) {
    match reply {
        Reply::Array(inner) => {
            assert!(depth < REPLY_DEPTH_MAX, "too deep");
            *elements += inner.len();
            for reply in inner {
                check_limits(reply, depth + 1, elements, size);
            }
        }
        // A byte that is not UTF-8 becomes a character of three.
        Reply::Status(text) => *size += text.len() / 3,
        Reply::Error(error) => {
            assert!(!error.text.contains(char::is_control) && error.text.chars().count() <= 203);
        }
        Reply::Bulk(bytes) => *size += bytes.len(),
        Reply::Integer(_) | Reply::Null => {}
    }
}

/// Replies of each kind, and what is none.
pub const REPLIES: &[&str] = &[
    "+OK\r\n",
    "+PONG\r\n+\r\n",
    "-NOSCRIPT No matching script. Please use EVAL.\r\n",
    "-MOVED 3999 127.0.0.1:6381\r\n",
    "-NOPERM this user has no permissions to run the 'set' command\r\n",
    "-ERR unknown command 'AUTH', with args beginning with: 'bot' 'hunter2' \r\n",
    ":0\r\n:-1\r\n:9223372036854775807\r\n",
    "$5\r\nhello\r\n$0\r\n\r\n$-1\r\n",
    "*3\r\n:1795777490000\r\n$2\r\nok\r\n$0\r\n\r\n",
    "*5\r\n:1\r\n:0\r\n:0\r\n:0\r\n*2\r\n$2\r\nid\r\n$5\r\n\0\r\n\x01a\r\n",
    "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n",
    "*3\r\n$6\r\nmaster\r\n:3129659\r\n*1\r\n*3\r\n$9\r\n127.0.0.1\r\n$4\r\n9001\r\n$7\r\n3129242\r\n",
    "*-1\r\n*0\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
    "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
    "*1\r\n*1\r\n*1\r\n*1\r\n*0\r\n:1\r\n",
    "*65537\r\n",
    "$1048577\r\n",
    "$9223372036854775807\r\nx",
    "$3\r\nabXY\r\n",
    ":+5\r\n",
    "%1\r\n+a\r\n+b\r\n",
    "HTTP/1.1 400 Bad Request\r\n\r\n",
    "\u{15}\u{3}\u{3}\0\u{2}\u{2}\n",
];

pub fn seeds() -> Vec<Vec<u8>> {
    let pieces = [1, 3, 17];
    let seeds = REPLIES.iter().zip(pieces.iter().cycle());
    let seeds = seeds.map(|(reply, piece)| [&[*piece], reply.as_bytes()].concat());
    seeds.collect()
}
