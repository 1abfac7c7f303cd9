//! The bot on a thread of this process, with a stand-in for Slack.

use std::io;
use std::net::SocketAddr;
use std::thread::JoinHandle;

use torrap::config::{Config, Settings, SigningSecret};
use torrap::slack::response_url::Origin;
use torrap::tools::trial::command::Response;
use torrap::tools::trial::stand_in::{Answer, Post, SlackStandIn};
use torrap::{Server, Stopper};

use crate::gate::Gate;
use crate::log_lines::LogLines;
use crate::{Client, DEADLINE, SECRET, SECRET_PATH, signed};

/// The server on a thread of its own; dropping it stops it.
pub struct Torrap {
    pub address: SocketAddr,
    /// Where it can be watched, if it can.
    pub metrics: Option<SocketAddr>,
    pub slack: SlackStandIn,
    /// What the loop's thread has logged.
    pub log: LogLines,
    /// Where replies go, as the settings spell it.
    origin: String,
    stopper: Stopper,
    thread: Option<JoinHandle<io::Result<usize>>>,
}

impl Torrap {
    /// The bot without thinking time, whose replies are answered with `ok`.
    pub fn start() -> Self {
        Self::with(|_| Answer::ok(), |_| {})
    }

    /// The same, for tests that send one signed request in several ways: each of them is carried out.
    pub fn with_replays() -> Self {
        Self::with(|_| Answer::ok(), |config| config.allow_replays = true)
    }

    /// The bot with other settings, and a stand-in that answers as told.
    pub fn with(
        script: impl Fn(&Post) -> Answer + Send + Sync + 'static,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let slack = SlackStandIn::start(script).unwrap();
        let origin = slack.origin();
        Self::posting_to(slack, &origin, change)
    }

    /// The bot with other settings, whose replies are not answered before the gate opens.
    pub fn gated(change: impl FnOnce(&mut Config)) -> (Self, Gate) {
        let gate = Gate::default();
        let answers = gate.clone();
        let script = move |_: &Post| {
            answers.wait();
            Answer::ok()
        };
        (Self::with(script, change), gate)
    }

    /// The bot with an origin of replies that is not the stand-in's own, as with TLS.
    pub fn posting_to(slack: SlackStandIn, origin: &str, change: impl FnOnce(&mut Config)) -> Self {
        let secret = SigningSecret::new(SECRET).unwrap();
        let mut config = Config::from_settings(&Settings::default(), vec![secret]).unwrap();
        config.listen = vec!["127.0.0.1:0".to_owned()];
        config.reply_origins = vec![Origin::parse(origin).unwrap()];
        config.delay_ms = 0;
        config.drain_ms = 5_000;
        change(&mut config);
        let mut server = Server::bind(&config).unwrap();
        let address = server.local_addrs().unwrap()[0];
        let metrics = server.metrics_addrs().unwrap().first().copied();
        let stopper = server.stopper();
        let log = LogLines::default();
        let lines = log.clone();
        let thread = Some(std::thread::spawn(move || {
            lines.of(|| {
                let undelivered = server.run()?;
                server
                    .undelivered()
                    .for_each(|line| log::warn!(target: "torrap", "{line}"));
                Ok(undelivered)
            })
        }));
        Self {
            address,
            metrics,
            slack,
            log,
            origin: origin.to_owned(),
            stopper,
            thread,
        }
    }

    /// Sends a signed command on a connection of its own.
    pub fn command(&self, text: &str) -> Response {
        self.connect().exchange(self.signed(text))
    }

    /// A signed request whose reply goes to the stand-in.
    pub fn signed(&self, text: &str) -> Vec<u8> {
        self.signed_to(SECRET_PATH, text)
    }

    /// The same with a path of its own, by which its posts can be told from others.
    pub fn signed_to(&self, path: &str, text: &str) -> Vec<u8> {
        signed(SECRET, text, &format!("{}{path}", self.origin))
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// The posts, once there are `count` of them.
    pub fn posts(&self, count: usize) -> Vec<Post> {
        let posts = self.slack.wait_for(count, DEADLINE);
        assert!(
            posts.len() >= count,
            "only {} of {count} posts",
            posts.len()
        );
        posts
    }

    /// The texts of the posts, once there are `count` of them.
    pub fn replies(&self, count: usize) -> Vec<String> {
        let text = |post: &Post| {
            let json: serde_json::Value = serde_json::from_slice(&post.content).unwrap();
            json["text"].as_str().unwrap().to_owned()
        };
        self.posts(count).iter().map(text).collect()
    }

    /// Asks for a graceful stop without waiting for it.
    pub fn begin_stop(&self) {
        self.stopper.stop();
    }

    /// Stops gracefully; how many replies were left undelivered.
    pub fn stop(mut self) -> usize {
        self.join()
    }

    /// Stops gracefully with nothing left undelivered: all the posts there ever were.
    pub fn settle(mut self) -> Vec<Post> {
        assert_eq!(self.join(), 0, "replies were left undelivered");
        self.slack.posts()
    }

    fn join(&mut self) -> usize {
        self.stopper.stop();
        self.thread.take().unwrap().join().unwrap().unwrap()
    }
}

impl Drop for Torrap {
    fn drop(&mut self) {
        self.stopper.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
