//! The bodies of the fuzz targets over their seeds, over what fuzzers have found, and over a few
//! thousand inputs near the seeds.
#![allow(clippy::disallowed_methods)] // finds are files

#[path = "fuzz/bodies/mod.rs"]
mod bodies;

use bodies::{BODIES, Body};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Inputs made of each body's seeds.
const NEAR: usize = 2_000;

#[test]
fn seeds() {
    for body in BODIES {
        let seeds = (body.seeds)();
        assert!(seeds.len() > 10, "{}", body.name);
        seeds.iter().for_each(|seed| check(body, seed));
    }
}

#[test]
fn inputs_near_the_seeds() {
    for body in BODIES {
        for input in bodies::near::near(&(body.seeds)(), NEAR) {
            check(body, &input);
        }
    }
}

#[test]
fn what_fuzzers_have_found() {
    let finds = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/finds");
    for folder in fs::read_dir(finds).unwrap() {
        let folder = folder.unwrap().path();
        let Some(body) = BODIES.iter().find(|body| folder.ends_with(body.name)) else {
            let name = folder.file_name().unwrap().to_str().unwrap();
            let is_left_out = cfg!(not(feature = "redis")) && name.starts_with("redis_");
            assert!(is_left_out, "{name}: a folder is called as a body");
            continue;
        };
        for find in fs::read_dir(&folder).unwrap() {
            let find = fs::read(find.unwrap().path()).unwrap();
            check(body, &find);
        }
    }
}

fn check(body: &Body, bytes: &[u8]) {
    let failed = catch_unwind(AssertUnwindSafe(|| (body.check)(bytes))).is_err();
    let shown = bytes.escape_ascii();
    assert!(!failed, "{} fails on b\"{shown}\"", body.name);
}
