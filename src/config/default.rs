//! Defaults, written as a user would give them: the help shows these same texts.

/// Of the program's name: the name of the bot that comes with this library.
pub const PROGRAM: &str = "torrap";
/// Of `LOG_LEVEL`.
pub const LOG_LEVEL: &str = "info";
/// Of `LOG_FORMAT`.
pub const LOG_FORMAT: &str = "text";
/// Of `--listen`.
pub const LISTEN: &str = "localhost:8000";
/// Of every switch.
pub const NO: &str = "no";
/// Of `TORRAP_TUNNEL_AGENTS`: the address of ngrok's agent (ngrok.com/docs/agent/api), and those at which cloudflared
/// serves its metrics, the first that is free (github.com/cloudflare/cloudflared, `metrics/metrics.go`).
pub const TUNNEL_AGENTS: &str = "4040,20241,20242,20243,20244,20245";
/// Of `--delay`, in seconds.
pub const DELAY: &str = "5";
/// Of `--tolerance`, in seconds.
pub const TOLERANCE: &str = "60";
/// Of `--reply-origin`: Slack and GovSlack.
pub const REPLY_ORIGINS: &str = "https://hooks.slack.com,https://hooks.slack-gov.com";
/// Of `--senders`.
pub const SENDERS: &str = "64";
/// Of `--max-pending`.
pub const MAX_PENDING: &str = "100000";
/// Of `--max-connections`.
pub const MAX_CONNECTIONS: &str = "8192";
