//! The torrap binary: reads the settings, starts the log, catches the signals, runs, and exits.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // it is where the process begins and ends

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use log::{debug, error, info};
use torrap::cli::{self, Invocation, Surroundings};
use torrap::config::Config;
use torrap::console::{Console, quiet_panics};
use torrap::server::Server;
use torrap::{manifest, trial};

/// All done, or stopped gracefully with nothing left undelivered.
const DONE: i32 = 0;
/// It could not be done at run time.
const FAILED: i32 = 1;
/// The command line or a setting is wrong.
const USAGE: i32 = 2;

/// How long the log may take to write its last lines, when nobody reads them.
const LAST_LINES: Duration = Duration::from_secs(1);

fn main() {
    let surroundings = Surroundings {
        variable: &|name| std::env::var_os(name),
        read_file: &|path| std::fs::read(path),
    };
    let code = match cli::parse(std::env::args_os().skip(1), &surroundings) {
        Ok(Invocation::Serve(config)) => serve(&config),
        Ok(Invocation::Try { text, config }) => try_out(&text, config),
        Ok(Invocation::Manifest { url }) => match manifest::render(&url) {
            Ok(yaml) => print(&yaml),
            Err(error) => complain(&error, USAGE),
        },
        Ok(Invocation::Help(text) | Invocation::Version(text)) => print(&text),
        Err(error) => complain(&error, USAGE),
    };
    exit(code);
}

/// Runs the bot until it is stopped.
fn serve(config: &Config) -> i32 {
    quiet_panics();
    let console = match Console::stderr(config.log_level).map(Console::install) {
        Ok(Ok(console)) => console,
        Ok(Err(error)) => return complain(&error, FAILED),
        Err(error) => return complain(&error, FAILED),
    };
    let code = match run(config) {
        Ok(code) => code,
        Err((error, code)) => {
            console.flush(LAST_LINES);
            return complain(&error, code);
        }
    };
    console.flush(LAST_LINES);
    code
}

fn run(config: &Config) -> Result<i32, (Box<dyn Display>, i32)> {
    debug!("startup");
    debug!("starting slackbot");
    let mut server = Server::bind(config).map_err(|error| -> (Box<dyn Display>, i32) {
        let code = if error.is_usage() { USAGE } else { FAILED };
        (Box::new(error), code)
    })?;
    let failed = |error: io::Error| -> (Box<dyn Display>, i32) { (Box::new(error), FAILED) };
    for address in server.local_addrs().map_err(failed)? {
        info!("listening on http://{address}");
    }
    let stopper = server.stopper();
    let stopping = AtomicBool::new(false);
    // The handler runs on a thread of its own: no rule of signal handlers applies.
    let caught = ctrlc::set_handler(move || {
        if stopping.swap(true, Ordering::SeqCst) {
            exit(FAILED);
        }
        stopper.stop();
    });
    caught.map_err(|error| -> (Box<dyn Display>, i32) { (Box::new(error), FAILED) })?;
    let undelivered = server.run().map_err(failed)?;
    debug!("all tasks stopped");
    if undelivered > 0 {
        error!("{undelivered} replies left undelivered");
    }
    info!("shutdown");
    Ok(if undelivered > 0 { FAILED } else { DONE })
}

fn try_out(text: &str, config: Config) -> i32 {
    let mut out = io::stdout();
    let is_terminal = out.is_terminal();
    match trial::run(text, config, &mut out, is_terminal) {
        Ok(true) => DONE,
        Ok(false) => FAILED,
        Err(trial::Error::Server(error)) if error.is_usage() => complain(&error, USAGE),
        Err(error) => complain(&error, FAILED),
    }
}

/// Prints to standard output; a reader that has gone away, as in `torrap --help | head`, is no error.
fn print(text: &str) -> i32 {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => complain(&error, FAILED),
        _ => DONE,
    }
}

/// Says in one line on standard error what is wrong. If that cannot be written, the code must do.
fn complain(error: &dyn Display, code: i32) -> i32 {
    let _ = writeln!(io::stderr(), "torrap: {error}");
    code
}
