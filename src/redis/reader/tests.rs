//! Replies of every kind, in pieces, and what is none.

use proptest::prelude::*;

use super::*;

/// The replies of what is fed at once, and whether nothing is left.
fn replies(bytes: &[u8]) -> Result<(Vec<Reply>, bool), ProtocolError> {
    let mut reader = ReplyReader::default();
    reader.feed(bytes);
    let mut replies = Vec::new();
    while let Some(reply) = reader.poll_reply()? {
        replies.push(reply);
    }
    Ok((replies, reader.is_empty()))
}

fn error(bytes: &[u8]) -> ProtocolError {
    replies(bytes).unwrap_err()
}

fn bulk(text: &str) -> Reply {
    Reply::Bulk(text.into())
}

#[test]
fn each_kind_of_reply_is_read() {
    let all = b"+OK\r\n-ERR no\r\n:-12\r\n$5\r\na\r\nbc\r\n$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n*2\r\n:1\r\n*1\r\n$1\r\nx\r\n";
    let (read, is_empty) = replies(all).unwrap();
    let nested = Reply::Array(vec![Reply::Integer(1), Reply::Array(vec![bulk("x")])]);
    let expected = [
        Reply::Status("OK".to_owned()),
        Reply::Error(ServerError::parse("ERR no")),
        Reply::Integer(-12),
        bulk("a\r\nbc"),
        bulk(""),
        Reply::Null,
        Reply::Null,
        Reply::Array(Vec::new()),
        nested,
    ];
    assert_eq!((read.as_slice(), is_empty), (&expected[..], true));
}

#[test]
fn what_is_not_complete_is_not_a_reply_yet() {
    for bytes in [
        "",
        "+",
        "+OK",
        "+OK\r",
        "$3\r\nab",
        "$3\r\nabc\r",
        "*1\r\n",
        "*2\r\n:1\r\n",
    ] {
        let (read, is_empty) = replies(bytes.as_bytes()).unwrap();
        assert_eq!((read.len(), is_empty), (0, bytes.is_empty()), "{bytes:?}");
    }
}

#[test]
fn what_is_no_reply_is_refused() {
    for (bytes, expected) in [
        ("HTTP/1.1 400", ProtocolError::Kind(b'H')),
        ("\u{15}\u{3}\u{3}", ProtocolError::Kind(0x15)),
        ("\r\n", ProtocolError::Kind(b'\r')),
        ("%1\r\n+a\r\n+b\r\n", ProtocolError::Kind(b'%')), // a map of RESP3
        ("+OK\n", ProtocolError::End),
        ("$3\r\nabcd\r\n", ProtocolError::End),
        ("$3\r\nabc\n\n", ProtocolError::End),
        (":\r\n", ProtocolError::Integer),
        (":+5\r\n", ProtocolError::Integer),
        (":1 \r\n", ProtocolError::Integer),
        (":9223372036854775808\r\n", ProtocolError::Integer),
        ("$\r\n", ProtocolError::Length),
        ("$-2\r\n", ProtocolError::Length),
        ("*-2\r\n", ProtocolError::Length),
        ("$?\r\n", ProtocolError::Length),
    ] {
        assert_eq!(error(bytes.as_bytes()), expected, "{bytes:?}");
    }
}

