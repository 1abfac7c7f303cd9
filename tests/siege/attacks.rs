//! The kinds of hostile clients. Each goes on until its time is over and says what it did.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use test_support::garbage::garbage;
use test_support::generator::Generator;

use super::attacker::{Attacker, is_open, reset, send_and_hear_out, send_without_end};

pub struct Attack {
    pub name: &'static str,
    pub run: fn(&Attacker) -> String,
}

pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "slow heads",
        run: slow_heads,
    },
    Attack {
        name: "slow contents",
        run: slow_contents,
    },
    Attack {
        name: "half uploads",
        run: half_uploads,
    },
    Attack {
        name: "never reading",
        run: never_reading,
    },
    Attack {
        name: "half-closed",
        run: half_closed,
    },
    Attack {
        name: "resets",
        run: resets,
    },
    Attack {
        name: "idle crowd",
        run: idle_crowd,
    },
    Attack {
        name: "half heads",
        run: half_heads,
    },
    Attack {
        name: "served and idle",
        run: served_and_idle,
    },
    Attack {
        name: "silent",
        run: silent,
    },
    Attack {
        name: "churn",
        run: churn,
    },
    Attack {
        name: "pipelined floods",
        run: pipelined_floods,
    },
    Attack {
        name: "chunks without end",
        run: chunks_without_end,
    },
    Attack {
        name: "other protocols",
        run: other_protocols,
    },
    Attack {
        name: "random bytes",
        run: random_bytes,
    },
    Attack {
        name: "forged uploads",
        run: forged_uploads,
    },
];

const SECOND: Duration = Duration::from_secs(1);
const GET: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
const HEAD_CHUNKED: &str = "POST /slack HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
const HEAD_LARGE: &str = "POST /slack HTTP/1.1\r\nHost: x\r\nContent-Length: 262144\r\n\r\n";
const CONTENT_BYTES: usize = 256 * 1024;

/// A byte a second on each of many connections.
fn trickle(attacker: &Attacker, count: usize, first: &str) -> String {
    let mut crowd = attacker.crowd(count, first.as_bytes());
    let mut bytes = 0;
    while !attacker.is_over() {
        bytes += crowd
            .iter_mut()
            .filter_map(|stream| stream.write(b"a").ok())
            .sum::<usize>();
        attacker.wait(SECOND);
    }
    format!("{} connections, {bytes} single bytes", crowd.len())
}

fn slow_heads(attacker: &Attacker) -> String {
    trickle(attacker, 2_000, "GET / HTTP/1.1\r\nHost: x\r\nA: ")
}

fn slow_contents(attacker: &Attacker) -> String {
    trickle(attacker, 1_000, HEAD_LARGE)
}

/// Each holds as much as a connection may, all together more than all may, and comes back when it is closed.
fn half_uploads(attacker: &Attacker) -> String {
    const COUNT: usize = 300;
    let upload = [HEAD_LARGE.as_bytes(), &vec![b'a'; CONTENT_BYTES - 1]].concat();
    let (mut crowd, mut count) = (Vec::new(), 0);
    while !attacker.is_over() {
        crowd.retain(is_open);
        while crowd.len() < COUNT && !attacker.is_over() {
            let Some(mut stream) = attacker.connect() else {
                continue;
            };
            if stream.write_all(&upload).is_ok() && stream.set_nonblocking(true).is_ok() {
                crowd.push(stream);
                count += 1;
            }
        }
        attacker.wait(Duration::from_millis(10));
    }
    format!("{count} uploads of 256 KiB but for a byte, {COUNT} at once")
}

fn never_reading(attacker: &Attacker) -> String {
    let mut crowd = attacker.crowd(100, b"");
    let requests = GET.repeat(500);
    let mut bytes = 0;
    while !attacker.is_over() {
        let mut write = |stream: &mut TcpStream| stream.write(requests.as_bytes()).ok();
        bytes += crowd.iter_mut().filter_map(&mut write).sum::<usize>();
        attacker.wait(Duration::from_millis(5));
    }
    format!(
        "{} connections, {} MiB of requests",
        crowd.len(),
        bytes >> 20
    )
}

fn half_closed(attacker: &Attacker) -> String {
    let (request, mut held) = (attacker.request.as_bytes(), Vec::new());
    let count = attacker.repeat(|number, mut stream| {
        let _ = stream.write_all(&request[..number as usize % request.len()]);
        let _ = stream.shutdown(Shutdown::Write);
        held.push(stream);
        if held.len() == 1_000 {
            held.clear();
        }
    });
    format!("{count} connections, cut at every byte")
}

fn resets(attacker: &Attacker) -> String {
    let request = attacker.request.as_bytes();
    let count = attacker.repeat(|number, mut stream| {
        let _ = stream.write_all(&request[..number as usize % request.len()]);
        reset(stream);
    });
    format!("{count} connections, cut at every byte")
}

