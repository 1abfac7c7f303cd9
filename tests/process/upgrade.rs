//! Upgrades under load: a new process takes over from an old one, and no client notices.
//!
//! Three upgrades each in the ordinary run; `TORRAP_UPGRADES=10` makes it ten.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use test_support::{Client, DEADLINE, Process, SECRET, Scratch, finish, signed};
use torrap::tools::trial::stand_in::{Answer, SlackStandIn};

use crate::TORRAP;
use crate::supervised::activated;

/// Half of the clients open a connection for each command, the others keep theirs.
const CLIENTS: usize = 12;

/// How long a client rests between two commands. Some are in a hurry: whatever goes wrong, goes wrong for
/// them. The others come at all times, also when those are held up together.
fn rest(client: usize) -> Duration {
    match client {
        0..4 => Duration::from_millis(2),
        _ => Duration::from_millis(7 * client as u64),
    }
}

pub const LISTENING: &str = "listening on http://";
pub const WAITING: &str = "journal: waiting up to 30 s for process ";

pub fn upgrades() -> usize {
    let given = std::env::var("TORRAP_UPGRADES").ok();
    given.map_or(3, |count| count.parse().expect("TORRAP_UPGRADES"))
}

/// How a new process takes over from an old one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takeover {
    /// It takes commands, and then the old one is told to stop.
    Beside,
    /// It waits for the journal of the old one, which is told to stop then.
    Waiting,
    /// It is started when the old one has ended, as service managers do it.
    Afterwards,
}

/// Clients that send commands until they are told to stop.
pub struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Acknowledged>>,
}

/// The paths of the `response_url`s of all commands that were acknowledged, and how long the slowest
/// acknowledgement took.
#[derive(Default)]
pub struct Acknowledged {
    pub paths: Vec<String>,
    pub slowest: Duration,
}

impl Load {
    pub fn start(address: SocketAddr, origin: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let clients = (0..CLIENTS).map(|client| {
            let (stop, origin) = (stop.clone(), origin.to_owned());
            let keeps = client % 2 == 0;
            thread::spawn(move || send_until(&stop, address, &origin, client, keeps))
        });
        Self {
            clients: clients.collect(),
            stop,
        }
    }

    pub fn finish(self) -> Acknowledged {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Acknowledged::default();
        for client in self.clients {
            let acknowledged = client.join().expect("no request fails");
            all.paths.extend(acknowledged.paths);
            all.slowest = all.slowest.max(acknowledged.slowest);
        }
        all
    }
}

/// One client: every command must be acknowledged, however often the server changes.
fn send_until(
    stop: &AtomicBool,
    address: SocketAddr,
    origin: &str,
    client: usize,
    keeps: bool,
) -> Acknowledged {
    let mut acknowledged = Acknowledged::default();
    let mut kept: Option<Client> = None;
    while !stop.load(Ordering::Relaxed) {
        let path = format!("/commands/T0001/{client}/{}", acknowledged.paths.len());
        let begun = Instant::now();
        let mut connection = kept.take().unwrap_or_else(|| Client::connect(address));
        let request = signed(SECRET, "olleh", &format!("{origin}{path}"));
        let response = connection.exchange(request);
        assert_eq!((response.status, response.content.len()), (200, 0));
        acknowledged.slowest = acknowledged.slowest.max(begun.elapsed());
        acknowledged.paths.push(path);
        if keeps && !response.head.contains("Connection: close") {
            kept = Some(connection);
        }
        thread::park_timeout(rest(client));
    }
    acknowledged
}

/// Runs the upgrades under load. `start` makes the command line of each process in turn.
fn upgrade_under_load(how: Takeover, slack: &SlackStandIn, mut start: impl FnMut() -> Command) {
    let mut process = Process::start(&mut start());
    let line = process.read_until(LISTENING);
    let address: SocketAddr = line.split_once("http://").unwrap().1.parse().unwrap();
    let load = Load::start(address, &slack.origin());
    let _ = slack.wait_for(20, DEADLINE);
    for _ in 0..upgrades() {
        let seen = slack.posts().len();
        process = take_over(how, process, || Process::start(&mut start()));
        // The new one alone does the work for a while.
        let _ = slack.wait_for(seen + 40, DEADLINE);
    }
    let acknowledged = load.finish();
    // With a journal a stop would leave the last replies to the next process.
    let _ = slack.wait_for(acknowledged.paths.len(), DEADLINE);
    assert_eq!(process.stop(), Some(0), "{:#?}", process.log);
    let mut replies: BTreeMap<String, usize> = BTreeMap::new();
    for post in slack.posts() {
        *replies.entry(post.path).or_default() += 1;
    }
    for path in &acknowledged.paths {
        assert_eq!(replies.remove(path), Some(1), "{path}");
    }
    assert!(replies.is_empty(), "no command asked for {replies:?}");
    eprintln!(
        "{} commands over {} upgrades, the slowest acknowledged after {:.0?}",
        acknowledged.paths.len(),
        upgrades(),
        acknowledged.slowest
    );
}

