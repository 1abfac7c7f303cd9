//! Requests through a connection to the bot and its answers back, without a socket.

mod fleet;

use super::*;
use crate::app::refusals::Refusal;
use crate::config::{Settings, SigningSecret};
use crate::http::{Connection, Limits, Staging};
use crate::slack::request;
use crate::store::{COLLECTED_BYTES_MAX, Outcome};
use crate::time::UnixTime;

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const NOW: Now = Now {
    tick: Tick(0),
    unix: UnixTime(1_700_000_000_000),
};

/// The answers to what a client sends at once, to a new bot.
fn answers(wire: impl AsRef<[u8]>) -> String {
    let secret = SigningSecret::new(SECRET).unwrap();
    let config = Config::from_settings(&Settings::default(), vec![secret]).unwrap();
    let mut bot = Bot::new(&config, NOW.tick);
    let limits = Limits::default();
    let mut connection = Connection::new(NOW.tick, &limits);
    let mut staging = Staging::default();
    staging.begin(NOW.unix);
    let mut wire = wire.as_ref().to_vec();
    connection.receive(&mut wire, NOW.tick, &limits, &mut staging, |request| {
        bot.handle_request(request, NOW)
    });
    assert_eq!(connection.close_reason(), None);
    String::from_utf8(staging.bytes().to_vec()).unwrap()
}

fn answer(line: &str) -> String {
    answers(format!("{line} HTTP/1.1\r\nHost: x\r\n\r\n"))
}

#[test]
fn each_resource_has_its_methods() {
    for (line, status, allow) in [
        ("GET /healthz", 200, None),
        ("HEAD /healthz?a=b", 200, None),
        ("GET http://any.example/healthz?", 200, None),
        ("GET /readyz", 200, None),
        ("GET /slack?ssl_check=1", 200, None),
        ("POST /slack", 401, None),
        ("POST https://[::1]:1/slack?x", 401, None),
        ("GET /slack", 405, Some("POST")),
        ("post /slack", 405, Some("POST")),
        ("BREW /slack", 405, Some("POST")),
        ("POST /healthz", 405, Some("GET, HEAD")),
        ("get /readyz", 405, Some("GET, HEAD")),
        ("CONNECT any.example:443", 405, Some("GET, HEAD, POST")),
        ("OPTIONS *", 200, Some("GET, HEAD, POST, OPTIONS")),
        ("OPTIONS /slack", 405, Some("POST")),
        ("GET /", 404, None),
        ("BREW /x", 404, None),
        ("GET /healthz/", 404, None),
        ("GET /%68ealthz", 404, None),
        ("GET //healthz", 404, None),
    ] {
        let text = answer(line);
        assert!(
            text.starts_with(&format!("HTTP/1.1 {status} ")),
            "{line}: {text}"
        );
        let found = text.lines().find_map(|line| line.strip_prefix("Allow: "));
        assert_eq!(found, allow, "{line}");
    }
}

