//! The directory of a journal: its lock and its files.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::journal::Disk;

/// Whoever has this file locked has the directory to himself; his process number is in it.
const LOCK: &str = "lock";
/// Whoever has this one locked is the next to have the directory, and has not opened his doors yet.
const NEXT: &str = "next";

/// A file that is written to see whether one can be; a process number follows.
const PROBE: &str = "probe-";
const PROBE_BYTES: usize = 4096;

/// Nobody else may look: the `response_url`s are secrets.
const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// For how long a lock is tried in any case, and how long after each time it is tried again.
const LOCK_PATIENCE: Duration = Duration::from_millis(200);
const LOCK_WAIT: Duration = Duration::from_millis(10);

/// Why a directory cannot be had.
#[derive(Debug)]
pub(super) enum Refused {
    /// Another process has it, and perhaps it has told its number.
    Taken(Option<u32>),
    /// Another process waits for it already.
    Awaited,
    /// It cannot be made, or files cannot be made in it.
    Unusable(io::Error),
}

/// Which directory a path led to: one that was removed and made anew is another one.
#[derive(Clone, Debug)]
pub(super) struct Place {
    path: PathBuf,
    inode: (u64, u64),
}

impl Place {
    fn of(path: &Path, handle: &File) -> io::Result<Self> {
        let inode = inode(&handle.metadata()?);
        let path = path.to_owned();
        Ok(Self { path, inode })
    }

    /// Whether the directory is no longer there. What was written to it is lost with this process then, and
    /// the files that are open tell nothing of that.
    pub(super) fn is_gone(&self) -> bool {
        match fs::metadata(&self.path) {
            Ok(found) => inode(&found) != self.inode,
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }
}

fn inode(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "somebody has removed it")
}

/// A directory with the files of a journal.
#[derive(Debug)]
pub(super) struct Directory {
    place: Place,
    path: PathBuf,
    /// The directory itself, to sync it.
    handle: File,
    /// Held as long as this lives, unless this is only to be read.
    _lock: Option<File>,
}

impl Directory {
    /// Makes the directory if need be and takes it for this process alone. `patience`: how long to wait
    /// for a process that has it, and is about to stop; `waits` is told which one that is.
    pub(super) fn take(
        path: &Path,
        patience: Duration,
        waits: impl FnOnce(Option<u32>),
    ) -> Result<(Self, Succession), Refused> {
        let unusable = Refused::Unusable;
        match DirBuilder::new().mode(DIRECTORY_MODE).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(unusable(error));
            }
            _ => {}
        }
        let mut directory = Self::look_at(path).map_err(unusable)?;
        let next = lock_file(path, NEXT).map_err(unusable)?;
        match lock_patiently(&next, LOCK_PATIENCE) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Refused::Awaited),
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        let mut lock = lock_file(path, LOCK).map_err(unusable)?;
        let locked = match lock_patiently(&lock, LOCK_PATIENCE) {
            Err(TryLockError::WouldBlock) if !patience.is_zero() => {
                waits(directory.holder());
                lock_patiently(&lock, patience)
            }
            locked => locked,
        };
        match locked {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Refused::Taken(directory.holder())),
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        // For people only: the lock is what counts, and a full disk is no reason not to start.
        let _ = lock.set_len(0);
        let _ = writeln!(lock, "{}", std::process::id());
        directory._lock = Some(lock);
        Ok((directory, Succession { next }))
    }

    /// The directory as it is, to be read.
    pub(super) fn look_at(path: &Path) -> io::Result<Self> {
        let handle = File::open(path)?;
        if !handle.metadata()?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self {
            place: Place::of(path, &handle)?,
            path: path.to_owned(),
            handle,
            _lock: None,
        })
    }

    /// Whether a bot could write there, found out by doing it. Leaves nothing behind, not even a directory
    /// that was not there before: `false` then.
    pub(super) fn probe(path: &Path) -> io::Result<bool> {
        let made = DirBuilder::new().mode(DIRECTORY_MODE).create(path);
        let was_there = match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => true,
            made => made.map(|()| false)?,
        };
        let written = Self::look_at(path).and_then(|mut directory| {
            let name = format!("{PROBE}{}", std::process::id());
            let mut file = directory.create(&name)?;
            let written = directory
                .write(&mut file, 0, &[0; PROBE_BYTES])
                .and_then(|()| directory.sync(&mut file));
            directory.remove(&name)?;
            written
        });
        if !was_there {
            fs::remove_dir(path)?;
        }
        written.map(|()| was_there)
    }

    /// Which directory this is.
    pub(super) fn place(&self) -> Place {
        self.place.clone()
    }

    /// Whether other users may look into the directory; what it is then.
    pub(super) fn open_mode(&self) -> Option<u32> {
        let mode = self.handle.metadata().ok()?.mode() & 0o777;
        (mode & 0o077 != 0).then_some(mode)
    }

    /// The process that has the directory to itself. `Some(None)` if it has not told its number.
    pub(super) fn user(&self) -> Option<Option<u32>> {
        let lock = File::open(self.path.join(LOCK)).ok()?;
        // A shared lock, and for a moment only: a bot that starts just now is not told that
        // somebody else has the directory.
        match lock.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Some(self.holder()),
            _ => None,
        }
    }

    fn holder(&self) -> Option<u32> {
        let mut text = String::new();
        let lock = File::open(self.path.join(LOCK)).ok()?;
        lock.take(16).read_to_string(&mut text).ok()?;
        text.trim().parse().ok()
    }
}

