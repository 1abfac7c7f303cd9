//! The torrap binary.
fn main() {}
