//! What Slack says and wants to hear.
pub mod response_url;
