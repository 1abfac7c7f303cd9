//! A message as Slack accepts it: in the answer to a command, and at its `response_url`.

/// A message: text, and who sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Who sees it.
    pub visibility: Visibility,
    /// In Slack's markup; see [`markup`](super::markup).
    pub text: &'a str,
}

/// Who sees a message: Slack's `response_type`
/// (<https://docs.slack.dev/interactivity/handling-user-interaction>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Visibility {
    /// Slack's default, which is that of [`Ephemeral`](Self::Ephemeral).
    #[default]
    Default,
    /// Only the person who typed the command.
    Ephemeral,
    /// Everyone in the conversation.
    InChannel,
}

/// An acknowledgement after which Slack shows everyone what was typed, and by whom; a later reply alone does not
/// (<https://docs.slack.dev/interactivity/implementing-slash-commands>).
const SHOWN: &str = r#"{"response_type":"in_channel"}"#;

impl Visibility {
    /// The content of the acknowledgement of a command whose reply is to be seen so; JSON, unless it is empty.
    #[must_use]
    pub const fn acknowledgement(self) -> &'static str {
        match self {
            Self::Default | Self::Ephemeral => "",
            Self::InChannel => SHOWN,
        }
    }

    /// The JSON object up to the text's opening quote.
    const fn opening(self) -> &'static str {
        match self {
            Self::Default => r#"{"text": ""#,
            Self::Ephemeral => r#"{"response_type": "ephemeral", "text": ""#,
            Self::InChannel => r#"{"response_type": "in_channel", "text": ""#,
        }
    }
}

/// A message that only the person who typed the command sees, as JSON.
pub(crate) fn ephemeral(text: &str) -> Vec<u8> {
    let mut json = Vec::new();
    Message {
        visibility: Visibility::Ephemeral,
        text,
    }
    .append_json(&mut json);
    json
}

impl Message<'_> {
    /// Appends the message as a JSON object, in one spelling: the same message is the same bytes.
    pub fn append_json(&self, out: &mut Vec<u8>) {
        const CLOSING: &[u8] = b"\"}";

        let opening = self.visibility.opening().as_bytes();
        out.reserve(opening.len() + self.text.len() + CLOSING.len());
        out.extend_from_slice(opening);
        append_escaped(self.text.as_bytes(), out);
        out.extend_from_slice(CLOSING);
    }
}

/// A JSON string, quotes included.
pub(crate) fn json_string(text: &str) -> String {
    let mut json = vec![b'"'];
    append_escaped(text.as_bytes(), &mut json);
    json.push(b'"');
    String::from_utf8_lossy(&json).into_owned()
}

/// Appends the inside of a JSON string, by RFC 8259, section 7.
fn append_escaped(mut text: &[u8], out: &mut Vec<u8>) {
    loop {
        let clean = text.iter().position(|&byte| needs_escape(byte));
        let (clean, rest) = text.split_at(clean.unwrap_or(text.len()));
        out.extend_from_slice(clean);
        let [byte, rest @ ..] = rest else { return };
        append_escape(*byte, out);
        text = rest;
    }
}

const fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn append_escape(byte: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";

    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 0xf)]);
            return out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slack::markup::tests::text_of;
    use proptest::prelude::*;

    fn json(visibility: Visibility, text: &str) -> String {
        let mut out = Vec::new();
        Message { visibility, text }.append_json(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_spelling_is_fixed() {
        assert_eq!(json(Visibility::Default, "olleh"), r#"{"text": "olleh"}"#);
        assert_eq!(
            json(Visibility::Ephemeral, ""),
            r#"{"response_type": "ephemeral", "text": ""}"#
        );
        assert_eq!(
            json(Visibility::InChannel, "👍🏽"),
            r#"{"response_type": "in_channel", "text": "👍🏽"}"#
        );
    }

    #[test]
    fn escapes_what_json_forbids_and_nothing_else() {
        assert_eq!(
            json(Visibility::Default, "\"\\/\n\r\t\0\x1f\x7f\u{2028}&lt;é"),
            "{\"text\": \"\\\"\\\\/\\n\\r\\t\\u0000\\u001f\x7f\u{2028}&lt;é\"}"
        );
    }

    /// With a long run that needs no escape, and both ends of what must be escaped.
    const FRAGMENTS: &[&str] = &[
        "a run of thirty-three clean bytes",
        "é",
        "a",
        "\"",
        "\\",
        "/",
        "\n",
        "\r",
        "\t",
        "\0",
        "\x1f",
        " ",
        "\x7f",
        "\u{2028}",
    ];

    proptest! {
        #[test]
        fn serde_json_reads_it_back(
            visibility in proptest::sample::select(
                &[Visibility::Default, Visibility::Ephemeral, Visibility::InChannel][..],
            ),
            text in text_of(FRAGMENTS),
        ) {
            let parsed: serde_json::Value = serde_json::from_str(&json(visibility, &text)).unwrap();
            let expected = match visibility {
                Visibility::Default => serde_json::json!({"text": text}),
                Visibility::Ephemeral => {
                    serde_json::json!({"response_type": "ephemeral", "text": text})
                }
                Visibility::InChannel => {
                    serde_json::json!({"response_type": "in_channel", "text": text})
                }
            };
            prop_assert_eq!(parsed, expected);
        }
    }
}
