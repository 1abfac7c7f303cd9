//! Where the bot listens and where its secrets come from.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::process::Command;

use socket2::{Domain, Socket, Type};
use test_support::{Bot, Client, Process, SECRET, finish, signed};
#[cfg(target_os = "linux")]
use test_support::{DEADLINE, SECRET_PATH, Scratch};
#[cfg(target_os = "linux")]
use torrap::tools::trial::stand_in::{Answer, SlackStandIn};

use crate::TORRAP;

const GET: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

/// All addresses that the log names; the stop afterwards makes sure that it named them all.
fn addresses(mut bot: Bot) -> Vec<SocketAddr> {
    // Answered after all of them were told.
    assert_eq!(bot.connect().exchange(GET).status, 200);
    bot.command("olleh");
    bot.process.read_until("answered");
    let told = bot.process.messages().into_iter();
    let told = told.filter_map(|line| line.strip_prefix("listening on http://"));
    let addresses: Vec<SocketAddr> = told.map(|address| address.parse().unwrap()).collect();
    for address in &addresses {
        assert_eq!(
            Client::connect(*address).exchange(GET).status,
            200,
            "{address}"
        );
    }
    assert_eq!(bot.process.stop(), Some(0));
    addresses
}

#[test]
fn a_name_listens_on_every_address_that_it_has() {
    let has = |address: &SocketAddr| TcpListener::bind(address).is_ok();
    let mut expected: Vec<_> = ("localhost", 0)
        .to_socket_addrs()
        .unwrap()
        .filter(has)
        .collect();
    let bot = TORRAP.start(|command| {
        command.env("TORRAP_LISTEN", "localhost:0");
    });
    let mut addresses = addresses(bot);
    assert!(addresses.iter().all(|address| address.port() != 0));
    addresses.iter_mut().for_each(|address| address.set_port(0));
    addresses.sort();
    expected.sort();
    assert_eq!(addresses, expected);
}

/// Shared or not: the kernel would give each listener some of the connections of the other one.
#[test]
fn one_address_cannot_have_both_listeners() {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    let address = free.unwrap().to_string();
    for shared in ["no", "yes"] {
        let finished = finish(
            TORRAP
                .command()
                .env("SLACK_SIGNING_SECRET", SECRET)
                .env("TORRAP_REUSE_PORT", shared)
                .args(["--listen", &address, "--metrics-listen", &address]),
        );
        let line = format!(
            "torrap: --metrics-listen {address}: --listen has that address, too; choose another port\n"
        );
        assert_eq!((finished.code, finished.stderr), (Some(2), line));
    }
}

#[test]
fn a_list_listens_on_each_of_its_entries() {
    let bot = TORRAP.start(|command| {
        command.env("TORRAP_LISTEN", "127.0.0.1:0, 127.0.0.1:0");
    });
    let addresses = addresses(bot);
    assert_eq!(addresses.len(), 2);
    assert_ne!(addresses[0], addresses[1]);
}

#[test]
fn a_flag_beats_its_variable_and_the_last_flag_counts() {
    let mut bot = TORRAP.start(|command| {
        command
            .env("TORRAP_LISTEN", "no address")
            .env("TORRAP_DELAY", "1500");
        command.args([
            "--listen=nonsense",
            "--delay",
            "7",
            "--delay=0",
            "--listen",
            "127.0.0.1:0",
        ]);
    });
    bot.command("olleh");
    bot.posts(1);
    assert_eq!(bot.process.stop(), Some(0));
}

#[test]
fn empty_variables_count_as_unset() {
    let mut bot = TORRAP.start(|command| {
        for name in [
            "LOG_LEVEL",
            "TORRAP_DRAIN",
            "SSL_CERT_FILE",
            "HTTPS_PROXY",
            "TORRAP_SENDERS",
        ] {
            command.env(name, "");
        }
        command.env("SLACK_SIGNING_SECRET_FILE", "");
    });
    bot.command("olleh");
    assert_eq!(bot.process.stop(), Some(0));
}

fn status(bot: &Bot, secret: &str) -> u16 {
    let url = format!("{}/x", bot.slack.origin());
    bot.connect().exchange(signed(secret, "olleh", &url)).status
}

#[test]
fn each_of_several_secrets_counts() {
    let bot = TORRAP.start(|command| {
        command.env("SLACK_SIGNING_SECRET", " old-secret , new-secret");
    });
    assert_eq!(
        ["old-secret", "new-secret", SECRET].map(|s| status(&bot, s)),
        [200, 200, 401]
    );
    bot.posts(2);
}

