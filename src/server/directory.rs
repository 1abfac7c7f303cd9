//! The directory of a journal, and who has it.

mod reading;
mod segments;

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// Tells people which process has the directory. What counts is the lock on the directory itself, which
/// nobody can delete; only where a directory cannot be locked, as on NFS, it is this file's.
const LOCK: &str = "lock";

/// Nobody else may look: the `response_url`s are secrets.
const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// How often the lock is tried again, and how long after each time.
const LOCK_TRIES: u32 = 20;
const LOCK_WAIT: Duration = Duration::from_millis(10);

/// Why a directory cannot be had.
#[derive(Debug)]
pub(super) enum Refused {
    /// Another process has it, and perhaps it has told its number.
    Taken(Option<u32>),
    /// It cannot be made, or files cannot be made in it.
    Unusable(io::Error),
}

/// A directory with the files of a journal.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// The directory itself: to lock it, to sync it, and to tell it from another one that has its path.
    handle: File,
    identity: Identity,
    /// Held as long as this lives, where the directory cannot be locked.
    _lock: Option<File>,
}

/// Which file or directory something is, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

impl Directory {
    /// Makes the directory if need be and takes it for this process alone.
    pub(super) fn take(path: &Path) -> Result<Self, Refused> {
        let unusable = Refused::Unusable;
        match DirBuilder::new().mode(DIRECTORY_MODE).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(unusable(error));
            }
            _ => {}
        }
        let mut directory = Self::look_at(path).map_err(unusable)?;
        match lock_patiently(&directory.handle) {
            Ok(()) => directory.tell_process().map_err(unusable)?,
            Err(TryLockError::WouldBlock) => return Err(Refused::Taken(directory.holder())),
            Err(TryLockError::Error(_)) => directory._lock = Some(directory.take_file()?),
        }
        Ok(directory)
    }

    /// Whether a bot of this user could take it, found out by making something and deleting it again.
    /// `false` if there is no such directory yet.
    pub(super) fn probe(path: &Path) -> io::Result<bool> {
        match DirBuilder::new().mode(DIRECTORY_MODE).create(path) {
            Ok(()) => return fs::remove_dir(path).map(|()| false),
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Err(_) => {}
        }
        let file = path.join(format!("check-{}", std::process::id()));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(FILE_MODE);
        options.open(&file)?;
        fs::remove_file(&file)?;
        Ok(true)
    }

    /// The directory as it is, to be read.
    pub(super) fn look_at(path: &Path) -> io::Result<Self> {
        let handle = File::open(path)?;
        let metadata = handle.metadata()?;
        if !metadata.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self {
            path: path.to_owned(),
            handle,
            identity: Identity::of(&metadata),
            _lock: None,
        })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether other users may look into the directory; what it is then.
    pub(super) fn open_mode(&self) -> Option<u32> {
        let mode = self.handle.metadata().ok()?.mode() & 0o777;
        (mode & 0o077 != 0).then_some(mode)
    }

    /// The process that has the directory to itself. `Some(None)` if it has not told its number.
    pub(super) fn user(&self) -> Option<Option<u32>> {
        // A shared lock, and for a moment only: a bot that starts just now is not told that
        // somebody else has the directory.
        let result = match self.handle.try_lock_shared() {
            Ok(()) => self.handle.unlock().map_err(TryLockError::Error),
            Err(TryLockError::Error(_)) => self.open(LOCK).ok()?.try_lock_shared(),
            taken => taken,
        };
        matches!(result, Err(TryLockError::WouldBlock)).then(|| self.holder())
    }

    fn holder(&self) -> Option<u32> {
        let mut text = String::new();
        let lock = self.open(LOCK).ok()?;
        lock.take(16).read_to_string(&mut text).ok()?;
        text.trim().parse().ok()
    }

    /// Writes the number of this process into the file that people may look at. A full disk is no reason
    /// not to start, nor is something else that has the file's name; a directory in which no file can be
    /// made is.
    fn tell_process(&self) -> io::Result<()> {
        let written = self.lock_file().and_then(|mut file| {
            file.set_len(0)?;
            writeln!(file, "{}", std::process::id())
        });
        match written {
            Err(error) if is_no_right_to_write(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// The same, and the file's lock stands for the directory's.
    fn take_file(&self) -> Result<File, Refused> {
        let lock = self.lock_file().map_err(Refused::Unusable)?;
        match lock_patiently(&lock) {
            Ok(()) => self.tell_process().map_err(Refused::Unusable)?,
            Err(TryLockError::WouldBlock) => return Err(Refused::Taken(self.holder())),
            Err(TryLockError::Error(error)) => return Err(Refused::Unusable(error)),
        }
        Ok(lock)
    }

    fn lock_file(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        options.mode(FILE_MODE).custom_flags(PLAIN_FILES);
        options.open(self.path.join(LOCK))
    }

    /// Opens a file of the directory for reading, and nothing else that has a name there.
    fn open(&self, name: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(PLAIN_FILES);
        let file = options.open(self.path.join(name))?;
        match file.metadata()?.is_file() {
            true => Ok(file),
            false => Err(io::Error::other("it is not a file")),
        }
    }
}

/// No symbolic link is followed out of the directory, and nobody is waited for at the other end of a pipe.
const PLAIN_FILES: i32 = libc::O_NOFOLLOW | libc::O_NONBLOCK;

fn is_no_right_to_write(error: &io::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem)
}

/// Whoever only looks who has the directory has it locked for a moment; so has one that is just ending.
fn lock_patiently(lock: &File) -> Result<(), TryLockError> {
    for _ in 0..LOCK_TRIES {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_WAIT),
            result => return result,
        }
    }
    lock.try_lock()
}
