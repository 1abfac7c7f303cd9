//! Where each job stands, read from the lines that an operator would see at the end.

use std::collections::BTreeMap;

use crate::app::Bot;
use crate::time::Now;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Unkept,
    Thinking,
    Retrying,
    Waiting,
    Running,
    Ready,
    Held,
    Sending,
}

/// Each job by its number, with the attempts made, the one under way included.
pub(super) fn standing(bot: &Bot) -> BTreeMap<u32, (Standing, u8)> {
    let parse = |line: String| parse(&line).unwrap_or_else(|| panic!("of no known form: {line}"));
    bot.undelivered().map(parse).collect()
}

fn parse(line: &str) -> Option<(u32, (Standing, u8))> {
    let (number, rest) = line.strip_prefix("command ")?.split_once(':')?;
    let (state, rest) = rest.strip_prefix(" not answered, ")?.split_once(';')?;
    let attempts = rest.strip_suffix(" of 5 attempts made")?.trim_start();
    let state = match state {
        "not kept by the journal yet" => Standing::Unkept,
        "still thinking" => Standing::Thinking,
        "waiting for its next attempt" => Standing::Retrying,
        "waiting for a thread to run its command" => Standing::Waiting,
        "its command is running" => Standing::Running,
        "waiting for a sender" => Standing::Ready,
        "waiting because Slack limits its workspace" => Standing::Held,
        "being sent" => Standing::Sending,
        _ => return None,
    };
    Some((number.parse().ok()?, (state, attempts.parse().ok()?)))
}

/// What is seen of the bot after a turn.
pub(super) struct Seen<'a> {
    pub(super) bot: &'a Bot,
    pub(super) now: Now,
    pub(super) standing: BTreeMap<u32, (Standing, u8)>,
    /// Whether due replies are sent, and there is room for one.
    pub(super) is_dispatching: bool,
    /// Whether commands that are due are run, and there is room for one.
    pub(super) is_running: bool,
}

impl<'a> Seen<'a> {
    pub(super) fn new(bot: &'a Bot, now: Now, is_dispatching: bool, is_running: bool) -> Self {
        Self {
            is_running,
            bot,
            now,
            standing: standing(bot),
            is_dispatching,
        }
    }
}
