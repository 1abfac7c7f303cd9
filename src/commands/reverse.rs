//! `/torrap`: the text backwards.

use unicode_segmentation::UnicodeSegmentation;

use super::Command;
use crate::slack::markup::{self, Unit};
use crate::slack::message::Visibility;

pub(super) const COMMAND: Command = Command {
    name: "/torrap",
    description: "Say some text backwards",
    hint: "[text]",
    usage: "Give me some text and I'll say it backwards. Try `/torrap sdrawkcab si siht`: \
            a moment later I answer `this is backwards`.",
    visibility: Visibility::Default,
    run: reverse,
};

/// Appends `text` reversed. Slack's own tokens stay whole, and pings become plain text: a parrot does
/// not ping a channel.
fn reverse(text: &str, out: &mut String) {
    out.reserve(text.len());
    for unit in markup::units_reversed(text) {
        match unit {
            Unit::Text(run) => reverse_plain(&markup::decode(run), out),
            Unit::Token(token) => markup::encode_token_into(token, out),
            Unit::Ping(ping) => markup::encode_into(&markup::decode(ping), out),
        }
    }
}

/// Appends plain text reversed by extended grapheme clusters (Unicode Annex #29), then encoded.
///
/// Two neighbouring plain bytes are always two clusters, so stretches of them need no look at
/// Unicode's tables; what is left are knots, each cut where two plain bytes meet.
fn reverse_plain(text: &str, out: &mut String) {
    let mut rest = text;
    while !rest.is_empty() {
        let bytes = rest.bytes().rev();
        let stretch = bytes.take_while(|&byte| is_plain(byte)).count();
        // The first byte of a stretch can belong to the cluster before it.
        let certain = if stretch == rest.len() {
            stretch
        } else {
            stretch.saturating_sub(1)
        };
        let (before, certain) = rest.split_at(rest.len() - certain);
        push_reversed(certain.as_bytes(), out);

        let mut pairs = before.as_bytes().windows(2);
        let cut = pairs.rposition(|pair| pair.iter().all(|&byte| is_plain(byte)));
        let (before, knot) = before.split_at(cut.map_or(0, |at| at + 1));
        for cluster in knot.graphemes(true).rev() {
            markup::encode_into(cluster, out);
        }
        rest = before;
    }
}

/// Whether `byte` is a character that is sent as it is and is a cluster of its own beside another
/// such; CR is not, for the sake of CR LF.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii() && byte != b'\r' && !markup::is_special(byte)
}

