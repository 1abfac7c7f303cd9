//! A job as a record has it: what another process needs to answer it.
//!
//! It has two times, the count of its attempts, three lengths and three texts. Optional fields follow: each is a tag of one
//! byte, a length of two, and that many bytes. A reader skips tags that it does not know.

use super::JournalTime;
use crate::request_id::RequestId;
use crate::store::StoredJob;

/// The length of what stands before the lengths: two times and a count.
pub(super) const TIMES_BYTES: usize = 2 * 8 + 1;
/// The length of the lengths: of origin, path and text; in format 1, of command, origin and path.
pub(super) const LENGTHS_BYTES: usize = 2 + 2 + 4;
pub(super) const LENGTHS_BYTES_1: usize = 3 * 2;
/// The tags: of the command's built-in name, of the id of the request that has made the job, of the fields that the command
/// wants kept, and of what says that the command came late.
const COMMAND: u8 = 1;
pub(super) const REQUEST: u8 = 2;
const FIELDS: u8 = 3;
const LATE: u8 = 4;

/// A job whose times are the journal's.
pub type Entry<'a> = StoredJob<&'a str, JournalTime>;

impl<'a> Entry<'a> {
    /// CRC-32 of what stays as it is when the record is repeated.
    pub(super) fn checksum(&self) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.expires_at.0.to_le_bytes());
        for text in [self.command, self.origin, self.path, self.text, self.fields] {
            hasher.update(text.as_bytes());
            hasher.update(&[0xff]); // no UTF-8 has it
        }
        if let Some(request) = self.request {
            hasher.update(&request.0.to_le_bytes());
        }
        hasher.finalize()
    }

    pub(super) fn append(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.due.0.to_le_bytes());
        out.extend_from_slice(&self.expires_at.0.to_le_bytes());
        out.push(self.attempts);
        self.append_texts(out);
    }

    /// Appends all but the times and the attempts, which a shared journal keeps elsewhere.
    pub(crate) fn append_texts(&self, out: &mut Vec<u8>) {
        let short = |text: &str| u16::try_from(text.len()).expect("names and URLs are short");
        for text in [self.origin, self.path] {
            out.extend_from_slice(&short(text).to_le_bytes());
        }
        out.extend_from_slice(&(self.text.len() as u32).to_le_bytes());
        for text in [self.origin, self.path, self.text] {
            out.extend_from_slice(text.as_bytes());
        }
        let mut append_tagged = |tag, field: &[u8]| {
            let len = u16::try_from(field.len()).expect("fields are short");
            out.push(tag);
            out.extend_from_slice(&len.to_le_bytes());
            out.extend_from_slice(field);
        };
        append_tagged(COMMAND, self.command.as_bytes());
        if let Some(request) = self.request {
            append_tagged(REQUEST, &request.0.to_le_bytes());
        }
        if !self.fields.is_empty() {
            append_tagged(FIELDS, self.fields.as_bytes());
        }
        if self.is_late {
            append_tagged(LATE, &[]);
        }
    }

    pub(super) fn read(mut reader: Reader<'a>) -> Option<Self> {
        let mut entry = Self::read_times(&mut reader)?;
        entry.read_texts(reader.0)?;
        Some(entry)
    }

    /// Reads what [`Self::append_texts`] has appended.
    pub(crate) fn read_texts(&mut self, bytes: &'a [u8]) -> Option<()> {
        let mut reader = Reader(bytes);
        let entry = self;
        let [origin, path] = [reader.short()?, reader.short()?];
        let text = reader.length()?;
        entry.origin = reader.text(origin)?;
        entry.path = reader.text(path)?;
        entry.text = reader.text(text)?;
        while !reader.0.is_empty() {
            let (tag, len) = (reader.byte()?, reader.short()?);
            let field = reader.bytes(len)?;
            match tag {
                COMMAND => entry.command = std::str::from_utf8(field).ok()?,
                FIELDS => entry.fields = std::str::from_utf8(field).ok()?,
                LATE => entry.is_late = true,
                // An id of another length counts as none: the job is worth more.
                REQUEST => {
                    let id = field.try_into().ok().map(u64::from_le_bytes);
                    entry.request = id.map(RequestId);
                }
                _ => {}
            }
        }
        Some(())
    }

    pub(super) fn read_1(mut reader: Reader<'a>) -> Option<Self> {
        let mut entry = Self::read_times(&mut reader)?;
        let [command, origin, path] = [reader.short()?, reader.short()?, reader.short()?];
        entry.command = reader.text(command)?;
        entry.origin = reader.text(origin)?;
        entry.path = reader.text(path)?;
        entry.text = std::str::from_utf8(reader.0).ok()?;
        Some(entry)
    }

    fn read_times(reader: &mut Reader<'_>) -> Option<Self> {
        let [due, expires_at] = [reader.number()?, reader.number()?].map(JournalTime);
        Some(Self::without_texts(due, expires_at, reader.byte()?))
    }

    /// What [`Self::read_texts`] completes.
    pub(crate) const fn without_texts(
        due: JournalTime,
        expires_at: JournalTime,
        attempts: u8,
    ) -> Self {
        Self {
            due,
            expires_at,
            attempts,
            command: "",
            origin: "",
            path: "",
            text: "",
            fields: "",
            is_late: false,
            request: None,
        }
    }
}

/// What is left of a payload.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take().map(|[byte]| byte)
    }

    pub(super) fn short(&mut self) -> Option<usize> {
        self.take().map(u16::from_le_bytes).map(usize::from)
    }

    pub(super) fn length(&mut self) -> Option<usize> {
        self.take().map(u32::from_le_bytes).map(|len| len as usize)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    pub(super) fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(super) fn text(&mut self, len: usize) -> Option<&'a str> {
        std::str::from_utf8(self.bytes(len)?).ok()
    }
}
