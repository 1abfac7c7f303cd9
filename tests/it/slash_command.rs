//! Commands from the request to the reply.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_support::{DEADLINE, SECRET, Torrap, signed, unix_secs};
use torrap::commands::Chosen;
use torrap::config::SigningSecret;
use torrap::slack::request;
use torrap::slack::response_url::Origin;
use torrap::tools::trial::command::Response;
use torrap::tools::trial::stand_in::{Answer, SlackStandIn};

use crate::draft::Draft;

/// A head without its Date, the only part that may differ between two answers.
pub fn undated(response: &Response) -> String {
    let lines = response.head.split_inclusive("\r\n");
    let (dates, others): (Vec<_>, Vec<_>) = lines.partition(|line| line.starts_with("Date: "));
    assert_eq!(dates.len(), 1, "{}", response.head);
    others.concat()
}

/// An acknowledgement that shows people nothing.
#[track_caller]
pub fn assert_acknowledged(response: &Response) {
    assert_eq!(
        undated(response),
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    );
    assert!(response.content.is_empty());
}

/// An acknowledgement after which Slack shows everyone what was typed and by whom.
#[track_caller]
fn assert_acknowledged_for_all(response: &Response) {
    assert_eq!(
        undated(response),
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 30\r\n\r\n"
    );
    assert_eq!(response.content, br#"{"response_type":"in_channel"}"#);
}

/// A signed request for any command.
pub fn called(torrap: &Torrap, name: &str, text: &str) -> Draft {
    let url = format!("{}/commands/T0001/1/secret-path", torrap.slack.origin());
    Draft::signed(request::form(name, text, &url))
}

/// The bot with these commands.
fn answering(commands: &[&str]) -> Torrap {
    let mut chosen = Chosen::default();
    commands.iter().for_each(|entry| chosen.add(entry).unwrap());
    Torrap::with(|_| Answer::ok(), |config| config.commands = chosen)
}

/// A message in the acknowledgement itself, for one person's eyes.
#[track_caller]
pub fn assert_says(response: &Response, part: &str) {
    let length = response.content.len();
    assert_eq!(
        undated(response),
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        )
    );
    let message: Value = serde_json::from_slice(&response.content).unwrap();
    let text = message["text"].as_str().unwrap();
    assert!(text.contains(part), "{text}");
    assert_eq!(
        message,
        json!({"response_type": "ephemeral", "text": text}),
        "and nothing else"
    );
}

