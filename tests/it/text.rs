//! What people type, and what comes back: over the wire, escaped and not.

use serde_json::Value;
use test_support::Torrap;
use torrap::tools::trial::stand_in::Answer;

use crate::draft::Draft;
use crate::slash_command::assert_acknowledged;

/// A form whose text is exactly what Slack delivers, entities and tokens included.
fn delivered(torrap: &Torrap, text: &str) -> Draft {
    let url = format!("{}/commands/1", torrap.slack.origin());
    let content = form_urlencoded::Serializer::new(String::new())
        .append_pair("command", "/torrap")
        .append_pair("text", text)
        .append_pair("response_url", &url)
        .finish();
    Draft::signed(content)
}

#[test]
fn text_comes_back_by_clusters_and_without_markup_of_its_own() {
    let torrap = Torrap::start();
    let mut client = torrap.connect();
    for (count, (text, reply)) in [
        ("olé", "élo"),
        ("e\u{301}x", "xe\u{301}"),
        ("👍🏽 👨‍👩‍👧 🇫🇷!", "!🇫🇷 👨‍👩‍👧 👍🏽"),
        ("a &amp; b", "b &amp; a"),
        ("a & b", "b &amp; a"),
        ("&amp;lt;", ";tl&amp;"),
        ("&gt;lennahc!&lt;", "&lt;!channel&gt;"),
        (">lennahc!<", "&lt;!channel&gt;"),
        (">321U@<", "&lt;@U123&gt;"),
        (
            "ih <@U123|parrot> in <#C1|general>",
            "<#C1|general> ni <@U123|parrot> hi",
        ),
        (
            "<https://example.com/?a=1&b=2> ees",
            "see <https://example.com/?a=1&amp;b=2>",
        ),
        ("<!channel> yeh", "hey &lt;!channel&gt;"),
        (
            "<!here><!everyone><!subteam^S1|x>",
            "x&lt;!everyone&gt;&lt;!here&gt;",
        ),
        ("<!subteam^S1|@devs> ih", "hi @devs"),
        (
            "<https://evil.example|google.com> <http://a.b|a.b>",
            "<http://a.b|a.b> <https://evil.example>",
        ),
        (
            ":wave::skin-tone-3: dna :+1:!",
            "!:+1: and :wave::skin-tone-3:",
        ),
        ("05:30:01 ta :100:", ":100: at 10:03:50"),
        ("🇫🇷🇩 \u{2067}ba\u{2069}", "\u{2067}ab\u{2069} 🇫🇷🇩"),
        ("\"\\\n\t\u{1}", "\u{1}\t\n\\\""),
        ("100% +1 a=b;c", "c;b=a 1+ %001"),
    ]
    .into_iter()
    .enumerate()
    {
        assert_acknowledged(&client.exchange(delivered(&torrap, text).bytes()));
        assert_eq!(torrap.replies(count + 1)[count], reply, "{text:?}");
    }
}

#[test]
fn two_hundred_kilobytes_of_text_come_back() {
    let torrap = Torrap::with_replays();
    let text: String = (0..200 * 1024u32)
        .map(|i| char::from(b'a' + (i % 23) as u8))
        .collect();
    let draft = delivered(&torrap, &text);
    let mut client = torrap.connect();
    assert_acknowledged(&client.exchange(draft.bytes()));
    assert_acknowledged(&client.exchange(draft.chunked(10_000)));
    let reversed: String = text.chars().rev().collect();
    for reply in torrap.replies(2) {
        assert!(reply == reversed, "{} bytes came back", reply.len());
    }
}

#[test]
fn pipelined_commands_are_each_answered_once() {
    let torrap = Torrap::start();
    let mut client = torrap.connect();
    // More than the bot answers in one turn of its loop.
    for round in ["a", "b", "c"] {
        let count = 150;
        let requests: Vec<_> = (0..count)
            .map(|i| torrap.signed(&format!("{round}{i:03}")))
            .collect();
        client.send(requests.concat());
        for _ in 0..count {
            assert_acknowledged(&client.receive());
        }
    }
    let mut replies = torrap.replies(450);
    replies.sort();
    let reversed = |text: String| text.chars().rev().collect::<String>();
    let each = |round| (0..150).map(move |i| reversed(format!("{round}{i:03}")));
    let mut expected: Vec<_> = ["a", "b", "c"].into_iter().flat_map(each).collect();
    expected.sort();
    assert_eq!(replies, expected);
    assert_eq!(torrap.settle().len(), 450);
}

/// In which order answers to different requests come is not up to how fast each is made.
#[test]
fn answers_come_in_the_order_of_their_requests() {
    let torrap = Torrap::with(
        |_| Answer::ok(),
        |config| {
            config.max_pending = 1_000;
            config.allow_replays = true;
        },
    );
    let health = Draft::new("GET", "/healthz").bytes();
    let nowhere = Draft::new("GET", "/nowhere").bytes();
    let unsigned = delivered(&torrap, "x").without("X-Slack-Signature").bytes();
    let help = delivered(&torrap, "help").bytes();
    let command = delivered(&torrap, "abc").bytes();
    let round = [&command, &health, &nowhere, &unsigned, &help].map(Vec::as_slice);
    let mut client = torrap.connect();
    client.send(round.concat().repeat(10));
    for _ in 0..10 {
        assert_acknowledged(&client.receive());
        let health: Value = serde_json::from_slice(&client.receive().content).unwrap();
        assert_eq!(health["success"], true);
        assert_eq!(client.receive().status, 404);
        assert_eq!(client.receive().status, 401);
        let help: Value = serde_json::from_slice(&client.receive().content).unwrap();
        assert_eq!(help["response_type"], "ephemeral");
    }
    assert_eq!(torrap.replies(10), vec!["cba"; 10]);
    assert_eq!(torrap.settle().len(), 10);
}
