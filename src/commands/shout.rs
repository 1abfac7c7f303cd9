//! `/shout`: the text in capitals, for all to see.

use super::Command;
use crate::slack::markup::{self, Unit};
use crate::slack::message::Visibility;

pub(super) const COMMAND: Command = Command {
    name: "/shout",
    description: "Say some text in capitals, to the whole channel",
    hint: "[text]",
    usage: "Give me some text and I'll say it in capitals, for all to see. Try `/shout hello`: \
            a moment later I answer `HELLO`.",
    visibility: Visibility::InChannel,
    run: shout,
};

/// Appends `text` in capitals. Slack's own tokens stay whole, and pings become plain text.
fn shout(text: &str, out: &mut String) {
    for unit in markup::units(text) {
        match unit {
            Unit::Text(run) => markup::encode_into(&markup::decode(run).to_uppercase(), out),
            Unit::Token(token) => markup::encode_token_into(token, out),
            Unit::Ping(ping) => markup::encode_into(&markup::decode(ping), out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_in_capitals_and_tokens_stay_whole() {
        for (text, expected) in [
            ("hello", "HELLO"),
            ("straße, é", "STRASSE, É"),
            ("a &amp; b &lt;c&gt;", "A &amp; B &lt;C&gt;"),
            (
                "hi <@U123|bob>, <https://a.b/c|see>",
                "HI <@U123|bob>, <https://a.b/c|see>",
            ),
            ("oi <!channel>", "OI &lt;!channel&gt;"),
        ] {
            let mut out = String::new();
            shout(text, &mut out);
            assert_eq!(out, expected);
        }
    }
}
