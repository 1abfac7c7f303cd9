//! How much room a file system has for a journal.

use std::path::Path;

use nix::sys::statvfs::statvfs;

/// How many bytes the file system of `path` has left for this user. A directory that is not there yet will be on the
/// file system of its parent.
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    // The last ancestor of a relative path is empty, and is no path.
    let is_empty = |path: &Path| path.as_os_str().is_empty();
    let mut ancestors = (path.ancestors()).map(|path| match is_empty(path) {
        true => Path::new("."),
        false => path,
    });
    let statvfs = statvfs(ancestors.find(|path| path.exists())?).ok()?;
    // Their types differ from system to system.
    #[allow(clippy::useless_conversion)]
    let (blocks, size) = (
        u64::from(statvfs.blocks_available()),
        u64::from(statvfs.fragment_size()),
    );
    blocks.checked_mul(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_not_there_yet_has_the_room_of_what_is_above_it() {
        for path in [
            "not-there-yet",
            "src/not-there-yet/either",
            "/not-there-yet",
        ] {
            assert!(free_bytes(Path::new(path)).is_some(), "{path}");
        }
    }
}
