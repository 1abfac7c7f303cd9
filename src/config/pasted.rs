//! Values as people paste them: what a page, an editor or an env file leaves around them is no part of them.

/// The quotes that env files keep, and those that word processors put in their place.
const QUOTES: [(char, char); 5] = [
    ('"', '"'),
    ('\'', '\''),
    ('`', '`'),
    ('\u{201c}', '\u{201d}'),
    ('\u{2018}', '\u{2019}'),
];

/// The value without surrounding white space and invisible characters, and without one pair of quotes.
pub(crate) fn clean(text: &str) -> &str {
    let text = trim(text);
    for (open, close) in QUOTES {
        let inner = text.strip_prefix(open);
        // `"a","b"` is two values in quotes, not one.
        if let Some(inner) = inner.and_then(|inner| inner.strip_suffix(close))
            && !inner.contains([open, close])
        {
            return trim(inner);
        }
    }
    text
}

fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || is_invisible(c))
}

/// A byte order mark, a zero-width character, or a mark of text direction: copied along unnoticed.
pub(super) const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_surrounds_a_value_is_taken_off() {
        for text in [
            "a b",
            " a b\r\n",
            "\u{feff}a b",
            "\u{200b}\u{a0}a b\u{2060}\t",
            "\"a b\"",
            "'a b'\n",
            " \u{201c} a b \u{201d} ",
            "\u{2018}a b\u{2019}",
            "`a b`",
            "\u{feff}\"\u{feff}a b\"",
        ] {
            assert_eq!(clean(text), "a b", "{text:?}");
        }
    }

    #[test]
    fn only_one_whole_pair_of_quotes_is_taken_off() {
        for text in ["\"a\",\"b\"", "\"a", "a'", "\"a'", "\"", "'\"a\"", "it's"] {
            assert_eq!(clean(text), text);
        }
        assert_eq!(clean("\"'a'\""), "'a'");
        assert_eq!(clean("\"\""), "");
    }

    proptest! {
        #[test]
        fn what_is_left_is_a_part_and_begins_and_ends_visibly(text in "[\"' a\u{feff}\u{200b}]{0,8}") {
            let left = clean(&text);
            prop_assert!(text.contains(left));
            prop_assert_eq!(trim(left), left);
        }
    }
}
