//! The bodies of the fuzz targets, and those that need more than torrap's own tests have.

pub mod bodies;
pub mod differential;

use bodies::{BODIES, Body};
use differential::{resp, whatwg};

const DIFFERENTIAL: [Body; 3] = [
    Body {
        name: "differential",
        check: differential::check,
        seeds: differential::seeds,
    },
    Body {
        name: "resp",
        check: resp::check,
        seeds: resp::seeds,
    },
    Body {
        name: "whatwg",
        check: whatwg::check,
        seeds: whatwg::seeds,
    },
];

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Body> {
    BODIES.iter().chain(&DIFFERENTIAL)
}
