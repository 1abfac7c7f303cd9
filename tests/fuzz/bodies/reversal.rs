//! The reversal, against its definition read from the front: nothing mentions, links or pings in a
//! reply that did not in the command, and JSON carries it unchanged.

use torrap::commands::COMMANDS;
use torrap::slack::message::{Message, Visibility};
use unicode_segmentation::UnicodeSegmentation;

/// The body: a command's text.
pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let reply = reversed(&text);
    assert_eq!(reply, by_definition(&text));
    check_markup(&text, &reply);
    check_json(&reply);
    check_json(&text);
}

fn reversed(text: &str) -> String {
    let mut out = String::from("before");
    (COMMANDS[0].run)(text, &mut out);
    out.strip_prefix("before").expect("it appends").to_owned()
}

/// What of a text is a unit of its own.
#[derive(PartialEq)]
enum Kind {
    Plain,
    Kept,
    Ping,
}

/// The units of a text from its first to its last: a sequence is what stands between a `<` and the
/// next `>` when no other bracket is between them and Slack would read it as one.
fn units(text: &str) -> Vec<(Kind, &str)> {
    let mut units = Vec::new();
    let (mut start, mut at) = (0, 0);
    while let Some(open) = text[at..].find('<').map(|found| at + found) {
        at = open + 1;
        let Some(next) = text[at..].find(['<', '>']).map(|found| at + found) else {
            break;
        };
        if text[next..].starts_with('<') {
            continue;
        }
        let kind = kind(&text[at..next]);
        if kind != Kind::Plain {
            units.push((Kind::Plain, &text[start..open]));
            units.push((kind, &text[open..=next]));
            start = next + 1;
        }
        at = next + 1;
    }
    units.push((Kind::Plain, &text[start..]));
    units
}

/// What is between brackets: docs.slack.dev/messaging/formatting-message-text.
fn kind(inner: &str) -> Kind {
    let target = inner.split('|').next().expect("split yields one at least");
    let mut chars = target.chars();
    let (first, second) = (chars.next(), chars.next());
    let is_id = !chars.as_str().is_empty()
        && chars
            .as_str()
            .chars()
            .all(|c| matches!(c, 'A'..='Z' | '0'..='9'));
    let lower = target.to_ascii_lowercase();
    let is_link = ["https://", "http://", "mailto:", "tel:"]
        .iter()
        .any(|scheme| lower.starts_with(scheme) && lower != *scheme)
        && !target.contains(char::is_whitespace);
    match (first, second) {
        _ if inner.contains(char::is_control) => Kind::Plain,
        (Some('@'), Some('U' | 'W')) if is_id => Kind::Kept,
        (Some('#'), Some('C' | 'D' | 'G')) if is_id => Kind::Kept,
        (Some('!'), None) => Kind::Plain,
        (Some('!'), _) if target.starts_with("!date^") => Kind::Kept,
        (Some('!'), _) => Kind::Ping,
        _ if is_link => Kind::Kept,
        _ => Kind::Plain,
    }
}

fn by_definition(text: &str) -> String {
    let units = units(text).into_iter().rev();
    let each = units.map(|(kind, unit)| match kind {
        Kind::Plain => {
            let plain = decoded(unit);
            encoded(&plain.graphemes(true).rev().collect::<String>())
        }
        Kind::Kept => format!("<{}>", encoded(&decoded(&unit[1..unit.len() - 1]))),
        Kind::Ping => encoded(&decoded(unit)),
    });
    each.collect()
}

/// Each entity once: what a decoded `&` makes of its neighbours is no entity.
fn decoded(text: &str) -> String {
    let mut pieces = text.split('&');
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let entities = [("amp;", "&"), ("lt;", "<"), ("gt;", ">"), ("", "&")];
        let (entity, character) = entities
            .into_iter()
            .find(|(entity, _)| piece.starts_with(entity))
            .expect("everything starts with nothing");
        out.push_str(character);
        out.push_str(&piece[entity.len()..]);
    }
    out
}

