//! Slack slash commands of one's own, in one small program without an async runtime.
//!
//! A bot is a list of commands, and [`run`] is the rest of its program: it reads the settings, verifies what Slack sends,
//! acknowledges it at once, makes the reply a little later, and posts it until Slack has accepted it.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use torrap::commands::{Command, Failure, Messages, REVERSE, Reply, Request};
//! use torrap::markup;
//!
//! const GREET: Command = Command::inline("/greet", greet)
//!     .description("Greet a person")
//!     .hint("[name]")
//!     .usage("Try `/greet Ada`.");
//!
//! fn greet(request: &Request<'_>, reply: &mut String) {
//!     reply.push_str("Hello ");
//!     markup::encode_into(&markup::decode(request.text()), reply);
//! }
//!
//! const SPACE: Command = Command::blocking("/space", &space)
//!     .description("Say how much room the disks of the server have")
//!     .hint("")
//!     .usage("Type `/space`.")
//!     .runs_without_text();
//!
//! fn space(_: &Request<'_>, messages: &mut Messages<'_>) -> Result<Reply, Failure> {
//!     let _ = messages.send("I am looking at the disks."); // the reply follows even if this fails
//!     let output = std::process::Command::new("df").arg("-h").output()?;
//!     let mut reply = String::from("```");
//!     markup::encode_into(&String::from_utf8_lossy(&output.stdout), &mut reply);
//!     Ok((reply + "```").into())
//! }
//!
//! fn main() -> ExitCode {
//!     torrap::run(&[GREET, SPACE, REVERSE])
//! }
//! ```
//!
//! This program has all that torrap's binary has: `try` runs a command without Slack, `manifest` prints the app's manifest for
//! Slack, `check` examines whether the bot can run, and `--help` lists the settings. Their variables have torrap's names
//! (`SLACK_SIGNING_SECRET`, `TORRAP_DELAY`, …). Help and messages use the name under which the program was started.
//!
//! # Which commands are answered
//!
//! The first of the list alone, under any name, unless `--commands /greet,/space` names others. Then each is answered under its
//! own name, or under another one (`/greet=/hello`). The manifest lists the same commands. Never change the name in
//! [`Command`](commands::Command): a journal keeps pending replies under it, and the command of that name makes them, also when
//! `--commands` does not name it. If no command has that name any more, the reply tells the person so.
//!
//! # Inline and blocking commands
//!
//! An [inline](commands::Command::inline) command runs in the event loop. It must take microseconds and wait for nothing: while it
//! runs, nothing else is received or answered.
//!
//! A [blocking](commands::Command::blocking) command runs on a thread of the pool that posts replies, may call other systems, and
//! has almost half an hour for it. It may send up to four [`Messages`](commands::Messages) before its reply. An error or a panic becomes a message to
//! the person and a line in the log. It runs **at least once**: with a journal again after a crash, with the same
//! [`Request::id`](commands::Request::id), by which another system can refuse to do something twice.
//!
//! # Text
//!
//! The text of a [`Request`](commands::Request) and of a reply is in Slack's markup, in which `<!channel>` alerts a whole channel.
//! [`markup`] takes a text apart and puts one together. Pass what a person or another system has written through
//! [`markup::encode_into`], so that it does not become markup. If the text is missing, blank or `help`, the bot answers with
//! [`Command::usage`](commands::Command::usage) and does not call the command. One that
//! [runs without a text](commands::Command::runs_without_text) is called for all of these but `help`.
//!
//! # Log and tests
//!
//! What a command logs with the crate `log` is in the bot's log. A command that panics ends only itself, unless the program is
//! built with `panic = "abort"`. To tell the person that something failed, return a [`Failure`](commands::Failure).
//!
//! [`Command::rehearse`](commands::Command::rehearse) runs a command without Slack and returns what it would post:
//!
//! ```
//! use torrap::commands::{REVERSE, Request};
//!
//! let said = REVERSE.rehearse(&Request::new("/torrap", "olleh"));
//! assert_eq!(said.messages, [r#"{"text": "hello"}"#]);
//! ```

mod delivery;
mod endpoint;
mod engine;
mod host;
mod json;
mod process;

pub mod commands;

pub use process::run;
pub use slack::markup;

