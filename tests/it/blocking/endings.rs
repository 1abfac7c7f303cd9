//! Blocking commands at the end of a process, in the next one, and in a trial.

use std::sync::{Arc, Mutex};

use serde_json::json;
use test_support::{DEADLINE, Gate, SECRET, Scratch, Torrap, free_address};
use torrap::commands::{Acknowledgement, Chosen, Command, Commands, Field};
use torrap::config::{Config, Settings, SigningSecret};
use torrap::slack::request;
use torrap::slack::response_url::Origin;
use torrap::telemetry::terminal::Terminal;
use torrap::tools::trial;
use torrap::tools::trial::stand_in::{Answer, SlackStandIn};

use super::{call, choose, content, work};
use crate::draft::Draft;
use crate::metrics::{wait_for, watched};
use crate::slash_command::assert_acknowledged;

/// A run that hangs is left behind, with a line that says so; what it does later goes nowhere.
#[test]
fn a_stop_does_not_wait_longer_for_a_run_than_for_anything_else() {
    let gate = Gate::default();
    let (waits, ended) = (gate.clone(), Gate::default());
    let ends = ended.clone();
    let command = work(move |_, messages| {
        waits.wait();
        let _ = messages.send("too late");
        ends.open();
        Ok("too late as well".into())
    });
    let torrap = Torrap::with(
        |_| Answer::ok(),
        |config| {
            choose(config, command);
            watched(config);
            config.drain_ms = 100;
        },
    );
    call(&torrap, "abc");
    wait_for(&torrap, "torrap_runs_outstanding", 1.0);
    torrap.begin_stop();
    let line = "not answered, its command is running; 0 of 5";
    torrap.log.wait_for(line, 1);
    gate.open();
    ended.wait();
    assert_eq!(torrap.slack.posts().len(), 0);
    assert_eq!(torrap.stop(), 1);
}

/// With a journal, a stop leaves what runs to the next process, which runs it again: at least once.
#[test]
fn a_run_that_a_stop_has_interrupted_is_run_again_by_the_next_process() {
    let scratch = Scratch::new("interrupted-run");
    let (begun, gate) = (Gate::default(), Gate::default());
    let ids = Arc::new(Mutex::new(Vec::new()));
    let command = |is_first: bool| {
        let (begins, waits, ids) = (begun.clone(), gate.clone(), ids.clone());
        let command = work(move |request, _| {
            ids.lock().unwrap().push(request.id());
            if is_first {
                begins.open();
                waits.wait();
            }
            Ok(format!("{} for {}", request.text(), request.user_id()).into())
        });
        command.keeps(&[Field::UserId])
    };
    let change = |config: &mut Config, is_first| {
        choose(config, command(is_first));
        config.journal = Some(scratch.path().into());
    };
    let slack = SlackStandIn::start(|_| Answer::ok()).unwrap();
    let origin = slack.origin();
    let start = |is_first| {
        let unused = SlackStandIn::start(|_| Answer::ok()).unwrap();
        Torrap::posting_to(unused, &origin, |config| change(config, is_first))
    };
    let second = interrupted(&origin, &begun, start);
    let posts = slack.wait_for(1, DEADLINE);
    assert_eq!(content(&posts[0]), json!({"text": "abc for U2147483697"}));
    gate.open();
    assert_eq!(second.stop(), 0);
    assert_eq!(
        slack.posts().len(),
        1,
        "what the first has made went nowhere"
    );
    let ids = ids.lock().unwrap();
    assert_eq!((ids.len(), ids[0]), (2, ids[1]));
}

/// Has a bot accept a command and stops it while the command runs; gives the bot that is started next.
fn interrupted(origin: &str, begun: &Gate, start: impl Fn(bool) -> Torrap) -> Torrap {
    let first = start(true);
    let url = format!("{origin}/commands/T0001/1/secret-path");
    let request = Draft::signed(request::form("/work", "abc", &url));
    assert_acknowledged(&first.connect().exchange(request.bytes()));
    begun.wait();
    assert_eq!(first.stop(), 0, "the journal has it");
    start(false)
}

