//! The bot as a process, the stand-in for Slack that it replies to, and a client.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use torrap::slack::request;
use torrap::tools::trial::command::{self, Response};
use torrap::tools::trial::stand_in::{Answer, Post, SlackStandIn};

use crate::support::{PATIENCE, Process, torrap};

/// Of the form that Slack's have, other than the one in its documentation.
pub const SECRET: &str = "8f742231b10e8888abcd99feedface85";

/// The secret part of every `response_url`.
pub const SECRET_PATH: &str = "/commands/T0001/1/secret-path";

/// The bot as a process, and the stand-in for Slack that its replies go to.
pub struct Bot {
    pub process: Process,
    pub slack: SlackStandIn,
    pub address: SocketAddr,
}

impl Bot {
    /// The bot without thinking time, with what `change` sets besides.
    pub fn start(change: impl FnOnce(&mut Command)) -> Self {
        Self::answered_with(|_| Answer::ok(), change)
    }

    /// The same, with a stand-in that answers as told.
    pub fn answered_with(
        script: impl Fn(&Post) -> Answer + Send + Sync + 'static,
        change: impl FnOnce(&mut Command),
    ) -> Self {
        let slack = SlackStandIn::start(script).unwrap();
        let process = Process::start(&mut serve(&slack, change));
        Self::told(process, slack)
    }

    /// The bot, started by another program whose arguments it and its own arguments are.
    #[cfg(target_os = "linux")] // for the programs of coreutils
    pub fn start_by(wrapper: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let slack = SlackStandIn::start(|_| Answer::ok()).unwrap();
        let process = Process::start(&mut serve_by(wrapper, &slack, change));
        Self::told(process, slack)
    }

    /// The bot whose log tells the address.
    pub fn told(mut process: Process, slack: SlackStandIn) -> Self {
        let line = process.read_until("listening on http://");
        let (_, address) = line.split_once("http://").unwrap();
        Self {
            process,
            slack,
            address: address.trim_end().parse().unwrap(),
        }
    }

    /// The same, where the log cannot tell the address.
    #[cfg(target_os = "linux")]
    pub fn start_silent(
        start: fn(&mut Command) -> Process,
        change: impl FnOnce(&mut Command),
    ) -> Self {
        let slack = SlackStandIn::start(|_| Answer::ok()).unwrap();
        let process = start(&mut serve(&slack, change));
        let address = crate::idle::listening_address(process.pid());
        Self {
            process,
            slack,
            address,
        }
    }

    pub fn connect(&self) -> TcpStream {
        connect(self.address)
    }

    /// A signed request whose reply goes to the stand-in.
    pub fn signed(&self, text: &str) -> Vec<u8> {
        signed(
            SECRET,
            text,
            &format!("{}{SECRET_PATH}", self.slack.origin()),
        )
    }

    /// Sends a command and takes its acknowledgement.
    pub fn command(&self, text: &str) {
        let response = exchange(&mut self.connect(), self.signed(text));
        assert_eq!((response.status, response.content.len()), (200, 0));
    }

    /// Sends the same command many times on one connection, and takes all acknowledgements.
    pub fn commands(&self, text: &str, count: usize) {
        let request = self.signed(text);
        let mut stream = self.connect();
        let length = exchange(&mut stream, &request).head.len();
        let mut writing = stream.try_clone().unwrap();
        let batch = request.repeat(count - 1);
        let writer = thread::spawn(move || writing.write_all(&batch).unwrap());
        let mut acknowledgements = vec![0; length * (count - 1)];
        stream.read_exact(&mut acknowledgements).unwrap();
        writer.join().unwrap();
        let all_well = |head: &[u8]| head.starts_with(b"HTTP/1.1 200 ");
        assert!(acknowledgements.chunks(length).all(all_well));
    }

    /// Waits for so many posts.
    pub fn posts(&self, count: usize) -> Vec<Post> {
        let posts = self.slack.wait_for(count, PATIENCE);
        let got = posts.len();
        assert!(
            got >= count,
            "{got} of {count} posts; {:#?}",
            self.process.log
        );
        posts
    }
}

/// The command line of a bot that replies to this stand-in.
pub fn serve(slack: &SlackStandIn, change: impl FnOnce(&mut Command)) -> Command {
    let mut command = torrap();
    command
        .env("SLACK_SIGNING_SECRET", SECRET)
        .env("TORRAP_LISTEN", "127.0.0.1:0")
        .env("TORRAP_REPLY_ORIGINS", slack.origin())
        .env("TORRAP_DELAY", "0");
    change(&mut command);
    command
}

/// The same as the arguments of another program.
pub fn serve_by(
    wrapper: &[&str],
    slack: &SlackStandIn,
    change: impl FnOnce(&mut Command),
) -> Command {
    let bot = serve(slack, change);
    let mut command = Command::new(wrapper[0]);
    command
        .args(&wrapper[1..])
        .arg(bot.get_program())
        .args(bot.get_args())
        .env_clear()
        .stdin(Stdio::null());
    let variables = bot.get_envs();
    command.envs(variables.filter_map(|(name, value)| Some((name, value?))));
    command
}

/// A signed request for `/torrap text` with this `response_url`.
pub fn signed(secret: &str, text: &str, response_url: &str) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let content = request::form("/torrap", text, response_url);
    request::signed(secret.as_bytes(), now.as_secs(), content.as_bytes())
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

pub fn exchange(stream: &mut TcpStream, request: impl AsRef<[u8]>) -> Response {
    stream.write_all(request.as_ref()).unwrap();
    command::receive(stream).unwrap()
}