// What only tests, benches and fuzz targets use. It is no part of the public API, and may change in every version; `--cfg inside`
// shows it in the documentation.
#[cfg_attr(not(inside), doc(hidden))]
pub mod app;
#[cfg_attr(not(inside), doc(hidden))]
pub mod cli;
#[cfg_attr(not(inside), doc(hidden))]
pub mod config;
#[cfg_attr(not(inside), doc(hidden))]
pub mod http;
#[cfg_attr(not(inside), doc(hidden))]
pub mod jobs;
#[cfg_attr(not(inside), doc(hidden))]
pub mod journal;
#[cfg_attr(not(inside), doc(hidden))]
pub mod platform;
#[cfg(feature = "redis")]
#[cfg_attr(not(inside), doc(hidden))]
pub mod redis;
#[cfg_attr(not(inside), doc(hidden))]
pub mod request_id;
#[cfg(feature = "redis")]
#[cfg_attr(not(inside), doc(hidden))]
pub mod shared_journal;
#[cfg_attr(not(inside), doc(hidden))]
pub mod slab;
#[cfg_attr(not(inside), doc(hidden))]
pub mod slack;
#[cfg_attr(not(inside), doc(hidden))]
pub mod store;
#[cfg_attr(not(inside), doc(hidden))]
pub mod telemetry;
#[cfg_attr(not(inside), doc(hidden))]
pub mod time;
#[cfg_attr(not(inside), doc(hidden))]
pub mod timing_wheel;
#[cfg_attr(not(inside), doc(hidden))]
pub mod tools;

#[cfg_attr(not(inside), doc(hidden))]
pub use config::Config;
#[cfg_attr(not(inside), doc(hidden))]
pub use platform::{Server, Stopper};

