//! What Slack sends and what it expects: bytes and text in, bytes and text out.
//!
//! A slash command arrives as a [`form`] with a [`signature`]; verified, it is an [`invocation`], whose
//! text is in Slack's [`markup`] and whose [`response_url`] says where the [`message`] that answers it
//! goes. How Slack writes and signs what arrives is [`request`].

pub(crate) mod cut;
mod emoji;
pub mod fields;
pub mod form;
pub mod invocation;
pub mod markup;
pub mod message;
pub mod request;
pub mod response_url;
pub mod signature;
