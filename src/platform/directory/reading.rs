//! Reads a file past what the disk cannot give: a bad sector costs the records on it, not those behind it.

use std::io::{self, Read};

/// What is passed over at once. The kernel reads whole pages, and an error says that the first one failed.
const PAGE_BYTES: u64 = 4096;

/// A file from its beginning to its end. Zeros stand for what cannot be read: no record has them.
pub(crate) struct Reading<R> {
    /// Reads at an offset.
    source: R,
    name: String,
    offset: u64,
    len: u64,
    is_told: bool,
}

impl<R: FnMut(&mut [u8], u64) -> io::Result<usize>> Reading<R> {
    pub(crate) const fn new(source: R, name: String, len: u64) -> Self {
        Self {
            source,
            name,
            offset: 0,
            len,
            is_told: false,
        }
    }

    /// Passes over the rest of this page; how much that is.
    fn pass(&mut self, buffer: &mut [u8], error: &io::Error) -> usize {
        if !self.is_told {
            log::warn!("journal: not all of {} can be read: {error}", self.name);
            self.is_told = true;
        }
        let end = (self.offset / PAGE_BYTES + 1) * PAGE_BYTES;
        let rest = end.min(self.len) - self.offset;
        let passed = buffer.len().min(rest as usize);
        buffer[..passed].fill(0);
        passed
    }
}

impl<R: FnMut(&mut [u8], u64) -> io::Result<usize>> Read for Reading<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match (self.source)(buffer, self.offset) {
            Err(error) if is_damage(&error) && self.offset < self.len => self.pass(buffer, &error),
            result => result?,
        };
        self.offset += read as u64;
        Ok(read)
    }
}

/// Whether it is what was asked for that is bad, and something else may be read nevertheless.
fn is_damage(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EIO | libc::EBADMSG | libc::EILSEQ)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of a file of these bytes whose pages of these numbers are bad.
    fn read(bytes: &[u8], bad: &[u64], at_once: usize) -> Vec<u8> {
        let source = |buffer: &mut [u8], offset: u64| {
            let mut read = 0;
            for (byte, at) in buffer.iter_mut().zip(offset..bytes.len() as u64) {
                if bad.contains(&(at / PAGE_BYTES)) {
                    break;
                }
                *byte = bytes[at as usize];
                read += 1;
            }
            match read {
                0 if offset < bytes.len() as u64 => Err(io::Error::from_raw_os_error(libc::EIO)),
                read => Ok(read),
            }
        };
        let mut reading = Reading::new(source, "1.log".to_owned(), bytes.len() as u64);
        let mut seen = Vec::new();
        let mut buffer = vec![9; at_once];
        loop {
            match reading.read(&mut buffer).unwrap() {
                0 => return seen,
                read => seen.extend_from_slice(&buffer[..read]),
            }
        }
    }

    #[test]
    fn bad_pages_are_zeros_and_the_rest_is_as_it_was() {
        let bytes: Vec<u8> = (0..20_000_u32).map(|at| (at % 251) as u8 + 1).collect();
        for bad in [&[][..], &[0], &[1, 2], &[4], &[0, 1, 2, 3, 4]] {
            let mut expected = bytes.clone();
            for (at, byte) in expected.iter_mut().enumerate() {
                if bad.contains(&(at as u64 / PAGE_BYTES)) {
                    *byte = 0;
                }
            }
            for at_once in [1000, 4096, 100_000] {
                assert_eq!(read(&bytes, bad, at_once), expected, "{bad:?} {at_once}");
            }
        }
    }

    #[test]
    fn other_errors_are_errors() {
        for code in [libc::EINTR, libc::EACCES] {
            let source = |_: &mut [u8], _| Err(io::Error::from_raw_os_error(code));
            let mut reading = Reading::new(source, String::new(), 10);
            let error = reading.read(&mut [0; 8]).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(code));
        }
    }
}
