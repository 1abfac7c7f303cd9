//! A journal in Redis by the real binary: lines and exit codes where none can be used, and what never shows.

use test_support::{Finished, SECRET, finish};

use crate::TORRAP;

fn run(arguments: &[&str], password: &str) -> Finished {
    let mut command = TORRAP.command();
    command.env("SLACK_SIGNING_SECRET", SECRET);
    command.env("TORRAP_REDIS_PASSWORD", password);
    command.env("TORRAP_LISTEN", "127.0.0.1:0");
    finish(command.args(arguments))
}

fn assert_line(finished: &Finished, code: i32, parts: &[&str]) {
    let line = &finished.stderr;
    assert_eq!(finished.code, Some(code), "{line}");
    assert!(
        line.starts_with("torrap: ") && line.lines().count() == 1,
        "{line}"
    );
    for part in parts {
        assert!(line.contains(part), "no {part:?} in {line}");
    }
}

#[cfg(not(feature = "redis"))]
#[test]
fn a_build_without_redis_says_how_to_get_one_with_it() {
    let parts = ["built without journals in Redis", "--features redis"];
    for arguments in [
        &["--journal", "redis://a/0"][..],
        &["journal", "redis://a/0"],
    ] {
        assert_line(&run(arguments, ""), 2, &parts);
    }
    let finished = run(&["check", "--journal", "redis://a/0"], "");
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert!(
        finished.stdout.contains("--features redis"),
        "{}",
        finished.stdout
    );
}

#[cfg(feature = "redis")]
mod with_redis {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener};
    use std::thread;

    use test_support::free_address;

    use super::*;

    /// Something that is no Redis, and repeats what it does not understand.
    fn parrot() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut bytes = [0; 4096];
                let length = stream.read(&mut bytes).unwrap_or(0);
                let heard = String::from_utf8_lossy(&bytes[..length]);
                let heard = heard.split_whitespace().collect::<Vec<_>>().join(" ");
                let _ = stream.write_all(format!("-ERR what is {heard}?\r\n").as_bytes());
            }
        });
        address
    }

    #[test]
    fn a_password_never_shows() {
        let url = format!("redis://bot@{}/0", parrot());
        for arguments in [
            &["--journal", &url][..],
            &["check", "--journal", &url],
            &["journal", &url],
            &["--journal", "redis://:hunter2@a"],
            &["check", "--journal", "redis://bot:hunter2@a/0"],
            &["journal", "redis://a?password=hunter2"],
        ] {
            let finished = run(arguments, "hunter2");
            let shown = finished.stdout + &finished.stderr;
            assert!(matches!(finished.code, Some(1 | 2)), "{shown}");
            assert!(!shown.is_empty() && !shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn a_journal_that_cannot_be_read_is_one_line() {
        let nowhere = format!("redis://{}/0", free_address());
        assert_line(
            &run(&["journal", &nowhere], ""),
            1,
            &["cannot be reached", "start Redis there"],
        );
        let parrot = format!("redis://{}/0", parrot());
        let parts = ["--journal redis://", "it refuses ROLE"];
        assert_line(&run(&["journal", &parrot], ""), 1, &parts);
        assert_line(&run(&["journal", &parrot], "word"), 2, &["it refuses AUTH"]);
        let parts = ["journal: a port in the URL", "give redis://HOST:6379/0"];
        assert_line(&run(&["journal", "redis://a:b"], ""), 2, &parts);
    }

    #[test]
    fn a_check_fails_where_the_journal_cannot_be_used() {
        let nowhere = format!("redis://{}/0", free_address());
        let finished = run(&["check", "--journal", &nowhere], "");
        assert_eq!(finished.code, Some(1), "{}", finished.stderr);
        let line = finished
            .stdout
            .lines()
            .find(|line| line.contains("  journal "));
        let line = line.unwrap_or_else(|| panic!("{}", finished.stdout));
        assert!(
            line.starts_with("failed") && line.contains("cannot be reached"),
            "{line}"
        );
    }
}
