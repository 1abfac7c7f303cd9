//! Units and entities, each on its own and in any text.

use super::*;
use proptest::prelude::*;

fn encoded(text: &str) -> String {
    let mut out = String::new();
    encode_into(text, &mut out);
    out
}

fn source<'a>(unit: &Unit<'a>) -> &'a str {
    match unit {
        Unit::Text(source)
        | Unit::Emoji(source)
        | Unit::Mention(source)
        | Unit::Token(source)
        | Unit::Ping(source) => source,
    }
}

#[test]
fn tokens_of_every_sort_are_whole() {
    for token in [
        "<#C123|name>",
        "<#C123|>",
        "<#C123>",
        "<#G123|old private>",
        "<!date^1392734382^Posted {date_num}^https://example.com/|February 18th>",
        "<https://example.com>",
        "<https://example.com/?a=1&amp;b=2|a label, with | and é>",
        "<HTTP://example.com>",
        "<mailto:bob@example.com|bob@example.com>",
        "<tel:+15551234|555 1234>",
        "<slack://channel?team=T1&amp;id=C1>",
        "<sip:a@b>",
        "<git+ssh://a.b/c.git|c>",
        "<javascript:alert(1)>",
        "<http:é>",
    ] {
        assert_eq!(units(token), [Unit::Token(token)], "{token}");
    }
    for mention in ["<@U123>", "<@U012AB3CD|name>", "<@W123>", "<@U123|>"] {
        assert_eq!(units(mention), [Unit::Mention(mention)], "{mention}");
    }
}

#[test]
fn what_alerts_many_is_a_ping_in_any_spelling() {
    for ping in [
        "<!channel>",
        "<!here>",
        "<!here|here>",
        "<!everyone>",
        "<!CHANNEL>",
        "<!subteam^S123>",
        "<!subteam^S123|@team>",
        "<!unheard-of>",
        "<!Date^1^x|y>",
        "<! channel>",
    ] {
        assert_eq!(units(ping), [Unit::Ping(ping)], "{ping}");
    }
}

#[test]
fn what_is_no_sequence_is_text() {
    for text in [
        "plain",
        "<",
        ">",
        "<>",
        "<|>",
        "<!>",
        "<!|a>",
        "<@>",
        "<@|name>",
        "<@U>",
        "<@u123>",
        "<@X123>",
        "<@U12 3>",
        "<@U1é>",
        "<#123>",
        "<#c123>",
        "<@U123",
        "@U123>",
        ">U123@<",
        "<@U1\n>",
        "<https://>",
        "<https://|label>",
        "<https://a b>",
        "<https://a\u{85}>",
        "<tel>",
        "<mailto:>",
        "<://a.b>",
        "<1a:b>",
        "<a b:c>",
        "<é:b>",
        "< @U123>",
        "<C123|name>",
        "&lt;@U123&gt;",
        "<é>",
    ] {
        assert_eq!(units(text), [Unit::Text(text)], "{text:?}");
    }
    assert_eq!(units(""), []);
}

#[test]
fn sequences_are_found_among_text() {
    assert_eq!(
        units("a<@U1><!here>> b <<#C1|c>< d"),
        [
            Unit::Text("a"),
            Unit::Mention("<@U1>"),
            Unit::Ping("<!here>"),
            Unit::Text("> b <"),
            Unit::Token("<#C1|c>"),
            Unit::Text("< d"),
        ]
    );
}

#[test]
fn names_of_emoji_are_found_among_text_and_not_in_sequences() {
    assert_eq!(
        units(":a:b :c::d:<https://x:y:z>:e: f<:g:>"),
        [
            Unit::Emoji(":a:"),
            Unit::Text("b "),
            Unit::Emoji(":c:"),
            Unit::Emoji(":d:"),
            Unit::Token("<https://x:y:z>"),
            Unit::Emoji(":e:"),
            Unit::Text(" f<"),
            Unit::Emoji(":g:"),
            Unit::Text(">"),
        ]
    );
    let toned = ":wave::skin-tone-3:";
    assert_eq!(units(toned), [Unit::Emoji(toned)]);
}

