//! JSON that other programs answer, read into a tree.

use std::borrow::Cow;

use hifijson::token::Lex;
use hifijson::{SliceLexer, value};

pub(super) type Value<'a> = value::Value<&'a str, Cow<'a, str>>;

/// Deepest nesting of an answer: each level takes a piece of the stack.
const DEPTH_MAX: usize = 32;

/// The value that is the whole of `json`.
pub(super) fn parse(json: &[u8]) -> Option<Value<'_>> {
    let mut lexer = SliceLexer::new(json);
    let parsed = lexer.exactly_one(Lex::ws_peek, |next, lexer| {
        value::parse_bounded(DEPTH_MAX, next, lexer)
    });
    parsed.ok()
}

/// The first field of this name.
pub(super) fn field<'a, 'v>(value: &'a Value<'v>, name: &str) -> Option<&'a Value<'v>> {
    let Value::Object(fields) = value else {
        return None;
    };
    let mut named = fields.iter().filter(|(key, _)| key == name);
    named.next().map(|(_, value)| value)
}

/// The first field of this name, if it is a string.
pub(super) fn text<'a>(value: &'a Value<'_>, name: &str) -> Option<&'a str> {
    match field(value, name)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// The first field of this name, if it is a number: as it is written.
pub(super) fn number<'a>(value: &Value<'a>, name: &str) -> Option<&'a str> {
    match field(value, name)? {
        Value::Number((number, _)) => Some(number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn deep_nesting_is_refused_and_not_followed() {
        for open in [b"[".as_slice(), b"{\"a\":"] {
            assert!(parse(&open.repeat(100_000)).is_none());
        }
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(DEPTH_MAX).as_bytes()).is_some());
        assert!(parse(nested(DEPTH_MAX + 1).as_bytes()).is_none());
    }

    #[test]
    fn fields_are_found_by_name_and_kind() {
        let value =
            parse(br#" {"a": "b\u00e9", "n": -1.5e3, "a": "later", "o": {"a": 1}} "#).unwrap();
        assert_eq!(
            (text(&value, "a"), number(&value, "a")),
            (Some("b\u{e9}"), None)
        );
        assert_eq!(
            (text(&value, "n"), number(&value, "n")),
            (None, Some("-1.5e3"))
        );
        assert_eq!(number(field(&value, "o").unwrap(), "a"), Some("1"));
        assert!(field(&value, "x").is_none() && field(&parse(b"[1]").unwrap(), "a").is_none());
    }

    /// As serde_json would have read it, which refuses numbers that are too large for it.
    fn shown(value: &Value<'_>) -> Option<serde_json::Value> {
        Some(match value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(yes) => (*yes).into(),
            Value::Number((number, _)) => serde_json::from_str(number).ok()?,
            Value::String(text) => text.as_ref().into(),
            Value::Array(entries) => entries.iter().map(shown).collect::<Option<_>>()?,
            Value::Object(fields) => {
                let field =
                    |(name, value): &(_, _)| Some((ToString::to_string(name), shown(value)?));
                serde_json::Value::Object(fields.iter().map(field).collect::<Option<_>>()?)
            }
        })
    }

    /// Pieces of which much is JSON.
    const PIECES: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\"",
        "\"\\u00e9\\n\"",
        "\"\\ud800\"",
        "1",
        "-0.5e2",
        "01",
        "true",
        "nul",
        "null",
        " ",
        "\"\u{e9}\"",
        "\"\n\"",
    ];

    proptest! {
        #[test]
        fn it_reads_what_serde_json_reads(
            pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..9),
        ) {
            let json = pieces.concat();
            let oracle = serde_json::from_str::<serde_json::Value>(&json).ok();
            prop_assert_eq!(parse(json.as_bytes()).as_ref().and_then(shown), oracle, "{}", json);
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }
    }
}
