//! The bodies of the fuzz targets, and the one that needs more than torrap's own tests have.

pub mod bodies;
pub mod differential;

use bodies::{BODIES, Body};

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Body> {
    const DIFFERENTIAL: &Body = &Body {
        name: "differential",
        check: differential::check,
        seeds: differential::seeds,
    };
    BODIES.iter().chain([DIFFERENTIAL])
}
