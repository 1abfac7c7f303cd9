//! Servers that cannot be used: at which step, in which words, and whether it is a mistake in settings.

use std::io::{Read, Write};

use test_support::free_address;

use super::stand_in::{Act, StandIn, hang};
use super::*;

/// The steps of the set-up with a user and a database, in their order.
const STEPS: [&str; 6] = ["AUTH", "SELECT", "ROLE", "INFO", "HGET", "ZSCORE"];

/// An error without the address that it begins with.
fn told(server: &StandIn, password: Option<&str>) -> (String, bool) {
    let error = refusal(&format!("redis://bot@{}/1", server.at), password);
    let line = error.to_string();
    let text = line.strip_prefix(&format!("{}: ", server.at));
    let text = text.unwrap_or_else(|| panic!("{line}")).to_owned();
    assert!(!line.contains('\n') && !line.contains("hunter2"), "{line}");
    (text, error.is_definite())
}

#[test]
fn a_server_that_hangs_at_any_step_is_given_up_at_the_deadline() {
    for step in STEPS {
        let server = StandIn::acting(move |words| (words[0] == step).then_some(Act::Hang));
        let mut connector = connector(&format!("redis://bot@{}/1", server.at), None);
        let begun = Instant::now();
        let error = connector.connect(None, within(SHORT)).unwrap_err();
        assert!(begun.elapsed() < AMPLE && !error.is_definite());
        let line = error.to_string();
        assert_eq!(
            line,
            format!("{}: it does not answer in time ({step})", server.at)
        );
    }
    let server = StandIn::serving(hang);
    let mut connector = connector(&server.url(), None);
    assert!(
        !connector
            .connect(None, within(SHORT))
            .unwrap_err()
            .is_definite()
    );
}

#[test]
fn a_server_that_closes_at_any_step_is_named_with_it() {
    for step in STEPS {
        let server = StandIn::acting(move |words| (words[0] == step).then_some(Act::Close));
        let (text, is_definite) = told(&server, Some("hunter2"));
        let expected = match step {
            "AUTH" => "it closes the connection at once; if it is a port of TLS, give rediss:// in place of redis://".to_owned(),
            step => format!("it has closed the connection ({step})"),
        };
        assert_eq!(text, expected);
        assert!(!is_definite);
    }
}

/// Step, answer, the words of it, and whether a person has to change something.
const REFUSALS: &[(&str, &str, &str, bool)] = &[
    (
        "AUTH",
        "WRONGPASS invalid username-password pair or user is disabled.",
        "user or password is wrong; give the user",
        true,
    ),
    (
        "AUTH",
        "ERR AUTH <password> called without any password configured for the default user.",
        "a password is set here, and the user has none there; unset",
        true,
    ),
    (
        "AUTH",
        "ERR unknown command 'AUTH', with args beginning with: 'bot' 'hunter2' ",
        "it refuses AUTH: ERR unknown command 'AUTH'",
        true,
    ),
    (
        "AUTH",
        "ERR no user bot with hunter2",
        "it refuses AUTH: (it repeats the password)",
        true,
    ),
    (
        "AUTH",
        "ERR max number of clients reached",
        "it refuses AUTH: ERR max number of clients reached",
        false,
    ),
    (
        "AUTH",
        "DENIED Redis is running in protected mode because …",
        "it is in protected mode; set a password there",
        true,
    ),
    (
        "AUTH",
        "LOADING Redis is loading the dataset in memory",
        "it refuses AUTH: LOADING",
        false,
    ),
    (
        "SELECT",
        "ERR DB index is out of range",
        "it refuses SELECT: ERR DB index is out of range",
        true,
    ),
    (
        "SELECT",
        "NOPERM this user has no permissions to run the 'select' command",
        "the user lacks the right `+select`; add it with ACL SETUSER",
        true,
    ),
    (
        "ROLE",
        "NOAUTH Authentication required.",
        "it refuses ROLE: NOAUTH",
        true,
    ),
    (
        "INFO",
        "NOPERM User bot has no permissions to run the 'info' command",
        "the user lacks the right `+info`",
        true,
    ),
    (
        "HGET",
        "NOPERM this user has no permissions to access one of the keys used as arguments",
        "the user lacks the right to the fleet's keys, `~{NAME}:*`",
        true,
    ),
    (
        "HGET",
        "WRONGTYPE Operation against a key holding the wrong kind of value",
        "another program uses the keys of the fleet's name; give another one with ?fleet=NAME",
        true,
    ),
    (
        "HGET",
        "LOADING Redis is loading the dataset in memory",
        "it refuses HGET: LOADING",
        false,
    ),
    (
        "HGET",
        "CLUSTERDOWN Hash slot not served",
        "it refuses HGET: CLUSTERDOWN",
        false,
    ),
    (
        "HGET",
        "MASTERDOWN Link with MASTER is down",
        "it refuses HGET: MASTERDOWN",
        false,
    ),
    (
        "ZSCORE",
        "TRYAGAIN Multiple keys request during rehashing of slot",
        "it refuses ZSCORE: TRYAGAIN",
        false,
    ),
    (
        "ZSCORE",
        "ERR anything",
        "it refuses ZSCORE: ERR anything",
        false,
    ),
];