/// Slack takes five posts: the messages of a run that a stop has interrupted count in the next process, which has room for its reply.
#[test]
fn messages_count_though_a_stop_has_interrupted_their_run() {
    let scratch = Scratch::new("messages-of-an-interrupted-run");
    let (begun, gate) = (Gate::default(), Gate::default());
    let slack = SlackStandIn::start(|_| Answer::ok()).unwrap();
    let origin = slack.origin();
    let start = |is_first: bool| {
        let (begins, waits) = (begun.clone(), gate.clone());
        let command = work(move |_, messages| {
            let sent = (0..3).filter(|_| messages.send("wait").is_ok()).count();
            if is_first {
                begins.open();
                waits.wait();
            }
            Ok(format!("after {sent}").into())
        });
        let unused = SlackStandIn::start(|_| Answer::ok()).unwrap();
        Torrap::posting_to(unused, &origin, |config| {
            choose(config, command);
            config.journal = Some(scratch.path().into());
        })
    };
    let second = interrupted(&origin, &begun, start);
    let posts = slack.wait_for(5, DEADLINE);
    assert_eq!(content(&posts[4]), json!({"text": "after 1"}));
    gate.open();
    assert_eq!(second.stop(), 0);
    assert_eq!(slack.posts().len(), 5);
}

/// Settings for the trial of a command.
fn tried(command: Command) -> Config {
    let secret = SigningSecret::new(SECRET).unwrap();
    let mut config = Config::from_settings(&Settings::default(), vec![secret]).unwrap();
    config.listen = vec!["127.0.0.1:0".to_owned()];
    config.delay_ms = 0;
    config.commands = Chosen::of(Commands::new(&[command]).unwrap());
    config.commands.add("/work").unwrap();
    config
}

/// A command that says something and then waits at this gate.
fn waiting_at(gate: &Gate) -> Command {
    let gate = gate.clone();
    work(move |_, messages| {
        messages.send("first")?;
        gate.wait();
        Ok("done".into())
    })
}

#[test]
fn a_trial_takes_no_message_for_the_reply() {
    let gate = Gate::default();
    let mut config = tried(waiting_at(&gate));
    config.drain_ms = 300;
    let mut told = Vec::new();
    let is_right = trial::run(Some("abc"), config, &mut told, Terminal::default()).unwrap();
    gate.open();
    let told = String::from_utf8(told).unwrap();
    assert!(!is_right, "{told}");
    for part in [
        r#"posts {"text": "first"}"#,
        "failed  no reply within 0.3 s",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

/// `torrap try --to` waits for a command as long as the bot's stop would, and not as long as for one that replies at once.
#[test]
fn a_trial_of_a_running_bot_gives_a_command_its_time() {
    let gate = Gate::default();
    let waits = gate.clone();
    let command = work(move |_, _| {
        waits.wait();
        Ok("done".into())
    });
    let origin = format!("http://{}", free_address());
    let torrap = Torrap::with(
        |_| Answer::ok(),
        |config| {
            config.commands = tried(command).commands;
            config.reply_origins.push(Origin::parse(&origin).unwrap());
            config.drain_ms = 100;
        },
    );
    let mut config = tried(command);
    config.reply_origins = vec![Origin::parse(&origin).unwrap()];
    config.drain_ms = 300;
    let url = format!("http://{}/slack", torrap.address);
    let mut told = Vec::new();
    let result = trial::remote::run(&url, Some("abc"), &config, &mut told, Terminal::default());
    gate.open();
    let told = String::from_utf8(told).unwrap();
    assert!(!result.unwrap(), "{told}");
    let failed = "failed  no reply within 0.3 s after the thinking";
    assert!(told.contains(failed), "{told}");
}

/// `torrap try` shows all that a blocking command posts.
#[test]
fn a_trial_shows_the_messages_and_the_reply() {
    for acknowledgement in [Acknowledgement::Default, Acknowledgement::Text("On it.")] {
        let command = work(|request, messages| {
            messages.send("first")?;
            Ok(format!("done with {}", request.text()).into())
        });
        let config = tried(command.acknowledgement(acknowledgement));
        let mut told = Vec::new();
        let is_right = trial::run(Some("abc"), config, &mut told, Terminal::default()).unwrap();
        let told = String::from_utf8(told).unwrap();
        assert!(is_right, "{told}");
        let shown = [
            r#"posts {"text": "first"}"#,
            r#"posts {"text": "done with abc"}"#,
            "ok ",
        ];
        let places = shown.map(|part| told.find(part).expect(part));
        assert!(places.is_sorted(), "{told}");
    }
}
