//! A disk in memory that fails at times. What a journal does on it after a crash is not seen here, but in
//! `tests/journal`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Cursor, ErrorKind, Read};
use std::rc::Rc;

use super::Generator;
use crate::journal::Disk;

/// A handle to the disk; the journal has another.
#[derive(Clone)]
pub(crate) struct SimulatedDisk(Rc<RefCell<State>>);

struct State {
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    generator: Generator,
    /// Of each hundred calls, so many fail.
    fault_percent: u64,
    /// The texts of commands that were ever synced.
    kept: BTreeSet<String>,
}

#[derive(Default)]
struct File {
    content: Vec<u8>,
    synced: usize,
}

impl SimulatedDisk {
    pub(crate) fn new(generator: Generator) -> Self {
        Self(Rc::new(RefCell::new(State {
            files: Vec::new(),
            names: BTreeMap::new(),
            generator,
            fault_percent: 0,
            kept: BTreeSet::new(),
        })))
    }

    pub(crate) fn fail(&self, percent: u64) {
        self.0.borrow_mut().fault_percent = percent;
    }

    /// Whether a command would survive a power cut, or would have until it was settled.
    pub(crate) fn has_kept(&self, id: &str) -> bool {
        self.0.borrow().kept.contains(id)
    }

    fn try_to<T>(&self, act: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.0.borrow_mut();
        state.fails()?;
        act(&mut state)
    }
}

impl State {
    fn fails(&mut self) -> io::Result<()> {
        match self.generator.percent(self.fault_percent) {
            true => Err(io::Error::other("Input/output error")),
            false => Ok(()),
        }
    }

    fn named(&self, name: &str) -> io::Result<usize> {
        let file = self.names.get(name).copied();
        file.ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn write(&mut self, file: usize, offset: usize, bytes: &[u8]) {
        let file = &mut self.files[file];
        let end = offset + bytes.len();
        if file.content.len() < end {
            file.content.resize(end, 0);
        }
        file.content[offset..end].copy_from_slice(bytes);
        file.synced = file.synced.min(offset);
    }

    fn note_synced(&mut self, file: usize) {
        let file = &mut self.files[file];
        let text = String::from_utf8_lossy(&file.content[file.synced..]);
        file.synced = file.content.len();
        // A command's text is a number between two letters.
        let numbers = text.split('c').filter(|part| !part.is_empty());
        let digits = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
        let ids = numbers.filter(digits).map(|number| format!("c{number}c"));
        self.kept.extend(ids);
    }
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
            assert!(!state.names.contains_key(name), "{name} is there");
            state.files.push(File::default());
            let file = state.files.len() - 1;
            state.names.insert(name.to_owned(), file);
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
        let result = state.fails();
        let written = match result {
            Ok(()) => bytes.len(),
            Err(_) => state.generator.index(bytes.len() + 1),
        };
        state.write(*file, offset as usize, &bytes[..written]);
        result
    }

    fn truncate(&mut self, file: &mut usize, len: u64) -> io::Result<()> {
        self.try_to(|state| {
            state.files[*file].content.truncate(len as usize);
            Ok(())
        })
    }

    fn sync(&mut self, file: &mut usize) -> io::Result<()> {
        self.try_to(|state| {
            state.note_synced(*file);
            Ok(())
        })
    }

    fn sync_names(&mut self) -> io::Result<()> {
        self.try_to(|_| Ok(()))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.try_to(|state| {
            state.names.remove(name);
            Ok(())
        })
    }

    fn keep_aside(&mut self, name: &str, aside: &str) -> io::Result<()> {
        self.try_to(|state| {
            let file = state.named(name)?;
            state.names.insert(aside.to_owned(), file);
            Ok(())
        })
    }
}
