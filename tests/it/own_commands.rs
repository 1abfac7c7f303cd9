//! Commands that are not torrap's own, as a bot of one's own gives them to `run`.

use std::sync::atomic::{AtomicU32, Ordering};

use test_support::{DEADLINE, SECRET, Scratch, Torrap, unix_secs};
use torrap::commands::{Chosen, Command, Commands, Field, Request, SHOUT, Visibility};
use torrap::config::{Config, Settings};
use torrap::slack::request;
use torrap::slack::response_url::Origin;
use torrap::telemetry::terminal::Terminal;
use torrap::tools::trial;
use torrap::tools::trial::stand_in::{Answer, SlackStandIn};

use crate::metrics::{wait_for, watched};
use crate::slash_command::assert_acknowledged;

const TWICE: Command = Command::inline("/twice", twice)
    .description("Say it twice")
    .usage("Try `/twice a`.");

fn twice(request: &Request<'_>, reply: &mut String) {
    reply.push_str(request.text());
    reply.push_str(request.text());
}

const HELLO: Command = Command::inline("/hello", |_, reply| reply.push_str("hello"))
    .description("Say hello")
    .hint("")
    .usage("Type `/hello`.")
    .runs_without_text();

/// These, out of the commands that a bot is made of.
fn chosen(commands: &[Command], entries: &[&str]) -> Chosen {
    let mut chosen = Chosen::of(Commands::new(commands).unwrap());
    entries.iter().for_each(|entry| chosen.add(entry).unwrap());
    chosen
}

fn signed(name: &str, text: &str, origin: &str) -> Vec<u8> {
    let content = request::form(name, text, &format!("{origin}/commands/T1/1/secret"));
    request::signed(SECRET.as_bytes(), unix_secs(), content.as_bytes())
}

#[test]
fn a_bot_answers_the_commands_that_it_is_made_of() {
    let commands = chosen(&[TWICE, SHOUT, HELLO], &["/twice", "/hello=/hi"]);
    let torrap = Torrap::with(|_| Answer::ok(), |config| config.commands = commands);
    let origin = torrap.slack.origin();
    let mut client = torrap.connect();
    assert_acknowledged(&client.exchange(signed("/twice", "ab", &origin)));
    assert_eq!(torrap.replies(1), ["abab"]);
    let unknown = client.exchange(signed("/shout", "ab", &origin));
    let content = String::from_utf8(unknown.content).unwrap();
    assert!(
        content.contains("There is `/twice` and `/hi`."),
        "{content}"
    );
    assert_eq!(torrap.settle().len(), 1);
}

#[test]
fn a_command_that_needs_no_text_runs_without_and_shows_its_usage_when_asked() {
    let commands = chosen(&[HELLO, TWICE], &["/hello", "/twice"]);
    let torrap = Torrap::with(|_| Answer::ok(), |config| config.commands = commands);
    let origin = torrap.slack.origin();
    let mut client = torrap.connect();
    for text in ["", " ", "\u{200b}", "x"] {
        assert_acknowledged(&client.exchange(signed("/hello", text, &origin)));
    }
    assert_eq!(torrap.replies(4), ["hello"; 4]);
    for (name, text) in [("/hello", " Help "), ("/twice", ""), ("/twice", "help")] {
        let usage = client.exchange(signed(name, text, &origin));
        let content = String::from_utf8(usage.content).unwrap();
        assert!(content.contains(&format!("`{name}")), "{content}");
    }
    assert_eq!(torrap.settle().len(), 4);
}

