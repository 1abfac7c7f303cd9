//! What other users could do to the directory of a journal.

/// A line for each, where a process of `user` uses the directory of `owner`. Root may do everything in any case, and has directories
/// of volumes.
pub(super) fn exposures(owner: u32, mode: u32, user: u32) -> Vec<String> {
    let mut lines = Vec::new();
    if owner != user && owner != 0 {
        lines.push(format!(
            "the directory belongs to user {owner} and torrap runs as user {user}: the other user can delete \
             and replace what is in it; chown it, or run torrap as user {owner}"
        ));
    }
    if mode & 0o077 != 0 {
        lines.push(format!(
            "other users may look into the directory, its mode is {mode:o}; chmod 700 it"
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_of_another_user_or_open_to_others_is_told() {
        assert!(exposures(1000, 0o700, 1000).is_empty());
        assert!(
            exposures(0, 0o700, 1000).is_empty(),
            "root may do everything in any case"
        );
        let [line] = &exposures(1000, 0o700, 0)[..] else {
            panic!("one line")
        };
        let start = "the directory belongs to user 1000 and torrap runs as user 0: ";
        assert!(line.starts_with(start), "{line}");
        let mode = "other users may look into the directory, its mode is 750; chmod 700 it";
        assert_eq!(exposures(1000, 0o750, 1000), [mode]);
        assert_eq!(exposures(1000, 0o701, 1001).len(), 2);
    }
}
