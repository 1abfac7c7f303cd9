//! A disk that tears, drops, reorders, fills up and fails, and forgets what was not synced when the power
//! is cut.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::rc::Rc;

use torrap::journal::Disk;

use crate::changes::{Change, File, NameChange, place};
use crate::generator::Generator;

/// Writes reach the platter in pieces of this size, each on its own.
const SECTOR: usize = 512;

/// A handle to a disk, which outlives the process that uses it.
#[derive(Clone)]
pub struct FakeDisk(Rc<RefCell<State>>);

pub struct State {
    files: Vec<File>,
    /// The directory as processes see it, and as it is on the platter.
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    unsynced_names: Vec<NameChange>,
    random: Generator,
    /// What was done, in words.
    pub trace: Vec<String>,
    /// Steps so far, and the one at which everything stops.
    pub steps: u64,
    pub crash_at: Option<u64>,
    pub crashed: bool,
    /// Syncs that have failed, and truncations: what was written to their files may be lost.
    pub failed_syncs: u64,
    /// In percent, for each kind of call.
    pub write_faults: u64,
    pub sync_faults: u64,
    pub other_faults: u64,
    /// Whether there is no room for changes of names.
    pub are_names_full: bool,
    /// A read changes nothing, and is no step; whether it fails is a chance of its own.
    read_random: Generator,
    /// How many have failed one after the other: a file that cannot be read for long is given up.
    failed_reads: u64,
    /// Bytes that fit.
    pub capacity: u64,
    /// How large a file may be (`ulimit -f`).
    pub file_max: u64,
}

impl FakeDisk {
    pub fn new(seed: u64) -> Self {
        Self(Rc::new(RefCell::new(State {
            files: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            unsynced_names: Vec::new(),
            random: Generator::new(seed),
            trace: Vec::new(),
            steps: 0,
            crash_at: None,
            crashed: false,
            failed_syncs: 0,
            write_faults: 0,
            sync_faults: 0,
            other_faults: 0,
            are_names_full: false,
            read_random: Generator::new(!seed),
            failed_reads: 0,
            capacity: u64::MAX,
            file_max: u64::MAX,
        })))
    }

    pub fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.borrow_mut())
    }

    /// One step of the whole world; whether it was the last.
    pub fn step(&self) -> bool {
        self.with(State::step)
    }

    /// The names of the segments.
    pub fn segments(&self) -> Vec<String> {
        let is_segment = |name: &&String| name.ends_with(".log");
        self.with(|state| state.names.keys().filter(is_segment).cloned().collect())
    }

    /// What was done since the last time.
    pub fn take_trace(&self) -> Vec<String> {
        self.with(|state| std::mem::take(&mut state.trace))
    }

    pub fn content(&self, name: &str) -> Vec<u8> {
        self.with(|state| state.files[state.names[name]].seen.clone())
    }

    /// What stands in all files.
    pub fn all_contents(&self) -> Vec<Vec<u8>> {
        self.with(|state| {
            let files = state.names.values();
            files.map(|file| state.files[*file].seen.clone()).collect()
        })
    }

    /// Overwrites a file's content, as a fault of the disk or a person would.
    pub fn set_content(&self, name: &str, content: Vec<u8>) {
        self.with(|state| {
            let file = state.names[name];
            state.files[file].durable.clone_from(&content);
            state.files[file].seen = content;
        });
    }

    /// The same for a file that is not there yet.
    pub fn set_content_of_new(&self, name: &str, content: Vec<u8>) {
        self.with(|state| {
            state.add_file(name);
            state.sync_names().unwrap();
        });
        self.set_content(name, content);
    }

    pub fn rename(&self, from: &str, to: &str) {
        self.with(|state| {
            let file = state.names.remove(from).unwrap();
            state.names.insert(to.to_owned(), file);
        });
    }

    pub fn delete(&self, name: &str) {
        self.with(|state| state.names.remove(name).unwrap());
    }

    /// Whether a file is there of which a sync has failed.
    pub fn is_lossy(&self) -> bool {
        self.with(|state| state.names.values().any(|file| state.files[*file].is_lossy))
    }

    /// The process is gone; everything that it has written is still there, but for what a sync has failed
    /// to write: the system may have dropped that from its memory.
    pub fn kill(&self) {
        self.with(|state| {
            state.crashed = false;
            for file in 0..state.files.len() {
                if state.files[file].is_lossy && state.random.percent(50) {
                    state.files[file].drop_cached();
                }
            }
        });
    }

    /// The power is gone: what was not synced is there or not, whole or in part, in any order.
    pub fn cut_power(&self) {
        self.with(|state| {
            state.crashed = false;
            for file in 0..state.files.len() {
                state.settle(file);
                state.files[file].seen = state.files[file].durable.clone();
            }
            for change in std::mem::take(&mut state.unsynced_names) {
                if state.random.percent(50) {
                    change.apply(&mut state.durable_names);
                }
            }
            state.names = state.durable_names.clone();
        });
    }
}

