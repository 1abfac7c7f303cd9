//! Keeps damaged segments for people to look at, under a second name, and moves files out of the way that are no segments of
//! the log.

use std::io;

use super::{ASIDE_SUFFIX, Disk, KEPT_ASIDE_MAX, header};

/// Keeps a file aside unless enough files are kept already, or it is one of them. Returns its second name if it was given one.
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

/// Moves a file out of the way that has a segment's name and is no segment of this log: it has only its second name
/// afterwards, or stays if it can have none. Returns its second name if it was given one.
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

/// Creates the file of a segment. A file that has its name already is no segment of this log, and is moved out of the way.
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
