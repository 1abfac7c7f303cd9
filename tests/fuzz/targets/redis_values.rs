//! See the body of this name.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| torrap_fuzz::bodies::redis_values::check(bytes));