#[test]
#[allow(clippy::panic)] // that is what it is about
fn a_failure_of_an_inline_command_is_told_to_the_person_and_counted_and_ends_nothing() {
    const FAULTY: Command = Command::inline("/faulty", |request, _| match request.text() {
        "nothing" => {}
        _ => panic!("a mistake\nof mine"),
    })
    .description("Fail")
    .usage("Try `/faulty a`.")
    .visibility(Visibility::InChannel);
    let commands = chosen(&[FAULTY, TWICE], &["/faulty", "/twice"]);
    let torrap = Torrap::with(
        |_| Answer::ok(),
        |config| {
            config.commands = commands;
            watched(config);
        },
    );
    let origin = torrap.slack.origin();
    let mut client = torrap.connect();
    for (count, (text, line)) in [
        ("a", "command 1: its command panicked: a mistake"),
        (
            "nothing",
            "command 2: its command failed: nothing would be seen",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        client.exchange(signed("/faulty", text, &origin));
        let post = &torrap.posts(count + 1)[count];
        assert_eq!(
            post.content,
            br#"{"response_type": "ephemeral", "text": "Sorry, that did not work. My log says why."}"#
        );
        torrap.log.wait_for(line, 1);
    }
    client.exchange(signed("/twice", "ab", &origin));
    assert_eq!(torrap.replies(3)[2], "abab");
    let page = wait_for(&torrap, "torrap_runs_total{outcome=\"failed\"}", 1.0);
    assert_eq!(page.get("torrap_runs_total{outcome=\"panicked\"}"), 1.0);
    assert_eq!(torrap.settle().len(), 3);
}

#[test]
#[allow(clippy::panic)] // that is what it is about
fn a_trial_judges_replies_that_name_a_person_vary_or_tell_of_a_panic() {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let me = Command::inline("/me", |request, reply| reply.push_str(request.user_id()))
        .usage("/me")
        .keeps(&[Field::UserId]);
    let count = Command::inline("/count", |_, reply| {
        reply.push_str(&RUNS.fetch_add(1, Ordering::Relaxed).to_string());
    })
    .usage("/count");
    let faulty = Command::inline("/faulty", |_, _| panic!("a mistake")).usage("/faulty");
    for (command, reply) in [
        (me, "U2147483697"),
        (count, "0"),
        (faulty, "Sorry, that did not work. My log says why."),
    ] {
        let mut config = Config::from_settings(&Settings::default(), Vec::new()).unwrap();
        config.commands = chosen(&[command], &[command.name]);
        config.delay_ms = 0;
        config.listen = vec!["127.0.0.1:0".to_owned()];
        let mut out = Vec::new();
        let right = trial::run(Some("x"), config, &mut out, Terminal::default()).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(
            right && out.contains(&format!("\"text\": \"{reply}\"")),
            "{out}"
        );
    }
    assert_eq!(RUNS.load(Ordering::Relaxed), 1, "by the bot alone");
}

/// The names in the journal are those that the program gives its commands, not those of the settings.
#[test]
fn what_a_journal_holds_is_answered_by_its_command_chosen_or_not_and_told_if_that_is_gone() {
    let directory = Scratch::new("own-commands");
    let slack = SlackStandIn::start(|_| Answer::ok()).unwrap();
    let origin = slack.origin();
    let start = |commands: Chosen, delay_ms| {
        let origin = Origin::parse(&origin).unwrap();
        let change = |config: &mut Config| {
            config.journal = Some(directory.path().into());
            config.delay_ms = delay_ms;
            config.commands = commands;
            config.reply_origins.push(origin);
        };
        Torrap::with(|_| Answer::ok(), change)
    };
    let first = start(
        chosen(
            &[HELLO, TWICE, SHOUT],
            &["/twice=/double", "/shout", "/hello"],
        ),
        3_000,
    );
    let mut client = first.connect();
    for (name, text) in [("/double", "ab"), ("/hello", "x"), ("/shout", "cd")] {
        assert_eq!(client.exchange(signed(name, text, &origin)).status, 200);
    }
    drop(client);
    assert_eq!(first.stop(), 0, "the next start answers them");
    assert!(slack.posts().is_empty(), "stopped within the thinking time");

    // In another order, and without one of them.
    let second = start(chosen(&[SHOUT, TWICE], &["/shout=/yell"]), 0);
    let posts = slack.wait_for(3, DEADLINE);
    let mut bodies: Vec<_> = posts
        .iter()
        .map(|post| String::from_utf8(post.content.clone()).unwrap())
        .collect();
    bodies.sort();
    assert_eq!(
        bodies,
        [
            r#"{"response_type": "ephemeral", "text": "Sorry, I was stopped before I could answer, and I no longer have that command."}"#,
            r#"{"response_type": "in_channel", "text": "CD"}"#,
            r#"{"text": "abab"}"#,
        ]
    );
    assert_eq!(second.stop(), 0);
    assert_eq!(slack.posts().len(), 3);
}
