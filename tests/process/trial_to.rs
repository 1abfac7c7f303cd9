//! `torrap try --to`: a bot that runs already is asked, and its answer looked at.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use test_support::{Finished, SECRET, finish, free_address};

use crate::TORRAP;

fn try_to(url: &str, change: impl FnOnce(&mut Command)) -> Finished {
    let mut command = TORRAP.command();
    command
        .args(["try", "--to", url, "olleh"])
        .env("SLACK_SIGNING_SECRET", SECRET);
    change(&mut command);
    finish(&mut command)
}

#[test]
fn a_running_bot_is_asked_and_its_reply_looked_at() {
    let receiver = format!("http://{}", free_address());
    let origins = format!("https://hooks.slack.com,{receiver}");
    let bot = TORRAP.start(|command| {
        command.env("TORRAP_REPLY_ORIGINS", &origins);
        command.args(["--delay", "0.3"]);
    });
    let url = format!("http://{}", bot.address);
    let finished = try_to(&url, |command| {
        command.env("TORRAP_REPLY_ORIGINS", &origins);
        // That of the bot counts.
        command.env("TORRAP_DELAY", "1000");
    });
    let text = finished.stdout;
    assert_eq!(finished.code, Some(0), "{text} {}", finished.stderr);
    for part in [
        &format!("Slack   sends /torrap olleh to {url}/slack\n"),
        "bot     answers 200 after ",
        "bot     thinking… (0.3 s)\n",
        "posts {\"text\": \"hello\"} to the response_url\n",
        "ok      that is what Slack would have shown\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let finished = try_to(&url, |command| {
        command.env("TORRAP_REPLY_ORIGINS", &origins);
        command.args(["--command", "/shout"]);
    });
    let text = finished.stdout;
    assert_eq!(
        finished.code,
        Some(1),
        "the bot answers /torrap alone: {text}"
    );
    assert!(text.contains("Slack   sends /shout olleh to "), "{text}");
    let failed =
        "failed  expected {\"response_type\":\"in_channel\"}; has the bot the same --commands";
    assert!(text.contains(failed), "{text}");
}

