//! The directory of a journal, and who has it.

mod exposures;
mod reading;
mod segments;

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use exposures::exposures;

use crate::journal::Disk;

/// Tells people which process has the directory. What counts is the lock on the directory itself, which
/// no process can delete; only where a directory cannot be locked, as on NFS, it is this file's.
const LOCK: &str = "lock";

/// A file that is written to see whether one can be; a process number follows.
const PROBE: &str = "probe-";
const PROBE_BYTES: usize = 4096;

/// No other user may look: the `response_url`s are secrets.
const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// For how long a lock is tried in any case, and how long after each time it is tried again.
const LOCK_TIMEOUT_MIN: Duration = Duration::from_millis(200);
const LOCK_WAIT: Duration = Duration::from_millis(10);

/// Why a directory cannot be had.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Another process has it, and perhaps it has told its number.
    Taken(Option<u32>),
    /// It cannot be made, or files cannot be made in it.
    Unusable(io::Error),
}

/// A directory with the files of a journal.
#[derive(Debug)]
pub(crate) struct Directory {
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

/// Where a directory is, and which one it is.
#[derive(Debug)]
pub(crate) struct Place {
    path: PathBuf,
    identity: Identity,
}

impl Place {
    /// Whether the path no longer leads to the directory: the next start will not find what is in it.
    pub(crate) fn is_lost(&self) -> bool {
        match fs::metadata(&self.path) {
            Ok(metadata) => Identity::of(&metadata) != self.identity,
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }
}

impl Directory {
    /// Makes the directory if need be and takes it for this process alone. `timeout`: how long to wait for another
    /// process that has it; `waits` is told once which one that is.
    pub(crate) fn take(
        path: &Path,
        timeout: Duration,
        mut waits: impl FnMut(Option<u32>),
    ) -> Result<Self, Refused> {
        let unusable = Refused::Unusable;
        let is_made = make(path).map_err(unusable)?;
        let mut directory = Self::look_at(path).map_err(unusable)?;
        // Before the wait: a directory in which no file can be made is found out while the other process still runs.
        if let Err(error) = lock_file(path, LOCK)
            && is_no_right_to_write(&error)
        {
            return Err(unusable(error));
        }
        match directory.lock(&directory.handle, timeout, &mut waits) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Refused::Taken(directory.holder())),
            // Not here; the file's lock stands for the directory's.
            Err(TryLockError::Error(_)) => {
                directory._lock = Some(directory.take_file(timeout, &mut waits)?);
            }
        }
        directory.tell_process().map_err(unusable)?;
        match sync_parent(path) {
            Err(error) if is_made => Err(unusable(error)),
            // What is above a directory that others have made may be closed to this user, and may know no sync.
            _ => Ok(directory),
        }
    }

