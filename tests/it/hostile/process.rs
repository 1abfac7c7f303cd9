//! The real binary as a process of its own, whose descriptors, memory and time can be looked at.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use test_support::{Client, PATIENCE, SECRET, kernel, unix_secs};
use torrap::slack::request;

use crate::http::HEALTHZ;

/// A running torrap; dropping it ends it.
pub struct Process {
    child: Child,
    pub address: SocketAddr,
    lines: Receiver<String>,
}

impl Process {
    /// Runs `torrap --listen 127.0.0.1:0` with these flags.
    pub fn start(flags: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_torrap"));
        command.args(flags);
        Self::spawn(command)
    }

    /// The same below a limit of descriptors, soft and hard.
    pub fn start_limited(descriptors: usize, flags: &[&str]) -> Self {
        let mut command = Command::new("sh");
        let script = format!("ulimit -n {descriptors}; exec \"$0\" \"$@\"");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_torrap")]);
        command.args(flags);
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command
            .args(["--listen", "127.0.0.1:0"])
            .env_clear()
            .env("SLACK_SIGNING_SECRET", SECRET)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        let (sender, lines) = mpsc::channel();
        // Read on for as long as there are lines: a full pipe would be another test.
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut process = Self {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            lines,
        };
        let line = process.line_with("listening on http://");
        process.address = line
            .split_once("http://")
            .unwrap()
            .1
            .trim()
            .parse()
            .unwrap();
        process
    }

    /// The next line of the log that has this in it.
    pub fn line_with(&self, text: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap();
            if line.contains(text) {
                return line;
            }
        }
    }

    /// How many lines there are by now that have this in them.
    pub fn count_lines_with(&self, text: &str) -> usize {
        self.lines
            .try_iter()
            .filter(|line| line.contains(text))
            .count()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// Its open descriptors.
    pub fn descriptors(&self) -> usize {
        kernel::descriptors(self.id())
    }

    /// The number that its next descriptor will get.
    pub fn lowest_free_descriptor(&self) -> u64 {
        let taken = |number: &u64| fs::exists(format!("/proc/{}/fd/{number}", self.id())).unwrap();
        (0..).find(|number| !taken(number)).unwrap()
    }

    /// The processor time it has used, in hundredths of a second.
    pub fn cpu_ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    /// The most memory it ever had, in KiB.
    pub fn memory_peak_kib(&self) -> usize {
        kernel::peak_kib(self.id())
    }

    /// Waits until no more descriptors are open than `count`: each answer is a turn of the loop.
    pub fn assert_descriptors_return_to(&self, count: usize) {
        let begin = std::time::Instant::now();
        let mut client = self.connect();
        while self.descriptors() > count + 1 {
            assert_eq!(client.exchange(HEALTHZ).status, 200);
            let open = self.descriptors();
            assert!(
                begin.elapsed() < PATIENCE,
                "{open} descriptors open, {count} before"
            );
        }
    }

    /// A signed command that needs no reply, so that nothing goes out: its answer's status.
    pub fn help(&self, client: &mut Client) -> u16 {
        let form = request::form("/torrap", "help", "https://hooks.slack.com/x");
        let request = request::signed(SECRET.as_bytes(), unix_secs(), form.as_bytes());
        client.exchange(request).status
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