/// Who is the next to have a directory. At first that is this process, which has it just now.
#[derive(Debug)]
pub(super) struct Succession {
    next: File,
}

impl Succession {
    /// This process has opened its doors, and somebody else may come next.
    pub(super) fn complete(&self) -> io::Result<()> {
        self.next.unlock()
    }

    /// Whether another process is the next: it waits for the directory, or has it and has not opened its
    /// doors yet.
    pub(super) fn is_under_way(&self) -> bool {
        match self.next.try_lock_shared() {
            Ok(()) => {
                let _ = self.next.unlock();
                false
            }
            Err(error) => matches!(error, TryLockError::WouldBlock),
        }
    }

    /// Waits as long as another process is the next, and not longer than this. Returns whether it is
    /// not any more.
    pub(super) fn await_completion(&self, patience: Duration) -> bool {
        let begun = Instant::now();
        while self.is_under_way() {
            if begun.elapsed() >= patience {
                return false;
            }
            thread::sleep(LOCK_WAIT);
        }
        true
    }
}

fn lock_file(path: &Path, name: &str) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(FILE_MODE)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path.join(name))
}

/// Whoever only looks who has the directory has it locked for a moment; so has one that is just ending.
fn lock_patiently(lock: &File, patience: Duration) -> Result<(), TryLockError> {
    let begun = Instant::now();
    loop {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) if begun.elapsed() < patience => thread::sleep(LOCK_WAIT),
            result => return result,
        }
    }
}

impl Disk for Directory {
    type File = File;

    fn names(&mut self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn read(&mut self, name: &str) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(File::open(self.path.join(name))?))
    }

    fn open(&mut self, name: &str) -> io::Result<File> {
        OpenOptions::new().write(true).open(self.path.join(name))
    }

    fn create(&mut self, name: &str) -> io::Result<File> {
        // Another one in its place is not locked.
        if self.place.is_gone() {
            return Err(gone());
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(FILE_MODE);
        options.open(self.path.join(name))
    }

    fn write(&mut self, file: &mut File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    fn truncate(&mut self, file: &mut File, len: u64) -> io::Result<()> {
        file.set_len(len)
    }

    fn sync(&mut self, file: &mut File) -> io::Result<()> {
        file.sync_data()?;
        // Without a name it is as durable as this process.
        match file.metadata()?.nlink() {
            0 => Err(gone()),
            _ => Ok(()),
        }
    }

    fn sync_names(&mut self) -> io::Result<()> {
        self.handle.sync_all()
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn keep_aside(&mut self, name: &str, aside: &str) -> io::Result<()> {
        match fs::hard_link(self.path.join(name), self.path.join(aside)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            result => result,
        }
    }
}
