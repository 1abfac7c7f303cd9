//! What Slack says and what it wants to hear: bytes and text in, bytes and text out.
//!
//! A slash command arrives as a [`form`] whose `text` is in Slack's [`markup`]; what goes back, in the
//! answer or to the `response_url`, is a [`message`].

pub mod form;
pub mod markup;
pub mod message;