impl State {
    fn step(&mut self) -> bool {
        self.steps += 1;
        self.crashed |= self.crash_at.is_some_and(|at| self.steps >= at);
        self.crashed
    }

    /// Has some of what was not synced reach the platter, and forgets the rest.
    fn settle(&mut self, file: usize) {
        let Self { files, random, .. } = self;
        let file = &mut files[file];
        let mut changes = std::mem::take(&mut file.unsynced);
        for last in (1..changes.len()).rev() {
            changes.swap(last, random.index(last + 1));
        }
        for change in changes {
            match change {
                Change::Truncate(len) if random.percent(50) => file.durable.truncate(len),
                Change::Truncate(_) => {}
                Change::Write(offset, bytes) => {
                    let chance = random.pick(&[0, 50, 90, 100]);
                    let mut start = 0;
                    while start < bytes.len() {
                        let end = bytes.len().min(start + SECTOR - (offset + start) % SECTOR);
                        if random.percent(chance) {
                            place(&mut file.durable, offset + start, &bytes[start..end]);
                        }
                        start = end;
                    }
                }
            }
        }
    }

    pub fn used(&self) -> u64 {
        let files = self.names.values();
        files.map(|file| self.files[*file].seen.len() as u64).sum()
    }

    fn fails(&mut self, chance: u64) -> io::Result<()> {
        if self.step() {
            return Err(io::Error::other("crashed"));
        }
        match self.random.percent(chance) {
            true => Err(io::Error::other("Input/output error")),
            false => Ok(()),
        }
    }

    fn add_file(&mut self, name: &str) -> usize {
        let name = name.to_owned();
        self.files.push(File {
            name: name.clone(),
            ..File::default()
        });
        let file = self.files.len() - 1;
        self.change_names(NameChange::Link(name, file));
        file
    }

    fn change(&mut self, file: usize, change: Change) {
        change.apply(&mut self.files[file].seen);
        self.files[file].unsynced.push(change);
    }

    fn change_names(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.unsynced_names.push(change);
    }

    fn write(&mut self, file: usize, offset: usize, bytes: &[u8]) -> io::Result<()> {
        let result = self.fails(self.write_faults);
        let growth = (offset + bytes.len()).saturating_sub(self.files[file].seen.len()) as u64;
        let is_full = self.used() + growth > self.capacity;
        let is_too_large = (offset + bytes.len()) as u64 > self.file_max;
        let written = match (&result, is_full || is_too_large) {
            (Ok(()), false) => bytes.len(),
            _ => self.random.index(bytes.len() + 1),
        };
        if written > 0 {
            self.change(file, Change::Write(offset, bytes[..written].to_vec()));
        }
        match (is_full, is_too_large) {
            (true, _) => Err(io::ErrorKind::StorageFull.into()),
            (false, true) => Err(io::ErrorKind::FileTooLarge.into()),
            (false, false) => result,
        }
    }

