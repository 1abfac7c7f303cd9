//! What differs from seed to seed.

use super::Generator;

/// What a seed likes to happen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habits {
    pub(crate) places: usize,
    pub(crate) descriptors: usize,
    /// Sessions of each kind that have their turn before the others.
    pub(crate) turns_max: usize,
    /// Of each hundred system calls, so many go wrong in a way that means nothing.
    pub(crate) fault_percent: u64,
    pub(crate) delay_ms: u64,
    /// Events are told some turns later.
    pub(crate) late_events: bool,
    /// Of each hundred clients, so many never read.
    pub(crate) silent_percent: u64,
    /// Whether there is a journal, and of each hundred calls of its disk, so many that fail while it is bad.
    pub(crate) disk_fault_percent: Option<u64>,
    /// Clients send requests of every kind, and a model follows what becomes of them.
    pub(crate) is_followed: bool,
    /// Limits are so small that they are met.
    pub(crate) has_small_limits: bool,
    pub(crate) tolerance_ms: u64,
    /// Of each hundred actions, so many set the clock on the wall, and so many end the process.
    pub(crate) wall_percent: u64,
    pub(crate) crash_percent: u64,
    /// At a stop it turns out that the directory of the journal is gone.
    pub(crate) loses_directory: bool,
    pub(crate) has_admin: bool,
}

impl Habits {
    /// Room for all, and nothing goes wrong.
    pub(crate) const fn calm() -> Self {
        Self {
            places: 1_000,
            descriptors: 1_000,
            turns_max: 1_000,
            fault_percent: 0,
            delay_ms: 0,
            late_events: false,
            silent_percent: 0,
            disk_fault_percent: None,
            is_followed: false,
            has_small_limits: false,
            tolerance_ms: 86_400_000,
            wall_percent: 0,
            crash_percent: 0,
            loses_directory: false,
            has_admin: false,
        }
    }

    pub(crate) fn draw(generator: &mut Generator) -> Self {
        Self {
            places: generator.pick(&[2, 5, 1_000, 1_000]),
            descriptors: generator.pick(&[1, 4, 1_000, 1_000]),
            turns_max: 1_000,
            fault_percent: generator.pick(&[0, 5, 30]),
            delay_ms: generator.pick(&[0, 1, 63, 200, 200, 5_000, 5_000, 60_000, 1_500_000]),
            late_events: generator.percent(50),
            silent_percent: generator.pick(&[0, 0, 30]),
            disk_fault_percent: generator.pick(&[None, None, Some(0), Some(20), Some(100)]),
            is_followed: true,
            has_small_limits: true,
            tolerance_ms: generator.pick(&[1_000, 60_000, 300_000, 3_600_000]),
            wall_percent: generator.pick(&[0, 0, 1, 5]),
            crash_percent: generator.pick(&[0, 0, 1, 3]),
            loses_directory: generator.percent(20),
            has_admin: generator.percent(30),
        }
    }

    /// Whether a connection may have to wait for a place, or be closed for another one.
    pub(crate) const fn is_crowded(&self) -> bool {
        self.places < 100 || self.descriptors < 100
    }
}
