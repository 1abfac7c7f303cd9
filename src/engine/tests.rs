//! The engine on the system, turn by turn.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // real sockets and files

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use super::*;
use crate::Server;
use crate::config::{Settings, SigningSecret};
use crate::slack::request;
use crate::slack::response_url::Origin;
use crate::store::{Adopted, Batch, ForeignId, PendingJob, StoreState};
use crate::tools::trial::stand_in::{Answer, SlackStandIn};

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

fn config(origin: &str) -> Config {
    let secret = SigningSecret::new(SECRET).unwrap();
    let mut config = Config::from_settings(&Settings::default(), vec![secret]).unwrap();
    config.listen = vec!["127.0.0.1:0".to_owned()];
    config.reply_origins = vec![Origin::parse(origin).unwrap()];
    config.delay_ms = 0;
    config
}

/// A client that has sent so many commands.
fn client_with(server: &mut Server, origin: &str, commands: usize) -> TcpStream {
    let mut client = TcpStream::connect(server.local_addrs().unwrap()[0]).unwrap();
    let secs = server.engine().platform.now().unix.secs();
    for number in 0..commands {
        let url = format!("{origin}/commands/T1/{number}");
        let content = request::form("/torrap", "abc", &url);
        let request = request::signed(SECRET.as_bytes(), secs, content.as_bytes());
        client.write_all(&request).unwrap();
    }
    client
}

/// A stop with a journal that waits for what is under way, while a further reply becomes late.
#[test]
fn a_stop_with_a_journal_sleeps_between_its_turns() {
    const COMMANDS: usize = 9; // one more than the threads that begin
    let slack = SlackStandIn::start(|_| Answer::Hang).unwrap();
    let directory = std::env::temp_dir().join(format!("torrap-turns-{}", std::process::id()));
    let mut config = config(&slack.origin());
    config.journal = Some(directory.as_path().into());
    let mut server = Server::bind(&config).unwrap();
    let client = client_with(&mut server, &slack.origin(), COMMANDS);
    let stopper = server.stopper();
    let engine = server.engine();
    while engine.senders.outstanding() < COMMANDS {
        engine.turn().unwrap();
    }
    stopper.stop();
    let mut turns = 0;
    while !engine.is_drained() {
        engine.turn().unwrap();
        turns += 1;
    }
    drop(client);
    // The stop, a late reply, what the clients still do, the end of the wait; without sleep there are thousands.
    assert!(turns < 50, "{turns} turns");
    assert_eq!(engine.end(), 0);
    drop(server);
    fs::remove_dir_all(directory).unwrap();
}

/// However the ticks of the clock fall.
#[test]
fn a_stop_at_once_is_over_with_the_turn_that_takes_note_of_it() {
    const ORIGIN: &str = "http://127.0.0.1:9";
    let mut config = config(ORIGIN);
    config.delay_ms = 600_000;
    let mut server = Server::bind(&config).unwrap();
    let client = client_with(&mut server, ORIGIN, 1);
    let stopper = server.stopper();
    let engine = server.engine();
    while engine.bot.pending() == 0 {
        engine.turn().unwrap();
    }
    stopper.stop();
    while !engine.drain.has_begun() {
        engine.turn().unwrap();
    }
    assert!(!engine.is_drained());
    stopper.stop_at_once();
    engine.wait().unwrap();
    // The clock goes on between the poll and what is made of it.
    std::thread::sleep(std::time::Duration::from_millis(5));
    let now = engine.platform.now();
    engine.begin(now);
    assert!(engine.is_drained());
    drop(client);
}

/// A shared store that is not sure of its lease until a moment, and what it was told. It may have lost what is pending when a
/// stop begins.
#[derive(Default)]
struct Unsure {
    until: Tick,
    rooms: Arc<Mutex<Vec<usize>>>,
    has_lost: bool,
    event: Option<Event>,
}

impl Store for Unsure {
    fn submit(&mut self, batch: &mut Batch, ticket: Ticket, _: Tick) {
        assert_eq!(batch.accepted().len(), 0, "{ticket}");
        batch.clear();
    }