#[test]
fn head_gets_the_fields_of_get_alone() {
    let (head, get) = (answer("HEAD /healthz"), answer("GET /healthz"));
    let (fields, content) = get.split_once("\r\n\r\n").unwrap();
    assert_eq!(head, format!("{fields}\r\n\r\n"));
    assert_eq!(content, r#"{"success":true,"timestamp":1700000000.000}"#);
}

#[test]
fn a_browser_is_told_what_this_is_and_where_requests_go() {
    for path in ["/", "/?x", "/slack", "/slack?x=1"] {
        let (head, get) = (
            answer(&format!("HEAD {path}")),
            answer(&format!("GET {path}")),
        );
        let (fields, content) = get.split_once("\r\n\r\n").unwrap();
        assert_eq!(head, format!("{fields}\r\n\r\n"), "{path}");
        assert!(fields.contains("\r\nContent-Type: text/plain; charset=utf-8\r\n"));
        assert!(content.starts_with("This is torrap, a Slack slash-command bot. "));
        assert!(content.contains(" to /slack;") && content.lines().count() == 1);
        assert!(fields.ends_with(&format!("\r\nContent-Length: {}", content.len())));
    }
    // What Slack shows to people, or another program reads, stays empty.
    for line in [
        "POST /",
        "POST /slack",
        "PUT /slack",
        "GET /x",
        "GET /slack?ssl_check=1",
    ] {
        assert!(
            answer(line).ends_with("\r\nContent-Length: 0\r\n\r\n"),
            "{line}"
        );
    }
}

#[test]
fn a_signature_counts_for_one_request_and_not_for_its_connection() {
    let form = request::form("/torrap", "help", "https://hooks.slack.com/commands/1");
    let good = request::signed(SECRET.as_bytes(), NOW.unix.secs(), form.as_bytes());
    let length = form.len();
    let bad = format!("POST /slack HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{form}");
    let text = answers([&good[..], bad.as_bytes(), &good].concat());
    assert_eq!(statuses(&text), ["200", "401", "200"]);
}

fn statuses(text: &str) -> Vec<&str> {
    let answers = text.split("HTTP/1.1 ").skip(1);
    answers.map(|answer| &answer[..3]).collect()
}

/// In chunks of ten bytes, with an extension each.
fn chunks(content: &str, trailer: &str) -> String {
    let mut out = String::new();
    for chunk in content.as_bytes().chunks(10) {
        let data = std::str::from_utf8(chunk).unwrap();
        out += &format!("{:x};a=b\r\n{data}\r\n", chunk.len());
    }
    out + "0\r\n" + trailer + "\r\n"
}

#[test]
fn content_of_any_answer_is_drained() {
    let next = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let length = next.len();
    for (line, status) in [
        ("GET /healthz", "200"),
        ("HEAD /healthz", "200"),
        ("DELETE /healthz", "405"),
        ("POST /slack", "401"),
        ("GET /slack", "405"),
        ("POST /x", "404"),
        ("OPTIONS *", "200"),
        ("CONNECT h:1", "405"),
    ] {
        let head = format!("{line} HTTP/1.1\r\nHost: x\r\n");
        let known = format!("{head}Content-Length: {length}\r\n\r\n{next}{next}");
        assert_eq!(statuses(&answers(known)), [status, "200"], "{line}");
        let coded = chunks(next, "");
        let coded = format!("{head}Transfer-Encoding: chunked\r\n\r\n{coded}{next}");
        assert_eq!(statuses(&answers(coded)), [status, "200"], "{line}");
    }
}

#[test]
fn the_signature_covers_the_decoded_content_and_does_not_count_in_a_trailer() {
    let form = request::form("/torrap", "help", "https://hooks.slack.com/commands/1");
    let request = request::signed(SECRET.as_bytes(), NOW.unix.secs(), form.as_bytes());
    let request = String::from_utf8(request).unwrap();
    let (head, _) = request.split_once("\r\n\r\n").unwrap();
    let length = format!("Content-Length: {}", form.len());
    let head = head.replace(&length, "Transfer-Encoding: chunked");
    let signed = format!("{head}\r\n\r\n{}", chunks(&form, "Connection: close\r\n"));
    assert_eq!(statuses(&answers(signed)), ["200"]);
    let (proof, others): (Vec<&str>, Vec<&str>) = head
        .split("\r\n")
        .partition(|line| line.starts_with("X-Slack-"));
    assert_eq!(proof.len(), 2);
    let trailer = proof.join("\r\n") + "\r\n";
    let late = format!("{}\r\n\r\n{}", others.join("\r\n"), chunks(&form, &trailer));
    assert_eq!(statuses(&answers(late)), ["401"]);
}

/// A bot with or without a journal that has taken in a command, and what it said.
fn taken(in_channel: bool, has_journal: bool) -> (Bot, Response) {
    let secret = SigningSecret::new(SECRET).unwrap();
    let mut config = Config::from_settings(&Settings::default(), vec![secret]).unwrap();
    config.in_channel = in_channel;
    let mut bot = Bot::new(&config, NOW.tick);
    if has_journal {
        bot.begin_store(1);
    }
    let said = said_to(&mut bot, "olleh");
    (bot, said)
}

/// What a bot says to a command.
fn said_to(bot: &mut Bot, text: &str) -> Response {
    let form = request::form("/torrap", text, "https://hooks.slack.com/commands/1");
    let mut wire = request::signed(SECRET.as_bytes(), NOW.unix.secs(), form.as_bytes());
    let mut said = None;
    let limits = Limits::default();
    let mut staging = Staging::default();
    let mut connection = Connection::new(NOW.tick, &limits);
    connection.receive(&mut wire, NOW.tick, &limits, &mut staging, |request| {
        let response = bot.handle_request(request, NOW);
        said = Some(response.clone());
        response
    });
    said.unwrap()
}

/// Gives the batch to a store that has an answer at once; how many jobs and outcomes were in it.
fn store(bot: &mut Bot, is_kept: bool, now: Now) -> (usize, usize) {
    let (ticket, batch) = bot.take_batch();
    let counts = (batch.accepted().len(), batch.outcomes().len());
    batch.clear();
    bot.handle_stored(ticket, is_kept, now);
    counts
}

fn later(ms: u64) -> Now {
    Now {
        tick: NOW.tick.after(ms),
        ..NOW
    }
}

#[test]
fn only_a_store_holds_an_acknowledgement_and_it_is_the_same_afterwards() {
    for in_channel in [false, true] {
        let (_, free) = taken(in_channel, false);
        assert_eq!(free.hold, None);
        let (mut bot, held) = taken(in_channel, true);
        let hold = held.hold.unwrap();
        let (ticket, batch) = bot.take_batch();
        batch.clear();
        assert!(!bot.has_batch());
        assert_eq!(ticket, hold.ticket);
        bot.handle_stored(ticket, true, NOW);
        let kept = Response {
            is_authenticated: true,
            ..bot.answer_held(hold, true)
        };
        assert_eq!(kept, free);
        assert_eq!(bot.answer_held(hold, false), busy());
    }
}

#[test]
fn a_reply_is_due_after_its_job_is_kept_and_is_timed_from_its_command() {
    let (mut bot, _) = taken(false, true);
    let (early, due) = (later(1), later(100_000));
    bot.handle_timeout(due, &mut 100);
    assert!(bot.poll_delivery(due).is_none(), "it is not kept");
    assert_eq!(bot.counters.commands_accepted, 0);
    assert_eq!(store(&mut bot, true, early), (1, 0));
    assert_eq!(bot.counters.commands_accepted, 1);
    assert_eq!(bot.counters.acknowledgement.sum_ms(), 1);
    bot.handle_timeout(due, &mut 100);
    assert!(bot.poll_delivery(due).is_some());
}

#[test]
fn a_job_is_withdrawn_from_the_batch_that_collects_and_later_with_an_outcome() {
    let (mut bot, held) = taken(false, true);
    let hold = held.hold.unwrap();
    assert_eq!(bot.withdraw_held(hold, NOW), busy());
    assert_eq!(bot.pending(), 0);
    assert_eq!(store(&mut bot, true, NOW), (0, 0));
    let (mut bot, held) = taken(false, true);
    let hold = held.hold.unwrap();
    let (ticket, batch) = bot.take_batch();
    assert_eq!(batch.accepted().len(), 1);
    batch.clear();
    bot.withdraw_held(hold, NOW);
    assert_eq!(bot.pending(), 0);
    bot.handle_stored(ticket, true, NOW);
    assert_eq!(bot.counters.commands_accepted, 0);
    let job = Key::from_u64(hold.token);
    assert_eq!(bot.take_batch().1.outcomes(), [Outcome::Withdrawn { job }]);
    assert_eq!(bot.counters.refused[Refusal::NotKept.kind()], 1);
}

#[test]
fn a_job_that_a_store_does_not_keep_is_withdrawn_once() {
    let (mut bot, _) = taken(false, true);
    assert_eq!(store(&mut bot, false, NOW), (1, 0));
    assert_eq!((bot.pending(), bot.counters.commands_accepted), (0, 0));
    assert_eq!(bot.counters.refused[Refusal::NotKept.kind()], 1);
    assert!(!bot.has_batch(), "the store knows it by itself");
}

#[test]
fn a_withdrawal_is_counted_once_and_by_its_reason() {
    let (mut bot, _) = taken(false, true);
    store(&mut bot, false, NOW);
    assert_eq!(bot.counters.withdrawn, [1, 0, 0]);
    for (condition, counted) in [
        (Condition::Ready, [0, 1, 0]),
        (Condition::JournalFailing, [0, 1, 0]),
        (Condition::Draining, [0, 0, 1]),
    ] {
        let (mut bot, held) = taken(false, true);
        bot.set_condition(condition);
        let (ticket, batch) = bot.take_batch();
        batch.clear();
        bot.withdraw_held(held.hold.unwrap(), NOW);
        bot.handle_stored(ticket, false, NOW);
        assert_eq!(bot.counters.withdrawn, counted, "{condition:?}");
    }
}

/// However many commands come in one turn.
#[test]
fn a_batch_that_is_full_turns_commands_down_until_the_store_has_taken_it() {
    const TEXT_BYTES: usize = 15_000;
    let (mut bot, _) = taken(false, true);
    let text = "x".repeat(TEXT_BYTES);
    let mut holds = |number| said_to(&mut bot, &format!("{number}{text}")).hold.is_some();
    let fit = (0..1_000).take_while(|number| holds(*number));
    let fit = fit.count();
    let bytes = bot.take_batch().1.bytes();
    assert!(bytes > COLLECTED_BYTES_MAX && bytes < COLLECTED_BYTES_MAX + 2 * TEXT_BYTES);
    assert_eq!(bot.pending(), fit + 1);
    bot.take_batch().1.clear();
    assert!(said_to(&mut bot, &text).hold.is_some());
}

#[test]
fn a_store_that_is_given_up_leaves_its_jobs_to_be_answered() {
    let (mut bot, _) = taken(false, true);
    bot.end_store(NOW.tick);
    assert!(!bot.has_batch());
    bot.handle_timeout(later(100_000), &mut 100);
    assert!(bot.poll_delivery(later(100_000)).is_some());
}

/// The store has not kept the command yet: all that wait for it are answered alike.
#[test]
fn a_repeat_waits_for_the_ticket_of_its_command_and_has_the_same_answer() {
    for is_kept in [true, false] {
        let (mut bot, first) = taken(true, true);
        let (ticket, batch) = bot.take_batch();
        batch.clear();
        said_to(&mut bot, "later");
        let repeat = said_to(&mut bot, "olleh");
        assert_eq!(repeat, first);
        let hold = repeat.hold.unwrap();
        assert_eq!(hold.ticket, ticket, "and not for the batch that collects");
        assert_eq!(store(&mut bot, true, NOW).0, 1, "the later one alone");
        let (mut bot, first) = taken(true, true);
        let repeat = said_to(&mut bot, "olleh").hold.unwrap();
        assert_eq!(store(&mut bot, is_kept, NOW), (1, 0));
        let answers = [first.hold.unwrap(), repeat].map(|hold| bot.answer_held(hold, is_kept));
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0] == busy(), !is_kept);
        assert_eq!(bot.counters.commands_accepted, u64::from(is_kept));
        assert_eq!(bot.counters.commands_repeated, 1);
        let again = said_to(&mut bot, "olleh");
        assert_eq!(again.hold.is_none(), is_kept, "a withdrawal forgets it");
    }
}