/// How it works, for those who work on torrap.
///
/// # Bird's-eye view
///
/// The engine (`engine/`) runs the loop. It hands the bytes of each connection to an [`http::Connection`], which
/// finds requests in them, and the requests to the [`app::Bot`]. The bot verifies a request's signature,
/// reads the command, adds a job to [`jobs::Jobs`] and answers 200. A [timing wheel](timing_wheel) says
/// when the job is due. Then the bot makes the reply and hands it out as a [`app::Delivery`]; a sender
/// thread posts it, once, and its outcome comes back to the bot as a [`app::Report`].
///
/// With a [`store`], a command is durable before it is acknowledged, and the replies that an earlier process has left are
/// pending again. There are two stores, each on a thread of its own: the [`journal`] in a directory, and the journal that a fleet
/// shares in Redis (feature `redis`). The loop submits a batch and goes on, and holds the acknowledgements of that batch until the
/// thread has committed it. In a fleet the other processes take over the replies of one that has died, and a process that was
/// silent for most of its lease asks Redis before it posts.
///
/// The core neither opens a socket nor reads a clock: `handle_*` puts requests and outcomes in, `poll_*` takes deliveries and
/// deadlines out, and `now` is an argument. The same engine runs on the system ([`Server`]) and on a simulated one.
///
/// # One turn of the loop
///
/// ```text
///  wait ─▶ begin ─▶ take stored ─▶ receive ─▶ collect ─▶ expire ─▶ submit ─▶ transmit ─▶ accept ─▶ dispatch ─▶ admin
///                        ▲            │ answers that need no store ────────────▲ │                     │
///                        │            └ accepted jobs ──────────────▶ store      │                     ▼
///                        └──────────────── kept, or not ◀───────────────┘        ▼                  senders
///                                                                             clients
/// ```
///
/// `Engine::turn` is a list of phases with one clock reading for all of them but `collect`:
///
/// | phase | does |
/// | --- | --- |
/// | wait | sleeps until readiness, a deadline or the waker; not at all while work is left |
/// | begin | records which sockets are ready, and whether a stop was requested |
/// | take stored | with a store: schedules the jobs of a batch that is kept, and releases the answers that waited for it |
/// | receive | reads once from each ready connection, from several before it answers their complete requests into a staging area. Before `expire`: a time limit is judged by the latest moment whose input is known |
/// | collect | takes the outcomes of attempts from the senders |
/// | expire | closes connections whose time is over; makes due jobs ready |
/// | submit | with a store: submits the batch that has collected |
/// | transmit | writes the staged answers to the sockets |
/// | accept | accepts waiting connections. After `receive` and `transmit`, so that no connection is evicted whose request has just come or whose answer is not yet written |
/// | dispatch | makes the replies of ready jobs and hands them to the senders, as well as blocking commands that are due; tells a store which of them were too late |
/// | admin | serves the admin address. Last, so that its pages show the state after the turn |
///
/// # The path of one command
///
/// | step | where |
/// | --- | --- |
/// | accept | `endpoint/admission.rs`, `platform/sockets.rs` |
/// | read it, in the connection's turn, into the buffer that all connections share | `endpoint/turns.rs`, `endpoint/reader.rs`, `endpoint/session.rs` |
/// | find the request in the bytes | [`http`]: `connection.rs`, `request.rs`, `framing.rs` |
/// | route | [`app::Bot::handle_request`]; `app/command.rs` reads what comes to `/slack` |
/// | verify the signature, without which the content cannot be read | [`slack::signature`] |
/// | read command, text and `response_url` | [`slack::invocation`], [`slack::form`], [`slack::response_url`] |
/// | store the job, in the wheel until it is due; with a store, when it is kept | `app/pending.rs`, [`jobs`], [`timing_wheel`]; `app/commit_queue.rs` |
/// | answer 200, staged and then written | `http/staging.rs`, `endpoint/staged.rs`, `endpoint/session.rs` |
/// | due: make the reply | `app/replies.rs`, [`commands`], [`slack::markup`], [`slack::message`] |
/// | run it first, if it is a blocking command | `app/runs.rs`, `jobs/runs.rs`, `delivery/senders/` |
/// | post it, once | `delivery/senders/`, `delivery/agent.rs` |
/// | judge the outcome | `jobs/retry.rs`; after a 429 `jobs/pacing.rs` |
///
/// ```text
///               due              taken            2xx
///   Scheduled ───────▶ Ready ───────────▶ Sending ────▶ delivered
///       ▲                │ ▲ too late        │ ▲ │
///       │                │ └──▶ abandoned ◀──┤ │ │ refused, expired, attempts spent
///       │                ▼                   │ │ │
///       │              Held ─────────────────│─┘ │ its workspace's turn
///       │                ▲────── 429 ────────┘   │
///       └─────────────── backoff ────────────────┘
/// ```
///
/// # As a library
///
/// ```
/// use torrap::config::{Config, Settings, SigningSecret};
/// use torrap::Server;
/// use torrap::tools::trial;
///
/// let secret = SigningSecret::new("8f742231b10e8888abcd99yyyzzz85a5")?;
/// let mut config = Config::from_settings(&Settings::default(), vec![secret])?;
/// config.listen = vec!["127.0.0.1:0".to_owned()];
///
/// let mut server = Server::bind(&config)?;
/// let address = server.local_addrs()?[0];
/// let stopper = server.stopper();
/// let running = std::thread::spawn(move || server.run());
///
/// let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// assert_eq!(trial::command::send(address, request)?.status, 200);
///
/// stopper.stop();
/// let undelivered = running.join().expect("the server does not panic")?;
/// assert_eq!(undelivered, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Around the loop are the subcommands of the binary: [`cli`] reads the command line, [`tools::trial`] plays Slack,
/// [`tools::check`] examines whether the bot can run, [`tools::manifest`] prints the app's manifest. The admin address serves
/// [`telemetry::metrics`]; [`telemetry::health`] answers `/healthz` and `/readyz`.
///
/// # Folders
///
/// | folder | has |
/// | --- | --- |
/// | `process/` | what [`run`] sets up in the process: exit codes, log, signals |
/// | `cli/`, `config/` | options, settings and what is wrong with them |
/// | `tools/` | what people run by hand: `check`, `try`, `manifest` |
/// | `app/`, `commands/` | the bot: routes, commands, replies, refusals |
/// | `slack/`, `json.rs` | how Slack signs, writes and reads |
/// | `http/` | HTTP/1.1 as a state machine of one connection |
/// | `jobs/`, `timing_wheel/`, `slab.rs`, `request_id.rs` | pending replies, when they are due, where they are stored, and which request made each |
/// | `time.rs`, `host.rs` | points in time as numbers; the syntax of host names |
/// | `store/` | the interface to a store: batches, tickets, events |
/// | `journal/` | a store in a directory, over a `Disk` |
/// | `shared_journal/` | with the feature `redis`: a store that a fleet shares, without its socket |
/// | `redis/` | with the feature `redis`: commands to Redis and its answers, without the socket |
/// | `endpoint/` | an address, public or admin: admission, sessions, turns, eviction |
/// | `engine/` | the turn, its deadlines, the stop; what it needs of a platform |
/// | `platform/` | the system: mio, files, the journal's thread, connection and thread for Redis, clock, service manager |
/// | `delivery/` | the sender threads: pool, client, resolver, proxy |
/// | `telemetry/` | log, metrics, health |
///
/// # Lexicon
///
/// | term | means |
/// | --- | --- |
/// | turn | one pass of the loop through its phases; also a session's part in one |
/// | connection, session | the state of HTTP on a socket ([`http::Connection`]); the same with its socket, timer and buffers |
/// | client, unauthenticated | a session with a recently verified signature; any other |
/// | place | room for one session of an address (`--max-connections`) |
/// | evict | close a stalled or idle session to make room for a new connection |
/// | shed | answer 503 and drop the bytes of an incomplete request, because all sessions together hold too much |
/// | hold | keep an answer back until its batch is kept; the session reads nothing meanwhile |
/// | stage, transmit | encode a turn's answers into one area; write them to their sockets |
/// | watermark | the latest moment by which all input that had arrived is known; time limits are judged by it |
/// | acknowledge, accept | answer 200 to a command; add its job |
/// | job, pending | a reply from its acceptance until it is settled |
/// | repeat | a request with the signature of one whose job is pending: acknowledged, and no second job |
/// | run | one call of a blocking command, on a sender thread; it makes the reply that attempts then post |
/// | attempt, outcome, verdict | one posting of a reply; its result; what follows: settled, retried, abandoned |
/// | store, batch, ticket | what makes jobs durable; what it commits at once; the number of a batch |
/// | kept, withdrawn | made durable by the store; taken back before the acknowledgement, which is then "busy" |
/// | checkpoint | the journal's copy of all that is pending into new segments |
/// | fleet, lease | the processes that share a journal; the time for which the others consider one alive |
/// | adopt, decline | take on a job that another process of the fleet has accepted; leave it to others, since the settings here do not allow it |
/// | fenced | considered dead by the fleet, which has taken over its jobs: the process forgets them, but not those that Redis has lost |
/// | spare | a copy of a job that another process is to post, kept in case Redis loses it |
/// | drain | a graceful stop: no new connections, answers to what has arrived, then the end |
///
/// # Architecture invariants
///
/// * **The shell is `platform/`, `delivery/`, `tools/`, `telemetry/console/` and `process/`.** Nothing
///   else opens a socket or a file, starts a thread, or reads a clock or the environment. `.clippy.toml`
///   enforces it; each part of the shell opens with one `#![allow]`.
/// * **Dependencies point one way**: `platform` → `engine` → `endpoint`, `app`, `store`; `app` → `commands` → `slack`, and
///   `app` → `http`, `jobs`; `jobs` → `timing_wheel` → `slab`. `http`, `slack`, `jobs` and `journal` do not
///   use each other. Bot and journal share only the types of `store`. `shared_journal` writes a job's texts with `journal`'s code.
/// * **No statics and no thread-locals**, so that two servers in one process are independent.
///   [`run`] installs the two things that a process has once: its log and its signal handler.
/// * **The loop blocks in `poll`** and nowhere else. Name look-ups, the journal and everything else that may wait
///   happen before it, or on threads of their own. A lock that the loop
///   shares with those threads is held for a few statements.
/// * **A sender thread makes one attempt, or runs one blocking command, and reports.** `jobs/retry.rs` decides whether and
///   when there is another attempt.
/// * **Nothing that a peer sends can panic.** A peer's fault is a value and becomes a status, or an
///   outcome. A panic means that an invariant of our own is broken.
/// * **Nothing is unbounded**: no buffer, no queue, no table, no wait, and no turn of the loop.
/// * **A 200 to a command goes out after its batch is kept.** A command that was answered "busy" has no reply, unless the
///   process died in between.
/// * **What holds between two turns is asserted** after each of them in debug builds (`Engine::check`), in the tests with
///   real sockets as well.
/// * **A trait appears with its second implementation**, not before.
mod how_it_works {}
