//! Slack's text markup: plain text, three entities, and control sequences in angle brackets
//! (<https://docs.slack.dev/messaging/formatting-message-text>).
//!
//! With an app's escaping option on, Slack writes mentions and links of a command's text as control
//! sequences (<https://docs.slack.dev/interactivity/implementing-slash-commands>); with it off they
//! are plain text. This module reads both: what is not a well-formed sequence is plain text. Emoji
//! are names with either option.

use std::borrow::Cow;
use std::ops::Range;

use super::emoji;

/// A piece of text in Slack's markup, as it was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit<'a> {
    /// Plain text: entities still encoded, stray angle brackets possible.
    Text(&'a str),
    /// The name of an emoji with its modifiers, colons included.
    Emoji(&'a str),
    /// A control sequence that mentions one user. Brackets included.
    Mention(&'a str),
    /// A control sequence without an alert: a channel, a date, a link. Brackets included.
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

/// The units of `text` from its last to its first. No text is empty or follows another text.
#[must_use]
pub fn units_reversed(text: &str) -> UnitsReversed<'_> {
    UnitsReversed {
        rest: text,
        found: None,
        text: "",
        names: Vec::new(),
    }
}

/// Iterator over units, last to first; see [`units_reversed`].
#[derive(Clone, Debug)]
pub struct UnitsReversed<'a> {
    rest: &'a str,
    /// The sequence in front of `text`.
    found: Option<Unit<'a>>,
    /// Plain text that stands behind `rest`, and the names of emoji in it.
    text: &'a str,
    names: Vec<Range<usize>>,
}

impl<'a> Iterator for UnitsReversed<'a> {
    type Item = Unit<'a>;

    fn next(&mut self) -> Option<Unit<'a>> {
        loop {
            if !self.text.is_empty() {
                return Some(self.next_of_text());
            }
            if let Some(unit) = self.found.take() {
                return Some(unit);
            }
            if self.rest.is_empty() {
                return None;
            }
            match last_sequence(self.rest) {
                Some((unit, before, after)) => {
                    (self.rest, self.found, self.text) = (before, Some(unit), after);
                }
                None => self.text = std::mem::take(&mut self.rest),
            }
            self.names = emoji::names(self.text);
        }
    }
}

impl<'a> UnitsReversed<'a> {
    /// The last name of an emoji in the text, or what stands behind that.
    fn next_of_text(&mut self) -> Unit<'a> {
        let Range { start, end } = self.names.last().cloned().unwrap_or(0..0);
        let is_name = end == self.text.len();
        let (before, unit) = self.text.split_at(if is_name { start } else { end });
        self.text = before;
        if is_name {
            self.names.pop();
            Unit::Emoji(unit)
        } else {
            Unit::Text(unit)
        }
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
    let inner = inner(bracketed);
    if inner.chars().any(char::is_control) {
        return None;
    }
    let (target, _label) = inner.split_once('|').unwrap_or((inner, ""));
    match target.as_bytes() {
        [b'@', b'U' | b'W', id @ ..] => is_id(id).then_some(Unit::Mention(bracketed)),
        [b'#', b'C' | b'D' | b'G', id @ ..] => is_id(id).then_some(Unit::Token(bracketed)),
        // A spelling that Slack might take for `<!channel>` must not get through: of all that begin
        // so, only the date is known to be harmless.
        [b'!', b'd', b'a', b't', b'e', b'^', ..] => Some(Unit::Token(bracketed)),
        [b'!', _, ..] => Some(Unit::Ping(bracketed)),
        _ => is_link(target).then_some(Unit::Token(bracketed)),
    }
}

/// What stands between the brackets of a sequence.
fn inner(bracketed: &str) -> &str {
    &bracketed[1..bracketed.len() - 1]
}

fn is_id(id: &[u8]) -> bool {
    !id.is_empty()
        && id
            .iter()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// Whether it is a URL of any scheme (RFC 3986, section 3.1) with something behind that.
fn is_link(target: &str) -> bool {
    let Some((scheme, _)) = target.split_once(':') else {
        return false;
    };
    let of_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(of_scheme)
        && !after_scheme(target).is_empty()
        && !target.contains(char::is_whitespace)
}

/// What of a URL stands behind `scheme:` or `scheme://`.
fn after_scheme(url: &str) -> &str {
    let (_, rest) = url.split_once(':').unwrap_or(("", url));
    rest.strip_prefix("//").unwrap_or(rest)
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

/// Appends a token or a mention, which Slack reads as one again, but without what could mislead: the label of a
/// link that does not say where it leads, and the link behind a date.
pub fn encode_token_into(token: &str, out: &mut String) {
    let inner = inner(token);
    out.push('<');
    if inner.starts_with('!') {
        encode_date_into(inner, out);
    } else {
        let end = inner.find('|').unwrap_or(inner.len());
        let is_honest = inner.starts_with(['@', '#']) || is_honest(inner);
        let shown = if is_honest { inner } else { &inner[..end] };
        // Slack does not say whether the `&` of an address arrives encoded; it must leave so.
        encode_into(&decode(shown), out);
    }
    out.push('>');
}

/// Whether a link without brackets has a label that says where it leads, as Slack writes it for what a
/// person typed without `https://`.
fn is_honest(link: &str) -> bool {
    let Some((target, label)) = link.split_once('|') else {
        return false;
    };
    let (target, label) = (decode(target), decode(label));
    let short = after_scheme(&target);
    [&target, short, short.trim_end_matches('/')].contains(&&*label)
}

/// `!date^timestamp^format^link|text`, with the link left out.
fn encode_date_into(date: &str, out: &mut String) {
    let (parts, text) = date.split_once('|').unwrap_or((date, ""));
    let link = parts.match_indices('^').nth(2);
    encode_into(
        &decode(&parts[..link.map_or(parts.len(), |(at, _)| at)]),
        out,
    );
    if !text.is_empty() {
        out.push('|');
        encode_into(&decode(text), out);
    }
}

/// Appends a mention or a ping as plain text, which alerts no one: its label, or what it says without one.
pub fn encode_plain_into(sequence: &str, out: &mut String) {
    let inner = inner(sequence);
    let (target, label) = inner.split_once('|').unwrap_or((inner, ""));
    let is_mention = target.starts_with('@');
    let (sign, name) = match label.trim() {
        "" if is_mention => ("", target),
        "" => ("", sequence),
        label if is_mention && !label.starts_with('@') => ("@", label),
        label => ("", label),
    };
    out.push_str(sign);
    encode_into(&decode(name), out);
}

#[cfg(test)]
pub(crate) mod tests;
