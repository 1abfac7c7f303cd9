//! The bot as a process, the stand-in for Slack that it replies to, and what the kernel knows about it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use test_support::kernel;
use torrap::slack::request;
use torrap::tools::trial::stand_in::{Answer, SlackStandIn};

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
/// For what was opened to be given back: sender threads go after 10 s of idleness.
const PATIENCE: Duration = Duration::from_secs(25);
/// What may stay: the allocator keeps some, and so do tables that have grown.
const KEPT_MIB_MAX: f64 = 32.0;
/// Where all that connections may hold was held: glibc keeps most of it for the next time, since younger and smaller
/// pieces lie above it.
const KEPT_MIB_MAX_AFTER_UPLOADS: f64 = 80.0;

pub struct Server {
    child: Child,
    slack: SlackStandIn,
    pub address: SocketAddr,
}

/// What a process holds.
#[derive(Clone, Copy)]
pub struct Usage {
    pub descriptors: usize,
    pub resident_mib: f64,
}

impl Server {
    /// Starts the binary that lies beside this one's folder, below a limit of descriptors.
    pub fn start(descriptors: u32) -> Self {
        let example = std::env::current_exe().unwrap();
        let binary: PathBuf = example.parent().unwrap().with_file_name("torrap");
        assert!(
            binary.exists(),
            "no {}: cargo build --release",
            binary.display()
        );
        let slack = SlackStandIn::start(|_| Answer::ok()).unwrap();
        let script = format!("ulimit -n {descriptors}; exec \"$0\" \"$@\"");
        let mut child = Command::new("sh")
            .args(["-c", &script])
            .arg(binary)
            .args([
                "--listen",
                "127.0.0.1:0",
                "--delay",
                "0",
                "--reply-origin",
                &slack.origin(),
            ])
            .env_clear()
            .env("SLACK_SIGNING_SECRET", SECRET)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let listening = |line: &String| line.contains("listening on http://");
        let line = log.by_ref().map_while(Result::ok).find(listening).unwrap();
        let address = line.rsplit_once("http://").unwrap().1.parse().unwrap();
        // Read on: a log that stalls would be another test.
        thread::spawn(move || log.for_each(drop));
        Self {
            child,
            slack,
            address,
        }
    }

    /// A signed request whose reply goes to the stand-in.
    pub fn signed(&self, text: &str) -> String {
        let response_url = format!("{}/commands/T0001/1/secret-path", self.slack.origin());
        let form = request::form("/torrap", text, &response_url);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let request = request::signed(SECRET.as_bytes(), now.as_secs(), form.as_bytes());
        String::from_utf8(request).unwrap()
    }

    /// How many replies to the good client's commands are missing.
    pub fn lost_replies(&self, commands: usize) -> Option<String> {
        let is_reply = br#"{"text": "ping"}"#;
        let count = || {
            let posts = self.slack.posts();
            posts.iter().filter(|post| post.content == is_reply).count()
        };
        let deadline = Instant::now() + PATIENCE;
        while count() < commands && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(50));
        }
        let lost = commands - count().min(commands);
        (lost > 0).then(|| format!("{lost} of {commands} replies are lost"))
    }

    pub fn usage(&self) -> Usage {
        let pid = self.child.id();
        Usage {
            descriptors: kernel::descriptors(pid),
            resident_mib: mib(kernel::resident_kib(pid)),
        }
    }

    /// The most memory it ever had.
    pub fn peak_mib(&self) -> f64 {
        mib(kernel::peak_kib(self.child.id()))
    }

    /// Waits until it has no more descriptors than before.
    pub fn settle(&self, before: Usage) -> Usage {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let usage = self.usage();
            if usage.descriptors <= before.descriptors || Instant::now() > deadline {
                return usage;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn mib(kib: usize) -> f64 {
    kib as f64 / 1024.0
}

impl Usage {
    pub fn not_given_back(self, before: Self, had_uploads: bool) -> Vec<String> {
        let kept_mib_max = if had_uploads {
            KEPT_MIB_MAX_AFTER_UPLOADS
        } else {
            KEPT_MIB_MAX
        };
        let mut faults = Vec::new();
        if self.descriptors > before.descriptors {
            faults.push("descriptors are still open".to_owned());
        }
        if self.resident_mib > before.resident_mib + kept_mib_max {
            faults.push(format!("more than {kept_mib_max} MiB are kept"));
        }
        faults
    }
}