#[test]
fn a_link_keeps_only_a_label_that_says_where_it_leads() {
    for (token, expected) in [
        ("<https://a.b/|https://a.b/>", "<https://a.b/|https://a.b/>"),
        ("<http://a.b|a.b>", "<http://a.b|a.b>"),
        ("<http://a.b/|a.b>", "<http://a.b/|a.b>"),
        (
            "<http://a.b/?c&d|a.b/?c&amp;d>",
            "<http://a.b/?c&amp;d|a.b/?c&amp;d>",
        ),
        ("<mailto:a@b.c|a@b.c>", "<mailto:a@b.c|a@b.c>"),
        (
            "<https://evil.example|google.com>",
            "<https://evil.example>",
        ),
        ("<https://a.b|https://a.b/c>", "<https://a.b>"),
        ("<https://a.b/c|a.b>", "<https://a.b/c>"),
        ("<https://a.b|>", "<https://a.b>"),
        ("<https://a.b|a.b|c>", "<https://a.b>"),
        ("<@U1|bob>", "<@U1|bob>"),
        ("<#C1|general>", "<#C1|general>"),
        ("<!date^1^{date}^https://a.b|then>", "<!date^1^{date}|then>"),
        ("<!date^1^{date}^a^b>", "<!date^1^{date}>"),
        ("<!date^1^{date}|then>", "<!date^1^{date}|then>"),
        ("<!date^1>", "<!date^1>"),
    ] {
        let mut out = String::new();
        encode_token_into(token, &mut out);
        assert_eq!(out, expected, "{token}");
    }
}

#[test]
fn a_mention_or_ping_in_plain_text_is_its_label() {
    for (sequence, expected) in [
        ("<@U1|bob>", "@bob"),
        ("<@U1|@bob>", "@bob"),
        ("<@U1>", "@U1"),
        ("<@U1| >", "@U1"),
        ("<!subteam^S1|@devs>", "@devs"),
        ("<!subteam^S1>", "&lt;!subteam^S1&gt;"),
        ("<!here|a &amp; b &lt;c>", "a &amp; b &lt;c"),
        ("<!channel|>", "&lt;!channel|&gt;"),
    ] {
        let mut out = String::new();
        encode_plain_into(sequence, &mut out);
        assert_eq!(out, expected, "{sequence}");
    }
}

#[test]
fn entities_are_decoded_once() {
    assert_eq!(decode("a &amp; b &lt;&gt;"), "a & b <>");
    assert_eq!(decode("&amp;lt;"), "&lt;");
    assert_eq!(decode("&amp&;&quot;&#60;&AMP;&"), "&amp&;&quot;&#60;&AMP;&");
    assert!(matches!(decode("none"), Cow::Borrowed("none")));
}

#[test]
fn a_token_keeps_its_entities_and_its_bare_ampersands_become_some() {
    let mut out = String::new();
    encode_token_into("<https://a/?b&amp;c&d>", &mut out);
    encode_token_into("<@U1|e &lt; f>", &mut out);
    assert_eq!(out, "<https://a/?b&amp;c&amp;d><@U1|e &lt; f>");
}

/// Text made of `fragments` in any order, with any other character now and then.
pub(crate) fn text_of(fragments: &'static [&'static str]) -> impl Strategy<Value = String> {
    let fragment = proptest::sample::select(fragments).prop_map(String::from);
    let character = any::<char>().prop_map(String::from);
    proptest::collection::vec(prop_oneof![9 => fragment, 1 => character], 0..40)
        .prop_map(|pieces| pieces.concat())
}

const FRAGMENTS: &[&str] = &[
    "<",
    ">",
    "&",
    ";",
    "|",
    "\n",
    "a",
    " ",
    "<@U1",
    "<!",
    "<#C",
    "1",
    "<https://",
    "&amp;",
    "&lt;",
    "&gt;",
    "amp;",
    "lt",
    "é",
    ":",
    ":a:",
    "::",
    ":skin-tone-2:",
];

proptest! {
    #[test]
    fn units_cover_the_text_and_none_is_missed(text in text_of(FRAGMENTS)) {
        let units = units(&text);
        prop_assert_eq!(units.iter().map(source).collect::<String>(), text.as_str());
        for unit in units {
            let Unit::Text(run) = unit else { continue };
            prop_assert!(!run.is_empty());
            for (open, _) in run.match_indices('<') {
                let close = run[open..].find('>').map_or(run.len(), |at| open + at + 1);
                let candidate = &run[open..close];
                let bracketed = candidate.ends_with('>') && !candidate[1..].contains('<');
                prop_assert!(!bracketed || sequence(candidate).is_none(), "{}", candidate);
            }
        }
    }

    #[test]
    fn decoding_undoes_encoding(text in text_of(FRAGMENTS)) {
        let encoded = encoded(&text);
        prop_assert!(!encoded.contains(['<', '>']));
        prop_assert_eq!(decode(&encoded), text);
    }
}
