//! The process of a bot: reads the settings, starts the log, runs, and gives the exit code.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // it is where the process begins and ends

mod program;
mod signals;

use std::fmt::Display;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::process::{ExitCode, exit};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use log::{Level, debug, error, info, log, log_enabled, warn};

use self::program::Program;
use self::signals::Signals;
use crate::cli::{self, Action, Env};
use crate::commands::{Command, Commands};
use crate::config::{Config, PublicUrl};
use crate::platform::{self, ListenEnv, ListenFds, NotifyEnv, SdNotify, Server};
use crate::telemetry::console::{Blocking, Console, Format, is_journal, log_panics, prefix};
use crate::telemetry::terminal::Terminal;
use crate::tools::{self, check, manifest, public_url, trial, tunnel};

/// All done, or stopped gracefully with nothing left undelivered.
const DONE: u8 = 0;
/// It could not be done at run time.
const FAILED: u8 = 1;
/// The command line or a setting is wrong.
const USAGE: u8 = 2;

/// How long the process waits for the log to write its last lines: the reader may have stalled.
const LOG_FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the lines about undelivered replies may take in all.
const UNDELIVERED_TIMEOUT: Duration = Duration::from_secs(10);

/// Lines about undelivered replies between two flushes: far fewer than the log's queue holds, and
/// few enough for a slow reader to be told from none.
const LINES_PER_FLUSH: usize = 256;

/// Far more than a list of secrets needs.
const SECRET_FILE_BYTES_MAX: u64 = 64 * 1024;

/// An error, and the exit code for it.
type Failure = (Box<dyn Display>, u8);

/// Runs a bot with these commands, or the subcommand that the arguments of the process name: `--help` lists them.
///
/// Call it in `main` and do nothing else there, before the process has other threads. It uses the arguments and the environment,
/// standard output and error, and installs handlers of signals and a logger for the crate `log`. Help and messages name the
/// program by the file name under which it was started.
///
/// A list that Slack would refuse is a mistake in the program: the process prints one line on standard error and ends. The list
/// has 1 to 50 commands. Each has a name of its own (`/` and up to 31 lower-case letters, digits, `-` or `_`), a description, and
/// a usage that contains the name.
///
/// # Exit codes
///
/// | code | means |
/// | --- | --- |
/// | 0 | done, or stopped with no reply left undelivered |
/// | 1 | failed, or stopped with replies left undelivered |
/// | 2 | the command line, a setting or the list of commands is wrong |
#[must_use]
pub fn run(commands: &[Command]) -> ExitCode {
    let program = Program::started_by(std::env::args_os().next());
    let code = carry_out(commands, &program);
    ExitCode::from(code.unwrap_or_else(|(error, code)| {
        print_error(&program, &*error);
        code
    }))
}

/// Does what the command line says, and gives the exit code.
fn carry_out(commands: &[Command], program: &Program) -> Result<u8, Failure> {
    // While there is one thread: those that follow have its signal mask.
    let signals = Signals::inherit()
        .map_err(|error| failure(format!("cannot set the signal mask: {error}")))?;
    let commands = Commands::new(commands).map_err(misuse)?;
    let env = Env {
        commands: &commands,
        variable: &|name| std::env::var_os(name),
        names: &std::env::vars_os()
            .map(|(name, _)| name)
            .collect::<Vec<_>>(),
        read_file: &read_secret,
    };
    match cli::parse(std::env::args_os().skip(1), &env).map_err(misuse)? {
        Action::Serve(config) => logged(config, program, |config, console| {
            serve(config, program, &signals, console)
        }),
        Action::Try { text, config } => logged(config, program, |config, _| {
            try_out(text.as_deref(), &config)
        }),
        Action::TryAt { url, text, config } => logged(config, program, |config, _| {
            try_at(&url, text.as_deref(), program, &config)
        }),
        Action::Check { config } => check(config, program),
        Action::Manifest {
            commands,
            url,
            options,
        } => {
            let url =
                tunnel::resolve(&url).map_err(|error| misuse(format!("manifest: {error}")))?;
            print(&manifest::render(program.name(), &url, &commands, options).map_err(misuse)?)
        }
        Action::Journal { directory, jobs } => {
            show_journal(|print| tools::journal::inspect(&directory, jobs, print))
        }
        #[cfg(feature = "redis")]
        Action::FleetJournal(query) => {
            show_journal(|print| tools::fleet_journal::inspect(&query, print))
        }
        Action::Help(text) => print(&program.named(&text)),
        Action::Version => print(&program.version()),
        Action::Completions(shell) => print(&cli::completions(shell, program.name(), &commands)),
        Action::Man => {
            let page = cli::manual_page(program.name(), &program.version(), &commands);
            print(&program.named(&page))
        }
    }
}

