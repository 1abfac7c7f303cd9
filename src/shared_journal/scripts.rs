//! The scripts that Redis runs, each as one step that nothing else comes between.
//!
//! They are loaded by `SCRIPT LOAD` and called by the digest that it returns. Not as a library of `FUNCTION`s, so that two
//! versions of torrap side by side never replace each other's. Each may be repeated: a client whose answer was lost
//! sends the same again.

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    /// Renews a lease, deletes settled jobs, says whose jobs may be taken over.
    Renew,
    /// Puts jobs into one's own hash, but those that another replica has.
    Put,
    /// Moves jobs of a dead replica into one's own hash.
    Take,
    /// Gives a replica its lease.
    Join,
    /// Ends a lease, so that others take the jobs at once.
    Leave,
    /// Hands jobs to the others.
    Pass,
    /// Lists one's own jobs.
    List,
}

impl Script {
    /// All of them, in the order of their digests.
    pub const ALL: [Self; 7] = [
        Self::Renew,
        Self::Put,
        Self::Take,
        Self::Join,
        Self::Leave,
        Self::Pass,
        Self::List,
    ];

    /// What it says.
    #[must_use]
    pub const fn source(self) -> &'static str {
        match self {
            Self::Renew => include_str!("scripts/renew.lua"),
            Self::Put => include_str!("scripts/put.lua"),
            Self::Take => include_str!("scripts/take.lua"),
            Self::Join => include_str!("scripts/join.lua"),
            Self::Leave => include_str!("scripts/leave.lua"),
            Self::Pass => include_str!("scripts/pass.lua"),
            Self::List => include_str!("scripts/list.lua"),
        }
    }
}
