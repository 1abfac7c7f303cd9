//! What a job carries: three texts, in the job itself as long as they are short.

/// Bytes that fit into a job. The path of Slack's `response_url` takes 61 of them, and what people type is short; a longer
/// payload is an allocation of its own. Memory that lies in the table is given back with it.
const INLINE_BYTES_MAX: usize = 108;

/// The `response_url`'s path, then the text, then the fields that the command wants kept.
#[derive(Clone, Debug)]
pub(super) enum Payload {
    Inline {
        path_len: u8,
        text_len: u8,
        len: u8,
        bytes: [u8; INLINE_BYTES_MAX],
    },
    Heap {
        path_len: u16,
        text_len: u32,
        bytes: Box<[u8]>,
    },
}

const _: () = assert!(size_of::<Payload>() == 112, "no byte is wasted");

impl Payload {
    /// `None` if the path or the text is longer than any.
    pub(super) fn new(path: &str, text: &str, fields: &str) -> Option<Self> {
        let texts = [path, text, fields].map(str::as_bytes);
        let [path, text, fields] = texts;
        let len = path.len() + text.len() + fields.len();
        if len > INLINE_BYTES_MAX {
            return Some(Self::Heap {
                path_len: u16::try_from(path.len()).ok()?,
                text_len: u32::try_from(text.len()).ok()?,
                bytes: texts.concat().into(),
            });
        }
        let text_end = path.len() + text.len();
        let mut bytes = [0; INLINE_BYTES_MAX];
        bytes[..path.len()].copy_from_slice(path);
        bytes[path.len()..text_end].copy_from_slice(text);
        bytes[text_end..len].copy_from_slice(fields);
        Some(Self::Inline {
            path_len: u8::try_from(path.len()).ok()?,
            text_len: u8::try_from(text.len()).ok()?,
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
        let (_, rest, text_len) = self.split();
        utf8(&rest[..text_len])
    }

    /// The fields that are kept.
    pub(super) fn fields(&self) -> &str {
        let (_, rest, text_len) = self.split();
        utf8(&rest[text_len..])
    }

    /// How many bytes all have.
    pub(super) fn len(&self) -> usize {
        let (path, rest, _) = self.split();
        path.len() + rest.len()
    }

    /// The path, what stands behind it, and how much of that is the text.
    fn split(&self) -> (&[u8], &[u8], usize) {
        let (bytes, path_len, text_len) = match self {
            Self::Inline {
                path_len,
                text_len,
                len,
                bytes,
            } => (
                &bytes[..usize::from(*len)],
                usize::from(*path_len),
                usize::from(*text_len),
            ),
            Self::Heap {
                path_len,
                text_len,
                bytes,
            } => (&**bytes, usize::from(*path_len), *text_len as usize),
        };
        let (path, rest) = bytes.split_at(path_len);
        (path, rest, text_len)
    }
}

fn utf8(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("a payload is made of str")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_texts_come_back_whatever_their_length() {
        let path = "/commands/é";
        for text_len in [0, 1, 60, 93, 94, 95, 96, 97, 1_000, 300_000] {
            for fields in ["", "\u{2}\u{2}U1"] {
                let text = "x".repeat(text_len);
                let payload = Payload::new(path, &text, fields).unwrap();
                assert_eq!((payload.path(), payload.text()), (path, &*text));
                assert_eq!(payload.fields(), fields);
                assert_eq!(payload.len(), path.len() + text_len + fields.len());
                let is_inline = matches!(payload, Payload::Inline { .. });
                assert_eq!(is_inline, payload.len() <= INLINE_BYTES_MAX, "{text_len}");
            }
        }
        let empty = Payload::new("", "", "").unwrap();
        assert_eq!((empty.path(), empty.text(), empty.len()), ("", "", 0));
    }

    #[test]
    fn a_path_has_a_limit() {
        let longest = "p".repeat(usize::from(u16::MAX));
        assert!(Payload::new(&longest, "", "").is_some());
        assert!(Payload::new(&(longest + "p"), "", "").is_none());
    }
}