/// Reads the file of a secret: a few bytes, and never without end as from a device.
fn read_secret(path: &Path) -> io::Result<Vec<u8>> {
    // A buffer that grows would leave copies behind.
    let mut content = Vec::with_capacity(SECRET_FILE_BYTES_MAX as usize + 1);
    let read = File::open(path)?
        .take(SECRET_FILE_BYTES_MAX + 1)
        .read_to_end(&mut content)?;
    if read as u64 > SECRET_FILE_BYTES_MAX {
        return Err(io::Error::other("larger than 64 KiB"));
    }
    Ok(content)
}

/// Runs something under the program's name with the log installed, and waits for the log's last lines.
fn logged(
    mut config: Config,
    program: &Program,
    run: impl FnOnce(Config, &'static Console) -> Result<u8, Failure>,
) -> Result<u8, Failure> {
    program.name().clone_into(&mut config.program);
    let terminal = terminal(&io::stderr());
    let format = Format::choose(config.log_format, logs_to_journal(), terminal);
    let console = Console::stderr(config.log_level, format).map_err(|error| {
        failure(format!(
            "cannot start the thread of the log: {error}; raise the limit of threads with ulimit -u or TasksMax"
        ))
    })?;
    let console = console
        .install()
        .map_err(|error| failure(format!("{error}; install no logger before torrap::run")))?;
    log_panics(console);
    // A panic that ends the process has its line in the log, which is written first.
    let result = catch_unwind(AssertUnwindSafe(|| run(config, console)));
    console.flush(LOG_FLUSH_TIMEOUT);
    result.unwrap_or_else(|panic| resume_unwind(panic))
}

/// What this stream leads to, and whether it shows colours.
fn terminal(stream: &impl IsTerminal) -> Terminal {
    Terminal::judge(stream.is_terminal(), &|name| std::env::var_os(name))
}

/// Whether the journal of systemd reads standard error.
fn logs_to_journal() -> bool {
    let stream = std::env::var("JOURNAL_STREAM").ok();
    is_journal(stream.as_deref(), &io::stderr())
}

/// Runs the bot until it is stopped.
fn serve(
    config: Config,
    program: &Program,
    signals: &Signals,
    console: &Console,
) -> Result<u8, Failure> {
    let passed = passed_sockets().map_err(server_failure)?;
    let mut server = Server::bind_or_inherit(&config, passed).map_err(server_failure)?;
    log_notices(&config, program);
    // The verifier has its keys: the secrets are wiped, and not kept for as long as the bot runs.
    drop(config);
    let mut notices = Vec::new();
    server.notify(sd_notify(&mut notices));
    notices.iter().for_each(|notice| warn!("{notice}"));
    // Before anything says that the bot runs: from then on it may be stopped.
    let stopper = server.stopper();
    let caught = signals.catch(stopper.clone(), || exit(i32::from(FAILED)));
    caught.map_err(|error| failure(format!("cannot catch signals: {error}")))?;
    info!("startup");
    debug!("starting slackbot");
    for address in server.local_addrs().map_err(failure)? {
        info!("listening on http://{address}");
    }
    for address in server.metrics_addrs().map_err(failure)? {
        info!("metrics on http://{address}/metrics");
    }
    let undelivered = server
        .run()
        .map_err(|error| failure(format!("the event loop has failed: {error}")))?;
    debug!("all tasks stopped");
    if undelivered > 0 {
        log_undelivered(server.undelivered(), console);
        let noun = if undelivered == 1 { "reply" } else { "replies" };
        error!("{undelivered} {noun} left undelivered");
    }
    info!("shutdown");
    let is_graceful = undelivered == 0 && !stopper.is_at_once();
    Ok(if is_graceful { DONE } else { FAILED })
}

/// Logs the notices about the settings. They come after the steps that can fail because of the settings, so that an error
/// stands alone.
fn log_notices(config: &Config, program: &Program) {
    for notice in &config.notices {
        log!(notice.level, "{}", program.named(&notice.line));
    }
}

/// The sockets that a service manager has passed.
fn passed_sockets() -> Result<ListenFds, platform::Error> {
    // The variables are read first: taking the sockets clears some of them.
    let [pid, fds, names] =
        ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"].map(|name| std::env::var(name).ok());
    let env = ListenEnv {
        pid: pid.as_deref(),
        fds: fds.as_deref(),
        names: names.as_deref(),
    };
    ListenFds::take(env, std::process::id())
}

/// The service manager that has started the process, if one has.
fn sd_notify(notices: &mut Vec<String>) -> SdNotify {
    let variable = |name| std::env::var_os(name);
    let (socket, usec, pid) = (
        variable("NOTIFY_SOCKET"),
        variable("WATCHDOG_USEC"),
        variable("WATCHDOG_PID"),
    );
    let env = NotifyEnv {
        notify_socket: socket.as_deref(),
        watchdog_usec: usec.as_deref(),
        watchdog_pid: pid.as_deref(),
    };
    SdNotify::from_env(&env, std::process::id(), notices)
}

/// Logs one line for each, at the pace of the log: there may be more of them than its queue holds. After one flush that
/// was not in time the log's reader counts as stalled, and no further line is waited for.
fn log_undelivered(lines: impl Iterator<Item = String>, console: &Console) {
    if !log_enabled!(Level::Warn) {
        return;
    }
    let deadline = Instant::now() + UNDELIVERED_TIMEOUT;
    let mut is_read = true;
    for (index, line) in lines.enumerate() {
        if is_read && index % LINES_PER_FLUSH == 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            is_read = console.flush(left.min(LOG_FLUSH_TIMEOUT));
        }
        warn!("{line}");
    }
}

