//! `application/x-www-form-urlencoded`, read in place.
//!
//! A slash command has a dozen fields and the bot wants three, so pairs are found in the raw content
//! and only a wanted value is decoded. The rules are the parser of the WHATWG URL Standard, section
//! 5.1 (<https://url.spec.whatwg.org/#urlencoded-parsing>), short of its last step: what is decoded
//! here is bytes, and whether they must be UTF-8 is the caller's to say.

use memchr::memchr;

/// The value of the first pair called `name`, still encoded.
#[must_use]
pub fn find<'a>(content: &'a [u8], name: &str) -> Option<&'a [u8]> {
    pairs(content).find_map(|pair| pair.value_of(name))
}

/// The pairs of `content` in their order, still encoded.
#[must_use]
pub const fn pairs(content: &[u8]) -> Pairs<'_> {
    Pairs { rest: content }
}

/// Decodes `raw` to the front of `out`, which is at least as long, and gives the length: `+` is a space, `%XX` a byte, and a
/// `%` without two hexadecimal digits is itself.
///
/// Eight bytes at a time up to the next `%`: what people type has a space after each word, and a `response_url` an escape
/// for each slash, so that a search for the next of them costs more than all between (`benches/count`).
pub fn decode(mut raw: &[u8], out: &mut [u8]) -> usize {
    let mut len = 0;
    loop {
        if let Some(eight) = raw.first_chunk()
            && raw[0] != b'%'
        {
            let (spaced, plain) = spaced(*eight);
            out[len..len + 8].copy_from_slice(&spaced); // those from the escape on are overwritten
            len += plain;
            raw = &raw[plain..];
        } else if let Some((byte, rest)) = decode_first(raw) {
            out[len] = byte;
            len += 1;
            raw = rest;
        } else {
            return len;
        }
    }
}

/// Eight bytes with a space in place of each `+`, and how many of them stand before the first `%`.
fn spaced(bytes: [u8; 8]) -> ([u8; 8], usize) {
    const LOW_BITS: u64 = u64::from_ne_bytes([0x7f; 8]);
    let word = u64::from_le_bytes(bytes);
    // The first bit of each byte that is this one, and no other bit: no byte's sum carries into the next.
    let equal = |byte: u8| {
        let difference = word ^ u64::from_ne_bytes([byte; 8]);
        !(((difference & LOW_BITS) + LOW_BITS) | difference | LOW_BITS)
    };
    let swapped = (equal(b'+') >> 7) * u64::from(b'+' ^ b' ');
    let plain = equal(b'%').trailing_zeros() / 8;
    ((word ^ swapped).to_le_bytes(), plain as usize)
}

/// The bytes of `raw`, decoded one by one.
pub fn decoded(mut raw: &[u8]) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let (byte, rest) = decode_first(raw)?;
        raw = rest;
        Some(byte)
    })
}

/// Iterator over the pairs of a form; see [`pairs`].
#[derive(Clone, Debug)]
pub struct Pairs<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Pair<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        // A pair is not empty (step 3.1 of the parser).
        while let [b'&', rest @ ..] = self.rest {
            self.rest = rest;
        }
        if self.rest.is_empty() {
            return None;
        }
        let (pair, rest) = match memchr(b'&', self.rest) {
            Some(end) => (&self.rest[..end], &self.rest[end + 1..]),
            None => (self.rest, &[][..]),
        };
        self.rest = rest;
        Some(Pair(pair))
    }
}

/// `name=value`, or a name alone, as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair<'a>(&'a [u8]);

impl<'a> Pair<'a> {
    /// The first byte of the name, its escape undone.
    pub(super) fn initial(self) -> Option<u8> {
        match self.0 {
            [b'%', ..] => decode_first(self.0).map(|(byte, _)| byte),
            [byte, ..] => Some(*byte),
            [] => None,
        }
    }

    /// The value, still encoded, if the name decodes to `name`: `%74ext` is `text`. A pair without `=` has an empty one.
    ///
    /// Inlined, so that a name that is known when this is compiled is compared as a few words.
    #[must_use]
    #[inline(always)]
    pub fn value_of(self, name: &str) -> Option<&'a [u8]> {
        if let Some((start, rest)) = self.0.split_at_checked(name.len())
            && is_plain(name)
        {
            if start == name.as_bytes() {
                return value(rest);
            }
            if !has_escape(start) {
                return None;
            }
        }
        self.value_of_escaped(name)
    }

    /// The same, whichever bytes of the name are escaped.
    #[cold]
    fn value_of_escaped(self, name: &str) -> Option<&'a [u8]> {
        let mut raw = self.0;
        for &expected in name.as_bytes() {
            raw = match raw {
                [b'=', ..] => return None,
                _ => match decode_first(raw)? {
                    (byte, rest) if byte == expected => rest,
                    _ => return None,
                },
            };
        }
        value(raw)
    }
}

