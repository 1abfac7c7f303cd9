//! What has been done to a disk, and may be undone.

use std::collections::BTreeMap;

#[derive(Clone)]
pub enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

#[derive(Clone)]
pub enum NameChange {
    Link(String, usize),
    Unlink(String),
}

impl Change {
    pub fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write(offset, bytes) => place(content, *offset, bytes),
            Self::Truncate(len) => content.truncate(*len),
        }
    }
}

impl NameChange {
    pub fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Link(name, file) => _ = names.insert(name.clone(), *file),
            Self::Unlink(name) => _ = names.remove(name),
        }
    }
}

pub fn place(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(bytes);
}

/// A file as processes see it, and as it is on the platter.
#[derive(Default)]
pub struct File {
    pub name: String,
    pub seen: Vec<u8>,
    pub durable: Vec<u8>,
    pub unsynced: Vec<Change>,
    /// A sync has failed: not all that is seen will ever be durable, whatever later syncs say.
    pub is_lossy: bool,
}

impl File {
    /// What is seen is read from the platter again.
    pub fn drop_cached(&mut self) {
        self.seen.clone_from(&self.durable);
        for change in &self.unsynced {
            change.apply(&mut self.seen);
        }
    }
}