fn try_out(text: Option<&str>, config: &Config) -> Result<u8, Failure> {
    let terminal = terminal(&io::stdout());
    let mut out = Blocking::new(io::stdout());
    trial_code(trial::run(text, config.clone(), &mut out, terminal))
}

fn try_at(
    url: &PublicUrl,
    text: Option<&str>,
    program: &Program,
    config: &Config,
) -> Result<u8, Failure> {
    let url = tunnel::resolve(url).map_err(|error| misuse(format!("--to: {error}")))?;
    let url = public_url::for_trial(&url).map_err(misuse)?;
    log_notices(config, program);
    let terminal = terminal(&io::stdout());
    let mut out = Blocking::new(io::stdout());
    trial_code(trial::remote::run(&url, text, config, &mut out, terminal))
}

/// The exit code for the result of a trial.
fn trial_code(result: Result<bool, trial::Error>) -> Result<u8, Failure> {
    match result {
        Ok(true) => Ok(DONE),
        Ok(false) => Ok(FAILED),
        Err(trial::Error::Server(error)) => Err(server_failure(error)),
        // What became of the trial is not known then.
        Err(trial::Error::Output(error)) => printed(Err(error)).map(|_| FAILED),
        Err(error) => Err(failure(error)),
    }
}

/// Looks at everything that the bot needs, and prints what it finds.
fn check(config: Result<Config, Vec<String>>, program: &Program) -> Result<u8, Failure> {
    let mut notices = Vec::new();
    // Dropped at once: a check tells the service manager nothing.
    drop(sd_notify(&mut notices));
    let sockets = passed_sockets();
    let findings = check::run(config, check::Passed { sockets, notices });
    let table = check::table(&findings, terminal(&io::stdout()));
    match print(&program.named(&table))? {
        DONE if !findings.iter().any(check::Finding::is_bad) => Ok(DONE),
        _ => Ok(FAILED),
    }
}

fn server_failure(error: platform::Error) -> Failure {
    let code = if error.is_usage() { USAGE } else { FAILED };
    (Box::new(error), code)
}

fn failure(error: impl Display + 'static) -> Failure {
    (Box::new(error), FAILED)
}

fn misuse(error: impl Display + 'static) -> Failure {
    (Box::new(error), USAGE)
}

/// Prints what a journal holds, until standard output is closed.
fn show_journal(
    inspect: impl FnOnce(&mut dyn FnMut(&str) -> bool) -> Result<(), platform::Error>,
) -> Result<u8, Failure> {
    let mut out = io::BufWriter::new(Blocking::new(io::stdout().lock()));
    let mut written = Ok(());
    let mut print = |text: &str| {
        written = out.write_all(text.as_bytes());
        written.is_ok()
    };
    inspect(&mut print).map_err(server_failure)?;
    printed(written.and_then(|()| out.flush()))
}

/// Prints to standard output; a reader that has gone away, as in `torrap --help | head`, is no error.
fn print(text: &str) -> Result<u8, Failure> {
    let mut out = Blocking::new(io::stdout().lock());
    printed(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// The exit code after printing. That its reader has closed standard output is no error.
fn printed(result: io::Result<()>) -> Result<u8, Failure> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(failure(format!(
            "cannot write to standard output: {error}; send it somewhere else"
        ))),
        _ => Ok(DONE),
    }
}

/// Says in one line on standard error what is wrong. If that cannot be written, the exit code must do.
///
/// A thread writes it, so that a reader that stalls cannot delay the exit: neither in the write, nor by the lock that the
/// log's thread keeps while it waits for that reader.
fn print_error(program: &Program, error: &dyn Display) {
    let line = program.named(&error.to_string());
    let level = match logs_to_journal() {
        true => prefix(Level::Error),
        false => "",
    };
    let line = format!("{level}{}: {line}\n", program.name());
    let (written, is_written) = mpsc::channel();
    let writer = thread::Builder::new().spawn(move || {
        let _ = Blocking::new(io::stderr()).write_all(line.as_bytes());
        let _ = written.send(());
    });
    if writer.is_ok() {
        let _ = is_written.recv_timeout(LOG_FLUSH_TIMEOUT);
    }
}