/// One process instead of another; the other one must end well.
fn take_over(how: Takeover, mut old: Process, start: impl FnOnce() -> Process) -> Process {
    let mut stop = || assert_eq!(old.stop(), Some(0), "{:#?}", old.log);
    let mut new;
    match how {
        Takeover::Beside => {
            new = start();
            new.read_until(LISTENING);
            stop();
        }
        Takeover::Waiting => {
            new = start();
            new.read_until(WAITING);
            stop();
            new.read_until(LISTENING);
        }
        Takeover::Afterwards => {
            stop();
            new = start();
            new.read_until(LISTENING);
        }
    }
    new
}

fn stand_in() -> SlackStandIn {
    SlackStandIn::start(|_| Answer::ok()).unwrap()
}

fn passed(slack: &SlackStandIn, kept: &TcpListener) -> Command {
    let passed = OwnedFd::from(kept.try_clone().unwrap());
    let mut command = activated(passed, &slack.origin());
    command.env("TORRAP_DELAY", "0.3");
    command
}

#[test]
fn with_a_passed_socket_no_request_fails_and_no_reply_is_lost() {
    let slack = stand_in();
    let kept = TcpListener::bind("127.0.0.1:0").unwrap();
    upgrade_under_load(Takeover::Beside, &slack, || passed(&slack, &kept));
}

/// Two processes cannot have one journal: the new one waits until the old one has left it, and connections wait in
/// the socket that both have.
#[test]
fn with_a_passed_socket_and_a_journal_no_request_fails_and_no_reply_is_lost() {
    let (slack, directory) = (stand_in(), Scratch::new("upgrade-passed"));
    let kept = TcpListener::bind("127.0.0.1:0").unwrap();
    upgrade_under_load(Takeover::Waiting, &slack, || {
        let mut command = passed(&slack, &kept);
        command.args(["--journal", directory.path()]);
        command
    });
}

/// `systemctl restart`.
#[test]
fn a_restart_with_a_passed_socket_and_a_journal_is_as_good() {
    let (slack, directory) = (stand_in(), Scratch::new("upgrade-restart"));
    let kept = TcpListener::bind("127.0.0.1:0").unwrap();
    upgrade_under_load(Takeover::Afterwards, &slack, || {
        let mut command = passed(&slack, &kept);
        command.args(["--journal", directory.path()]);
        command
    });
}

/// The moment in which no process accepts, made long: the new one sleeps through it.
#[test]
fn connections_wait_in_a_passed_socket_until_the_next_process_has_the_journal() {
    let (slack, directory) = (stand_in(), Scratch::new("upgrade-kept"));
    let kept = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = kept.local_addr().unwrap();
    let start = || Process::start(passed(&slack, &kept).args(["--journal", directory.path()]));
    let mut old = start();
    old.read_until(LISTENING);
    let mut new = start();
    new.read_until(WAITING);
    new.signal("STOP");
    assert_eq!(old.stop(), Some(0), "{:#?}", old.log);
    let mut waiting = Client::connect(address);
    new.signal("CONT");
    let get = "GET /readyz HTTP/1.1\r\nHost: torrap\r\n\r\n";
    assert_eq!(waiting.exchange(get).status, 200);
    new.read_until(LISTENING);
    assert_eq!(new.stop(), Some(0));
}

#[test]
fn a_process_waits_for_a_journal_only_with_a_passed_socket() {
    let (slack, directory) = (stand_in(), Scratch::new("upgrade-queue"));
    let kept = TcpListener::bind("127.0.0.1:0").unwrap();
    let start = || Process::start(passed(&slack, &kept).args(["--journal", directory.path()]));
    let mut first = start();
    first.read_until(LISTENING);
    let mut second = start();
    let waiting = format!("{WAITING}{}, which uses it, to stop", first.pid());
    second.read_until(&waiting);
    for shares in ["no", "yes"] {
        let third = finish(&mut TORRAP.serve(&slack, |command| {
            let command = command.env("TORRAP_REUSE_PORT", shares);
            command.args(["--journal", directory.path()]);
        }));
        let line = format!(
            "torrap: --journal {:?}: another torrap uses it (process {}); stop it, or give each its own directory\n",
            directory.path(),
            first.pid()
        );
        assert_eq!((third.code, third.stderr), (Some(1), line));
    }
    // Killed, not stopped: the lock goes with the process.
    first.signal("KILL");
    second.read_until(LISTENING);
    let said = second.messages().into_iter();
    assert_eq!(said.filter(|line| line.contains(WAITING)).count(), 1);
    assert_eq!(second.stop(), Some(0));
}

/// The old process is told to stop when the new one says that it waits: by then nothing may be wrong with that
/// one that can be known.
#[test]
fn a_process_that_could_not_start_does_not_wait_first() {
    let (slack, directory) = (stand_in(), Scratch::new("upgrade-mistaken"));
    let kept = TcpListener::bind("127.0.0.1:0").unwrap();
    let start = || {
        let mut command = passed(&slack, &kept);
        command.args(["--journal", directory.path()]);
        command
    };
    let mut old = Process::start(&mut start());
    old.read_until(LISTENING);
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().to_string();
    let mistaken = finish(start().args(["--metrics-listen", &taken]));
    assert_eq!(mistaken.code, Some(1));
    let line = format!("torrap: --metrics-listen {taken}: already in use; ");
    assert!(mistaken.stderr.starts_with(&line), "{}", mistaken.stderr);
    assert_eq!(old.stop(), Some(0));
}
