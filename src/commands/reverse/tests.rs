//! The reversal on what people type, and against its definition.

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
            "x<https://a.b/?c&amp;d> <#C1|>",
        ),
        ("<!date^1^{date}|then> at", "ta <!date^1^{date}|then>"),
        ("oi <!channel>", "&lt;!channel&gt; io"),
        ("<!HERE|x &amp; y>a", "ax &amp; y"),
        ("<!subteam^S1|@us> ih", "hi @us"),
        ("<<@U1>", "<@U1>&lt;"),
        ("a <b", "b&lt; a"),
        ("<nope>", "&gt;epon&lt;"),
    ]);
}

#[test]
fn names_of_emoji_stay_whole() {
    check(&[
        (":smile:", ":smile:"),
        ("olleh :wave::skin-tone-3:!", "!:wave::skin-tone-3: hello"),
        (":tada::100:", ":100::tada:"),
        ("&lt;:flag-fr:", ":flag-fr:&lt;"),
        ("od:チェックマーク_緑:ti", "it:チェックマーク_緑:do"),
        ("ta 10:30:45", "54:03:01 at"),
        ("std::io::Read", "daeR::oi::dts"),
    ]);
}

#[test]
fn a_flag_letter_without_another_makes_no_other_flags() {
    check(&[
        ("a🇫b", "b🇫a"),
        ("a🇫🇷🇩b", "b🇫🇷🇩a"),
        ("🇫🇷🇩🇪🇫", "🇫🇷🇩🇪🇫"),
        ("🇫🇷\u{301}🇩", "🇫🇷\u{301}🇩"),
        ("🇫\u{301}🇷🇩", "🇷🇩🇫\u{301}"),
        ("x🇫🇷 🇩", "🇩 🇫🇷x"),
    ]);
}

#[test]
fn marks_of_direction_stay_in_pairs() {
    check(&[
        ("a\u{2067}bc\u{2069}d", "d\u{2067}cb\u{2069}a"),
        (
            "\u{2066}a\u{2068}b\u{2069}<@U1>\u{2069}",
            "\u{2066}<@U1>\u{2068}b\u{2069}a\u{2069}",
        ),
        ("\u{202e}abc\u{202c}", "\u{202e}cba\u{202c}"),
        (
            "\u{202a}a\u{2067}b\u{202c}c\u{2069}",
            "\u{2067}c\u{202a}b\u{2069}a\u{202c}",
        ),
        // What has no other end is text like any other.
        ("a\u{2069}b\u{2067}c", "c\u{2067}b\u{2069}a"),
        ("\u{2067}ab", "ba\u{2067}"),
        ("a\u{200f}b\u{200b}c", "c\u{200b}b\u{200f}a"),
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
        "a",
        "<",
        ">",
        "<>",
        "<@",
        "&",
        "&lt;",
        "é",
        "🇫",
        "\u{301}",
        "a\u{600}",
        "क्",
        "<@U1>",
        "\r\n",
        ":",
        ":a:",
        ":a",
        "a::",
        "🇫🇷\u{301}",
        "🇫\u{301}",
        "\u{2067}",
        "\u{2069}",
    ] {
        let text = unit.repeat(200 * 1024 / unit.len());
        assert!(reversed(&text).len() >= text.len(), "{unit:?}");
    }
}

/// What the fast paths must agree with: the definition, read from the front.
fn reversed_by_definition(plain: &str) -> String {
    let mut items = items(plain);
    // The two marks of a stretch change places, so that they are again in order when all is reversed.
    for (first, last) in stretches(&items) {
        items.swap(first, last);
    }
    items.reverse();
    let mut out = String::new();
    markup::encode_into(&items.concat(), &mut out);
    out
}

/// Marks of direction: the one that ends a stretch, and those that begin one.
const ISOLATES: &[&str] = &["\u{2069}", "\u{2066}", "\u{2067}", "\u{2068}"];
const EMBEDDINGS: &[&str] = &["\u{202c}", "\u{202a}", "\u{202b}", "\u{202d}", "\u{202e}"];

/// Where the stretches of another direction begin and end.
fn stretches(items: &[String]) -> Vec<(usize, usize)> {
    let mut stretches = Vec::new();
    for marks in [ISOLATES, EMBEDDINGS] {
        let mut begun = Vec::new();
        for (at, item) in items.iter().enumerate() {
            match marks.iter().position(|mark| mark == item) {
                Some(0) => stretches.extend(begun.pop().map(|first| (first, at))),
                Some(_) => begun.push(at),
                None => {}
            }
        }
    }
    stretches
}

/// The clusters of plain text; a row of flags with a letter left over is one item.
fn items(plain: &str) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    for cluster in plain.graphemes(true) {
        let mut item = cluster.to_owned();
        if cluster.starts_with(FLAG_LETTERS) && cluster.chars().count() == 1 {
            while let Some(before) = items.pop_if(|last| last.starts_with(FLAG_LETTERS)) {
                item.insert_str(0, &before);
            }
        }
        items.push(item);
    }
    items
}