/// Appends ASCII bytes, last first.
fn push_reversed(ascii: &[u8], out: &mut String) {
    out.extend(ascii.iter().rev().map(|&byte| char::from(byte)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slack::markup::tests::text_of;
    use proptest::prelude::*;

    fn reversed(text: &str) -> String {
        let mut out = String::new();
        reverse(text, &mut out);
        out
    }

    #[track_caller]
    fn check(pairs: &[(&str, &str)]) {
        for (text, expected) in pairs {
            assert_eq!(reversed(text), *expected, "{text:?}");
        }
    }

    #[test]
    fn reversing_injects_no_markup() {
        check(&[
            (">lennahc!<", "&lt;!channel&gt;"),
            (">ereh!<", "&lt;!here&gt;"),
            (">321U@<", "&lt;@U123&gt;"),
            (
                ">elgoog|moc.live//:sptth<",
                "&lt;https://evil.com|google&gt;",
            ),
            (";tl&", "&amp;lt;"),
            ("a &amp; b", "b &amp; a"),
            ("&gt;lennahc!&lt;", "&lt;!channel&gt;"),
            ("&lt;!channel&gt;", "&gt;lennahc!&lt;"),
            ("&amp;lt;", ";tl&amp;"),
            ("<!lennahc", "channel!&lt;"),
        ]);
    }

    #[test]
    fn clusters_survive() {
        check(&[
            ("sdrawkcab si siht", "this is backwards"),
            ("", ""),
            ("x", "x"),
            ("caf\u{e9}!", "!\u{e9}fac"),
            ("cafe\u{301}!", "!e\u{301}fac"),
            ("a👍🏽b", "b👍🏽a"),
            ("👨‍👩‍👧 us", "su 👨‍👩‍👧"),
            ("ab🇫🇷🇩🇪cd", "dc🇩🇪🇫🇷ba"),
            ("a\r\nb\nc\r", "\rc\nb\r\na"),
            ("हिन्दी", "न्दीहि"),
            ("한\u{1112}\u{1161}\u{11ab}", "\u{1112}\u{1161}\u{11ab}한"),
            ("ab\u{600}cd", "d\u{600}cba"),
            ("1&amp;\u{301}2", "2&amp;\u{301}1"),
            ("it’s “so”", "”os“ s’ti"),
        ]);
    }

    #[test]
    fn tokens_stay_whole_and_pings_are_plain() {
        check(&[
            ("hi <@U123|bob>!", "!<@U123|bob> ih"),
            (
                "<#C1|> <https://a.b/?c&amp;d|e>x",
                "x<https://a.b/?c&amp;d|e> <#C1|>",
            ),
            ("<!date^1^{date}|then> at", "ta <!date^1^{date}|then>"),
            ("oi <!channel>", "&lt;!channel&gt; io"),
            ("<!HERE|x &amp; y>a", "a&lt;!HERE|x &amp; y&gt;"),
            ("<!subteam^S1|@us>", "&lt;!subteam^S1|@us&gt;"),
            ("<<@U1>", "<@U1>&lt;"),
            ("a <b", "b&lt; a"),
            ("<nope>", "&gt;epon&lt;"),
        ]);
    }

    #[test]
    fn appends_to_what_is_there() {
        let mut out = String::from("> ");
        reverse("cba", &mut out);
        assert_eq!(out, "> abc");
    }

    /// Quadratic work on any of these would take minutes, not milliseconds.
    #[test]
    fn long_text_takes_linear_time() {
        for unit in [
            "a", "<", ">", "<>", "<@", "&", "&lt;", "é", "🇫", "\u{301}", "a\u{600}", "क्", "<@U1>",
            "\r\n",
        ] {
            let text = unit.repeat(200 * 1024 / unit.len());
            assert!(reversed(&text).len() >= text.len(), "{unit:?}");
        }
    }

    /// What the fast paths must agree with: the definition, read from the front.
    fn reversed_by_definition(plain: &str) -> String {
        let mut clusters: Vec<&str> = plain.graphemes(true).collect();
        clusters.reverse();
        let mut out = String::new();
        markup::encode_into(&clusters.concat(), &mut out);
        out
    }

    /// What clusters are made of, what fast paths end at, and neither.
    const CLUSTERS: &[&str] = &[
        "a", "b", " ", "\t", "\r", "\n", "&", "<", ">", "é", "’", "e\u{301}", "\u{301}", "\u{303}",
        "\u{200d}", "\u{fe0f}", "\u{600}", "👍", "👩", "❤", "🏽", "🇫", "🇷", "🇩", "क", "त", "न",
        "ि", "\u{94d}", "\u{1112}", "\u{1161}", "\u{11ab}", "가", "각",
    ];

    /// What tokens and pings are made of, either way round.
    const MARKUP: &[&str] = &[
        "<",
        ">",
        "&",
        ";",
        "|",
        "!",
        "@",
        "a",
        " ",
        "é",
        "<@U1",
        "<@U1>",
        "<!",
        "<!here>",
        "<#C1|",
        "|b>",
        "<https://a?",
        "lennahc!<",
        ">321U@<",
        "&amp;",
        "&lt;",
        "&gt;",
        ";pma&",
    ];

    proptest! {
        #[test]
        fn plain_text_is_reversed_by_its_clusters(text in text_of(CLUSTERS)) {
            let mut out = String::new();
            reverse_plain(&text, &mut out);
            prop_assert_eq!(out, reversed_by_definition(&text));
        }

        #[test]
        fn ascii_is_reversed_by_its_bytes(text in "[ -~]{0,200}") {
            let mut delivered = String::new();
            markup::encode_into(&text, &mut delivered);
            let out = reversed(&delivered);
            prop_assert_eq!(markup::decode(&out), text.chars().rev().collect::<String>());
            prop_assert_eq!(reversed(&out), delivered);
        }

        #[test]
        fn markup_comes_out_only_as_it_went_in(text in text_of(MARKUP)) {
            let out = reversed(&text);
            for (at, _) in out.match_indices('&') {
                let is_entity = |entity| out[at..].starts_with(entity);
                prop_assert!(["&amp;", "&lt;", "&gt;"].into_iter().any(is_entity), "{}", out);
            }
            let kept = tokens_reversed(&text);
            prop_assert_eq!(out.matches(['<', '>']).count(), kept.len() * 2, "{}", out);
            prop_assert_eq!(tokens_reversed(&out).into_iter().rev().collect::<Vec<_>>(), kept);
        }
    }

    fn tokens_reversed(text: &str) -> Vec<String> {
        let tokens = markup::units_reversed(text).filter_map(|unit| match unit {
            Unit::Token(token) => Some(token),
            Unit::Text(_) | Unit::Ping(_) => None,
        });
        let encoded = tokens.map(|token| {
            let mut out = String::new();
            markup::encode_token_into(token, &mut out);
            out
        });
        encoded.collect()
    }
}