#[test]
fn a_bot_that_does_not_say_its_delay_is_waited_for_as_the_settings_say() {
    let receiver = format!("http://{}", free_address());
    let with_origin = |command: &mut Command| {
        command.env("TORRAP_REPLY_ORIGINS", &receiver);
    };
    let mut bot = TORRAP.start(|command| {
        with_origin(command.args(["--delay", "0.5"]));
    });
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", proxy.local_addr().unwrap());
    let address = bot.address;
    // As a proxy that passes nothing on but /slack.
    let passing = std::thread::spawn(move || {
        let (mut client, _) = proxy.accept().unwrap();
        client.read_exact(&mut [0; 64]).unwrap();
        let none = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        client.write_all(none).unwrap();
        let (mut client, _) = proxy.accept().unwrap();
        let mut bot = TcpStream::connect(address).unwrap();
        let (mut from, mut to) = (client.try_clone().unwrap(), bot.try_clone().unwrap());
        let requests = std::thread::spawn(move || {
            std::io::copy(&mut from, &mut to).unwrap();
            to.shutdown(std::net::Shutdown::Write)
        });
        std::io::copy(&mut bot, &mut client).unwrap();
        requests.join().unwrap().unwrap();
    });
    let finished = try_to(&url, |command| {
        with_origin(command.env("TORRAP_DELAY", "0.25"));
    });
    let text = finished.stdout;
    assert_eq!(finished.code, Some(0), "{text} {}", finished.stderr);
    for part in [
        "note    the bot's delay is not known, since its /readyz does not say it here: this waits for --delay (0.25 s)\n",
        "bot     thinking… (0.25 s)\n",
        "posts {\"text\": \"hello\"} to the response_url\n",
        "ok      that is what Slack would have shown\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(bot.process.stop(), Some(0));
    passing.join().unwrap();
}

#[test]
fn without_a_receiver_here_what_was_asked_for_is_sent_and_no_more_is_promised() {
    // It posts no reply before it is gone.
    let bot = TORRAP.start(|command| {
        command.env_remove("TORRAP_REPLY_ORIGINS");
        command.args(["--delay", "1500"]);
    });
    let url = format!("http://{}/", bot.address);
    let run = |args: &[&str]| {
        let mut command = TORRAP.command();
        command.args(["try", "--to", &url]).args(args);
        let finished = finish(command.env("SLACK_SIGNING_SECRET", SECRET));
        assert_eq!(finished.stderr, "");
        (finished.code, finished.stdout)
    };
    let note = "note    no --reply-origin leads to this machine: ";
    let (code, text) = run(&[]);
    assert_eq!(code, Some(0), "{text}");
    for part in [
        &format!("{note}without a TEXT this asks for help"),
        "Slack   sends /torrap help to ",
        "bot     says {\"response_type\": \"ephemeral\"",
        "ok      that is what Slack would have shown\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let (code, text) = run(&["olleh"]);
    assert_eq!(code, Some(0), "{text}");
    for part in [
        &format!("{note}the bot posts the reply to https://hooks.slack.com, which refuses it"),
        "Slack   sends /torrap olleh to ",
        "ok      that is the acknowledgement that Slack waits for; the reply was not looked at\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(
        !text.contains("that is what Slack would have shown"),
        "{text}"
    );
    // The bot answers one command, to any name, and with an acknowledgement of its own kind.
    for args in [&["/shout hello"][..], &["--command", "/shout"]] {
        let (code, text) = run(args);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains("Slack   sends /shout h"), "{text}");
        assert!(!text.contains("ok      "), "{text}");
    }
}

#[test]
fn what_keeps_a_command_from_being_answered_is_told() {
    let bot = TORRAP.start(|_| {});
    let url = format!("http://{}", bot.address);
    let other = try_to(&url, |command| {
        command.env("SLACK_SIGNING_SECRET", "another");
    });
    let nowhere = try_to(&format!("{url}/elsewhere"), |_| {});
    let foreign = try_to(&url, |_| {});
    let unused = try_to(&format!("http://{}", free_address()), |_| {});
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxied = format!("http://{}", proxy.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        let (mut client, _) = proxy.accept().unwrap();
        client.read_exact(&mut [0; 64]).unwrap();
        client
            .write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        std::io::copy(&mut client, &mut std::io::sink()).unwrap();
    });
    let broken = try_to(&proxied, |_| {});
    answering.join().unwrap();
    for (finished, told) in [
        (other, "the bot has another signing secret"),
        (nowhere, "there is no /slack there"),
        (
            foreign,
            "start the bot with a --reply-origin that has https://hooks.slack.com",
        ),
        (unused, "Slack would have shown dispatch_failed"),
        (broken, "Slack would have shown http_service_error"),
    ] {
        assert_eq!(finished.code, Some(1), "{}", finished.stdout);
        assert!(finished.stdout.contains(told), "{}", finished.stdout);
    }
    let pasted = try_to(&format!(" '{url}/'\n"), |_| {});
    assert!(
        pasted.stdout.contains(&format!(" to {url}/slack\n")),
        "{}",
        pasted.stdout
    );
    let finished = try_to("example.com", |_| {});
    assert_eq!(finished.code, Some(2));
    assert!(
        finished.stderr.contains("\"example.com\" is not a URL"),
        "{}",
        finished.stderr
    );
}

/// Another server behind the same URL, or a page of a proxy that says 200 to everything.
#[test]
fn what_is_no_answer_of_the_bots_is_told_and_cannot_drive_the_terminal() {
    let usage = "failed  expected {\"response_type\": \"ephemeral\", \"text\": \"Give me some text";
    for (content, texts, parts) in [
        ("", &[][..], ["bot     says \n", usage]),
        ("", &["help"], ["bot     says \n", usage]),
        (
            "\u{1b}]0;x\u{7}<html>\nfailed\u{1b}[2J",
            &["olleh"],
            [
                "bot     says \\u{1b}]0;x\\u{7}<html>\\nfailed\\u{1b}[2J\n",
                "failed  expected an empty acknowledgement; ",
            ],
        ),
    ] {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", server.local_addr().unwrap());
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{content}",
            content.len()
        );
        let answering = std::thread::spawn(move || {
            let (mut client, _) = server.accept().unwrap();
            client.read_exact(&mut [0; 64]).unwrap();
            client.write_all(answer.as_bytes()).unwrap();
            // The rest of the request, so that closing loses nothing of the answer.
            client.shutdown(std::net::Shutdown::Write).unwrap();
            std::io::copy(&mut client, &mut std::io::sink())
        });
        let mut command = TORRAP.command();
        command.args(["try", "--to", &url]).args(texts);
        let finished = finish(command.env("SLACK_SIGNING_SECRET", SECRET));
        answering.join().unwrap().unwrap();
        let text = finished.stdout;
        assert_eq!(finished.code, Some(1), "{texts:?}: {text}");
        for part in parts {
            assert!(text.contains(part), "{part:?}: {text:?}");
        }
    }
}
