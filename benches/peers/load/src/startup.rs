//! How long a server takes from being started to accepting connections.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(10);
const STEP: Duration = Duration::from_micros(50);

/// Starts `command` and tries to connect until it listens; the time in milliseconds.
///
/// # Errors
/// It cannot be started, or does not listen.
pub fn measure(address: SocketAddr, command: &[String]) -> io::Result<f64> {
    let (program, arguments) = command
        .split_first()
        .ok_or_else(|| io::Error::other("no command"))?;
    let started = Instant::now();
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let listening = loop {
        if TcpStream::connect(address).is_ok() {
            break Ok(started.elapsed().as_secs_f64() * 1000.0);
        }
        if started.elapsed() > DEADLINE {
            break Err(io::Error::other(format!("{program} does not listen")));
        }
        sleep(STEP);
    };
    child.kill()?;
    child.wait()?;
    listening
}
