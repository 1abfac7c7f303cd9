//! The bot under a service manager: sockets that it passes, and what it is told, by the protocols of
//! `sd_listen_fds(3)` and `sd_notify(3)`.

use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use test_support::{Client, DEADLINE, Process, SECRET, SECRET_PATH, Scratch, finish, signed};
use torrap::tools::trial::command;
use torrap::tools::trial::stand_in::{Answer, SlackStandIn};

use crate::TORRAP;

/// What a service manager does between its fork and the program: the socket becomes descriptor 3, and
/// the variables say so.
const PASS: &str = "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$0\" \"$@\"";

/// The same with two sockets.
const PASS_TWO: &str = "exec 3<&0 4<&1 </dev/null >/dev/null; export LISTEN_PID=$$ LISTEN_FDS=2; \
                        exec \"$0\" \"$@\"";

const BINARY: &str = env!("CARGO_BIN_EXE_torrap");

/// The bot with this descriptor passed to it.
pub fn activated(passed: impl Into<OwnedFd>, origin: &str) -> Command {
    activated_as(BINARY, passed, origin)
}

/// The same with another binary of torrap.
pub fn activated_as(binary: &str, passed: impl Into<OwnedFd>, origin: &str) -> Command {
    activated_by(PASS, binary, passed, origin)
}

fn activated_by(script: &str, binary: &str, passed: impl Into<OwnedFd>, origin: &str) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", script, binary])
        .env_clear()
        .env("SLACK_SIGNING_SECRET", SECRET)
        .env("TORRAP_REPLY_ORIGINS", origin)
        .env("TORRAP_DELAY", "0")
        .stdin(Stdio::from(passed.into()));
    command
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[test]
fn a_restart_on_a_passed_socket_refuses_no_connection() {
    let slack = SlackStandIn::start(|_| Answer::ok()).unwrap();
    let (kept, address) = listener();
    let start = || Process::start(&mut activated(kept.try_clone().unwrap(), &slack.origin()));
    let request = || signed(SECRET, "olleh", &format!("{}{SECRET_PATH}", slack.origin()));

    let mut first = start();
    let line = first.read_until("listening on http://");
    assert!(line.ends_with(&address.to_string()), "{line}");
    assert_eq!(Client::connect(address).exchange(request()).status, 200);
    assert_eq!(slack.wait_for(1, DEADLINE).len(), 1);
    assert_eq!(first.stop(), Some(0));

    // No process runs: a client that connects now waits in the kernel for the next one.
    let mut waiting = Client::connect(address);
    let mut second = start();
    assert_eq!(waiting.exchange(request()).status, 200);
    assert_eq!(slack.wait_for(2, DEADLINE).len(), 2);
    assert_eq!(second.stop(), Some(0));
}

#[test]
fn a_socket_called_metrics_is_for_those_who_watch() {
    let (passed, address) = listener();
    let mut process = Process::start(
        activated(passed, "http://127.0.0.1:1")
            .env("LISTEN_FDNAMES", "metrics")
            .env("TORRAP_LISTEN", "127.0.0.1:0"),
    );
    let line = process.read_until("metrics on http://");
    assert!(
        line.contains(&format!("http://{address}/metrics")),
        "{line}"
    );
    let get = "GET /metrics HTTP/1.1\r\nHost: torrap\r\n\r\n";
    assert_eq!(Client::connect(address).exchange(get).status, 200);
    assert_eq!(process.stop(), Some(0));
}

#[test]
fn several_sockets_go_to_their_listeners_by_name() {
    let slack = SlackStandIn::start(|_| Answer::ok()).unwrap();
    let ((front, address), (watch, watched)) = (listener(), listener());
    let mut command = activated_by(PASS_TWO, BINARY, front, &slack.origin());
    command.env("LISTEN_FDNAMES", "torrap.socket:metrics");
    let mut process = Process::start_onto(OwnedFd::from(watch), &mut command);
    let line = process.read_until("listening on http://");
    assert!(line.ends_with(&address.to_string()), "{line}");
    process.read_until(&format!("metrics on http://{watched}/metrics"));
    let request = signed(SECRET, "olleh", &format!("{}{SECRET_PATH}", slack.origin()));
    assert_eq!(Client::connect(address).exchange(request).status, 200);
    assert_eq!(slack.wait_for(1, DEADLINE).len(), 1);
    let get = "GET /metrics HTTP/1.1\r\nHost: torrap\r\n\r\n";
    assert_eq!(Client::connect(watched).exchange(get).status, 200);
    assert_eq!(Client::connect(address).exchange(get).status, 404);
    assert_eq!(process.stop(), Some(0));
}

