//! The log as a story: what it tells, and in which order.

use crate::TORRAP;

/// From a start to a stop with one command in between: beginnings of all messages.
const STORY: [&str; 17] = [
    "startup",
    "starting slackbot",
    "listening on http://127.0.0.1:",
    "slack",
    "validating",
    "timestamp: 1",
    "reversing a string seems hard...",
    "thinking...",
    "command 1: /torrap, 17 bytes of text, reply in 0 s, from user U",
    "sending reply: this is backwards",
    "successfully sent reply",
    "command 1: answered",
    "received cancellation signal",
    "stopping; replies pending: 0, waiting up to 30 s",
    "stopped slackbot",
    "all tasks stopped",
    "shutdown",
];

#[test]
fn debug_tells_the_whole_story_in_its_order() {
    // In capitals, as a level may be given in any case.
    let mut bot = TORRAP.start(|command| {
        command.env("LOG_LEVEL", "DEBUG");
    });
    bot.command("sdrawkcab si siht");
    bot.process.read_until("command 1: answered");
    assert_eq!(bot.process.stop(), Some(0));
    let messages = bot.process.messages();
    assert_eq!(messages.len(), STORY.len(), "{messages:#?}");
    for (message, beginning) in messages.iter().zip(STORY) {
        assert!(message.starts_with(beginning), "{message}: not {beginning}");
    }
}

#[test]
fn every_line_has_its_time_its_level_and_its_place() {
    let mut bot = TORRAP.start(|command| {
        command.env("LOG_LEVEL", "trace");
    });
    bot.command("olleh");
    bot.process.read_until("command 1: answered");
    bot.process.stop();
    for line in &bot.process.log {
        let (time, rest) = line.split_once(' ').unwrap();
        let digits = time.replace(|c: char| c.is_ascii_digit(), "0");
        assert_eq!(digits, "0000-00-00T00:00:00.000Z", "{line}");
        let (level, place) = rest.split_at(6);
        assert!(["INFO  ", "DEBUG ", "TRACE "].contains(&level), "{line}");
        assert!(
            place.starts_with("[torrap]") || place.starts_with("[torrap::"),
            "{line}"
        );
    }
}
