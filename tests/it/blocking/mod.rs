//! Blocking commands: they run on sender threads, and everything else goes on.

mod endings;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_support::{Gate, SECRET, Torrap, unix_secs};
use torrap::commands::{
    Acknowledgement, Chosen, Command, Commands, Failure, Field, Messages, REVERSE, Reply, Request,
};
use torrap::config::Config;
use torrap::slack::message::Visibility;
use torrap::slack::request;
use torrap::tools::trial::stand_in::{Answer, Post};

use crate::draft::Draft;
use crate::metrics::{wait_for, watched};
use crate::slash_command::{assert_acknowledged, called};

/// A command `/work` that does this. Commands live as long as the process, as those of a bot do.
fn work(
    run: impl Fn(&Request<'_>, &mut Messages<'_>) -> Result<Reply, Failure> + Send + Sync + 'static,
) -> Command {
    Command::blocking("/work", Box::leak(Box::new(run))).usage("/work")
}

/// Chooses `/torrap` and this command.
fn choose(config: &mut Config, command: Command) {
    let mut chosen = Chosen::of(Commands::new(&[REVERSE, command]).unwrap());
    for name in ["/torrap", "/work"] {
        chosen.add(name).unwrap();
    }
    config.commands = chosen;
}

/// The bot with this command, which is answered with `ok`.
fn working(command: Command) -> Torrap {
    Torrap::with(|_| Answer::ok(), |config| choose(config, command))
}

fn call(torrap: &Torrap, text: &str) {
    let request = called(torrap, "/work", text).bytes();
    assert_acknowledged(&torrap.connect().exchange(request));
}

fn content(post: &Post) -> Value {
    serde_json::from_slice(&post.content).unwrap()
}

