//! The reversal, against its definition read from the front: nothing mentions, links or pings in a
//! reply that did not in the command, and JSON carries it unchanged.

use super::emoji;
use torrap::commands::{REVERSE, Request, Run};
use torrap::slack::message::{Message, Visibility};
use unicode_segmentation::UnicodeSegmentation;

/// The body: a command's text.
pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let reply = reversed(&text);
    assert_eq!(reply, by_definition(&text));
    check_twice(&text, &reply);
    check_markup(&text, &reply);
    check_json(&reply);
    check_json(&text);
}

fn reversed(text: &str) -> String {
    let mut out = String::from("before");
    let Run::Inline(run) = REVERSE.run else {
        unreachable!("it takes no time");
    };
    run(&Request::new("/torrap", text), &mut out);
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
    let is_link = behind_scheme(target).is_some_and(|rest| !rest.is_empty())
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

/// `//` is no part of what a link leads to.
fn behind_scheme(target: &str) -> Option<&str> {
    let (scheme, rest) = target.split_once(':')?;
    let mut chars = scheme.chars();
    let is_scheme = chars.next()?.is_ascii_alphabetic()
        && chars.all(|c| matches!(c, 'a'..='z' | 'A'..='Z' | '0'..='9' | '+' | '-' | '.'));
    is_scheme.then(|| rest.strip_prefix("//").unwrap_or(rest))
}

fn by_definition(text: &str) -> String {
    let mut items = items(text);
    turn_around(&mut items, '\u{2066}'..='\u{2068}', "\u{2069}");
    turn_around(&mut items, '\u{202a}'..='\u{202b}', "\u{202c}");
    items.into_iter().rev().collect()
}

/// Reversing the reply gives the text again, as it would be sent, unless something joins anew: a mark that
/// stood at the beginning, two halves of an emoji, two marks of direction.
fn check_twice(text: &str, reply: &str) {
    let (items, mut again) = (items(text), items(reply));
    again.reverse();
    let has_directions = |c| matches!(c, '\u{2066}'..='\u{2069}' | '\u{202a}'..='\u{202e}');
    if items == again && !text.contains(has_directions) {
        assert_eq!(reversed(reply), items.concat());
    }
}

/// What changes places with what, from the first to the last.
fn items(text: &str) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    for (kind, unit) in units(text) {
        match kind {
            Kind::Plain => plain_items(unit, &mut items),
            Kind::Kept => items.push(format!("<{}>", kept(&unit[1..unit.len() - 1]))),
            Kind::Ping => items.push(encoded(&decoded(label_or_all(unit)))),
        }
    }
    items
}

/// The label of a ping, if it has one.
fn label_or_all(ping: &str) -> &str {
    let label = ping[..ping.len() - 1]
        .split_once('|')
        .map(|(_, label)| label.trim());
    label.filter(|label| !label.is_empty()).unwrap_or(ping)
}

/// A link has its label only if that is what it leads to, a date has no link.
fn kept(inner: &str) -> String {
    let (target, label) = match inner.split_once('|') {
        Some((target, label)) => (decoded(target), Some(decoded(label))),
        None => (decoded(inner), None),
    };
    if target.starts_with('!') {
        let parts: Vec<&str> = target.split('^').take(3).collect();
        let label = label.filter(|label| !label.is_empty());
        let label = label.map_or_else(String::new, |label| format!("|{label}"));
        return encoded(&format!("{}{label}", parts.join("^")));
    }
    match label {
        Some(label) if !target.starts_with(['@', '#']) => {
            let short = behind_scheme(&target).unwrap_or_default();
            let is_honest =
                label == target || label == short || label == short.trim_end_matches('/');
            encoded(&if is_honest {
                format!("{target}|{label}")
            } else {
                target
            })
        }
        Some(label) => encoded(&format!("{target}|{label}")),
        None => encoded(&target),
    }
}

/// The marks that begin and end a stretch change places before everything is reversed.
fn turn_around(items: &mut [String], begin: std::ops::RangeInclusive<char>, end: &str) {
    let mut begun = Vec::new();
    for at in 0..items.len() {
        let mut chars = items[at].chars();
        let only = chars.next().filter(|_| chars.next().is_none());
        if items[at] == end {
            if let Some(first) = begun.pop() {
                items.swap(first, at);
            }
        } else if only.is_some_and(|c| begin.contains(&c) || end == "\u{202c}" && is_override(c)) {
            begun.push(at);
        }
    }
}

const fn is_override(c: char) -> bool {
    matches!(c, '\u{202d}' | '\u{202e}')
}

/// Names of emoji and clusters, encoded; flags in a row stay together if a letter is left over.
fn plain_items(text: &str, items: &mut Vec<String>) {
    let start = items.len();
    let is_letter = |c: char| ('\u{1f1e6}'..='\u{1f1ff}').contains(&c);
    for (is_name, piece) in emoji::pieces(text) {
        if is_name {
            items.push(piece);
            continue;
        }
        for cluster in decoded(&piece).graphemes(true) {
            let mut item = encoded(cluster);
            if cluster.chars().all(is_letter) && cluster.chars().count() == 1 {
                while items.len() > start && items[items.len() - 1].starts_with(is_letter) {
                    item.insert_str(0, &items.pop().expect("it is there"));
                }
            }
            items.push(item);
        }
    }
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
        had.extend(inner.map(kept));
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
        let label = inner
            .split_once('|')
            .filter(|_| !inner.starts_with(['@', '#', '!']));
        assert!(
            label.is_none_or(|(target, label)| target.contains(label)),
            "<{inner}> hides where it leads"
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
    ":smile: :+1::100: x:100: 10:30:45 :wave::skin-tone-3: :flag-fr: :チェックマーク_緑:",
    "std::io::Read note::tada::tada: :a:b:c: :Up: ::: :\u{301}a: :a:\u{301} &lt;:a:&gt;",
    "<http://a.b/|a.b> <slack://x|y> <a:b|b> <!date^1^{date}^https://a.b|then> <!here|@here>",
    "\u{2067}a\u{2068}b\u{2069}<@U1>\u{2069} \u{202e}c\u{202c}\u{202a} \u{2069}\u{2066}",
    "🇫🇷🇩 🇫\u{301}🇷🇩x🇩",
];
