//! Slack's text markup: plain text, three entities, and control sequences in angle brackets
//! (<https://docs.slack.dev/messaging/formatting-message-text>).
//!
//! With an app's escaping option on, Slack writes mentions and links of a command's text as control
//! sequences (<https://docs.slack.dev/interactivity/implementing-slash-commands>); with it off they
//! are plain text. One reading serves both: what is no well-formed sequence is plain text.

use std::borrow::Cow;

/// A piece of text in Slack's markup, as it was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit<'a> {
    /// Plain text: entities still encoded, stray angle brackets possible.
    Text(&'a str),
    /// A control sequence that alerts nobody but whom it names: a user, a channel, a date, a link.
    /// Brackets included.
    Token(&'a str),
    /// A control sequence that alerts many, such as `<!channel>`. Brackets included.
    Ping(&'a str),
}

/// The units of `text` in their order.
#[must_use]
pub fn units(text: &str) -> Vec<Unit<'_>> {
    let mut units: Vec<Unit<'_>> = units_reversed(text).collect();
    units.reverse();
    units
}

/// The units of `text` from its last to its first. Two texts never follow each other, and none is
/// empty.
#[must_use]
pub fn units_reversed(text: &str) -> UnitsReversed<'_> {
    UnitsReversed {
        rest: text,
        found: None,
    }
}

/// Iterator over units, last to first; see [`units_reversed`].
#[derive(Clone, Debug)]
pub struct UnitsReversed<'a> {
    rest: &'a str,
    /// The sequence in front of the text that was returned last.
    found: Option<Unit<'a>>,
}

impl<'a> Iterator for UnitsReversed<'a> {
    type Item = Unit<'a>;

    fn next(&mut self) -> Option<Unit<'a>> {
        if let Some(unit) = self.found.take() {
            return Some(unit);
        }
        let Some((unit, before, after)) = last_sequence(self.rest) else {
            let text = std::mem::take(&mut self.rest);
            return (!text.is_empty()).then_some(Unit::Text(text));
        };
        self.rest = before;
        if after.is_empty() {
            return Some(unit);
        }
        self.found = Some(unit);
        Some(Unit::Text(after))
    }
}

/// The last control sequence of `text`, with what stands before and after it.
fn last_sequence(text: &str) -> Option<(Unit<'_>, &str, &str)> {
    // No bracket can stand inside a sequence, so each `>` has one possible `<`: the bracket before
    // it. Both searches only go towards the front, which keeps this linear in any text.
    let mut end = text.len();
    while let Some(close) = text[..end].rfind('>') {
        let open = text[..close].rfind(['<', '>'])?;
        if text.as_bytes()[open] == b'<'
            && let Some(unit) = sequence(&text[open..=close])
        {
            return Some((unit, &text[..open], &text[close + 1..]));
        }
        end = open + 1;
    }
    None
}

/// Reads `<…>` (no bracket inside) as a control sequence, if it is one.
fn sequence(bracketed: &str) -> Option<Unit<'_>> {
    let inner = &bracketed[1..bracketed.len() - 1];
    if inner.chars().any(char::is_control) {
        return None;
    }
    let (target, _label) = inner.split_once('|').unwrap_or((inner, ""));
    let is_token = match target.as_bytes() {
        [b'@', b'U' | b'W', id @ ..] | [b'#', b'C' | b'D' | b'G', id @ ..] => is_id(id),
        // A spelling that Slack might take for `<!channel>` must not get through: of all that begin
        // so, only the date is known to be harmless.
        [b'!', name @ ..] => match name {
            [] => false,
            [b'd', b'a', b't', b'e', b'^', ..] => true,
            _ => return Some(Unit::Ping(bracketed)),
        },
        _ => is_link(target),
    };
    is_token.then_some(Unit::Token(bracketed))
}

fn is_id(id: &[u8]) -> bool {
    !id.is_empty()
        && id
            .iter()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

fn is_link(target: &str) -> bool {
    const SCHEMES: [&str; 4] = ["https://", "http://", "mailto:", "tel:"];

    let begins_with = |scheme: &&str| {
        let (scheme, target) = (scheme.as_bytes(), target.as_bytes());
        target.len() > scheme.len() && target[..scheme.len()].eq_ignore_ascii_case(scheme)
    };
    SCHEMES.iter().any(begins_with) && !target.contains(char::is_whitespace)
}

/// Decodes `&amp;`, `&lt;` and `&gt;`, once; any other `&` is itself.
#[must_use]
pub fn decode(text: &str) -> Cow<'_, str> {
    const ENTITIES: [(&str, char); 3] = [("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>')];

    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (plain, from_entity) = rest.split_at(at);
        let entity = ENTITIES
            .into_iter()
            .find(|&(entity, _)| from_entity.starts_with(entity));
        let (entity, character) = entity.unwrap_or(("&", '&'));
        out.push_str(plain);
        out.push(character);
        rest = &from_entity[entity.len()..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Appends plain text with `&`, `<` and `>` encoded and nothing else, which is all of Slack's
/// escaping.
pub fn encode_into(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(is_special) {
        out.push_str(&rest[..at]);
        out.push_str(match rest.as_bytes()[at] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            _ => "&gt;",
        });
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}

/// Whether `byte` is one of the three that plain text must have encoded.
#[must_use]
pub const fn is_special(byte: u8) -> bool {
    matches!(byte, b'&' | b'<' | b'>')
}

/// Appends a token to be read as a token again.
pub fn encode_token_into(token: &str, out: &mut String) {
    if !token.contains('&') {
        return out.push_str(token);
    }
    // Slack does not say whether the `&` of an address arrives encoded; it must leave so.
    let inner = decode(&token[1..token.len() - 1]);
    out.push('<');
    encode_into(&inner, out);
    out.push('>');
}

#[cfg(test)]
pub(crate) mod tests;
