//! The messages that a blocking command posts before its reply.

use std::fmt;

use super::{Reply, Unusable};
use crate::slack::message::Visibility;

/// Posts messages while a blocking command runs, at most four: Slack takes five posts for each command, and the reply is one.
/// With a journal, what an earlier process has posted for the command counts as well.
pub struct Messages<'a> {
    outlet: &'a mut dyn Outlet,
    visibility: Visibility,
}

/// Where messages go.
pub(crate) trait Outlet {
    /// How many more it takes.
    fn left(&self) -> u8;

    /// Posts one, and waits for the answer.
    fn post(&mut self, json: Vec<u8>) -> Result<(), SendError>;
}

impl<'a> Messages<'a> {
    /// Messages to this outlet, with this visibility unless they have their own.
    pub(crate) fn new(outlet: &'a mut dyn Outlet, visibility: Visibility) -> Self {
        Self { outlet, visibility }
    }

    /// Posts a message now, and waits until Slack has answered: ten seconds at most. It is not tried again.
    ///
    /// # Errors
    /// See [`SendError`]. `?` makes the command fail; most commands can continue without the message.
    pub fn send(&mut self, message: impl Into<Reply>) -> Result<(), SendError> {
        let json = message.into().into_json(self.visibility);
        let json = json.map_err(SendError::Unusable)?;
        if self.left() == 0 {
            return Err(SendError::Spent);
        }
        self.outlet.post(json)
    }

    /// How many more can be sent.
    #[must_use]
    pub fn left(&self) -> u8 {
        self.outlet.left()
    }
}

impl fmt::Debug for Messages<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Messages");
        shown.field("left", &self.left()).finish_non_exhaustive()
    }
}

/// Why a message was not sent, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The message cannot be posted.
    Unusable(Unusable),
    /// The posts that Slack takes for this command are used up, but for that of the reply.
    Spent,
    /// Slack limits this workspace: nothing is posted before the reply.
    Limited,
    /// The command has taken too long, or the bot stops.
    Over,
    /// The attempt failed, as the text says. Unless Slack could not be reached, the message may have been posted.
    Failed(String),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unusable(error) => error.fmt(f),
            Self::Spent => f.write_str("Slack takes no further message for this command"),
            Self::Limited => f.write_str("Slack limits the workspace, and takes no message now"),
            Self::Over => f.write_str("the command has taken too long, or the bot stops"),
            Self::Failed(detail) => write!(f, "a message was not taken: {detail}"),
        }
    }
}

impl std::error::Error for SendError {}
