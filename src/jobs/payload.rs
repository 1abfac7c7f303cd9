//! What a job carries: two texts, in the job itself as long as they are short.

/// Bytes that fit into a job. The path of Slack's `response_url` takes 61 of them, and what people type is short; a longer
/// payload is an allocation of its own. Memory that lies in the table is given back with it.
const INLINE_BYTES_MAX: usize = 109;

/// The `response_url`'s path, then the text.
#[derive(Clone, Debug)]
pub(super) enum Payload {
    Inline {
        path_len: u8,
        len: u8,
        bytes: [u8; INLINE_BYTES_MAX],
    },
    Heap {
        path_len: u16,
        bytes: Box<[u8]>,
    },
}

const _: () = assert!(size_of::<Payload>() == 112, "no byte is wasted");

impl Payload {
    /// `None` if the path is longer than any path.
    pub(super) fn new(path: &str, text: &str) -> Option<Self> {
        let (path, text) = (path.as_bytes(), text.as_bytes());
        let len = path.len() + text.len();
        if len > INLINE_BYTES_MAX {
            return Some(Self::Heap {
                path_len: u16::try_from(path.len()).ok()?,
                bytes: [path, text].concat().into(),
            });
        }
        let mut bytes = [0; INLINE_BYTES_MAX];
        bytes[..path.len()].copy_from_slice(path);
        bytes[path.len()..len].copy_from_slice(text);
        Some(Self::Inline {
            path_len: u8::try_from(path.len()).ok()?,
            len: u8::try_from(len).ok()?,
            bytes,
        })
    }

    /// Path and query of the `response_url`.
    pub(super) fn path(&self) -> &str {
        utf8(self.split().0)
    }

    /// The text as Slack delivered it.
    pub(super) fn text(&self) -> &str {
        utf8(self.split().1)
    }

    /// How many bytes both have.
    pub(super) fn len(&self) -> usize {
        let (path, text) = self.split();
        path.len() + text.len()
    }

    fn split(&self) -> (&[u8], &[u8]) {
        match self {
            Self::Inline {
                path_len,
                len,
                bytes,
            } => bytes[..usize::from(*len)].split_at(usize::from(*path_len)),
            Self::Heap { path_len, bytes } => bytes.split_at(usize::from(*path_len)),
        }
    }
}

fn utf8(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("a payload is made of two str")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_texts_come_back_whatever_their_length() {
        let path = "/commands/é";
        for text_len in [0, 1, 60, 97, 98, 99, 1_000, 300_000] {
            let text = "x".repeat(text_len);
            let payload = Payload::new(path, &text).unwrap();
            assert_eq!((payload.path(), payload.text()), (path, &*text));
            assert_eq!(payload.len(), path.len() + text_len);
            let is_inline = matches!(payload, Payload::Inline { .. });
            assert_eq!(is_inline, payload.len() <= INLINE_BYTES_MAX, "{text_len}");
        }
        let empty = Payload::new("", "").unwrap();
        assert_eq!((empty.path(), empty.text(), empty.len()), ("", "", 0));
    }

    #[test]
    fn a_path_has_a_limit() {
        let longest = "p".repeat(usize::from(u16::MAX));
        assert!(Payload::new(&longest, "").is_some());
        assert!(Payload::new(&(longest + "p"), "").is_none());
    }
}
