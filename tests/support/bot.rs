//! The real binary, with nothing of the developer's environment, and the bot that it is as a process.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::thread;

use torrap::tools::trial::stand_in::{Answer, Post, SlackStandIn};

use crate::kernel;
use crate::process::Process;
use crate::{Client, DEADLINE, SECRET, SECRET_PATH, signed};

/// The binary, by its path; a test has it from `env!("CARGO_BIN_EXE_torrap")`.
#[derive(Clone, Copy)]
pub struct Binary<'a>(pub &'a str);

impl Binary<'_> {
    /// The binary with an empty environment.
    pub fn command(self) -> Command {
        isolated(program(self.0))
    }

    /// The same below a limit of descriptors, soft and hard.
    pub fn command_limited(self, descriptors: u32) -> Command {
        let script = format!("ulimit -n {descriptors}; exec \"$0\" \"$@\"");
        let mut command = isolated(program("sh"));
        command.args(["-c", &script, self.0]);
        command
    }

    /// The command line of a bot without thinking time that replies to this stand-in, with what `change` sets besides.
    pub fn serve(self, slack: &SlackStandIn, change: impl FnOnce(&mut Command)) -> Command {
        serving(self.command(), slack, change)
    }

    /// The same as the arguments of another program.
    pub fn serve_by(
        self,
        wrapper: &[&str],
        slack: &SlackStandIn,
        change: impl FnOnce(&mut Command),
    ) -> Command {
        let bot = serving(isolated(Command::new(self.0)), slack, change);
        let mut command = isolated(program(wrapper[0]));
        command
            .args(&wrapper[1..])
            .arg(bot.get_program())
            .args(bot.get_args());
        let variables = bot.get_envs();
        command.envs(variables.filter_map(|(name, value)| Some((name, value?))));
        command
    }

    /// Starts the bot without thinking time.
    pub fn start(self, change: impl FnOnce(&mut Command)) -> Bot {
        self.answered_with(|_| Answer::ok(), change)
    }

    /// The same, with a stand-in that answers as told.
    pub fn answered_with(
        self,
        script: impl Fn(&Post) -> Answer + Send + Sync + 'static,
        change: impl FnOnce(&mut Command),
    ) -> Bot {
        let slack = SlackStandIn::start(script).unwrap();
        let process = Process::start(&mut self.serve(&slack, change));
        Bot::told(process, slack)
    }

    /// The same below a limit of descriptors.
    pub fn start_limited(self, descriptors: u32, change: impl FnOnce(&mut Command)) -> Bot {
        let slack = SlackStandIn::start(|_| Answer::ok()).unwrap();
        let mut command = serving(self.command_limited(descriptors), &slack, change);
        Bot::told(Process::start(&mut command), slack)
    }

    /// The bot, started by another program whose arguments it and its own arguments are.
    pub fn start_by(self, wrapper: &[&str], change: impl FnOnce(&mut Command)) -> Bot {
        let slack = SlackStandIn::start(|_| Answer::ok()).unwrap();
        let process = Process::start(&mut self.serve_by(wrapper, &slack, change));
        Bot::told(process, slack)
    }

    /// The bot, where the log cannot tell the address.
    pub fn start_silent(
        self,
        start: fn(&mut Command) -> Process,
        change: impl FnOnce(&mut Command),
    ) -> Bot {
        let slack = SlackStandIn::start(|_| Answer::ok()).unwrap();
        let process = start(&mut self.serve(&slack, change));
        let address = kernel::listening_address(process.pid());
        Bot {
            process,
            slack,
            address,
        }
    }
}

/// A program that starts with the signals of a terminal's command. What is ignored here, as in a background job of a script, would
/// stay ignored there, and a bot keeps it so: it would not stop.
fn program(name: &str) -> Command {
    if !kernel::ignores_stop_signals() {
        return Command::new(name);
    }
    let mut command = Command::new("env");
    command.args(["--default-signal=INT,TERM,HUP", name]);
    command
}

fn isolated(mut command: Command) -> Command {
    command.env_clear().stdin(Stdio::null());
    command
}

fn serving(
    mut command: Command,
    slack: &SlackStandIn,
    change: impl FnOnce(&mut Command),
) -> Command {
    command
        .env("SLACK_SIGNING_SECRET", SECRET)
        .env("TORRAP_LISTEN", "127.0.0.1:0")
        .env("TORRAP_REPLY_ORIGINS", slack.origin())
        .env("TORRAP_DELAY", "0");
    change(&mut command);
    command
}

/// The bot as a process, and the stand-in for Slack that its replies go to.
pub struct Bot {
    pub process: Process,
    pub slack: SlackStandIn,
    pub address: SocketAddr,
}

impl Bot {
    /// The bot whose log tells the address.
    pub fn told(mut process: Process, slack: SlackStandIn) -> Self {
        let address = process.read_address();
        Self {
            process,
            slack,
            address,
        }
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.address)
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
        let response = self.connect().exchange(self.signed(text));
        assert_eq!((response.status, response.content.len()), (200, 0));
    }

    /// Sends many commands with the same text on one connection, and takes all acknowledgements.
    pub fn commands(&self, text: &str, count: usize) {
        let mut client = self.connect();
        let length = client.exchange(self.signed(text)).head.len();
        let mut writing = client.stream.try_clone().unwrap();
        let batch: Vec<u8> = (1..count).flat_map(|_| self.signed(text)).collect();
        let writer = thread::spawn(move || writing.write_all(&batch).unwrap());
        let mut acknowledgements = vec![0; length * (count - 1)];
        client.stream.read_exact(&mut acknowledgements).unwrap();
        writer.join().unwrap();
        let all_well = |head: &[u8]| head.starts_with(b"HTTP/1.1 200 ");
        assert!(acknowledgements.chunks(length).all(all_well));
    }

    /// Waits for so many posts.
    pub fn posts(&self, count: usize) -> Vec<Post> {
        let posts = self.slack.wait_for(count, DEADLINE);
        let got = posts.len();
        assert!(
            got >= count,
            "{got} of {count} posts; {:#?}",
            self.process.log
        );
        posts
    }
}
