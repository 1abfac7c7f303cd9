//! A disk in memory that fails at times, and forgets some of what was not synced when the power is cut. What else
//! disks do to a journal is seen in `tests/journal`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Cursor, ErrorKind, Read};
use std::rc::Rc;

use super::Generator;
use super::life::Life;
use crate::journal::Disk;

/// Writes reach the platter in pieces of this size, each on its own.
const SECTOR: usize = 512;

/// A handle to the disk; the journal has another. It outlives the process.
#[derive(Clone)]
pub(crate) struct SimulatedDisk(Rc<RefCell<State>>);

struct State {
    files: Vec<File>,
    /// The directory as processes see it, and as it is on the platter.
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// Names that were given or taken since: the file, or none.
    unsynced_names: Vec<(String, Option<usize>)>,
    generator: Generator,
    life: Life,
    /// Of each hundred calls, so many fail.
    fault_percent: u64,
    /// The numbers of commands that were ever synced.
    kept: BTreeSet<u64>,
    /// Syncs and truncations that have failed: their files are given up, and what was written there is not relied on.
    given_up: u64,
}

#[derive(Default)]
struct File {
    content: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Change>,
    /// Up to here the commands in it were looked at.
    synced: usize,
}

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

impl SimulatedDisk {
    pub(crate) fn new(generator: Generator, life: Life) -> Self {
        Self(Rc::new(RefCell::new(State {
            files: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            unsynced_names: Vec::new(),
            generator,
            life,
            fault_percent: 0,
            kept: BTreeSet::new(),
            given_up: 0,
        })))
    }

    pub(crate) fn fail(&self, percent: u64) {
        self.0.borrow_mut().fault_percent = percent;
    }

    /// How many syncs and truncations have failed.
    pub(super) fn given_up(&self) -> u64 {
        self.0.borrow().given_up
    }

    /// Whether a command would survive a power cut, or would have until it was settled.
    pub(crate) fn has_kept(&self, command: u64) -> bool {
        self.0.borrow().kept.contains(&command)
    }

    /// What was not synced is there or not, whole or in part, in any order.
    pub(super) fn cut_power(&self) {
        self.0.borrow_mut().cut_power();
    }

    fn try_to<T>(&self, act: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.0.borrow_mut();
        state.call()?;
        act(&mut state)
    }

    /// The same for what cannot be tried again.
    fn try_once(&self, act: impl FnOnce(&mut State)) -> io::Result<()> {
        let result = self.try_to(|state| {
            act(state);
            Ok(())
        });
        self.0.borrow_mut().given_up += u64::from(result.is_err());
        result
    }
}

impl State {
    fn call(&mut self) -> io::Result<()> {
        match self.life.count_call() || self.generator.percent(self.fault_percent) {
            true => Err(io::Error::other("Input/output error")),
            false => Ok(()),
        }
    }

    fn named(&self, name: &str) -> io::Result<usize> {
        let file = self.names.get(name).copied();
        file.ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn change(&mut self, file: usize, change: Change) {
        let file = &mut self.files[file];
        let (Change::Write(from, _) | Change::Truncate(from)) = change;
        file.synced = file.synced.min(from);
        change.apply(&mut file.content);
        file.unsynced.push(change);
    }

    fn rename(&mut self, name: &str, file: Option<usize>) {
        apply_name(&mut self.names, name, file);
        self.unsynced_names.push((name.to_owned(), file));
    }

    fn sync(&mut self, file: usize) {
        let file = &mut self.files[file];
        for change in file.unsynced.drain(..) {
            change.apply(&mut file.durable);
        }
        self.kept.extend(commands_in(&file.content[file.synced..]));
        file.synced = file.content.len();
    }

    fn cut_power(&mut self) {
        let Self {
            files, generator, ..
        } = self;
        for file in files {
            let mut changes = std::mem::take(&mut file.unsynced);
            for last in (1..changes.len()).rev() {
                changes.swap(last, generator.index(last + 1));
            }
            for change in changes {
                change.apply_some(&mut file.durable, generator);
            }
            file.content.clone_from(&file.durable);
            file.synced = file.synced.min(file.content.len());
        }
        for (name, file) in std::mem::take(&mut self.unsynced_names) {
            if self.generator.percent(50) {
                apply_name(&mut self.durable_names, &name, file);
            }
        }
        self.names.clone_from(&self.durable_names);
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write(offset, bytes) => place(content, *offset, bytes),
            Self::Truncate(len) => content.truncate(*len),
        }
    }