#[test]
fn a_command_that_is_held_for_too_long_is_withdrawn_once_with_its_repeats() {
    let (mut bot, first) = taken(false, true);
    let (first, repeat) = (
        first.hold.unwrap(),
        said_to(&mut bot, "olleh").hold.unwrap(),
    );
    let (ticket, batch) = bot.take_batch();
    batch.clear();
    assert_eq!(bot.withdraw_held(first, NOW), busy());
    let new = said_to(&mut bot, "olleh").hold.unwrap();
    assert!(new.ticket > ticket, "a new command, of the next batch");
    // The store keeps it after all: it is too late, and what the repeat is told must be true.
    bot.handle_stored(ticket, true, NOW);
    assert_eq!(bot.answer_held(repeat, true), busy());
    assert_eq!(bot.withdraw_held(repeat, NOW), busy());
    let job = Key::from_u64(first.token);
    let (_, batch) = bot.take_batch();
    assert_eq!(batch.outcomes(), [Outcome::Withdrawn { job }], "and once");
    assert_eq!(batch.accepted().len(), 1);
    batch.clear();
    assert_eq!(bot.pending(), 1);
    assert_eq!(bot.counters.withdrawn, [0, 1, 0]);
    bot.handle_stored(new.ticket, true, NOW);
    assert_ne!(bot.answer_held(new, true), busy());
}

/// It asks for nothing: neither for room nor for a store that accepts commands.
#[test]
fn a_repeat_of_a_command_that_is_kept_is_acknowledged_whatever_else_is_refused() {
    let (mut bot, _) = taken(false, true);
    store(&mut bot, true, NOW);
    bot.set_accepting(false);
    assert_eq!(said_to(&mut bot, "other").content, busy().content);
    let repeat = said_to(&mut bot, "olleh");
    assert_eq!((repeat.hold, bot.pending()), (None, 1));
    assert!(repeat.is_authenticated && repeat != busy());
    bot.end_store(NOW.tick);
    assert_eq!(said_to(&mut bot, "olleh").hold, None);
    assert_eq!(bot.counters.commands_repeated, 2);
    assert_eq!(bot.counters.commands_accepted, 1);
}