/// The goal is that acknowledgements and replies of other commands go on as if nothing ran.
#[test]
fn a_thousand_calls_that_wait_hold_up_neither_acknowledgements_nor_replies() {
    const CALLS: usize = 1_000;
    const SENDERS: usize = 64;
    let gate = Gate::default();
    let (runs, at_once, most) = (
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    let counts = Arc::new((runs, at_once, most));
    let (waits, counted) = (gate.clone(), counts.clone());
    let command = work(move |request, _| {
        let (runs, at_once, most) = &*counted;
        runs.fetch_add(1, Ordering::Relaxed);
        most.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        waits.wait();
        at_once.fetch_sub(1, Ordering::SeqCst);
        Ok(format!("done: {}", request.text()).into())
    });
    let torrap = Torrap::with(
        |_| Answer::ok(),
        |config| {
            choose(config, command);
            watched(config);
            config.senders = SENDERS;
            config.drain_ms = 20_000;
        },
    );
    let calls: Vec<Vec<u8>> = (0..CALLS)
        .map(|number| called(&torrap, "/work", &number.to_string()).bytes())
        .collect();
    let mut client = torrap.connect();
    client.send(calls.concat());
    for _ in 0..CALLS {
        assert_acknowledged(&client.receive());
    }
    wait_for(&torrap, "torrap_runs_outstanding", (SENDERS - 8) as f64);
    let mut acknowledged_after = Vec::new();
    for number in 1..=100 {
        let begun = Instant::now();
        assert_acknowledged(&client.exchange(torrap.signed("abc")));
        acknowledged_after.push(begun.elapsed());
        torrap.posts(number);
    }
    acknowledged_after.sort();
    println!(
        "acknowledged while {CALLS} calls wait: at most {:?}",
        acknowledged_after[99]
    );
    assert_eq!(
        counts.0.load(Ordering::Relaxed),
        SENDERS - 8,
        "the others wait for a thread"
    );
    gate.open();
    let posts = torrap.posts(CALLS + 100);
    wait_for(&torrap, "torrap_runs_outstanding", 0.0);
    assert_eq!(posts.len(), CALLS + 100);
    assert_eq!(counts.0.load(Ordering::Relaxed), CALLS, "each once");
    assert!(counts.2.load(Ordering::Relaxed) <= SENDERS - 8);
    let page = wait_for(
        &torrap,
        "torrap_runs_total{outcome=\"replied\"}",
        CALLS as f64,
    );
    assert_eq!(page.get("torrap_run_duration_seconds_count"), CALLS as f64);
    torrap.settle();
}

#[test]
fn a_panic_and_an_error_are_told_to_the_person_and_the_thread_lives() {
    let command = work(|request, _| match request.text() {
        "panic" => std::panic::resume_unwind(Box::new("the shelf\nis empty")),
        "error" => Ok(std::fs::read_to_string("/nowhere/at-all")?.into()),
        "told" => Err(Failure::new("There is no build &lt;7&gt;.").because("404 at the builder")),
        "empty" => Ok("".into()),
        text => Ok(Reply::text(text).visible_to(Visibility::InChannel)),
    });
    let torrap = Torrap::with(
        |_| Answer::ok(),
        |config| {
            choose(config, command);
            watched(config);
            config.senders = 1;
        },
    );
    let sorry =
        json!({"response_type": "ephemeral", "text": "Sorry, that did not work. My log says why."});
    let told = json!({"response_type": "ephemeral", "text": "There is no build &lt;7&gt;."});
    let all = json!({"response_type": "in_channel", "text": "well"});
    for (number, (text, expected, line)) in [
        ("panic", &sorry, "panicked after"),
        ("error", &sorry, "No such file"),
        ("told", &told, "404 at the builder"),
        ("empty", &sorry, "nothing would be seen"),
        ("well", &all, ": answered"),
    ]
    .into_iter()
    .enumerate()
    {
        call(&torrap, text);
        assert_eq!(
            content(&torrap.posts(number + 1)[number]),
            *expected,
            "{text}"
        );
        torrap.log.wait_for(line, 1);
    }
    let page = wait_for(&torrap, "torrap_runs_total{outcome=\"failed\"}", 3.0);
    assert_eq!(page.get("torrap_runs_total{outcome=\"panicked\"}"), 1.0);
    assert_eq!(page.get("torrap_runs_total{outcome=\"replied\"}"), 1.0);
    assert_eq!(page.get("torrap_sender_threads"), 1.0);
    torrap.settle();
}

#[test]
fn messages_replies_and_retries_share_slacks_five_posts() {
    let command = work(|request, messages| {
        let count: usize = request.text().parse()?;
        for number in 0..count {
            messages.send(format!("message {number}"))?;
        }
        Ok(messages.left().to_string().into())
    });
    let is_reply = |post: &Post| !post.content.starts_with(br#"{"text": "message"#);
    let torrap = Torrap::with(
        move |post| match is_reply(post) {
            true => Answer::status(503, "", ""),
            false => Answer::ok(),
        },
        |config| choose(config, command),
    );
    call(&torrap, "4");
    torrap.log.wait_for("all 5 attempts failed", 1);
    let texts: Vec<Value> = torrap.slack.posts().iter().map(content).collect();
    let message = |number| json!({"text": format!("message {number}")});
    let expected = [0, 1, 2, 3].map(message).into_iter();
    let expected: Vec<Value> = expected.chain([json!({"text": "0"})]).collect();
    assert_eq!(texts, expected, "in their order, and the reply once");
    // A fifth message has no place: the command fails, which is told in the place of its reply.
    call(&torrap, "5");
    let posts = torrap.posts(10);
    assert!(
        posts[9]
            .content
            .starts_with(br#"{"response_type": "ephemeral""#)
    );
    torrap.log.wait_for("all 5 attempts failed", 2);
    assert_eq!(torrap.settle().len(), 10);
}

#[test]
fn a_429_and_a_refused_connection_repeat_the_posting_and_not_the_work() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let command = work(move |_, _| {
        let run = counted.fetch_add(1, Ordering::Relaxed);
        Ok(format!("run {run}").into())
    });
    let posts = AtomicUsize::new(0);
    let torrap = Torrap::with(
        move |_| match posts.fetch_add(1, Ordering::Relaxed) {
            0 => Answer::status(429, "Retry-After: 0\r\n", ""),
            1 => Answer::status(503, "", ""),
            _ => Answer::ok(),
        },
        |config| choose(config, command),
    );
    call(&torrap, "abc");
    let posts = torrap.posts(3);
    assert!(
        posts
            .iter()
            .all(|post| content(post) == json!({"text": "run 0"}))
    );
    torrap.log.wait_for(": answered", 1);
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    assert_eq!(torrap.settle().len(), 3);
}

#[test]
fn a_command_is_told_who_asked_and_when() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = seen.clone();
    let command = work(move |request, _| {
        let fields = [
            Field::UserId,
            Field::ChannelName,
            Field::TriggerId,
            Field::TeamId,
        ];
        let fields = fields.map(|field| request.get(field).to_owned());
        let left = request.time_left();
        noted
            .lock()
            .unwrap()
            .push((fields, request.is_late(), left, request.id()));
        Ok(request.command().into())
    });
    let command = command.keeps(&[Field::UserId, Field::ChannelName, Field::TriggerId]);
    let torrap = working(command);
    call(&torrap, "abc");
    torrap.posts(1);
    let url = format!("{}/commands/T0001/1/secret-path", torrap.slack.origin());
    let form = request::form("/work", "abc", &url);
    let late = Draft::signed_with(SECRET, unix_secs() - 10, form);
    assert_acknowledged(&torrap.connect().exchange(late.bytes()));
    let posts = torrap.posts(2);
    assert_eq!(content(&posts[0]), json!({"text": "/work"}));
    torrap.settle();
    let seen = seen.lock().unwrap();
    for (fields, _, left, _) in &*seen {
        let trigger = "13345224609.738474920.8088930838d88f008e0";
        assert_eq!(
            fields,
            &["U2147483697", "test", trigger, ""].map(str::to_owned)
        );
        let most = Duration::from_secs(30 * 60 - 35);
        assert!(
            *left <= most && *left > most - Duration::from_secs(40),
            "{left:?}"
        );
    }
    assert_eq!((seen[0].1, seen[1].1), (false, true));
    assert_eq!(seen[0].3, seen[1].3, "the id goes by the response_url");
}

#[test]
fn a_command_says_what_its_acknowledgement_shows() {
    for (acknowledgement, expected) in [
        (Acknowledgement::Default, ""),
        (Acknowledgement::Typed, r#"{"response_type":"in_channel"}"#),
        (
            Acknowledgement::Text("I am on \"it\"."),
            r#"{"response_type": "ephemeral", "text": "I am on \"it\"."}"#,
        ),
    ] {
        let command = work(|_, _| Ok("done".into()));
        let torrap = working(command.acknowledgement(acknowledgement));
        let request = called(&torrap, "/work", "abc").bytes();
        let response = torrap.connect().exchange(request);
        assert_eq!(response.status, 200);
        assert_eq!(String::from_utf8(response.content).unwrap(), expected);
        assert_eq!(torrap.replies(1), ["done"]);
    }
}

#[test]
fn a_whole_message_is_posted_as_it_was_made() {
    let blocks = r#"{"text": "a", "unfurl_links": false, "blocks": [{"type": "divider"}]}"#;
    let command = work(move |_, messages| {
        messages.send(Reply::message(blocks).visible_to(Visibility::Ephemeral))?;
        Ok(Reply::message(blocks))
    });
    let torrap = working(command);
    call(&torrap, "abc");
    let posts = torrap.posts(2);
    let begin = br#"{"response_type": "ephemeral", "text": "a", "unfurl"#;
    assert!(posts[0].content.starts_with(begin));
    assert_eq!(posts[1].content, blocks.as_bytes());
    torrap.settle();
}
