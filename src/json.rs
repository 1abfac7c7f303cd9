//! Finds a member of a JSON object (RFC 8259) without parsing the whole text.

/// What stands behind the colon of the first member of this name, if the text begins as an object and has one. Members of
/// objects within it do not count.
#[must_use]
pub(crate) fn member<'a>(object: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut rest = object.trim_ascii_start().strip_prefix(b"{")?;
    let mut depth = 1;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 1 => return None,
            b'}' | b']' => depth -= 1,
            b'"' => {
                let len = string_len(rest);
                let (text, after) = (&rest[..len], rest.get(len + 1..).unwrap_or_default());
                let value = after.trim_ascii_start().strip_prefix(b":");
                if let (1, Some(value)) = (depth, value)
                    && text == name.as_bytes()
                {
                    return Some(value.trim_ascii_start());
                }
                rest = after;
            }
            _ => {}
        }
    }
    None
}

/// How long a string is up to its closing quote, or to the end if there is none.
fn string_len(text: &[u8]) -> usize {
    let mut is_escaped = false;
    let end = text.iter().position(|&byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    });
    end.unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_found_at_the_top_and_not_deeper() {
        for (object, value) in [
            (r#"{"ok":false}"#, Some("false}")),
            (
                " { \"a\":{\"ok\":1}, \"\\\"\":[\"}\"],\t\"ok\" : 2 }",
                Some("2 }"),
            ),
            (r#"{"error":"ok","ok":"x"}"#, Some(r#""x"}"#)),
            (r#"{"a":{"ok":1}}"#, None),
            (r#"{}{"ok":1}"#, None),
            (r#"["ok"]"#, None),
            (r#""ok":1"#, None),
            (r#"{"ok"#, None),
            ("", None),
        ] {
            let found = member(object.as_bytes(), "ok");
            assert_eq!(found, value.map(str::as_bytes), "{object}");
        }
    }
}
