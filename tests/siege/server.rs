//! The bot as a process, the stand-in for Slack that it replies to, and what the kernel knows about it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use test_support::{Binary, Bot, kernel};

/// For what was opened to be given back: sender threads go after 10 s of idleness.
const DEADLINE: Duration = Duration::from_secs(25);
/// What may stay: the allocator keeps some, and so do tables that have grown.
const KEPT_MIB_MAX: f64 = 32.0;
/// Where all that connections may hold was held: glibc keeps most of it for the next time, since younger and smaller
/// pieces lie above it.
const KEPT_MIB_MAX_AFTER_UPLOADS: f64 = 80.0;

pub struct Server {
    bot: Bot,
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
        let bot = Binary(binary.to_str().unwrap()).start_limited(descriptors, |_| {});
        Self {
            address: bot.address,
            bot,
        }
    }

    /// A signed request whose reply goes to the stand-in.
    pub fn signed(&self, text: &str) -> String {
        String::from_utf8(self.bot.signed(text)).unwrap()
    }

    /// How many replies to the good client's commands are missing.
    pub fn lost_replies(&self, commands: usize) -> Option<String> {
        let is_reply = br#"{"text": "ping"}"#;
        let count = || {
            let posts = self.bot.slack.posts();
            posts.iter().filter(|post| post.content == is_reply).count()
        };
        let deadline = Instant::now() + DEADLINE;
        while count() < commands && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(50));
        }
        let lost = commands - count().min(commands);
        (lost > 0).then(|| format!("{lost} of {commands} replies are lost"))
    }

    pub fn usage(&self) -> Usage {
        let pid = self.bot.process.pid();
        Usage {
            descriptors: kernel::descriptors(pid),
            resident_mib: mib(kernel::resident_kib(pid)),
        }
    }

    /// The most memory it ever had.
    pub fn peak_mib(&self) -> f64 {
        mib(kernel::peak_kib(self.bot.process.pid()))
    }

    /// Waits until it has no more descriptors than before.
    pub fn settle(&self, before: Usage) -> Usage {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let usage = self.usage();
            if usage.descriptors <= before.descriptors || Instant::now() > deadline {
                return usage;
            }
            thread::sleep(Duration::from_millis(20));
        }
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
