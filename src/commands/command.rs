//! What a command is.

use crate::slack::message::Visibility;

/// A slash command: what a row of the table says about it.
#[derive(Clone, Copy, Debug)]
pub struct Command {
    /// As people type it, slash included.
    pub name: &'static str,
    /// What it does, as Slack shows it while a person types.
    pub description: &'static str,
    /// What may stand behind its name, shown likewise.
    pub hint: &'static str,
    /// What to answer a person who asks how to use it, in Slack's markup.
    pub usage: &'static str,
    /// Who sees its replies, unless the settings show all of them to everyone in the conversation.
    pub visibility: Visibility,
    /// Takes the invocation's text as Slack delivered it and appends the reply's, both in Slack's
    /// markup.
    pub run: fn(&str, &mut String),
}

impl Command {
    /// Who sees a reply. `in_channel` is what the settings say for all of them.
    #[must_use]
    pub const fn visibility_of_replies(&self, in_channel: bool) -> Visibility {
        if in_channel {
            Visibility::InChannel
        } else {
            self.visibility
        }
    }
}
