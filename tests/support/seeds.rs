//! Which seeds a simulation runs, and how one that fails is seen again.

use std::ops::Range;

/// The seed that `TORRAP_SEED` names, for one run that can say all it does.
pub fn replayed() -> Option<u64> {
    number("TORRAP_SEED")
}

/// That seed alone, or as many as `TORRAP_SEEDS` says, or `default` of them.
pub fn chosen(default: u64) -> Range<u64> {
    match replayed() {
        Some(seed) => seed..seed + 1,
        None => 0..number("TORRAP_SEEDS").unwrap_or(default),
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().expect("a seed or a number of seeds"))
}

/// Names the seed if the run that it lives through fails.
pub struct Replay(pub u64);

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("to see it again: TORRAP_SEED={}", self.0);
        }
    }
}