    fn poll(&mut self, _: Tick) -> Option<Event> {
        self.event.take()
    }

    fn poll_timeout(&self) -> Option<Tick> {
        (self.until.0 > 0).then_some(self.until)
    }

    fn is_accepting(&self, _: Tick) -> bool {
        true
    }

    fn may_post(&mut self, now: Tick) -> bool {
        if now >= self.until {
            self.until = Tick(0);
        }
        self.until.0 == 0
    }

    fn set_room(&mut self, jobs: usize) {
        self.rooms.lock().unwrap().push(jobs);
    }

    fn begin_stop(&mut self) {
        self.event = self.has_lost.then_some(Event::GivenUp);
    }

    fn finish(&mut self, _: &mut Batch, _: Ticket) -> bool {
        true
    }

    fn state(&self, _: Tick) -> Option<StoreState> {
        None
    }
}

/// Replies of other processes, which are due now.
fn adopt(bot: &mut Bot, replies: usize, origin: &str, now: Tick) {
    bot.begin_store(1);
    for number in 0..replies {
        let path = format!("/commands/T1/{number}");
        let job = PendingJob {
            command: "/torrap",
            origin,
            path: &path,
            text: "abc",
            fields: "",
            is_late: false,
            attempts: 0,
            due: now,
            expires_at: now.after(60_000),
            request: None,
        };
        let foreign = ForeignId(number as u64);
        bot.adopt(&Adopted::new(foreign, &job), now);
    }
}

/// And the loop sleeps until it may.
#[test]
fn nothing_is_posted_before_a_shared_store_is_sure_that_this_process_may() {
    const REPLIES: usize = 3;
    let slack = SlackStandIn::start(|_| Answer::ok()).unwrap();
    let mut config = config(&slack.origin());
    config.max_pending = 10;
    let mut server = Server::bind(&config).unwrap();
    let stopper = server.stopper();
    let engine = server.engine();
    let now = engine.platform.now().tick;
    let rooms = Arc::new(Mutex::new(Vec::new()));
    let until = now.after(200);
    let shared = rooms.clone();
    engine.store = Box::new(Unsure {
        until,
        rooms: shared,
        ..Unsure::default()
    });
    engine.drain = Drain::new(0, true);
    adopt(&mut engine.bot, REPLIES, &slack.origin(), now);
    let mut turns = 0;
    while engine.platform.now().tick < until {
        assert_eq!(engine.senders.outstanding(), 0);
        engine.turn().unwrap();
        turns += 1;
    }
    assert!(turns < 20, "{turns} turns: it spins");
    while engine.bot.pending() > 0 {
        engine.turn().unwrap();
    }
    stopper.stop();
    while !engine.drain.has_begun() {
        engine.turn().unwrap();
    }
    assert_eq!(rooms.lock().unwrap()[0], 10 - REPLIES);
    assert_eq!(
        rooms.lock().unwrap().last(),
        Some(&0),
        "none while it stops"
    );
}

/// A store that is given up is not asked any more, also not when it would have been sure.
#[test]
fn a_stop_sleeps_after_it_has_given_up_a_store_that_was_not_sure() {
    let slack = SlackStandIn::start(|_| Answer::Hang).unwrap();
    let config = config(&slack.origin());
    let mut server = Server::bind(&config).unwrap();
    let stopper = server.stopper();
    let engine = server.engine();
    let now = engine.platform.now().tick;
    let until = now.after(100);
    engine.store = Box::new(Unsure {
        until,
        has_lost: true,
        ..Unsure::default()
    });
    engine.drain = Drain::new(500, true);
    adopt(&mut engine.bot, 1, &slack.origin(), now);
    stopper.stop();
    let mut turns = 0;
    while !engine.is_drained() {
        engine.turn().unwrap();
        turns += 1;
    }
    assert!(engine.platform.now().tick > until && turns < 50, "{turns}");
    assert_eq!(engine.end(), 1, "it is with a sender");
}