    fn sync(&mut self, file: usize) -> io::Result<()> {
        let result = self.fails(self.sync_faults);
        if result.is_ok() {
            let file = &mut self.files[file];
            for change in std::mem::take(&mut file.unsynced) {
                change.apply(&mut file.durable);
            }
        } else if !self.crashed {
            // What a failed sync leaves behind counts as written from now on, and is not.
            self.settle(file);
            self.files[file].is_lossy = true;
            self.failed_syncs += 1;
        }
        result
    }

    fn sync_names(&mut self) -> io::Result<()> {
        self.fails(self.other_faults)?;
        if self.are_names_full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.unsynced_names.clear();
        self.durable_names = self.names.clone();
        Ok(())
    }
}

impl Disk for FakeDisk {
    type File = usize;

    fn names(&mut self) -> io::Result<Vec<String>> {
        self.with(|state| Ok(state.names.keys().cloned().collect()))
    }

    fn read(&mut self, name: &str) -> io::Result<Box<dyn Read + '_>> {
        let content = self.with(|state| {
            let file = state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
            Ok::<_, io::Error>(state.files[*file].seen.clone())
        })?;
        Ok(Box::new(io::Cursor::new(content)))
    }

    fn open(&mut self, name: &str) -> io::Result<usize> {
        self.with(|state| {
            state.fails(state.other_faults)?;
            let file = state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
            Ok(*file)
        })
    }

    fn create(&mut self, name: &str) -> io::Result<usize> {
        self.with(|state| {
            state.trace.push(format!("create {name}"));
            if state.names.contains_key(name) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            state.fails(state.other_faults)?;
            Ok(state.add_file(name))
        })
    }

    fn read_at(&mut self, file: &mut usize, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.with(|state| {
            let is_failing =
                state.failed_reads < 2 && state.read_random.percent(state.other_faults);
            if state.crashed || is_failing {
                state.failed_reads += 1;
                return Err(io::Error::other("Input/output error"));
            }
            state.failed_reads = 0;
            let content = state.files[*file].seen.get(offset as usize..);
            content
                .ok_or(io::ErrorKind::UnexpectedEof)?
                .read_exact(buffer)
        })
    }

    fn write(&mut self, file: &mut usize, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.with(|state| {
            let line = format!("write {} at {offset}", state.files[*file].name);
            state.trace.push(line);
            state.write(*file, offset as usize, bytes)
        })
    }

    fn truncate(&mut self, file: &mut usize, len: u64) -> io::Result<()> {
        self.with(|state| {
            let line = format!("truncate {} to {len}", state.files[*file].name);
            state.trace.push(line);
            let result = state.fails(state.other_faults);
            match result.is_ok() {
                true => state.change(*file, Change::Truncate(len as usize)),
                false => state.failed_syncs += 1,
            }
            result
        })
    }

    fn sync(&mut self, file: &mut usize) -> io::Result<()> {
        self.with(|state| {
            let line = format!("sync {}", state.files[*file].name);
            state.trace.push(line);
            state.sync(*file)?;
            match state.names.get(&state.files[*file].name) == Some(file) {
                true => Ok(()),
                false => Err(io::Error::new(
                    io::ErrorKind::NotFound,
                    "the file was deleted",
                )),
            }
        })
    }

    fn sync_names(&mut self) -> io::Result<()> {
        self.with(|state| {
            state.trace.push("sync names".to_owned());
            state.sync_names()
        })
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.with(|state| {
            state.trace.push(format!("remove {name}"));
            state.fails(state.other_faults)?;
            state.change_names(NameChange::Unlink(name.to_owned()));
            Ok(())
        })
    }

    fn keep_aside(&mut self, name: &str, aside: &str) -> io::Result<()> {
        self.with(|state| {
            state.fails(state.other_faults)?;
            let file = *state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
            state.change_names(NameChange::Link(aside.to_owned(), file));
            Ok(())
        })
    }
}
