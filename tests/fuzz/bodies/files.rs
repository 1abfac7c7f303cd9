//! The files of a journal, in memory.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};

use torrap::journal::Disk;

/// Files by name. A clone has its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files(pub BTreeMap<String, Vec<u8>>);

impl Disk for Files {
    type File = String;

    fn names(&mut self) -> io::Result<Vec<String>> {
        Ok(self.0.keys().cloned().collect())
    }

    fn read(&mut self, name: &str) -> io::Result<Box<dyn Read + '_>> {
        let bytes = self.0.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Cursor::new(bytes)))
    }

    fn open(&mut self, name: &str) -> io::Result<String> {
        self.0.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(name.to_owned())
    }

    fn create(&mut self, name: &str) -> io::Result<String> {
        if self.0.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.0.insert(name.to_owned(), Vec::new());
        Ok(name.to_owned())
    }

    fn read_at(&mut self, file: &mut String, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let content = self.0.get(file).ok_or(io::ErrorKind::NotFound)?;
        let content = content.get(offset as usize..);
        content
            .ok_or(io::ErrorKind::UnexpectedEof)?
            .read_exact(buffer)
    }

    fn write(&mut self, file: &mut String, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let content = self.0.get_mut(file).ok_or(io::ErrorKind::NotFound)?;
        content.truncate(offset as usize);
        content.resize(offset as usize, 0);
        content.extend_from_slice(bytes);
        Ok(())
    }

    fn truncate(&mut self, file: &mut String, len: u64) -> io::Result<()> {
        let content = self.0.get_mut(file).ok_or(io::ErrorKind::NotFound)?;
        content.truncate(len as usize);
        Ok(())
    }

    fn sync(&mut self, _: &mut String) -> io::Result<()> {
        Ok(())
    }

    fn sync_names(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        let removed = self.0.remove(name);
        removed
            .map(drop)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn keep_aside(&mut self, name: &str, aside: &str) -> io::Result<()> {
        let bytes = self.0.get(name).ok_or(io::ErrorKind::NotFound)?.clone();
        self.0.entry(aside.to_owned()).or_insert(bytes);
        Ok(())
    }
}
