//! The files in the directory.
//!
//! All is done by path, and people move, delete and replace directories: nothing is made or deleted in
//! another directory than the one that is locked, and what was synced counts only if it is still there
//! under its name. Otherwise a command would be acknowledged that no later process finds.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;

use super::reading::Reading;
use super::{Directory, FILE_MODE, Identity, PLAIN_FILES};
use crate::journal::Disk;

/// A file that is written to.
#[derive(Debug)]
pub(crate) struct Segment {
    file: File,
    path: PathBuf,
    identity: Identity,
}

impl Segment {
    fn new(file: File, path: PathBuf) -> io::Result<Self> {
        let identity = Identity::of(&file.metadata()?);
        Ok(Self {
            file,
            path,
            identity,
        })
    }
}

impl Directory {
    /// The path of a file, if that leads into this directory.
    fn path_of(&self, name: &str) -> io::Result<PathBuf> {
        self.require_place()?;
        Ok(self.path.join(name))
    }

    /// Whether the path still leads to this directory.
    fn require_place(&self) -> io::Result<()> {
        match fs::metadata(&self.path) {
            Ok(metadata) if Identity::of(&metadata) == self.identity => Ok(()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Err(io::Error::other(
                "the directory was moved, deleted or replaced",
            )),
        }
    }
}

impl Disk for Directory {
    type File = Segment;

    fn names(&mut self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn read(&mut self, name: &str) -> io::Result<Box<dyn Read + '_>> {
        match Self::open(self, name) {
            Ok(file) => {
                let len = file.metadata()?.len();
                let read_at = move |buffer: &mut [u8], offset| file.read_at(buffer, offset);
                Ok(Box::new(Reading::new(read_at, name.to_owned(), len)))
            }
            Err(error) if may_pass(&error) => Err(error),
            Err(error) => Ok(Box::new(Unreadable(error))),
        }
    }

    fn open(&mut self, name: &str) -> io::Result<Segment> {
        let path = self.path_of(name)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(PLAIN_FILES);
        Segment::new(options.open(&path)?, path)
    }

    fn create(&mut self, name: &str) -> io::Result<Segment> {
        let path = self.path_of(name)?;
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create_new(true)
            .mode(FILE_MODE);
        Segment::new(options.open(&path)?, path)
    }

    fn read_at(&mut self, file: &mut Segment, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        file.file.read_exact_at(buffer, offset)
    }

    fn write(&mut self, segment: &mut Segment, offset: u64, bytes: &[u8]) -> io::Result<()> {
        segment.file.write_all_at(bytes, offset)
    }

    fn truncate(&mut self, segment: &mut Segment, len: u64) -> io::Result<()> {
        segment.file.set_len(len)
    }

    fn sync(&mut self, segment: &mut Segment) -> io::Result<()> {
        segment.file.sync_data()?;
        let error = match fs::symlink_metadata(&segment.path) {
            Ok(metadata) if Identity::of(&metadata) == segment.identity => return Ok(()),
            Ok(_) => io::Error::other("the file was replaced"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                io::Error::new(error.kind(), "the file was deleted")
            }
            Err(error) => error,
        };
        // If it is the directory that went, the file need not have gone.
        self.require_place()?;
        Err(error)
    }

    fn sync_names(&mut self) -> io::Result<()> {
        self.handle.sync_all()
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path_of(name)?)
    }

    fn keep_aside(&mut self, name: &str, aside: &str) -> io::Result<()> {
        let (path, aside) = (self.path_of(name)?, self.path.join(aside));
        if fs::symlink_metadata(&path)?.is_dir() {
            // A directory can have but one name (link(2)).
            return fs::rename(path, aside);
        }
        match fs::hard_link(path, aside) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            result => result,
        }
    }
}

/// Whether a file that cannot be opened may be opened another time: it is gone, it is another user's, or
/// there is no room for it in memory. Everything else is damage.
fn may_pass(error: &io::Error) -> bool {
    use io::ErrorKind::{NotFound, OutOfMemory, PermissionDenied};
    matches!(error.kind(), NotFound | PermissionDenied | OutOfMemory)
        || matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

/// What stands for a file that cannot be opened: a file of which no byte can be read.
struct Unreadable(io::Error);

impl Read for Unreadable {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::new(self.0.kind(), self.0.to_string()))
    }
}
