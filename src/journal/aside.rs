//! Damaged segments get a second name, under which they stay when they are deleted.

use super::{ASIDE_SUFFIX, Disk, KEPT_ASIDE_MAX};

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