    /// Some of it reaches the platter.
    fn apply_some(&self, content: &mut Vec<u8>, generator: &mut Generator) {
        let chance = generator.pick(&[0, 50, 90, 100]);
        match self {
            Self::Truncate(len) if generator.percent(chance) => content.truncate(*len),
            Self::Truncate(_) => {}
            Self::Write(offset, bytes) => {
                let mut start = 0;
                while start < bytes.len() {
                    let end = bytes.len().min(start + SECTOR - (offset + start) % SECTOR);
                    if generator.percent(chance) {
                        place(content, offset + start, &bytes[start..end]);
                    }
                    start = end;
                }
            }
        }
    }
}

fn place(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(bytes);
}

fn apply_name(names: &mut BTreeMap<String, usize>, name: &str, file: Option<usize>) {
    match file {
        Some(file) => _ = names.insert(name.to_owned(), file),
        None => _ = names.remove(name),
    }
}

/// The numbers of the commands whose `response_url` stands there: `/commands/T…/7/…`.
fn commands_in(bytes: &[u8]) -> Vec<u64> {
    let text = String::from_utf8_lossy(bytes);
    let paths = text.split("/commands/").skip(1);
    let numbers = paths.filter_map(|path| path.split('/').nth(1)?.parse().ok());
    numbers.collect()
}

impl Disk for SimulatedDisk {
    type File = usize;

    fn names(&mut self) -> io::Result<Vec<String>> {
        self.try_to(|state| Ok(state.names.keys().cloned().collect()))
    }

    fn read(&mut self, name: &str) -> io::Result<Box<dyn Read + '_>> {
        let content = self.try_to(|state| {
            let file = state.named(name)?;
            Ok(state.files[file].content.clone())
        })?;
        Ok(Box::new(Cursor::new(content)))
    }

    fn open(&mut self, name: &str) -> io::Result<usize> {
        self.try_to(|state| state.named(name))
    }

    fn create(&mut self, name: &str) -> io::Result<usize> {
        self.try_to(|state| {
            if state.names.contains_key(name) {
                return Err(ErrorKind::AlreadyExists.into());
            }
            state.files.push(File::default());
            let file = state.files.len() - 1;
            state.rename(name, Some(file));
            Ok(file)
        })
    }

    fn read_at(&mut self, file: &mut usize, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.try_to(|state| {
            let content = state.files[*file].content.get(offset as usize..);
            content.ok_or(ErrorKind::UnexpectedEof)?.read_exact(buffer)
        })
    }

    fn write(&mut self, file: &mut usize, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.0.borrow_mut();
        let was_dead = state.life.is_over();
        let result = state.call();
        let written = match result {
            Ok(()) => bytes.len(),
            Err(_) if was_dead => 0,
            Err(_) => state.generator.index(bytes.len() + 1),
        };
        if written > 0 {
            state.change(
                *file,
                Change::Write(offset as usize, bytes[..written].to_vec()),
            );
        }
        result
    }

    fn truncate(&mut self, file: &mut usize, len: u64) -> io::Result<()> {
        self.try_once(|state| state.change(*file, Change::Truncate(len as usize)))
    }

    fn sync(&mut self, file: &mut usize) -> io::Result<()> {
        self.try_once(|state| state.sync(*file))
    }

    fn sync_names(&mut self) -> io::Result<()> {
        self.try_once(|state| {
            state.unsynced_names.clear();
            state.durable_names = state.names.clone();
        })
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.try_to(|state| {
            state.rename(name, None);
            Ok(())
        })
    }

    fn keep_aside(&mut self, name: &str, aside: &str) -> io::Result<()> {
        self.try_to(|state| {
            let file = state.named(name)?;
            state.rename(aside, Some(file));
            Ok(())
        })
    }
}