/// Whether a name can be written in one way without escapes: as it is.
const fn is_plain(name: &str) -> bool {
    let (bytes, mut at) = (name.as_bytes(), 0);
    while at < bytes.len() {
        if matches!(bytes[at], b'%' | b'+' | b'=' | b' ') {
            return false;
        }
        at += 1;
    }
    true
}

/// Whether one of these bytes begins an escape. Without a branch for each: they are few.
fn has_escape(bytes: &[u8]) -> bool {
    let has = |has, byte: &u8| has | (*byte == b'%');
    bytes.iter().fold(false, has)
}

/// What follows a name: a value, or nothing.
const fn value(behind_name: &[u8]) -> Option<&[u8]> {
    match behind_name {
        [b'=', value @ ..] => Some(value),
        [] => Some(behind_name),
        _ => None,
    }
}

/// The first byte decoded, and what is left.
fn decode_first(raw: &[u8]) -> Option<(u8, &[u8])> {
    match raw {
        [b'%', high, low, rest @ ..] => {
            let (high, low) = (
                HEX_DIGITS[usize::from(*high)],
                HEX_DIGITS[usize::from(*low)],
            );
            if high | low == NO_DIGIT {
                Some((b'%', &raw[1..]))
            } else {
                Some((high << 4 | low, rest))
            }
        }
        [b'+', rest @ ..] => Some((b' ', rest)),
        [byte, rest @ ..] => Some((*byte, rest)),
        [] => None,
    }
}

/// What [`HEX_DIGITS`] has for a byte that is none.
const NO_DIGIT: u8 = 0xff;

/// The value of each hexadecimal digit.
const HEX_DIGITS: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        let digit = b"0123456789abcdef"[value];
        values[digit as usize] = value as u8;
        values[digit.to_ascii_uppercase() as usize] = value as u8;
        value += 1;
    }
    values
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(raw: &[u8]) -> Vec<u8> {
        let mut out = vec![b'?'; raw.len()];
        let len = decode(raw, &mut out);
        out.truncate(len);
        out
    }

    fn decoded_pairs(content: &[u8]) -> Vec<(String, String)> {
        let text = |raw| String::from_utf8_lossy(&decoded(raw)).into_owned();
        pairs(content)
            .map(|Pair(raw)| {
                let end = raw
                    .iter()
                    .position(|&byte| byte == b'=')
                    .unwrap_or(raw.len());
                (
                    text(&raw[..end]),
                    text(raw.get(end + 1..).unwrap_or_default()),
                )
            })
            .collect()
    }

    #[test]
    fn pairs_are_split_as_the_standard_has_it() {
        let raw: Vec<_> = pairs(b"&&a=1&b&=2&=&c=3=4&").collect();
        let expected: [&[u8]; 5] = [b"a=1", b"b", b"=2", b"=", b"c=3=4"];
        assert_eq!(raw, expected.map(Pair));
        for (pair, name, value) in [
            (raw[0], "a", b"1".as_slice()),
            (raw[1], "b", b""),
            (raw[2], "", b"2"),
            (raw[3], "", b""),
            (raw[4], "c", b"3=4"),
        ] {
            assert_eq!(pair.value_of(name), Some(value));
        }
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
        let value_of = |raw, name| Pair(raw).value_of(name);
        assert_eq!(value_of(b"a+b=1", "a b"), Some(&b"1"[..]));
        assert_eq!(value_of(b"a%3d=1", "a="), Some(&b"1"[..]));
        assert_eq!(value_of(b"a==1", "a="), None);
        assert_eq!(value_of(b"a%2", "a"), None);
        assert_eq!(value_of(b"tex", "text"), None);
        assert_eq!(value_of(b"", "text"), None);
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
            prop_assert!(super::decoded(&content).eq(decoded(&content)));
        }

        #[test]
        fn names_are_compared_as_form_urlencoded_decodes_them(
            pair in proptest::collection::vec(
                proptest::sample::select(&b"=+%64z "[..]), // no escape beyond ASCII
                1..10,
            ),
        ) {
            let (name, value) = form_urlencoded::parse(&pair).next().unwrap();
            let found = Pair(&pair).value_of(&name).map(decoded);
            prop_assert_eq!(found.as_deref(), Some(value.as_bytes()));
            prop_assert_eq!(Pair(&pair).value_of(&format!("{name}a")), None);
            if let Some((last, _)) = name.char_indices().next_back() {
                prop_assert_eq!(Pair(&pair).value_of(&name[..last]), None);
            }
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
    }
}