#[test]
fn what_cannot_be_listened_on_is_named() {
    let (accepting, address) = listener();
    let scratch = Scratch::new("passed");
    std::fs::create_dir(scratch.path()).unwrap();
    let connected = TcpStream::connect(address).unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    let local = UnixListener::bind(scratch.join("socket")).unwrap();
    for passed in [
        OwnedFd::from(connected),
        OwnedFd::from(file),
        OwnedFd::from(datagrams),
        OwnedFd::from(local),
    ] {
        let finished = finish(&mut activated(passed, "http://127.0.0.1:1"));
        assert_eq!(finished.code, Some(2), "{}", finished.stderr);
        let line =
            "torrap: LISTEN_FDS: descriptor 0 of those passed is not a listening TCP socket; ";
        assert!(finished.stderr.starts_with(line), "{}", finished.stderr);
        assert_eq!(finished.stderr.lines().count(), 1);
    }
    drop(accepting);
}

#[test]
fn a_number_of_descriptors_that_is_none_is_named() {
    let (passed, _) = listener();
    for count in ["one", "-1", "1025", "2000000000", "1000000000000"] {
        let passed = passed.try_clone().unwrap();
        let script = PASS.replace("LISTEN_FDS=1", &format!("LISTEN_FDS={count}"));
        let finished = finish(&mut activated_by(
            &script,
            BINARY,
            passed,
            "http://127.0.0.1:1",
        ));
        let line = format!(
            "torrap: LISTEN_FDS: {count:?} is not a number of descriptors; unset it to listen on --listen\n"
        );
        assert_eq!((finished.code, finished.stderr), (Some(2), line));
    }
}

#[test]
fn descriptors_for_another_process_or_for_none_are_left_alone() {
    // Memory for the second number of descriptors would be 16 GB.
    for (pid, fds) in [
        (Some("1"), "1"),
        (None, "2000000000"),
        (Some(""), "2000000000"),
        (Some("x"), "soon"),
    ] {
        let mut bot = TORRAP.start(|command| {
            command.env("LISTEN_FDS", fds);
            command.envs(pid.map(|pid| ("LISTEN_PID", pid)));
        });
        bot.command("olleh");
        bot.posts(1);
        assert_eq!(bot.process.stop(), Some(0));
    }
}

/// A service manager's end of the notifications.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Manager {
    fn start(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("torrap-{}-{name}", std::process::id()));
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { socket, path }
    }

    fn hear(&self) -> String {
        let mut buffer = [0; 1024];
        let len = self.socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..len].to_vec()).unwrap()
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[test]
fn a_service_manager_is_told_what_happens() {
    let manager = Manager::start("notify");
    let mut bot = TORRAP.start(|command| {
        command
            .env("NOTIFY_SOCKET", &manager.path)
            .env("WATCHDOG_USEC", "50000")
            .env("TORRAP_DRAIN", "7");
    });
    assert_eq!(manager.hear(), "READY=1\nSTATUS=taking commands\n");
    assert_eq!(
        bot.connect()
            .exchange("GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")
            .status,
        200,
        "who is ready takes requests"
    );
    for _ in 0..3 {
        assert_eq!(manager.hear(), "WATCHDOG=1\n");
    }
    bot.process.signal("TERM");
    let stopping = loop {
        let heard = manager.hear();
        if heard != "WATCHDOG=1\n" {
            break heard;
        }
    };
    assert_eq!(
        stopping,
        "STOPPING=1\nSTATUS=stopping; replies pending: 0\nEXTEND_TIMEOUT_USEC=17000000\n"
    );
    assert_eq!(bot.process.wait(), Some(0));
}

