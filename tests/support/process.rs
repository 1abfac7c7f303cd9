//! A process that runs beside the test: what it writes, signals to it, and its end.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::DEADLINE;

/// What an exit may take: the program that stops a process waits for it.
const EXIT_DEADLINE: Duration = Duration::from_secs(8);

/// What a process that ended by itself came to.
#[derive(Debug)]
pub struct Finished {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs to the end, and takes what was printed.
pub fn finish(command: &mut Command) -> Finished {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let pid = child.id();
    let (done, output) = channel();
    thread::spawn(move || done.send(child.wait_with_output()));
    let Ok(output) = output.recv_timeout(DEADLINE) else {
        signal(pid, "KILL");
        panic!("{command:?} does not end");
    };
    let output = output.unwrap();
    Finished {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs to the end, and takes what was printed to a terminal; line ends are those of a file.
pub fn finish_on_terminal(command: &mut Command) -> (Option<i32>, String) {
    let terminal = nix::pty::openpty(None, None).unwrap();
    let mut process = Process::spawn(command.stdout(terminal.slave).stderr(Stdio::null()));
    // The command holds a descriptor of its own.
    command.stdout(Stdio::null());
    process.lines = Some(lines_of(BufReader::new(File::from(terminal.master))));
    let code = process.wait();
    let lines = process.log.iter().map(|line| line.trim_end_matches('\r'));
    (code, lines.map(|line| format!("{line}\n")).collect())
}

/// Sends a signal by the shell, whose `kill` every system has.
pub fn signal(pid: u32, name: &str) {
    let pid = pid.to_string();
    let status = Command::new("sh")
        .args(["-c", "kill -s \"$0\" \"$1\"", name, &pid])
        .status()
        .unwrap();
    assert!(status.success(), "kill -s {name} {pid}");
}

/// Looks again and again until there is something: for what has no event to wait for.
pub fn poll_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {DEADLINE:?}");
        thread::park_timeout(Duration::from_millis(2));
    }
}

/// A process that runs. Dropping it kills it.
pub struct Process {
    child: Child,
    /// What is written to standard error, if that is a pipe. The lock makes a process shareable between threads; those
    /// that read have it alone.
    lines: Option<Mutex<Receiver<String>>>,
    /// Lines that were read so far.
    pub log: Vec<String>,
}

impl Process {
    /// Starts it; standard error is a pipe that is read.
    pub fn start(command: &mut Command) -> Self {
        Self::start_onto(Stdio::null(), command)
    }

    /// The same with this as its standard output.
    pub fn start_onto(stdout: impl Into<Stdio>, command: &mut Command) -> Self {
        let mut process = Self::spawn(command.stdout(stdout).stderr(Stdio::piped()));
        let stderr = process.child.stderr.take().unwrap();
        process.lines = Some(lines_of(BufReader::new(stderr)));
        process
    }

    /// The same, and standard error is a terminal.
    pub fn start_on_terminal(command: &mut Command) -> Self {
        let terminal = nix::pty::openpty(None, None).unwrap();
        let mut process = Self::start_unread(command.stderr(terminal.slave));
        // The command holds a descriptor of its own.
        command.stderr(Stdio::null());
        process.lines = Some(lines_of(BufReader::new(File::from(terminal.master))));
        process
    }

    /// The same, read a few bytes at a time: more slowly than anything is written.
    pub fn start_read_slowly(command: &mut Command) -> Self {
        let mut process = Self::start_unread(command.stderr(Stdio::piped()));
        let stderr = process.child.stderr.take().unwrap();
        process.lines = Some(lines_of(BufReader::with_capacity(4, stderr)));
        process
    }

    /// Starts it; standard error is whatever the command says.
    pub fn start_unread(command: &mut Command) -> Self {
        Self::spawn(command.stdout(Stdio::null()))
    }

    fn spawn(command: &mut Command) -> Self {
        Self {
            child: command.spawn().unwrap(),
            lines: None,
            log: Vec::new(),
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Reads up to a line with this in it, and gives it.
    pub fn read_until(&mut self, part: &str) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let line = self.next_line(deadline);
            let line = line.unwrap_or_else(|| panic!("no {part:?} in {:#?}", self.log));
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Reads up to the line that tells where the bot listens.
    pub fn read_address(&mut self) -> SocketAddr {
        let line = self.read_until("listening on http://");
        let (_, address) = line.split_once("http://").unwrap();
        address.trim_end().parse().unwrap()
    }

    /// Reads what is there already; how many of these lines have this in them.
    pub fn count_unread(&mut self, part: &str) -> usize {
        let known = self.log.len();
        if let Some(lines) = &mut self.lines {
            self.log.extend(lines.get_mut().unwrap().try_iter());
        }
        let new = self.log[known..].iter();
        new.filter(|line| line.contains(part)).count()
    }

    fn next_line(&mut self, deadline: Instant) -> Option<String> {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.lines.as_mut()?.get_mut().unwrap().recv_timeout(left) {
            Ok(line) => {
                self.log.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("no line in time after {:#?}", self.log),
        }
    }

    /// Waits for the end. `None` as the code means a signal.
    pub fn wait(&mut self) -> Option<i32> {
        let deadline = Instant::now() + DEADLINE;
        while self.next_line(deadline).is_some() {}
        poll_for("the exit", || self.child.try_wait().unwrap()).code()
    }

    /// Asks for a stop and waits for the end.
    pub fn stop(&mut self) -> Option<i32> {
        let asked = Instant::now();
        self.signal("TERM");
        let code = self.wait();
        let took = asked.elapsed();
        assert!(took < EXIT_DEADLINE, "the stop took {took:?}");
        code
    }

    /// Asks for a stop, and again until the process has ended: what comes within a second is the first stop once more.
    pub fn stop_twice(&mut self, first: &str, second: &str) -> Option<i32> {
        let asked = Instant::now();
        self.signal(first);
        let code = self.stop_again(second);
        let took = asked.elapsed();
        assert!(
            took >= Duration::from_secs(1),
            "the first was two: {took:?}"
        );
        code
    }

    /// Asks a process that is stopping until it has ended.
    pub fn stop_again(&mut self, name: &str) -> Option<i32> {
        let asked = Instant::now();
        poll_for("the end", || {
            let has_ended = self.child.try_wait().unwrap().is_some();
            if !has_ended {
                self.signal(name);
            }
            has_ended.then_some(())
        });
        let took = asked.elapsed();
        assert!(took < EXIT_DEADLINE, "the stop took {took:?}");
        self.wait()
    }

    /// The messages of the log, without times, levels and modules.
    pub fn messages(&self) -> Vec<&str> {
        let message = |line: &'_ String| line.find("] ").map(|at| at + 2);
        let messages = self.log.iter();
        messages
            .map(|line| &line[message(line).unwrap_or_else(|| panic!("no log line: {line}"))..])
            .collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines_of(stream: impl BufRead + Send + 'static) -> Mutex<Receiver<String>> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in stream.split(b'\n') {
            // The end of a terminal is an error (EIO) on Linux.
            let Ok(line) = line else { break };
            let line = String::from_utf8(line).expect("the log is UTF-8");
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    Mutex::new(lines)
}
