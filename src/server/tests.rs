//! The loop on real sockets, turn by turn.

use std::fs;
use std::io::Write;

use super::*;
use crate::config::{Settings, SigningSecret};
use crate::slack::response_url::Origin;
use crate::trial::command;
use crate::trial::stand_in::{Answer, SlackStandIn};

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

/// A stop with a journal that waits for what is under way, while a further reply becomes late.
#[test]
fn a_stop_with_a_journal_sleeps_between_its_turns() {
    const COMMANDS: usize = 9; // one more than the threads that begin
    let slack = SlackStandIn::start(|_| Answer::Hang).unwrap();
    let directory = std::env::temp_dir().join(format!("torrap-turns-{}", std::process::id()));
    let secret = SigningSecret::new(SECRET).unwrap();
    let mut config = Config::from_settings(&Settings::default(), vec![secret]).unwrap();
    config.listen = vec!["127.0.0.1:0".to_owned()];
    config.reply_origins = vec![Origin::parse(&slack.origin()).unwrap()];
    config.delay_ms = 0;
    config.journal = Some(directory.clone());
    let mut server = Server::bind(&config).unwrap();
    let mut events = Events::with_capacity(16);

    let mut client = std::net::TcpStream::connect(server.local_addrs().unwrap()[0]).unwrap();
    let url = format!("{}/commands/T1/1", slack.origin());
    let content = command::form("/torrap", "abc", &url);
    let secs = server.clock.now().unix.secs();
    let request = command::request(SECRET.as_bytes(), secs, content.as_bytes());
    client.write_all(&request.repeat(COMMANDS)).unwrap();
    while server.senders.outstanding() < COMMANDS {
        server.turn(&mut events).unwrap();
    }
    server.stopper().stop();
    let mut turns = 0;
    while !server.is_drained() {
        server.turn(&mut events).unwrap();
        turns += 1;
    }
    drop(client);
    // The stop, a late reply, what the clients still do, the end of the wait; without sleep there are thousands.
    assert!(turns < 50, "{turns} turns");
    assert_eq!(server.leave_rest(), 0);
    drop(server);
    fs::remove_dir_all(directory).unwrap();
}
