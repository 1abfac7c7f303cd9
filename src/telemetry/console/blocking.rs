//! Writes that wait where a descriptor does not: another process that shares a pipe or a terminal with torrap may
//! have set it `O_NONBLOCK`, and then a slow reader causes `EAGAIN` in the middle of what is written.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// How long a writer waits for a descriptor that `poll` calls writable and that takes nothing all the same.
const BACKOFF: Duration = Duration::from_millis(10);

/// Waits until `descriptor` takes bytes or reports an error of its own. That may be for ever, as with a
/// descriptor that blocks.
pub(super) fn wait_writable(descriptor: &impl AsFd) {
    while is_full(descriptor, PollTimeout::NONE) {}
}

/// Whether `descriptor` takes nothing at the moment.
pub(super) fn is_full_now(descriptor: &impl AsFd) -> bool {
    is_full(descriptor, PollTimeout::ZERO)
}

fn is_full(descriptor: &impl AsFd, timeout: PollTimeout) -> bool {
    let mut polled = [PollFd::new(descriptor.as_fd(), PollFlags::POLLOUT)];
    match poll(&mut polled, timeout) {
        Ok(ready) => ready == 0,
        // Any other error would come again: the write will say what is wrong.
        Err(error) => error == nix::Error::EINTR,
    }
}

/// A writer that blocks, whether its descriptor does or not.
pub struct Blocking<W>(W);

impl<W: Write + AsFd> Blocking<W> {
    /// A writer that waits for this one.
    pub const fn new(inner: W) -> Self {
        Self(inner)
    }

    fn insist<T>(&mut self, mut attempt: impl FnMut(&mut W) -> io::Result<T>) -> io::Result<T> {
        let mut has_waited = false;
        loop {
            match attempt(&mut self.0) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
            // Some systems have devices that `poll` knows nothing of.
            if has_waited {
                thread::sleep(BACKOFF);
            }
            wait_writable(&self.0);
            has_waited = true;
        }
    }
}

impl<W: Write + AsFd> Write for Blocking<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.insist(|inner| inner.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.insist(Write::flush)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufWriter, LineWriter, Read};
    use std::os::fd::BorrowedFd;
    use std::os::unix::net::UnixStream;

    /// Several times what a socket holds.
    const BYTES: usize = 4 * 1024 * 1024;

    fn text() -> Vec<u8> {
        let lines = (0_u32..).flat_map(|number| format!("line {number}\n").into_bytes());
        lines.take(BYTES).collect()
    }

    /// What arrives at a reader that reads a few bytes at a time, of what is written to a descriptor that does
    /// not block.
    fn arriving(write: impl FnOnce(UnixStream) -> io::Result<()> + Send) -> Vec<u8> {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        thread::scope(|scope| {
            let writer = scope.spawn(|| write(ours));
            let mut read = Vec::new();
            let mut piece = [0; 1000];
            loop {
                match theirs.read(&mut piece).unwrap() {
                    0 => break,
                    len => read.extend_from_slice(&piece[..len]),
                }
            }
            writer.join().unwrap().unwrap();
            read
        })
    }

    #[test]
    fn a_slow_reader_gets_every_byte() {
        let arrived = arriving(|stream| Blocking::new(stream).write_all(&text()));
        assert!(arrived == text());
    }

    /// Both keep what they could not write, and must be asked again in the right way.
    #[test]
    fn and_so_it_is_with_buffers_on_either_side() {
        let lines = arriving(|stream| {
            let mut out = BufWriter::new(Blocking::new(Buffered(LineWriter::new(stream))));
            text()
                .split_inclusive(|b| *b == b'\n')
                .try_for_each(|line| out.write_all(line))?;
            out.flush()
        });
        assert!(lines == text());
    }

    /// As standard output is made.
    struct Buffered(LineWriter<UnixStream>);

    impl Write for Buffered {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            self.0.flush()
        }
    }

    impl AsFd for Buffered {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.0.get_ref().as_fd()
        }
    }

    #[test]
    fn other_errors_are_errors() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        drop(theirs);
        let written = Blocking::new(ours).write_all(&text());
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    /// Takes nothing the first few times, although its descriptor is writable.
    struct Reluctant(UnixStream, u32);

    impl Write for Reluctant {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1 += 1;
            if self.1 < 4 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.0.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl AsFd for Reluctant {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.0.as_fd()
        }
    }

    #[test]
    fn a_descriptor_that_poll_misjudges_is_asked_now_and_then() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        Blocking::new(Reluctant(ours, 0))
            .write_all(b"at last")
            .unwrap();
        let mut arrived = String::new();
        theirs.read_to_string(&mut arrived).unwrap();
        assert_eq!(arrived, "at last");
    }
}
