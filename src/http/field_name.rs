//! Names of header fields, whose case does not matter (RFC 9110 section 5.1).

/// Whether a field has this name, which is in lower case.
///
/// A field's name is a token, in which no byte but a capital letter becomes another one's lower case by that bit. Bytes are
/// compared many at once, and without a branch for each: byte by byte, as in [`str::eq_ignore_ascii_case`], it takes 400
/// instructions more for each command (`benches/count`).
#[inline]
pub(super) fn is_named<const N: usize>(field: &str, name: &[u8; N]) -> bool {
    let Ok(field) = <&[u8; N]>::try_from(field.as_bytes()) else {
        return false;
    };
    let mut difference = 0;
    for (byte, expected) in field.iter().zip(name) {
        difference |= (byte | CASE) ^ expected;
    }
    difference == 0
}

/// The bit that a lower-case letter has and a capital has not.
const CASE: u8 = b'a' ^ b'A';

/// Whether a field has this name, or is taken for it by software that maps `_` to `-`, as CGI does.
pub(super) fn is_named_or_poses<const N: usize>(field: &str, name: &[u8; N]) -> bool {
    let mut bytes = field.bytes().zip(name);
    let is_alike = |(b, n): (u8, &u8)| b.eq_ignore_ascii_case(n) || (b == b'_' && *n == b'-');
    is_named(field, name) || (field.len() == N && bytes.all(is_alike))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn case_alone_may_differ() {
        for field in ["content-length", "Content-Length", "CONTENT-LENGTH"] {
            assert!(is_named(field, b"content-length"), "{field}");
            assert!(is_named_or_poses(field, b"content-length"), "{field}");
        }
        for field in [
            "",
            "content-lengt",
            "content-lengths",
            "contentMlength",
            "bontent-length",
        ] {
            assert!(!is_named(field, b"content-length"), "{field:?}");
            assert!(!is_named_or_poses(field, b"content-length"), "{field:?}");
        }
        assert!(is_named("", b""));
    }

    #[test]
    fn an_underscore_poses_as_a_hyphen_and_not_the_other_way_round() {
        assert!(!is_named("Content_Length", b"content-length"));
        assert!(is_named_or_poses("Content_Length", b"content-length"));
        assert!(is_named_or_poses("transfer_Encoding", b"transfer-encoding"));
        assert!(!is_named_or_poses("a-b", b"a_b"));
    }

    proptest! {
        /// For all characters of a token (RFC 9110 section 5.6.2).
        #[test]
        fn agrees_with_the_standard_library(
            name in "[-a-z]{9}",
            place in 0_usize..9,
            other in "[-!#$%&'*+.^_`|~A-Za-z0-9]",
        ) {
            let mut field = name.clone();
            field.replace_range(place..=place, &other);
            let expected = field.eq_ignore_ascii_case(&name);
            let name: &[u8; 9] = name.as_bytes().try_into().unwrap();
            prop_assert_eq!(is_named(&field, name), expected);
            prop_assert!(is_named(&field.to_uppercase(), name) == expected);
        }
    }
}