#[test]
fn what_a_server_refuses_is_told_with_the_remedy() {
    for (step, answer, start, expected) in REFUSALS {
        let server = StandIn::answering(step, &format!("-{answer}\r\n"));
        let (text, is_definite) = told(&server, Some("hunter2"));
        assert!(text.starts_with(start), "{answer}: {text}");
        assert_eq!(is_definite, *expected, "{answer}");
    }
}

#[test]
fn a_password_that_is_missing_is_asked_for() {
    let noauth = "-NOAUTH Authentication required.\r\n";
    let server = StandIn::answering("ROLE", noauth);
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
    let of_user = StandIn::answering("AUTH", wrong);
    for url in [server.url(), format!("redis://bot@{}", of_user.at)] {
        let error = refusal(&url, None);
        let expected =
            "it asks for a password; set TORRAP_REDIS_PASSWORD or TORRAP_REDIS_PASSWORD_FILE";
        assert!(
            error.is_definite() && error.to_string().ends_with(expected),
            "{error}"
        );
    }
}

#[test]
fn a_server_must_be_a_master_of_redis() {
    for (step, answer, start, expected) in [
        (
            "ROLE",
            "*5\r\n$5\r\nslave\r\n$1\r\na\r\n:1\r\n$9\r\nconnected\r\n:0\r\n",
            "it is a replica, not a master; give the master's",
            false,
        ),
        (
            "ROLE",
            "*2\r\n$8\r\nsentinel\r\n*0\r\n",
            "it is a Sentinel, not a master; give the master's",
            false,
        ),
        (
            "ROLE",
            "*1\r\n$4\r\nking\r\n",
            "its reply to ROLE is none of Redis or Valkey",
            true,
        ),
        (
            "ROLE",
            ":1\r\n",
            "its reply to ROLE is none of Redis or Valkey",
            true,
        ),
        (
            "INFO",
            ":1\r\n",
            "its reply to INFO is none of Redis or Valkey",
            true,
        ),
        (
            "AUTH",
            "HTTP/1.1 400 Bad Request\r\n\r\n",
            "it answers as an HTTP server does; give the port of Redis",
            true,
        ),
        (
            "AUTH",
            "\u{15}\u{3}\u{3}",
            "it answers as a server of TLS does; give rediss:// in place",
            true,
        ),
        (
            "ZSCORE",
            "$-1\r\n+more\r\n",
            "it sends what was not asked for (ZSCORE)",
            false,
        ),
    ] {
        let server = StandIn::answering(step, answer);
        let (text, is_definite) = told(&server, None);
        assert!(text.starts_with(start), "{answer}: {text}");
        assert_eq!(is_definite, expected, "{answer}");
    }
}

#[test]
fn where_nothing_listens_is_not_a_mistake_in_settings() {
    let at = free_address();
    let error = refusal(&format!("redis://{at}"), None);
    let line = error.to_string();
    assert!(
        line.starts_with(&format!("{at}: it cannot be reached (")),
        "{line}"
    );
    assert!(
        line.ends_with("; start Redis there, or give another address"),
        "{line}"
    );
    assert!(!error.is_definite());
}

#[test]
fn a_name_without_an_address_is_told() {
    let error = refusal("redis://torrap-test.invalid:6379", None);
    let line = error.to_string();
    let expected = "torrap-test.invalid:6379: the name has no address; give another one";
    assert!(
        line == expected || line.contains("is not looked up in time"),
        "{line}"
    );
    assert!(!error.is_definite());
}

/// It closes the connection at once, and does not wait for a command.
#[test]
fn a_server_that_refuses_every_client_is_heard() {
    for (answer, start, expected) in [
        (
            "-DENIED Redis is running in protected mode",
            "it is in protected mode; set",
            true,
        ),
        (
            "-ERR max number of clients reached",
            "it refuses AUTH: ERR max number",
            false,
        ),
    ] {
        for number in 0..20 {
            let server = StandIn::serving(move |mut stream| {
                let _ = stream.write_all(format!("{answer}\r\n").as_bytes());
                // The client's words may come before the end, or after it.
                if number % 2 == 0 {
                    let _ = stream.read(&mut [0; 16]);
                }
            });
            let (text, is_definite) = told(&server, Some("hunter2"));
            assert!(text.starts_with(start), "{answer}: {text}");
            assert_eq!(is_definite, expected, "{answer}");
        }
    }
}
