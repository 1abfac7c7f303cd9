//! Names of emoji, such as `:wave:`.
//!
//! Slack delivers an emoji in a command's text by its name, whatever the app's escaping option says
//! (<https://github.com/slackapi/bolt-js/issues/1469>), and names are localised: `:チェックマーク_緑:`.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

/// Longest name that is taken for one, in characters.
const NAME_CHARS_MAX: usize = 100;

/// What the name of a modifier begins with; it belongs to the emoji before it.
const MODIFIER: &str = "skin-tone-";

/// Where names stand in `text`, colons included, from the first to the last. A name and its modifiers are one.
///
/// A colon belongs to one name only, the earlier one, as Slack reads it: `:warning:note:` is an emoji and
/// `note:`. In a path such as `std::io::Read`, no part is a name.
pub(super) fn names(text: &str) -> Vec<Range<usize>> {
    let mut names: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while let Some(open) = text[at..].find(':').map(|found| at + found) {
        let start = open + 1;
        let close = start + word_bytes(&text[start..]);
        let taken = names.last().map_or(0, |name| name.end);
        at = close;
        if !is_named(text, start, close) {
            continue;
        }
        if begins_after_path(&text[taken..open])
            && let Some(end) = path_end(text, close)
        {
            at = end;
            continue;
        }
        at = close + 1;
        match names.last_mut() {
            Some(name) if name.end == open && text[start..].starts_with(MODIFIER) => name.end = at,
            _ => names.push(open..at),
        }
    }
    names
}

/// Whether a colon stands at `close`, and what is before it from `start` on is a name.
fn is_named(text: &str, start: usize, close: usize) -> bool {
    let Some(after) = text[close..].strip_prefix(':') else {
        return false;
    };
    // A mark belongs to the character before it: a colon that has one ends no name.
    let next = after.chars().next();
    if next.is_some_and(is_mark) {
        return false;
    }
    let word = &text[start..close];
    let is_number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let before = text[..start - 1].chars().next_back();
    // `:100:` is an emoji, `10:30:45` is a time.
    let stands_alone = || !before.into_iter().chain(next).any(char::is_alphanumeric);
    is_lettered(word) || is_number && stands_alone()
}

/// Whether a word is the name of an emoji wherever it stands between two colons.
fn is_lettered(word: &str) -> bool {
    let is_letter = |c: char| c.is_alphabetic() || matches!(c, '+' | '-');
    word.chars().any(is_letter) && word.chars().nth(NAME_CHARS_MAX).is_none()
}

/// Whether the text before a colon ends with one that is free, behind a letter or a digit.
fn begins_after_path(before: &str) -> bool {
    let word = before.strip_suffix(':');
    let last = word.and_then(|word| word.chars().next_back());
    last.is_some_and(char::is_alphanumeric)
}

/// Where a path ends whose part before the colon at `close` looks like a name; `None` if a single colon ends
/// it, so that it was no path but a word and a colon with emoji behind them: `note::tada::tada:`.
fn path_end(text: &str, mut close: usize) -> Option<usize> {
    loop {
        let next = text[close..].strip_prefix("::")?;
        if !next.chars().next().is_some_and(char::is_alphanumeric) {
            return None;
        }
        let is_part = |c: char| is_name_char(c) || c.is_alphanumeric();
        let len = next.find(|c| !is_part(c)).unwrap_or(next.len());
        let (part, after) = next.split_at(len);
        close += "::".len() + len;
        if !after.starts_with(':') || word_bytes(part) < len || !is_lettered(part) {
            return Some(close);
        }
    }
}

/// How many bytes a name could have that begins here.
fn word_bytes(text: &str) -> usize {
    if text.chars().next().is_some_and(is_mark) {
        return 0;
    }
    text.find(|c| !is_name_char(c)).unwrap_or(text.len())
}

fn is_name_char(c: char) -> bool {
    match c {
        'a'..='z' | '0'..='9' | '_' | '-' | '+' | '\'' => true,
        _ if c.is_ascii() => false,
        _ => c.is_alphanumeric() && !c.is_uppercase() || is_mark(c),
    }
}

/// Whether `c` joins the character before it in one cluster (Unicode Annex #29).
fn is_mark(c: char) -> bool {
    let mut pair = [b'a'; 5];
    let end = 1 + c.encode_utf8(&mut pair[1..]).len();
    let pair = std::str::from_utf8(&pair[..end]);
    !c.is_ascii() && pair.is_ok_and(|pair| pair.graphemes(true).count() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let found: Vec<&str> = names(text).into_iter().map(|name| &text[name]).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn names_are_found_beside_anything() {
        for name in [
            ":smile:",
            ":+1:",
            ":-1:",
            ":flag-fr:",
            ":1st_place_medal:",
            ":8ball:",
            ":o'clock:",
            ":piñata:",
            ":チェックマーク_緑:",
            ":улыбка:",
            ":n\u{303}u:",
            ":हिन्दी:",
            ":100:",
            ":1234:",
            ":wave::skin-tone-3:",
            ":handshake::skin-tone-2::skin-tone-6:",
        ] {
            check(name, &[name]);
            check(&format!("({name}) {name}, 'x' {name}"), &[name; 3]);
        }
        check("hello:wave:world", &[":wave:"]);
        check("&lt;:wave:&gt;", &[":wave:"]);
    }

    #[test]
    fn what_only_looks_like_a_name_is_text() {
        for text in [
            "",
            ":",
            "::",
            ":::",
            ": :",
            "a:b",
            "10:30",
            "10:30:45",
            "at 10:30:45.",
            "x:100:",
            ":100:x",
            "é:100:",
            ":_:",
            ":1_2:",
            ":Smile:",
            ":smilé\u{301}É:",
            ":sm ile:",
            ":smile",
            "smile:",
            ":smile:\u{301}",
            ":\u{301}smile:",
            ":\u{1f600}:",
            ":1\u{fe0f}\u{20e3}:",
            "std::io::Read",
            "std::io::Read: it failed",
            "Foo::bar::Baz::new()",
            "a::b::c",
            "::io::",
        ] {
            let expected: &[&str] = if text == "::io::" { &[":io:"] } else { &[] };
            check(text, expected);
        }
        check(&format!(":{}:", "a".repeat(101)), &[]);
        let longest = format!(":{}:", "a".repeat(100));
        check(&longest, &[&longest]);
    }

    #[test]
    fn a_colon_belongs_to_the_earlier_name() {
        check(":warning:note: careful", &[":warning:"]);
        check(":a:b:c:", &[":a:", ":c:"]);
        check(":tada::tada::tada:", &[":tada:"; 3]);
        check("note::tada::tada:", &[":tada:"; 2]);
        check(":tada::tada::note", &[":tada:"; 2]);
        check("see :::tada:::", &[":tada:"]);
        check(":Bad:tada:", &[":tada:"]);
        check(":10:tada:", &[":tada:"]);
    }

    /// Quadratic work on any of these would take minutes, not milliseconds.
    #[test]
    fn long_text_takes_linear_time() {
        for unit in [
            ":", "a", ":a", "a:", "::a", "a::", "a::b:c", "::A", ":1", "é:", ":\u{301}", ":a:B",
        ] {
            let text = unit.repeat(200 * 1024 / unit.len());
            assert!(names(&text).len() < text.len(), "{unit:?}");
            assert!(names(&format!("x::{text}")).len() < text.len(), "{unit:?}");
        }
    }
}