#[test]
fn a_file_holds_secrets_as_well() {
    let path = format!("{}/secrets", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&path, "old-secret,new-secret\n").unwrap();
    let bot = TORRAP.start(|command| {
        command
            .env_remove("SLACK_SIGNING_SECRET")
            .env("SLACK_SIGNING_SECRET_FILE", &path);
    });
    assert_eq!(
        ["old-secret", "new-secret", SECRET].map(|s| status(&bot, s)),
        [200, 200, 401]
    );
}

#[test]
fn an_empty_file_of_secrets_is_refused() {
    let path = format!("{}/no-secrets", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&path, "\n").unwrap();
    let finished = finish(TORRAP.command().env("SLACK_SIGNING_SECRET_FILE", &path));
    assert_eq!(finished.code, Some(2));
    assert!(
        finished
            .stderr
            .starts_with("torrap: SLACK_SIGNING_SECRET_FILE: a secret is empty")
    );
}

#[test]
fn a_limit_of_open_files_lowers_the_connections_with_a_warning() {
    let shell = "ulimit -n 200; exec \"$0\" --listen 127.0.0.1:0";
    let mut command = Command::new("sh");
    command.args(["-c", shell, env!("CARGO_BIN_EXE_torrap")]);
    command.env_clear().env("SLACK_SIGNING_SECRET", SECRET);
    let mut process = Process::start(&mut command);
    let line = process.read_until("lowered");
    assert!(
        line.contains("WARN") && line.contains("--max-connections 8192 lowered to 120"),
        "{line}"
    );
    process.read_until("listening on");
    assert_eq!(process.stop(), Some(0));
}

#[test]
fn an_address_that_is_named_twice_is_listened_on_once() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut bot = TORRAP.start(|command| {
        command.args(["--listen", &format!("{free},{free}")]);
    });
    assert_eq!(bot.process.stop(), Some(0));
    let listening = bot
        .process
        .messages()
        .iter()
        .filter(|line| line.starts_with("listening"))
        .count();
    assert_eq!(listening, 1);
}

#[test]
fn a_secret_file_without_end_is_refused() {
    let finished = finish(
        TORRAP
            .command()
            .env("SLACK_SIGNING_SECRET_FILE", "/dev/zero"),
    );
    assert_eq!(finished.code, Some(2));
    assert!(
        finished.stderr.contains("larger than 64 KiB"),
        "{}",
        finished.stderr
    );
}

/// An address for processes that share it, and the socket that keeps its port for them. It never listens.
fn shared_address() -> (Socket, SocketAddr) {
    let any = "127.0.0.1:0".parse::<SocketAddr>().unwrap();
    let port = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    port.set_reuse_port(true).unwrap();
    port.bind(&any.into()).unwrap();
    let address = port.local_addr().unwrap().as_socket().unwrap();
    (port, address)
}

/// A process for each core.
#[test]
#[cfg(target_os = "linux")] // elsewhere the last one gets all connections
fn processes_that_share_an_address_serve_side_by_side_each_with_a_journal() {
    let (_port, address) = shared_address();
    let slack = SlackStandIn::start(|_| Answer::ok()).unwrap();
    let directories = ["shared-1", "shared-2"].map(Scratch::new);
    let mut processes = directories.each_ref().map(|directory| {
        Process::start(&mut TORRAP.serve(&slack, |command| {
            let command = command.env("TORRAP_LISTEN", address.to_string());
            command.args(["--reuse-port", "--journal", directory.path()]);
        }))
    });
    for process in &mut processes {
        process.read_until(&format!("listening on http://{address}"));
    }
    let command = || signed(SECRET, "olleh", &format!("{}{SECRET_PATH}", slack.origin()));
    // The kernel tosses a coin for each connection.
    for _ in 0..64 {
        assert_eq!(Client::connect(address).exchange(command()).status, 200);
    }
    assert_eq!(slack.wait_for(64, DEADLINE).len(), 64);
    for process in &mut processes {
        process.read_until("answered");
        assert_eq!(process.stop(), Some(0));
    }
}

/// They are in the queue of this process alone: closing it would reset them.
#[test]
fn a_stop_answers_the_connections_that_wait_at_a_shared_address() {
    let (_port, address) = shared_address();
    let mut bot = TORRAP.start(|command| {
        let command = command.env("TORRAP_LISTEN", address.to_string());
        command.arg("--reuse-port");
    });
    bot.process.signal("STOP");
    let clients: Vec<_> = (0..20)
        .map(|_| {
            let mut client = Client::connect(address);
            client.send(GET);
            client
        })
        .collect();
    bot.process.signal("TERM");
    bot.process.signal("CONT");
    for mut client in clients {
        assert_eq!(client.exchange("").status, 200);
    }
    assert_eq!(bot.process.wait(), Some(0), "{:#?}", bot.process.log);
}
