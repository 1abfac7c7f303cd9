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

/// What a job carries.
#[derive(Clone, Copy)]
pub struct Texts<'a> {
    /// Path and query of the `response_url`: a secret.
    pub path: &'a str,
    /// The text as Slack delivered it.
    pub text: &'a str,
    /// The fields that its command wants kept.
    pub fields: &'a str,
}

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
        let (bytes, path_len, _) = self.parts();
        utf8(&bytes[..path_len])
    }

    /// All of them; that they are UTF-8 is checked once.
    pub(super) fn texts(&self) -> Texts<'_> {
        let (bytes, path_len, text_len) = self.parts();
        let (path, rest) = utf8(bytes).split_at(path_len);
        let (text, fields) = rest.split_at(text_len);
        Texts { path, text, fields }
    }

    /// How many bytes all have.
    pub(super) fn len(&self) -> usize {
        self.parts().0.len()
    }

    /// All bytes, and how many of them are the path's and the text's.
    fn parts(&self) -> (&[u8], usize, usize) {
        match self {
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
            } => (bytes, usize::from(*path_len), *text_len as usize),
        }
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
                let texts = payload.texts();
                let found = (texts.path, texts.text, texts.fields, payload.path());
                assert_eq!(found, (path, &*text, fields, path));
                assert_eq!(payload.len(), path.len() + text_len + fields.len());
                let is_inline = matches!(payload, Payload::Inline { .. });
                assert_eq!(is_inline, payload.len() <= INLINE_BYTES_MAX, "{text_len}");
            }
        }
        let empty = Payload::new("", "", "").unwrap();
        assert_eq!((empty.path(), empty.texts().text, empty.len()), ("", "", 0));
    }

    #[test]
    fn a_path_has_a_limit() {
        let longest = "p".repeat(usize::from(u16::MAX));
        assert!(Payload::new(&longest, "", "").is_some());
        assert!(Payload::new(&(longest + "p"), "", "").is_none());
    }
}