fn idle_crowd(attacker: &Attacker) -> String {
    let crowd = attacker.crowd(6_000, GET.as_bytes());
    attacker.wait(SECOND * 3600);
    format!("{} connections", crowd.len())
}

fn half_heads(attacker: &Attacker) -> String {
    hold_places(attacker, &GET.as_bytes()[..20])
}

fn served_and_idle(attacker: &Attacker) -> String {
    hold_places(attacker, GET.as_bytes())
}

fn silent(attacker: &Attacker) -> String {
    hold_places(attacker, b"")
}

/// More than there are places, and a client that is closed comes back.
fn hold_places(attacker: &Attacker, first: &[u8]) -> String {
    const COUNT: usize = 9_000;
    let mut connections = attacker.crowd(COUNT, first);
    let mut count = connections.len();
    while !attacker.is_over() {
        connections.retain(is_open);
        let again = attacker.crowd(COUNT - connections.len(), first);
        count += again.len();
        connections.extend(again);
        attacker.wait(Duration::from_millis(10));
    }
    format!("{count} connections, {COUNT} at once")
}

fn churn(attacker: &Attacker) -> String {
    let count = attacker.repeat(|number, mut stream| match number % 4 {
        0 => drop(stream),
        1 => reset(stream),
        2 => drop(stream.write_all(b"GET /x HTT")),
        _ => {
            let _ = stream.write_all(GET.as_bytes());
            reset(stream);
        }
    });
    format!("{count} connections")
}

fn pipelined_floods(attacker: &Attacker) -> String {
    const BATCH: usize = 200;
    let requests = "GET /x HTTP/1.1\r\nHost: x\r\n\r\n".repeat(BATCH);
    let mut answered = 0;
    let count = attacker.repeat(|_, mut stream| {
        let mut answers = vec![0; BATCH * 200];
        let mut flood = || -> std::io::Result<()> {
            stream.write_all(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")?;
            let len = stream.read(&mut answers)?;
            while !attacker.is_over() {
                stream.write_all(requests.as_bytes())?;
                stream.read_exact(&mut answers[..len * BATCH])?;
                answered += BATCH;
            }
            Ok(())
        };
        let _ = flood();
    });
    format!("{answered} requests on {count} connections, {BATCH} at once")
}

fn chunks_without_end(attacker: &Attacker) -> String {
    const ENDLESS: [(&str, &str); 5] = [
        ("", "0"),
        ("1;", "a"),
        ("", "1\r\na\r\n"),
        ("0\r\n", "A: b\r\n"),
        ("1 ", " "),
    ];
    let mut bytes = 0;
    let count = attacker.repeat(|number, mut stream| {
        let (begin, piece) = ENDLESS[number as usize % ENDLESS.len()];
        let _ = write!(stream, "{HEAD_CHUNKED}{begin}");
        bytes += send_without_end(&mut stream, piece.as_bytes(), 1 << 20);
    });
    format!("{count} connections, {} MiB", bytes >> 20)
}

fn other_protocols(attacker: &Attacker) -> String {
    const HELLOS: [&[u8]; 7] = [
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", // TLS
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", // PROXY, version 2
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"EHLO example.com\r\n",
        b"\0\0\0\0\0\0\0\0",
    ];
    let mut answers = 0;
    let count = attacker.repeat(|number, stream| {
        answers += send_and_hear_out(stream, HELLOS[number as usize % HELLOS.len()]);
    });
    format!("{count} hellos of {} protocols", HELLOS.len())
}

fn random_bytes(attacker: &Attacker) -> String {
    let mut generator = Generator::new(1);
    let count = attacker.repeat(|_, stream| {
        send_and_hear_out(stream, &garbage(&mut generator));
    });
    format!("{count} connections")
}

/// As much as is taken, with a signature that has to be compared.
fn forged_uploads(attacker: &Attacker) -> String {
    let field = |name: &str| {
        let line = attacker
            .request
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap();
        format!("{line}\r\n")
    };
    let fields = field("X-Slack-Signature") + &field("X-Slack-Request-Timestamp");
    let head = HEAD_LARGE.replace("Host: x\r\n", &format!("Host: x\r\n{fields}"));
    let upload = [head.into_bytes(), vec![b'a'; CONTENT_BYTES]].concat();
    let mut refused = 0;
    attacker.repeat(|_, mut stream| {
        let mut answer = [0; 512];
        while !attacker.is_over() && stream.write_all(&upload).is_ok() {
            let len = stream.read(&mut answer).unwrap_or(0);
            if !answer[..len].starts_with(b"HTTP/1.1 401") {
                break;
            }
            refused += 1;
        }
    });
    format!("{refused} uploads of 256 KiB")
}
