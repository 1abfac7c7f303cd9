//! Damaged segments get a second name, under which they stay when they are deleted, and files that are no segments of the
//! log.

use std::io;

use super::{ASIDE_SUFFIX, Disk, KEPT_ASIDE_MAX, header};

/// Keeps a file aside unless enough files are kept already, or it is one of them. Its second name, if it has got
/// one now.
pub(super) fn keep_aside<D: Disk>(disk: &mut D, name: &str) -> Option<String> {
    let aside = format!("{name}{ASIDE_SUFFIX}");
    let kept = disk.names().and_then(|names| {
        let is_aside = |name: &&String| name.ends_with(ASIDE_SUFFIX);
        let count = names.iter().filter(is_aside).count();
        if count >= KEPT_ASIDE_MAX || names.contains(&aside) {
            return Ok(false);
        }
        disk.keep_aside(name, &aside).map(|()| true)
    });
    match kept {
        Ok(is_kept) => is_kept.then_some(aside),
        Err(error) => {
            ::log::warn!("journal: cannot keep {name} aside: {error}");
            None
        }
    }
}

/// Moves a file out of the way that has a segment's name and is none of the log: it gets its second name, or stays if it
/// can have none. Its second name, if it has got one now.
pub(super) fn move_aside<D: Disk>(disk: &mut D, name: &str) -> Option<String> {
    ::log::warn!("journal: {name} is no segment of this log, and is not read");
    let aside = keep_aside(disk, name)?;
    match disk.remove(name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            ::log::warn!("journal: cannot delete {name}: {error}");
        }
        _ => {}
    }
    Some(aside)
}

/// Makes the file of a segment. One that has its name is none of the log, which has this directory to itself: it is moved
/// out of the way.
pub(super) fn create<D: Disk>(disk: &mut D, number: u32) -> io::Result<D::File> {
    let name = header::name(number);
    match disk.create(&name) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            move_aside(disk, &name);
            let created = disk.create(&name);
            created.map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))
        }
        result => result,
    }
}
