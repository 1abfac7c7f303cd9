//! `/shout`: the text in capitals, for all to see.

use super::{Command, Request};
use crate::slack::markup::{self, Unit};
use crate::slack::message::Visibility;

/// `/shout`: the text in capitals, for all to see.
pub const SHOUT: Command = Command::inline("/shout", shout)
    .description("Say some text in capitals, to the whole channel")
    .hint("[text]")
    .usage(
        "Give me some text and I'll say it in capitals, for all to see. Try `/shout hello`: \
         a moment later I answer `HELLO`.",
    )
    .visibility(Visibility::InChannel)
    .deterministic();

/// Appends the text in capitals. Names of emoji and Slack's own tokens stay whole; mentions and pings become
/// plain text, since all see the reply and it does not say who asked for it.
fn shout(request: &Request<'_>, out: &mut String) {
    for unit in markup::units(request.text()) {
        match unit {
            Unit::Text(run) => markup::encode_into(&markup::decode(run).to_uppercase(), out),
            Unit::Emoji(name) => out.push_str(name),
            Unit::Token(token) => markup::encode_token_into(token, out),
            Unit::Mention(alert) | Unit::Ping(alert) => markup::encode_plain_into(alert, out),
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
                "in <#C1|general>, <https://a.b/c|see> :+1: :wave::skin-tone-3:",
                "IN <#C1|general>, <https://a.b/c> :+1: :wave::skin-tone-3:",
            ),
            ("hi <@U123|bob>, <@U123>", "HI @bob, @U123"),
            ("oi <!channel>", "OI &lt;!channel&gt;"),
            ("oi <!subteam^S1|@devs>", "OI @devs"),
            (
                "<!date^1^free {date}^https://evil.example|then>",
                "<!date^1^free {date}|then>",
            ),
        ] {
            let mut out = String::new();
            shout(&Request::new("/shout", text), &mut out);
            assert_eq!(out, expected);
        }
    }
}
