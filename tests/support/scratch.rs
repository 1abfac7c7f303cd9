//! A directory for one test.

use std::path::PathBuf;

/// A directory that is gone with the test.
pub struct Scratch(PathBuf);

impl Scratch {
    /// The path of one that is not there yet.
    pub fn new(name: &str) -> Self {
        let name = format!("torrap-test-{}-{name}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    pub fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
