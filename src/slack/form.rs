//! `application/x-www-form-urlencoded`, read in place.
//!
//! A slash command has a dozen fields and the bot wants three, so pairs are found in the raw content
//! and only a wanted value is decoded. The rules are the parser of the WHATWG URL Standard, section
//! 5.1 (<https://url.spec.whatwg.org/#urlencoded-parsing>), short of its last step: what is decoded
//! here is bytes, and whether they must be UTF-8 is the caller's to say.

/// The value of the first pair called `name`, still encoded.
#[must_use]
pub fn find<'a>(content: &'a [u8], name: &str) -> Option<&'a [u8]> {
    pairs(content)
        .find(|&(raw_name, _)| name_is(raw_name, name))
        .map(|(_, value)| value)
}

/// The pairs of `content` in their order, both halves still encoded.
#[must_use]
pub fn pairs(content: &[u8]) -> Pairs<'_> {
    Pairs { rest: content }
}

/// Whether `raw_name` decodes to `name`; `%74ext` is `text`.
#[must_use]
pub fn name_is(raw_name: &[u8], name: &str) -> bool {
    // The second comparison ends at the first byte that differs, nearly always the first.
    raw_name == name.as_bytes() || Decoded(raw_name).eq(name.bytes())
}

/// Appends `raw` decoded: `+` is a space, `%XX` a byte, and a `%` without two hexadecimal digits is
/// itself.
pub fn decode_into(raw: &[u8], out: &mut Vec<u8>) {
    let (plain, escaped) = raw.split_at(position_or_len(b'%', raw));
    out.reserve(raw.len());
    let unplus = |&byte: &u8| if byte == b'+' { b' ' } else { byte };
    out.extend(plain.iter().map(unplus));
    out.extend(Decoded(escaped));
}

/// Iterator over the raw (name, value) pairs of a form; see [`pairs`].
#[derive(Clone, Debug)]
pub struct Pairs<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        // What is left begins with the `&` that ended the last pair; more of them are empty pairs.
        while let [b'&', rest @ ..] = self.rest {
            self.rest = rest;
        }
        if self.rest.is_empty() {
            return None;
        }
        let (pair, rest) = self.rest.split_at(position_or_len(b'&', self.rest));
        let (name, value) = pair.split_at(position_or_len(b'=', pair));
        // A pair without `=` is a name with an empty value.
        let value = value.get(1..).unwrap_or_default();
        self.rest = rest;
        Some((name, value))
    }
}

/// The position of the first `needle`, or the length: eight bytes a step.
fn position_or_len(needle: u8, bytes: &[u8]) -> usize {
    const LOW: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);

    let needles = u64::from_ne_bytes([needle; 8]);
    let (words, tail) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        // A needle is a zero byte here. The borrow can mark bytes after it falsely, never before.
        let zeros = u64::from_le_bytes(*word) ^ needles;
        let marks = zeros.wrapping_sub(LOW) & !zeros & HIGH;
        if marks != 0 {
            return index * 8 + marks.trailing_zeros() as usize / 8;
        }
    }
    let in_tail = tail
        .iter()
        .position(|&byte| byte == needle)
        .unwrap_or(tail.len());
    words.len() * 8 + in_tail
}

/// The decoded bytes of a raw name or value, one by one.
struct Decoded<'a>(&'a [u8]);

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (byte, rest) = match self.0 {
            [b'%', high, low, rest @ ..] => match (hex_digit(*high), hex_digit(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, rest),
                _ => (b'%', &self.0[1..]),
            },
            [b'+', rest @ ..] => (b' ', rest),
            [byte, rest @ ..] => (*byte, rest),
            [] => return None,
        };
        self.0 = rest;
        Some(byte)
    }
}

const fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(raw: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        decode_into(raw, &mut out);
        out
    }

    fn decoded_pairs(content: &[u8]) -> Vec<(String, String)> {
        let text = |raw| String::from_utf8_lossy(&decoded(raw)).into_owned();
        pairs(content)
            .map(|(name, value)| (text(name), text(value)))
            .collect()
    }

    #[test]
    fn pairs_are_split_as_the_standard_has_it() {
        let raw: Vec<_> = pairs(b"&&a=1&b&=2&=&c=3=4&").collect();
        let expected: [(&[u8], &[u8]); 5] = [
            (b"a", b"1"),
            (b"b", b""),
            (b"", b"2"),
            (b"", b""),
            (b"c", b"3=4"),
        ];
        assert_eq!(raw, expected);
        assert_eq!(pairs(b"").next(), None);
        assert_eq!(pairs(b"&&&").next(), None);
    }

    #[test]
    fn a_malformed_escape_stays_literal() {
        assert_eq!(decoded(b"a+b%2Bc%2b"), b"a b+c+");
        assert_eq!(decoded(b"%"), b"%");
        assert_eq!(decoded(b"%4"), b"%4");
        assert_eq!(decoded(b"%zz%4g%%41%+1"), b"%zz%4g%A% 1");
        assert_eq!(decoded(b"%00%FF"), [0x00, 0xff]);
    }

    #[test]
    fn the_first_of_equal_names_is_found_however_it_is_spelt() {
        let content = b"te%78=no&%74ext=first&text=second&textual=no";
        assert_eq!(find(content, "text"), Some(&b"first"[..]));
        assert_eq!(find(content, "tex"), Some(&b"no"[..]));
        assert_eq!(find(content, "absent"), None);
        assert_eq!(find(b"text", "text"), Some(&b""[..]));
        assert!(name_is(b"a+b", "a b"));
        assert!(!name_is(b"a%2", "a"));
        assert!(!name_is(b"", "text"));
    }

    proptest! {
        #[test]
        fn agrees_with_form_urlencoded_on_any_bytes(
            content in proptest::collection::vec(
                prop_oneof![proptest::sample::select(&b"&=+%4aF"[..]), any::<u8>()],
                0..200,
            ),
        ) {
            let oracle: Vec<_> = form_urlencoded::parse(&content).into_owned().collect();
            prop_assert_eq!(decoded_pairs(&content), oracle);
        }

        #[test]
        fn reads_back_what_form_urlencoded_writes(
            form in proptest::collection::vec((any::<String>(), any::<String>()), 0..12),
        ) {
            let content = form_urlencoded::Serializer::new(String::new()).extend_pairs(&form).finish();
            prop_assert_eq!(decoded_pairs(content.as_bytes()), form.clone());
            for (name, _) in &form {
                let first = form.iter().find(|(other, _)| other == name).map(|(_, value)| value);
                let found = find(content.as_bytes(), name).map(decoded);
                prop_assert_eq!(found.as_deref(), first.map(String::as_bytes));
            }
        }

        #[test]
        fn the_search_by_words_finds_the_first(
            bytes in proptest::collection::vec(
                prop_oneof![3 => any::<u8>(), 1 => proptest::sample::select(&b"&%'\xa6"[..])],
                0..64,
            ),
        ) {
            let plain = bytes.iter().position(|&byte| byte == b'&').unwrap_or(bytes.len());
            prop_assert_eq!(position_or_len(b'&', &bytes), plain);
        }
    }
}
