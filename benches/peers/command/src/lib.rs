//! What every Rust peer does with a slash command: torrap's own verification, form scan, reversal and
//! JSON. A peer's figures then differ from torrap's by what receives, waits and sends, and by nothing
//! that a better form parser could mend.

use std::cell::RefCell;
use std::env;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use torrap::commands::{Command, REVERSE, Request, Run, SHOUT};
use torrap::slack::invocation::{Invocation, Scratch};
use torrap::slack::message::{Message, Visibility};
use torrap::slack::response_url::Origin;
use torrap::slack::signature::Verifier;
use torrap::time::UnixTime;

/// What torrap's binary is made of; the first is called by any other name.
const COMMANDS: [Command; 2] = [REVERSE, SHOUT];

/// As wide as the measured torrap has it: requests are signed before the run.
const TOLERANCE_MS: u64 = 300_000;
/// Connections to Slack at once: as many as torrap has senders.
pub const SENDERS: usize = 64;
/// How long an attempt may take, as with torrap.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

thread_local! {
    /// The peers have one thread that receives, so this is one buffer, used again.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// What the runner tells a peer: arguments `ADDRESS DELAY ORIGIN`, the secret in the environment.
pub struct Settings {
    pub address: SocketAddr,
    pub delay: Duration,
    origin: Origin,
    verifier: Verifier,
}

impl Settings {
    /// # Panics
    /// If they are not as the runner gives them.
    #[must_use]
    pub fn read() -> Self {
        let mut arguments = env::args().skip(1);
        let mut next = |name| {
            arguments
                .next()
                .unwrap_or_else(|| panic!("{name} is missing"))
        };
        let address = next("ADDRESS").parse().expect("ADDRESS is host:port");
        let delay = next("DELAY").parse().expect("DELAY is in seconds");
        let origin = Origin::parse(&next("ORIGIN")).expect("ORIGIN is scheme://host:port");
        let secret = env::var("SLACK_SIGNING_SECRET").expect("SLACK_SIGNING_SECRET is set");
        Self {
            address,
            delay: Duration::from_secs_f64(delay),
            origin,
            verifier: Verifier::new([secret.as_bytes()], TOLERANCE_MS),
        }
    }

    /// Verifies a request and keeps what its reply needs; the status to refuse it with, otherwise.
    ///
    /// # Errors
    /// The status of the answer.
    pub fn accept(
        &self,
        timestamp: Option<&[u8]>,
        signature: Option<&[u8]>,
        content: &[u8],
    ) -> Result<Job, u16> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let now = UnixTime(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
        let verified = self
            .verifier
            .verify(timestamp, signature, content, now)
            .map_err(|_| 401_u16)?;
        SCRATCH.with_borrow_mut(|scratch| {
            let origins = std::slice::from_ref(&self.origin);
            let invocation = Invocation::parse(verified, origins, scratch).map_err(|_| 400_u16)?;
            Ok(Job::new(&invocation))
        })
    }

    /// Where a job's reply goes.
    #[must_use]
    pub fn url(&self, job: &Job) -> String {
        format!("{}{}", self.origin, job.path())
    }
}

/// A pending reply: one allocation, as in torrap, since it waits in memory for seconds.
pub struct Job {
    /// Path of the `response_url`, then the text.
    bytes: Box<str>,
    path_len: u16,
    command: u8,
}

impl Job {
    fn new(invocation: &Invocation<'_>) -> Self {
        let (path, text) = (invocation.response_url.path, invocation.text);
        let mut bytes = String::with_capacity(path.len() + text.len());
        bytes.push_str(path);
        bytes.push_str(text);
        Self {
            bytes: bytes.into_boxed_str(),
            path_len: u16::try_from(path.len()).expect("a path has a limit below 64 KiB"),
            command: u8::from(invocation.command == SHOUT.name),
        }
    }

    fn path(&self) -> &str {
        &self.bytes[..usize::from(self.path_len)]
    }

    /// The content of the post.
    #[must_use]
    pub fn reply(&self) -> Vec<u8> {
        let mut reply = String::new();
        let text = &self.bytes[usize::from(self.path_len)..];
        if let Run::Inline(run) = COMMANDS[usize::from(self.command)].run {
            run(&Request::new("/torrap", text), &mut reply);
        }
        let mut json = Vec::new();
        Message {
            visibility: Visibility::Default,
            text: &reply,
        }
        .append_json(&mut json);
        json
    }
}