/// The limits hold for what is announced, before it has come.
#[test]
fn a_reply_has_limits() {
    let largest = REPLY_BYTES_MAX - "$1048563\r\n\r\n".len();
    let head = format!("${largest}\r\n");
    let (read, _) = replies(&[head.as_bytes(), &vec![b'x'; largest], b"\r\n"].concat()).unwrap();
    assert_eq!(read[0].bytes().map(<[u8]>::len), Some(largest));
    assert_eq!(
        error(format!("${}\r\n", largest + 1).as_bytes()),
        ProtocolError::TooLarge
    );
    assert_eq!(error(b"$9223372036854775807\r\n"), ProtocolError::TooLarge);
    // The parts of one reply count together.
    let half = format!("${}\r\n{}\r\n", 600_000, "x".repeat(600_000));
    assert_eq!(replies(half.repeat(2).as_bytes()).unwrap().0.len(), 2);
    assert_eq!(
        error(format!("*2\r\n{}", half.repeat(2)).as_bytes()),
        ProtocolError::TooLarge
    );

    assert!(replies(format!("*{REPLY_ELEMENTS_MAX}\r\n").as_bytes()).is_ok());
    let more = format!("*{}\r\n", REPLY_ELEMENTS_MAX + 1);
    assert_eq!(error(more.as_bytes()), ProtocolError::TooManyElements);
    let inner = format!("*2\r\n*{}\r\n", REPLY_ELEMENTS_MAX - 1);
    assert_eq!(error(inner.as_bytes()), ProtocolError::TooManyElements);

    assert!(replies("*1\r\n".repeat(REPLY_DEPTH_MAX).as_bytes()).is_ok());
    let deepest = "*1\r\n".repeat(REPLY_DEPTH_MAX - 1) + "*0\r\n";
    assert_eq!(replies(deepest.as_bytes()).unwrap().0.len(), 1);
    let empty = "*1\r\n".repeat(REPLY_DEPTH_MAX) + "*0\r\n";
    assert_eq!(error(empty.as_bytes()), ProtocolError::TooDeep);
    let deeper = "*1\r\n".repeat(250_000);
    assert_eq!(error(deeper.as_bytes()), ProtocolError::TooDeep);

    let line = format!("+{}", "x".repeat(LINE_BYTES_MAX));
    assert_eq!(error(line.as_bytes()), ProtocolError::LineTooLong);
}

#[test]
fn after_an_error_nothing_is_read() {
    let mut reader = ReplyReader::default();
    reader.feed(b"+OK\n+OK\r\n");
    for _ in 0..2 {
        assert_eq!(reader.poll_reply(), Err(ProtocolError::End));
        reader.feed(b"+OK\r\n");
    }
}

/// A reply as a server would write it; an error's text is read back from what was parsed.
fn write(reply: &Reply, out: &mut Vec<u8>) {
    match reply {
        Reply::Status(text) => out.extend(format!("+{text}\r\n").into_bytes()),
        Reply::Error(error) => out.extend(format!("-{error}\r\n").into_bytes()),
        Reply::Integer(number) => out.extend(format!(":{number}\r\n").into_bytes()),
        Reply::Bulk(bytes) => {
            out.extend(format!("${}\r\n", bytes.len()).into_bytes());
            out.extend(bytes);
            out.extend(b"\r\n");
        }
        Reply::Null => out.extend(b"$-1\r\n"),
        Reply::Array(replies) => {
            out.extend(format!("*{}\r\n", replies.len()).into_bytes());
            replies.iter().for_each(|reply| write(reply, out));
        }
    }
}

fn any_reply() -> impl Strategy<Value = Reply> {
    let leaf = prop_oneof![
        "[a-zA-Z ]{0,12}".prop_map(Reply::Status),
        "[A-Z]{1,9} [a-z ]{0,12}".prop_map(|line| Reply::Error(ServerError::parse(&line))),
        any::<i64>().prop_map(Reply::Integer),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Reply::Bulk),
        Just(Reply::Null),
    ];
    leaf.prop_recursive(4, 64, 6, |inner| {
        proptest::collection::vec(inner, 0..6).prop_map(Reply::Array)
    })
}

proptest! {
    #[test]
    fn replies_are_read_back_in_whatever_pieces_they_come(
        expected in proptest::collection::vec(any_reply(), 1..6),
        piece in 1_usize..50,
    ) {
        let mut bytes = Vec::new();
        expected.iter().for_each(|reply| write(reply, &mut bytes));
        let (mut reader, mut read) = (ReplyReader::default(), Vec::new());
        for piece in bytes.chunks(piece) {
            reader.feed(piece);
            while let Some(reply) = reader.poll_reply().unwrap() {
                read.push(reply);
            }
        }
        prop_assert!(reader.is_empty());
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _ = replies(&bytes);
    }
}