/// What clusters are made of, what fast paths end at, and neither.
const CLUSTERS: &[&str] = &[
    "a", "b", " ", "\t", "\r", "\n", "&", "<", ">", "é", "’", "e\u{301}", "\u{301}", "\u{303}",
    "\u{200d}", "\u{fe0f}", "\u{600}", "👍", "👩", "❤", "🏽", "🇫", "🇷", "🇩", "क", "त", "न", "ि",
    "\u{94d}", "\u{1112}", "\u{1161}", "\u{11ab}", "가", "각", "\u{2067}", "\u{2068}", "\u{2069}",
    "\u{202a}", "\u{202e}", "\u{202c}", "\u{200f}", "\u{200b}",
];

/// What stays whole, what can be cut, and what joins its neighbours.
const UNITS: &[&str] = &[
    "a",
    "b",
    " ",
    "1",
    ":",
    "&amp;",
    "&lt;",
    "|",
    ":a:",
    ":+1:",
    ":100:",
    ":b::skin-tone-2:",
    ":é:",
    "<@U1>",
    "<#C1|c>",
    "<https://a.b/?c&amp;d>",
    "<!date^1^{date}|then>",
    "é",
    "e\u{301}",
    "\u{301}",
    "👍🏽",
    "🇫",
    "🇷",
    "\u{2067}",
    "\u{2069}",
    "\u{202e}",
    "\u{202c}",
    "\u{200b}",
    "\u{200d}",
    "\r\n",
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
        reverse_plain(&text, &mut Directions::default(), &mut out);
        prop_assert_eq!(out, reversed_by_definition(&text));
    }

    #[test]
    fn ascii_is_reversed_by_its_bytes(text in "[ -9;-~]{0,200}") {
        let mut delivered = String::new();
        markup::encode_into(&text, &mut delivered);
        let out = reversed(&delivered);
        prop_assert_eq!(markup::decode(&out), text.chars().rev().collect::<String>());
        prop_assert_eq!(reversed(&out), delivered);
    }

    /// In six of ten of these texts nothing joins anew, as a mark does that stood at the beginning.
    #[test]
    fn reversing_twice_gives_the_text(text in text_of(UNITS)) {
        let once = reversed(&text);
        let (before, mut after) = (pieces(&text), pieces(&once));
        after.reverse();
        if before == after {
            prop_assert_eq!(reversed(&once), kept(&text));
        }
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

/// What a text is made of. The two marks of a stretch change places, so that each stands for both.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    for unit in markup::units(text) {
        match unit {
            Unit::Text(run) => pieces.extend(items(&markup::decode(run))),
            Unit::Emoji(unit) | Unit::Mention(unit) | Unit::Token(unit) | Unit::Ping(unit) => {
                pieces.push(unit.to_owned());
            }
        }
    }
    for (first, last) in stretches(&pieces) {
        let marks = format!("{} and {}", pieces[first], pieces[last]);
        pieces[first].clone_from(&marks);
        pieces[last] = marks;
    }
    pieces
}

/// The text as it would be sent if it were not reversed.
fn kept(text: &str) -> String {
    let mut out = String::new();
    for unit in markup::units(text) {
        match unit {
            Unit::Text(run) => markup::encode_into(&markup::decode(run), &mut out),
            Unit::Emoji(name) => out.push_str(name),
            Unit::Mention(token) | Unit::Token(token) => markup::encode_token_into(token, &mut out),
            Unit::Ping(ping) => markup::encode_plain_into(ping, &mut out),
        }
    }
    out
}

fn tokens_reversed(text: &str) -> Vec<String> {
    let tokens = markup::units_reversed(text).filter_map(|unit| match unit {
        Unit::Mention(token) | Unit::Token(token) => Some(token),
        Unit::Text(_) | Unit::Emoji(_) | Unit::Ping(_) => None,
    });
    let encoded = tokens.map(|token| {
        let mut out = String::new();
        markup::encode_token_into(token, &mut out);
        out
    });
    encoded.collect()
}
