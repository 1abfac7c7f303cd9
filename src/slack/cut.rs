//! Texts that are longer than Slack wants them are cut, where a reader can bear it.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation;

use super::markup::{self, Unit};

/// Slack advises against longer texts, and splits or cuts them at places of its own
/// (docs.slack.dev/reference/methods/chat.postMessage).
pub(crate) const TEXT_CHARS_MAX: usize = 4_000;

/// Of a longer text this much is looked at: as many characters of four bytes, and a sequence that begins in the last one.
const BYTES_LOOKED_AT: usize = 32 * 1024;

/// A text in Slack's markup, cut with a note if it is too long. No control sequence, entity or grapheme cluster is cut in
/// two.
#[must_use]
pub(crate) fn cut(text: &str) -> Cow<'_, str> {
    if text.len() <= TEXT_CHARS_MAX {
        return Cow::Borrowed(text);
    }
    let chars = text.chars().count();
    if chars <= TEXT_CHARS_MAX {
        return Cow::Borrowed(text);
    }
    let note = format!("…\n_Cut here: the text has {chars} characters._");
    let mut left = TEXT_CHARS_MAX - note.chars().count();
    let mut out = String::with_capacity(text.len().min(BYTES_LOOKED_AT));
    let mut ends = (0..=text.len().min(BYTES_LOOKED_AT)).rev();
    let looked_at = ends.find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    for unit in markup::units(&text[..looked_at]) {
        let is_whole = match unit {
            Unit::Text(run) => push_all(run, &mut left, &mut out),
            Unit::Emoji(piece) | Unit::Mention(piece) | Unit::Token(piece) | Unit::Ping(piece) => {
                push(piece, &mut left, &mut out)
            }
        };
        if !is_whole {
            break;
        }
    }
    out.push_str(&note);
    Cow::Owned(out)
}

/// Appends as much of plain text as there is room for, and tells whether that is all.
fn push_all(run: &str, left: &mut usize, out: &mut String) -> bool {
    let mut rest = run;
    while !rest.is_empty() {
        let entity = ["&amp;", "&lt;", "&gt;"];
        let entity = entity.into_iter().find(|entity| rest.starts_with(entity));
        let first = || rest.graphemes(true).next().unwrap_or(rest);
        let piece = entity.unwrap_or_else(first);
        if !push(piece, left, out) {
            return false;
        }
        rest = &rest[piece.len()..];
    }
    true
}

fn push(piece: &str, left: &mut usize, out: &mut String) -> bool {
    let room = left.checked_sub(piece.chars().count());
    if let Some(room) = room {
        out.push_str(piece);
        *left = room;
    }
    room.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slack::markup::tests::text_of;
    use proptest::prelude::*;

    #[test]
    fn what_is_not_too_long_stays_as_it_is() {
        for text in ["", "a", &"a".repeat(4_000), &"é".repeat(4_000)] {
            assert!(matches!(cut(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn nothing_is_cut_in_two() {
        let room = 4_000
            - "…\n_Cut here: the text has 4004 characters._"
                .chars()
                .count();
        for (piece, is_there) in [
            ("a", true),
            ("&amp;", false),
            ("<@U1>", false),
            (":+1:", false),
            ("👨‍👩‍👧", false),
        ] {
            let before = "x".repeat(room - 1);
            let text = format!("{before}{piece}{}", "y".repeat(4_004 - room));
            let shown = cut(&text);
            assert_eq!(shown.contains(piece), is_there, "{shown}");
            assert!(shown.starts_with(&before), "{piece}");
            assert!(shown.ends_with("characters._"), "{piece}");
        }
        let endless = format!("<https://{}>", "a".repeat(1_000_000));
        assert_eq!(cut(&endless).chars().count(), 4_000);
    }

    const FRAGMENTS: &[&str] = &[
        "&amp;",
        "<@U123|bob>",
        "👨‍👩‍👧",
        ":+1:",
        "a",
        "<",
        "&",
        "🇫🇷",
        "\u{301}",
    ];

    proptest! {
        #[test]
        fn it_is_never_too_long_and_begins_as_the_text(text in text_of(FRAGMENTS), times in 1_usize..3_000) {
            let text = text.repeat(times);
            let shown = cut(&text);
            prop_assert!(shown.chars().count() <= TEXT_CHARS_MAX);
            let (begin, _) = shown.rsplit_once("…\n").unwrap_or((&shown, ""));
            prop_assert!(text.starts_with(begin));
        }
    }
}
