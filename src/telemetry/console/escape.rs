//! Log text that cannot forge a line nor drive a terminal.

use std::fmt::{self, Write};

/// What is put behind text that was cut.
const CUT: char = '…';

/// Appends what is formatted to a string, escaped and at most `bytes_max` bytes of it.
pub(super) struct Escaped<'a> {
    out: &'a mut String,
    bytes_max: usize,
}

impl<'a> Escaped<'a> {
    /// Counts what `out` holds already; the cut's mark comes on top.
    pub(super) fn new(out: &'a mut String, bytes_max: usize) -> Self {
        Self { out, bytes_max }
    }

    fn push(&mut self, text: &str) -> fmt::Result {
        if self.out.len() + text.len() <= self.bytes_max {
            self.out.push_str(text);
            return Ok(());
        }
        let room = self.bytes_max.saturating_sub(self.out.len());
        let end = (0..=room)
            .rev()
            .find(|end| text.is_char_boundary(*end))
            .unwrap_or(0);
        self.out.push_str(&text[..end]);
        self.out.push(CUT);
        // The formatter gives up, which spares it the rest.
        Err(fmt::Error)
    }
}

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((at, unsafe_char)) = rest.char_indices().find(|(_, c)| is_unsafe(*c)) {
            self.push(&rest[..at])?;
            let mut utf8 = [0; 4];
            for escape in unsafe_char.escape_default() {
                self.push(escape.encode_utf8(&mut utf8))?;
            }
            rest = &rest[at + unsafe_char.len_utf8()..];
        }
        self.push(rest)
    }
}

/// The whole text, escaped.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // Without a limit nothing is cut, and a string takes everything.
    let _ = Escaped::new(&mut out, usize::MAX).write_str(text);
    out
}

/// C0, DEL and C1 control characters; line and paragraph separators; what turns the direction of
/// the text behind it (Unicode Standard Annex 9, section 2).
const fn is_unsafe(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}'
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn escape(text: &str, bytes_max: usize) -> String {
        let mut out = String::new();
        let _ = Escaped::new(&mut out, bytes_max).write_str(text);
        out
    }

    #[test]
    fn plain_text_stays_as_it_is() {
        for text in ["", "plain", "é 👍🏽 👨‍👩‍👧 🇫🇷", "back\\slash \"quoted\"", "עברית"]
        {
            assert_eq!(escape(text, 100), text);
        }
    }

    #[test]
    fn what_could_forge_or_steer_is_escaped() {
        for (text, expected) in [
            ("a\nb", "a\\nb"),
            ("\r\n\t", "\\r\\n\\t"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("\0\u{7f}\u{9b}", "\\u{0}\\u{7f}\\u{9b}"),
            ("a\u{202e}b\u{2069}", "a\\u{202e}b\\u{2069}"),
            ("\u{2028}\u{200f}", "\\u{2028}\\u{200f}"),
        ] {
            assert_eq!(escape(text, 100), expected);
            assert_eq!(escaped(text), expected);
        }
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(escape("abcdef", 6), "abcdef");
        assert_eq!(escape("abcdefg", 6), "abcdef…");
        assert_eq!(escape("aéé", 4), "aé…");
        assert_eq!(escape("\n\n\n", 5), "\\n\\n\\…");
        let mut out = String::new();
        let (first, second) = ("abc", "def");
        assert!(write!(Escaped::new(&mut out, 4), "{first}{second}").is_err());
        assert_eq!(out, "abcd…");
    }

    proptest! {
        #[test]
        fn nothing_unsafe_is_left_and_the_limit_holds(text in any::<String>(), bytes_max in 0..64usize) {
            let escaped = escape(&text, bytes_max);
            prop_assert!(!escaped.contains(is_unsafe));
            prop_assert!(escaped.len() <= bytes_max + CUT.len_utf8());
        }
    }
}