    /// The directory as it is, to be read.
    pub(crate) fn look_at(path: &Path) -> io::Result<Self> {
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

    /// Whether a bot could write there, found out by doing it. Leaves nothing behind, not even a directory
    /// that was not there before: `false` then.
    pub(crate) fn probe(path: &Path) -> io::Result<bool> {
        let was_there = !make(path)?;
        let written = Self::look_at(path).and_then(|mut directory| {
            let name = format!("{PROBE}{}", std::process::id());
            let mut file = match directory.create(&name) {
                // Of a check that was killed: in a container each has the same number.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    directory.remove(&name)?;
                    directory.create(&name)?
                }
                created => created?,
            };
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

    /// Where it is, and which one.
    pub(crate) fn place(&self) -> Place {
        Place {
            path: self.path.clone(),
            identity: self.identity,
        }
    }

    /// What other users could do to the directory, with what to do about it: a line for each.
    pub(crate) fn exposures(&self) -> Vec<String> {
        let Ok(metadata) = self.handle.metadata() else {
            return Vec::new();
        };
        let user = nix::unistd::geteuid().as_raw();
        exposures(metadata.uid(), metadata.mode() & 0o777, user)
    }

    /// The process that has the directory to itself. `Some(None)` if it has not told its number.
    pub(crate) fn user(&self) -> Option<Option<u32>> {
        // A shared lock, and for a moment only: a bot that starts just now is not told that
        // another process has the directory.
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
        let written = lock_file(&self.path, LOCK).and_then(|mut file| {
            file.set_len(0)?;
            writeln!(file, "{}", std::process::id())
        });
        match written {
            Err(error) if is_no_right_to_write(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Takes the file's lock, which stands for the directory's.
    fn take_file(
        &self,
        timeout: Duration,
        waits: &mut impl FnMut(Option<u32>),
    ) -> Result<File, Refused> {
        let file = lock_file(&self.path, LOCK).map_err(Refused::Unusable)?;
        match self.lock(&file, timeout, waits) {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(Refused::Taken(self.holder())),
            Err(TryLockError::Error(error)) => Err(Refused::Unusable(error)),
        }
    }

    /// Takes a lock, of the directory or of its file, or waits for the process that has it.
    fn lock(
        &self,
        lock: &File,
        timeout: Duration,
        waits: &mut impl FnMut(Option<u32>),
    ) -> Result<(), TryLockError> {
        match lock_within(lock, LOCK_TIMEOUT_MIN) {
            Err(TryLockError::WouldBlock) if !timeout.is_zero() => {
                waits(self.holder());
                lock_within(lock, timeout)
            }
            locked => locked,
        }
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

/// Makes a directory. `false`: there is something of that name.
fn make(path: &Path) -> io::Result<bool> {
    match DirBuilder::new().mode(DIRECTORY_MODE).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        made => made.map(|()| true),
    }
}

/// Makes durable that there is a directory of this path: after a power cut what was synced in it would be gone with its name
/// (fsync(2)). An earlier process may have made it and died before it came to this.
fn sync_parent(path: &Path) -> io::Result<()> {
    File::open(path.join(".."))?.sync_all()
}

/// No symbolic link is followed out of the directory, and no process is waited for at the other end of a pipe.
const PLAIN_FILES: i32 = libc::O_NOFOLLOW | libc::O_NONBLOCK;

fn is_no_right_to_write(error: &io::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem)
}

fn lock_file(path: &Path, name: &str) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(FILE_MODE)
        .custom_flags(PLAIN_FILES)
        .open(path.join(name))
}

/// `torrap journal` has the directory locked for a moment, and so has a process that is just ending.
fn lock_within(lock: &File, timeout: Duration) -> Result<(), TryLockError> {
    let begun = Instant::now();
    loop {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) if begun.elapsed() < timeout => thread::sleep(LOCK_WAIT),
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_without_a_timeout_does_not_wait_and_another_waits_until_the_directory_is_free() {
        let path = std::env::temp_dir().join(format!("torrap-taken-{}", std::process::id()));
        let this = Some(std::process::id());
        let mut first = Some(Directory::take(&path, Duration::ZERO, |_| panic!("waits")).unwrap());
        let second = Directory::take(&path, Duration::ZERO, |_| panic!("waits"));
        assert!(matches!(second, Err(Refused::Taken(holder)) if holder == this));
        let mut told = Vec::new();
        let third = Directory::take(&path, LOCK_WAIT, |holder| told.push(holder));
        assert!(matches!(third, Err(Refused::Taken(holder)) if holder == this));
        assert_eq!(told, [this], "once");
        // Free as soon as the fourth waits.
        let fourth = Directory::take(&path, Duration::from_secs(30), |_| first = None);
        let user = || Directory::look_at(&path).unwrap().user();
        assert_eq!((fourth.is_ok(), user()), (true, Some(this)));
        drop(fourth);
        assert_eq!(user(), None);
        fs::remove_dir_all(&path).unwrap();
    }

    /// Where a directory cannot be locked, as on NFS.
    #[test]
    fn the_files_lock_is_waited_for_like_the_directorys() {
        let path = std::env::temp_dir().join(format!("torrap-file-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        let directory = Directory::look_at(&path).unwrap();
        let mut first = Some(directory.take_file(Duration::ZERO, &mut |_| {}).unwrap());
        directory.tell_process().unwrap();
        let this = Some(std::process::id());
        let second = directory.take_file(Duration::ZERO, &mut |_| panic!("waits"));
        assert!(matches!(second, Err(Refused::Taken(holder)) if holder == this));
        let mut told = None;
        let third = directory.take_file(Duration::from_secs(30), &mut |holder| {
            (told, first) = (holder, None);
        });
        assert_eq!((third.is_ok(), told), (true, this));
        fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn a_directorys_name_is_synced_wherever_the_directory_is() {
        let path = std::env::temp_dir().join(format!("torrap-parent-{}", std::process::id()));
        assert!(make(&path).unwrap() && !make(&path).unwrap());
        let link = path.with_extension("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        for path in [&path, &link, Path::new("src"), Path::new("/")] {
            sync_parent(path).unwrap();
        }
        assert!(sync_parent(&path.join("none")).is_err());
        fs::remove_file(&link).unwrap();
        fs::remove_dir(&path).unwrap();
    }

    #[test]
    fn what_a_check_that_was_killed_has_left_is_no_fault_and_goes() {
        let path = std::env::temp_dir().join(format!("torrap-probe-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        fs::write(path.join(format!("{PROBE}{}", std::process::id())), "").unwrap();
        assert!(Directory::probe(&path).unwrap(), "it was there");
        fs::remove_dir(&path).unwrap(); // and is empty
    }

    #[test]
    fn a_directory_that_was_made_by_this_process_is_not_exposed() {
        let path = std::env::temp_dir().join(format!("torrap-exposed-{}", std::process::id()));
        DirBuilder::new()
            .mode(DIRECTORY_MODE)
            .create(&path)
            .unwrap();
        let directory = Directory::look_at(&path).unwrap();
        let exposures = directory.exposures();
        fs::remove_dir(&path).unwrap();
        assert_eq!(exposures, [""; 0]);
    }
}