/// The environment is inherited, and service managers come and go.
#[test]
fn what_is_left_over_of_a_service_manager_is_one_warning() {
    let scratch = Scratch::new("left-over");
    std::fs::create_dir(scratch.path()).unwrap();
    let (gone, stream) = (scratch.join("gone"), scratch.join("stream"));
    // Its file stays, and no process listens there any more.
    drop(UnixDatagram::bind(&gone).unwrap());
    let _listening = UnixListener::bind(&stream).unwrap();
    let paths = [
        "/nowhere/notify",
        "/dev/null",
        "@torrap-no-socket-listens-here",
        "vsock:2:1234",
        gone.to_str().unwrap(),
        stream.to_str().unwrap(),
    ];
    for path in paths {
        let mut bot = TORRAP.start(|command| {
            command
                .env("NOTIFY_SOCKET", path)
                .env("WATCHDOG_USEC", "100000");
        });
        bot.command("olleh");
        bot.posts(1);
        assert_eq!(bot.process.stop(), Some(0), "{path}");
        let log = &bot.process.log;
        let warnings: Vec<&String> = log.iter().filter(|line| line.contains(" WARN ")).collect();
        let warning = format!("NOTIFY_SOCKET: {path:?} cannot be used (");
        assert!(
            warnings.len() == 1 && warnings[0].contains(&warning),
            "{log:#?}"
        );
    }
}

#[test]
fn a_watchdog_that_asks_for_nonsense_is_one_warning() {
    let manager = Manager::start("nonsense");
    let mut bot = TORRAP.start(|command| {
        command
            .env("NOTIFY_SOCKET", &manager.path)
            .env("WATCHDOG_USEC", "soon");
    });
    assert_eq!(manager.hear(), "READY=1\nSTATUS=taking commands\n");
    assert_eq!(bot.process.stop(), Some(0));
    assert!(manager.hear().starts_with("STOPPING=1\n"));
    let warning = "WATCHDOG_USEC: \"soon\" is not a number of microseconds from 2000; \
                   running without a watchdog";
    assert!(
        bot.process.messages().contains(&warning),
        "{:#?}",
        bot.process.log
    );
}

#[test]
fn the_units_are_what_systemd_takes_and_rates_well() {
    let deploy = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy"));
    let folder = std::env::temp_dir().join(format!("torrap-{}-units", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let service = std::fs::read_to_string(deploy.join("torrap.service")).unwrap();
    let installed = service.replace("/usr/local/bin/torrap", env!("CARGO_BIN_EXE_torrap"));
    std::fs::write(folder.join("torrap.service"), installed).unwrap();
    std::fs::copy(deploy.join("torrap.socket"), folder.join("torrap.socket")).unwrap();
    let judge = |args: &[&str]| {
        let analyze = Command::new("systemd-analyze")
            .args(args)
            .current_dir(&folder)
            .output();
        match analyze {
            Ok(output) => {
                let said = [output.stdout, output.stderr].concat();
                let said = String::from_utf8_lossy(&said).into_owned();
                assert!(output.status.success(), "{args:?}: {said}");
            }
            Err(_) => eprintln!("skipped: there is no systemd-analyze here"),
        }
    };
    judge(&["verify", "./torrap.service", "./torrap.socket"]);
    // In tenths: 10.0 is a service without any protection. One is for `setpriority`, with which an unprivileged process can only
    // lower its own priority.
    judge(&[
        "security",
        "--offline=true",
        "--threshold=12",
        "./torrap.service",
    ]);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_real_activator_gets_along_with_it() {
    let is_there = Command::new("systemd-socket-activate")
        .arg("--version")
        .output();
    if is_there.is_err() {
        eprintln!("skipped: there is no systemd-socket-activate here");
        return;
    }
    // It chooses no free port by itself: one that was free a moment ago has to do, and a few tries.
    for _ in 0..5 {
        let (free, address) = listener();
        drop(free);
        let mut activator = Command::new("systemd-socket-activate");
        activator
            .args(["-l", &address.to_string()])
            .args(["-E", &format!("SLACK_SIGNING_SECRET={SECRET}")])
            .arg(env!("CARGO_BIN_EXE_torrap"))
            .env_clear();
        let mut process = Process::start(&mut activator);
        if process.read_until("istening on").contains("Failed") {
            continue;
        }
        let get = "GET /healthz HTTP/1.1\r\nHost: torrap\r\n\r\n";
        assert_eq!(command::send(address, get.as_bytes()).unwrap().status, 200);
        assert_eq!(process.stop(), Some(0));
        return;
    }
    panic!("no port was free five times");
}