#[test]
fn a_command_is_acknowledged_with_nothing_and_answered_reversed() {
    let torrap = Torrap::start();
    assert_acknowledged(&torrap.command("sdrawkcab si siht"));
    let post = &torrap.posts(1)[0];
    assert_eq!(post.content, br#"{"text": "this is backwards"}"#);
    assert_eq!(post.content_type, "application/json");
    assert_eq!(post.path, "/commands/T0001/1/secret-path");
    assert_eq!(torrap.replies(1), ["this is backwards"]);
    assert_eq!(torrap.settle().len(), 1, "answered once");
}

#[test]
fn no_reply_comes_before_the_thinking_is_over() {
    let delay = Duration::from_millis(250);
    let torrap = Torrap::with(|_| Answer::ok(), |config| config.delay_ms = 250);
    let mut client = torrap.connect();
    for count in 1..=3 {
        let sent = Instant::now();
        assert_acknowledged(&client.exchange(torrap.signed("abc")));
        let acknowledged = sent.elapsed();
        let post = torrap.posts(count).remove(count - 1);
        let thought = post.at.duration_since(sent);
        assert!(thought >= delay, "answered after {thought:?}");
        assert!(acknowledged < thought, "acknowledged {acknowledged:?}");
    }
}

#[test]
fn a_blank_text_or_help_gets_the_usage_and_no_reply() {
    let torrap = Torrap::start();
    for text in [
        "",
        " ",
        "\u{3000}\t\n",
        "\u{200b}\u{feff}",
        "help",
        " HELP ",
    ] {
        assert_says(&torrap.command(text), "/torrap sdrawkcab si siht");
    }
    let url = format!("{}/commands/1", torrap.slack.origin());
    let without_text = Draft::signed(format!("command=/torrap&response_url={url}"));
    let usage = torrap.connect().exchange(without_text.bytes());
    assert_says(&usage, "/torrap sdrawkcab si siht");
    assert_acknowledged(&torrap.command("help me"));
    assert_eq!(torrap.replies(1), ["em pleh"]);
    assert_eq!(torrap.settle().len(), 1);
}

#[test]
fn a_full_table_says_busy_until_a_reply_is_settled() {
    let (torrap, gate) = Torrap::gated(|config| config.max_pending = 2);
    let mut client = torrap.connect();
    assert_acknowledged(&client.exchange(torrap.signed("one")));
    assert_acknowledged(&client.exchange(torrap.signed("two")));
    for _ in 0..3 {
        assert_says(&client.exchange(torrap.signed("many")), "busy");
    }
    assert_says(&client.exchange(torrap.signed("help")), "/torrap");
    assert_eq!(torrap.log.wait_for("WARN POST /slack: refused", 3).len(), 3);
    gate.open();
    torrap.log.wait_for("answered", 2);
    for text in ["three", "four"] {
        assert_acknowledged(&client.exchange(torrap.signed(text)));
    }
    let replies = torrap.replies(4);
    for reply in ["eno", "owt", "eerht", "ruof"] {
        assert!(replies.contains(&reply.to_owned()), "{replies:?}");
    }
    assert_eq!(torrap.settle().len(), 4, "who was told busy gets no reply");
}

#[test]
fn any_of_several_secrets_serves() {
    let secrets = ["next-secret", "secret-before"];
    let torrap = Torrap::with(
        |_| Answer::ok(),
        |config| {
            config.signing_secrets = secrets
                .map(|secret| SigningSecret::new(secret).unwrap())
                .into();
        },
    );
    let url = format!("{}/commands/1", torrap.slack.origin());
    let content = request::form("/torrap", "abc", &url);
    for (secret, status) in [
        (secrets[0], 200),
        (secrets[1], 200),
        ("next-secret,secret-before", 401),
        (SECRET, 401),
    ] {
        let draft = Draft::signed_with(secret, unix_secs(), &content);
        let response = torrap.connect().exchange(draft.bytes());
        assert_eq!(response.status, status, "{secret}");
    }
    assert_eq!(torrap.settle().len(), 2);
}

#[test]
fn what_is_not_utf_8_is_answered_as_well() {
    let torrap = Torrap::start();
    let url = format!("{}/commands/1", torrap.slack.origin());
    let rest = format!("&user_name=%C3&response_url={url}");
    let mut client = torrap.connect();
    for (count, (text, reply)) in [
        (b"text=ab%FF%FE".as_slice(), "\u{fffd}\u{fffd}ba"),
        (b"text=a\xf0\x9fb", "b\u{fffd}a"),
        (b"text=%ED%A0%BDx", "x\u{fffd}\u{fffd}\u{fffd}"),
    ]
    .into_iter()
    .enumerate()
    {
        let form = [b"command=/torrap%C3&", text, rest.as_bytes()].concat();
        assert_acknowledged(&client.exchange(Draft::signed(form).bytes()));
        assert_eq!(torrap.replies(count + 1)[count], reply);
    }
}

/// Requests in the shapes that Slack's come in today: in a direct message, from a workspace of an organisation,
/// from an app that an organisation has installed as a whole.
#[test]
fn the_forms_of_slack_are_understood_with_all_their_fields() {
    let torrap = Torrap::start();
    let origin = torrap.slack.origin();
    let common = "token=gIkuvaNzQIHg97ATvDxqgjtO&team_id=T0001&team_domain=example&user_id=U2147483697\
                  &user_name=Steve&command=%2Ftorrap&api_app_id=A123456\
                  &trigger_id=13345224609.738474920.8088930838d88f008e0";
    let mut client = torrap.connect();
    for (count, others) in [
        "channel_id=D2147483705&channel_name=directmessage&is_enterprise_install=false",
        "channel_id=G8PSS9T3V&channel_name=privategroup&is_enterprise_install=false",
        "enterprise_id=E0001&enterprise_name=Globular%20Construct%20Inc&channel_id=C2147483705\
         &channel_name=test&is_enterprise_install=false",
        "enterprise_id=E0001&enterprise_name=Globular+Construct+%26+S%C3%B6hne&channel_id=C1\
         &channel_name=test&is_enterprise_install=true",
    ]
    .into_iter()
    .enumerate()
    {
        let form = format!("{common}&{others}&text=olleh&response_url={origin}%2Fcommands%2F1");
        assert_acknowledged(&client.exchange(Draft::signed(form).bytes()));
        assert_eq!(torrap.replies(count + 1)[count], "hello");
    }
}

/// The example on Slack's page of signatures, but for its age. Its text is empty.
#[test]
fn slacks_own_example_is_understood() {
    let form = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow\
                &channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner\
                &command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com\
                %2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
                &trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    let secret = "8f742231b10e8888abcd99yyyzzz85a5";
    let torrap = Torrap::with(
        |_| Answer::ok(),
        |config| {
            config.signing_secrets = vec![SigningSecret::new(secret).unwrap()];
            config.reply_origins = vec![Origin::parse("https://hooks.slack.com").unwrap()];
        },
    );
    let mut client = torrap.connect();
    let new = Draft::signed_with(secret, unix_secs(), form);
    assert_says(&client.exchange(new.bytes()), "/torrap");
    let old = Draft::signed_with(secret, 1_531_420_618, form);
    let signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
    assert_eq!(old.value(crate::draft::SIGNATURE), signature);
    assert_eq!(client.exchange(old.bytes()).status, 401);
}

#[test]
fn the_form_may_be_written_in_other_ways() {
    let torrap = Torrap::with_replays();
    let url = format!("{}/commands/1", torrap.slack.origin());
    let raw = format!("text=a/b+c&command=/torrap&unknown&response_url={url}");
    let draft = Draft::signed(&raw);
    let other_case = Draft::new("POST", "/slack")
        .with(
            "CONTENT-TYPE",
            "Application/X-WWW-Form-Urlencoded; charset=utf-8",
        )
        .with(
            "x-slack-REQUEST-timestamp",
            draft.value(crate::draft::TIMESTAMP),
        )
        .with("X-SLACK-SIGNATURE", draft.value(crate::draft::SIGNATURE))
        .content(&raw);
    let requests = [
        draft.bytes(),
        draft.chunked(usize::MAX),
        draft.chunked(1),
        draft.chunked(7),
        other_case.bytes(),
        other_case.chunked(50),
        draft.clone().target("/slack?retry=1&ssl_check=1").bytes(),
        draft.clone().target("http://torrap.example/slack").bytes(),
    ];
    let mut client = torrap.connect();
    for request in &requests {
        assert_acknowledged(&client.exchange(request));
    }
    let replies = torrap.replies(requests.len());
    assert_eq!(replies, vec!["c b/a"; requests.len()]);
    assert_eq!(torrap.settle().len(), requests.len());
}

#[test]
fn a_command_by_any_other_name_is_answered_as_well() {
    let torrap = Torrap::start();
    let url = format!("{}/a?b=c%20d&e", torrap.slack.origin());
    let content = request::form("/backwards", "abc", &url);
    assert_acknowledged(&torrap.connect().exchange(Draft::signed(content).bytes()));
    assert_eq!(torrap.posts(1)[0].path, "/a?b=c%20d&e");
}

#[test]
fn each_reply_goes_to_the_origin_that_it_was_asked_at() {
    let second = SlackStandIn::start(|_| Answer::ok()).unwrap();
    let origin = Origin::parse(&second.origin()).unwrap();
    let torrap = Torrap::with(|_| Answer::ok(), |config| config.reply_origins.push(origin));
    let url = format!("{}/commands/2", second.origin());
    assert_acknowledged(&torrap.connect().exchange(signed(SECRET, "second", &url)));
    assert_acknowledged(&torrap.command("first"));
    assert_eq!(torrap.replies(1), ["tsrif"]);
    let posts = second.wait_for(1, DEADLINE);
    assert_eq!(posts[0].content, br#"{"text": "dnoces"}"#);
    assert_eq!((torrap.settle().len(), second.posts().len()), (1, 1));
}

#[test]
fn each_command_has_its_own_reply_for_those_who_are_to_see_it() {
    let torrap = answering(&["/torrap", "/shout"]);
    let request = called(&torrap, "/shout", "hello <!channel> & all").bytes();
    assert_acknowledged_for_all(&torrap.connect().exchange(request));
    let message: Value = serde_json::from_slice(&torrap.posts(1)[0].content).unwrap();
    let text = "HELLO &lt;!CHANNEL&gt; &amp; ALL";
    assert_eq!(
        message,
        json!({"response_type": "in_channel", "text": text})
    );
    assert_acknowledged(&torrap.command("olleh"));
    assert_eq!(torrap.replies(2)[1], "hello");
}

#[test]
fn only_the_chosen_commands_are_answered_and_by_their_names() {
    let torrap = answering(&["/torrap", "/shout=/yell"]);
    let mut client = torrap.connect();
    for name in ["/shout", "/Yell", "/backwards", ""] {
        let response = client.exchange(called(&torrap, name, "olleh").bytes());
        assert_says(
            &response,
            "I do not know that command. There is `/torrap` and `/yell`.",
        );
    }
    assert_says(
        &client.exchange(called(&torrap, "/yell", "help").bytes()),
        "`/yell hello`",
    );
    assert_acknowledged_for_all(&client.exchange(called(&torrap, "/yell", "hello").bytes()));
    assert_acknowledged(&client.exchange(called(&torrap, "/torrap", "olleh").bytes()));
    let mut replies = torrap.replies(2);
    replies.sort();
    assert_eq!(replies, ["HELLO", "hello"]);
    assert_eq!(torrap.settle().len(), 2);

    let torrap = answering(&["/shout=/yell"]);
    assert_acknowledged_for_all(&torrap.command("any name stands for the only one"));
    assert_eq!(torrap.replies(1), ["ANY NAME STANDS FOR THE ONLY ONE"]);
}

#[test]
fn shout_is_not_answered_unless_it_is_chosen() {
    let torrap = Torrap::start();
    assert_acknowledged(
        &torrap
            .connect()
            .exchange(called(&torrap, "/shout", "olleh").bytes()),
    );
    assert_eq!(torrap.replies(1), ["hello"]);
}

#[test]
fn the_log_tells_who_typed_a_command_and_where() {
    let torrap = Torrap::start();
    assert_acknowledged(&torrap.command("olleh"));
    let url = format!("{}/commands/1", torrap.slack.origin());
    let forged = format!("command=/torrap&text=a&user_id=U1%0Ax&response_url={url}");
    assert_acknowledged(&torrap.connect().exchange(Draft::signed(forged).bytes()));
    let lines = torrap.log.wait_for("bytes of text", 2);
    let who = "/torrap, 5 bytes of text, reply in 0 s, from user U2147483697 in channel C2147483705 \
               of team T0001";
    assert!(lines[0].ends_with(who), "{}", lines[0]);
    let who = r"from user U1\nx in channel - of team -";
    assert!(lines[1].ends_with(who), "{}", lines[1]);
}

#[test]
fn all_see_every_reply_if_the_settings_say_so_and_no_one_is_pinged() {
    let torrap = Torrap::with(|_| Answer::ok(), |config| config.in_channel = true);
    assert_acknowledged_for_all(&torrap.command(">lennahc!<"));
    assert_eq!(
        torrap.posts(1)[0].content,
        br#"{"response_type": "in_channel", "text": "&lt;!channel&gt;"}"#
    );
    let usage = torrap.command("help");
    assert_says(&usage, "say it backwards");
}
