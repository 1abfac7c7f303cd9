//! What is known of a command by those who sent it and those who got its reply.

/// What is known of a command from outside.
#[derive(Debug, Default)]
pub struct Command {
    pub acknowledged: bool,
    /// How many crashes there had been when it was answered "busy".
    pub busy_at: Option<u64>,
    pub due: u64,
    pub expires: u64,
    /// Attempts that began.
    pub posts: u64,
    /// Attempts that the receiver has answered for good.
    pub finals: u64,
    /// Crashes at which such an answer was not yet on the disk.
    pub unknown: u64,
    /// Crashes since it was accepted.
    pub crashes: u64,
    /// How well the outcome of the last final attempt is known.
    pub known: Known,
    pub failures: u64,
    /// An outcome of it stands in a segment whose sync has failed at a start.
    pub was_orphaned: bool,
    /// No process lived while it could still be answered.
    pub is_excused: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd)]
pub enum Known {
    #[default]
    No,
    Told,
    Written,
    /// Written, and never synced: that has failed.
    Orphaned,
    Durable,
}
