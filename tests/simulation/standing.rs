//! Where each job stands, read from the lines that an operator would see at the end.

use std::collections::BTreeMap;

use torrap::app::Bot;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Thinking,
    Retrying,
    Ready,
    Held,
    Sending,
}

/// Each job by its number, with the attempts made, the one under way included.
pub fn standing(bot: &Bot) -> BTreeMap<u32, (Standing, u8)> {
    let parse = |line: String| parse(&line).unwrap_or_else(|| panic!("of no known form: {line}"));
    bot.undelivered().map(parse).collect()
}

fn parse(line: &str) -> Option<(u32, (Standing, u8))> {
    let (number, rest) = line.strip_prefix("command ")?.split_once(':')?;
    let (state, rest) = rest.strip_prefix(" not answered, ")?.split_once(';')?;
    let attempts = rest.strip_suffix(" of 5 attempts made")?.trim_start();
    let state = match state {
        "still thinking" => Standing::Thinking,
        "waiting for its next attempt" => Standing::Retrying,
        "waiting for a sender" => Standing::Ready,
        "waiting because Slack limits its workspace" => Standing::Held,
        "being sent" => Standing::Sending,
        _ => return None,
    };
    Some((number.parse().ok()?, (state, attempts.parse().ok()?)))
}