fn encoded(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Told without the definition: every bracket of a reply is part of a sequence that the command had
/// as well, none of them pings, and every `&` is one of Slack's three.
fn check_markup(text: &str, reply: &str) {
    for (at, _) in reply.match_indices('&') {
        assert!(
            ["&amp;", "&lt;", "&gt;"]
                .iter()
                .any(|entity| reply[at..].starts_with(entity))
        );
    }
    let mut had: Vec<String> = Vec::new();
    for piece in text.split('<').skip(1) {
        let inner = piece
            .split('>')
            .next()
            .filter(|inner| inner.len() < piece.len());
        had.extend(inner.map(|inner| encoded(&decoded(inner))));
    }
    let mut rest = reply;
    while let Some(at) = rest.find(['<', '>']) {
        assert!(rest[at..].starts_with('<'), "a bracket that opens nothing");
        let end = rest[at..].find('>').expect("a bracket that nothing closes") + at;
        let inner = &rest[at + 1..end];
        let found = had
            .iter()
            .position(|had| had == inner)
            .expect("it was not in the command");
        had.swap_remove(found);
        assert!(
            !inner.starts_with('!') || inner.starts_with("!date^"),
            "<{inner}> pings"
        );
        rest = &rest[end + 1..];
    }
}

fn check_json(text: &str) {
    for visibility in [
        Visibility::Default,
        Visibility::Ephemeral,
        Visibility::InChannel,
    ] {
        let mut json = Vec::new();
        Message { visibility, text }.append_json(&mut json);
        let read: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
        assert_eq!(read["text"], text);
        let kind = match visibility {
            Visibility::Default => None,
            Visibility::Ephemeral => Some("ephemeral"),
            Visibility::InChannel => Some("in_channel"),
        };
        assert_eq!(
            read.get("response_type").and_then(|kind| kind.as_str()),
            kind
        );
        let fields = read.as_object().map(serde_json::Map::len);
        assert_eq!(fields, Some(1 + usize::from(kind.is_some())));
        assert!(json.is_ascii() || !text.is_ascii());
        assert!(!json.iter().any(u8::is_ascii_control) || text.contains('\u{7f}'));
    }
}

/// Both ways round: what Slack writes, and what becomes that when it is reversed.
pub fn seeds() -> Vec<Vec<u8>> {
    let forwards = TEXTS.iter().map(|text| text.as_bytes().to_vec());
    let backwards = TEXTS
        .iter()
        .map(|text| text.chars().rev().collect::<String>().into_bytes());
    let entities = TEXTS.iter().map(|text| encoded(text).into_bytes());
    forwards.chain(backwards).chain(entities).collect()
}

const TEXTS: &[&str] = &[
    "",
    "sdrawkcab si siht",
    "hi <@U123|bob>, <#C1|general> and <#G1|>!",
    "<!date> <!Date^1^x> <!dates^1> <!here|a &amp; b>",
    "<!channel> <!here|here> <!everyone> <!subteam^S1|@us> <! channel>",
    "<!date^1392734382^Posted {date_num}^https://example.com/|then> <!>",
    "see <https://a.b/?c=1&amp;d=2|e | f> <MAILTO:a@b|c> <tel:+1|2> <https://|x>",
    "<<@U1> <@U1>> <@u1> <@U> <@X1> <@U1\n> <@U1\u{e9}>",
    "a &amp; b &lt;c&gt; &amp;lt; &quot; & &amp &amp;amp;",
    "caf\u{e9} cafe\u{301} \u{301}x \u{600}12 a\u{200d}b",
    "👍🏽 👨‍👩‍👧 🇫🇷🇩🇪🇫 ❤️ 1️⃣",
    "a\r\nb\nc\r\td",
    "हिन्दी 한국어 \u{1112}\u{1161}\u{11ab} ไทย",
    "\"quoted\\\" \u{0} \u{1f} \u{7f} \u{2028} thirty-three clean bytes in one run",
    "&amp;\u{301} <\u{301} \u{301}> <@U1>\u{301}",
];
