//! Commands, as they are sent: arrays of bulk strings.

/// Appends one command.
pub fn encode(parts: &[&[u8]], out: &mut Vec<u8>) {
    begin(parts.len(), out);
    for bytes in parts {
        part(bytes, out);
    }
}

/// Appends the beginning of a command of so many parts, each of which [`part`] appends.
pub fn begin(parts: usize, out: &mut Vec<u8>) {
    length(b'*', parts, out);
}

/// Appends one part of a command.
pub fn part(bytes: &[u8], out: &mut Vec<u8>) {
    length(b'$', bytes.len(), out);
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

fn length(kind: u8, length: usize, out: &mut Vec<u8>) {
    // A usize has 20 digits at most.
    let (mut digits, mut rest, mut at) = ([0_u8; 20], length, 20);
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.push(kind);
    out.extend_from_slice(&digits[at..]);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::redis::{Reply, ReplyReader};

    fn encoded(parts: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        encode(parts, &mut out);
        out
    }

    #[test]
    fn a_command_is_an_array_of_bulk_strings() {
        assert_eq!(encoded(&[b"PING"]), b"*1\r\n$4\r\nPING\r\n");
        assert_eq!(
            encoded(&[b"SET", b"", b"a\r\n\0"]),
            b"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$4\r\na\r\n\0\r\n"
        );
    }

    #[test]
    fn commands_of_a_pipeline_follow_each_other() {
        let mut out = encoded(&[b"PING"]);
        encode(&[b"ROLE"], &mut out);
        assert_eq!(out, b"*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nROLE\r\n");
    }

    proptest! {
        /// A command has the form of a reply that is an array.
        #[test]
        fn what_is_encoded_is_read_back(
            parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..30),
        ) {
            let slices: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            let mut reader = ReplyReader::default();
            reader.feed(&encoded(&slices));
            let bulks = parts.iter().cloned().map(Reply::Bulk).collect();
            prop_assert_eq!(reader.poll_reply(), Ok(Some(Reply::Array(bulks))));
            prop_assert!(reader.is_empty());
        }
    }
}
