//! Tests of records as bytes.

use super::super::entry::REQUEST;
use super::*;
use crate::request_id::RequestId;
use proptest::prelude::*;

const ENTRY: Entry<'_> = Entry {
    due: JournalTime(1_591_158_020_123),
    expires_at: JournalTime(u64::MAX),
    attempts: 4,
    command: "/torrap",
    origin: "https://hooks.slack.com",
    path: "/commands/é",
    text: "text 👍",
    fields: "",
    is_late: false,
    request: None,
};

/// One whose command wants fields kept, and that came late.
const LARGE: Entry<'_> = Entry {
    fields: "\u{2}\u{2}U1\u{3}\u{2}é",
    is_late: true,
    ..ENTRY
};

const WITH_REQUEST: Entry<'_> = Entry {
    request: Some(RequestId(0x0102_0304_0506_0708)),
    ..ENTRY
};

fn all() -> [Record<'static>; 7] {
    [
        Record::Accepted(u64::MAX, ENTRY),
        Record::Accepted(2, LARGE),
        Record::Accepted(1, WITH_REQUEST),
        Record::Settled(7),
        Record::Failed {
            number: 8,
            attempts: 2,
            due: JournalTime(9),
        },
        Record::Batch {
            journal: JournalTime(1),
            unix: UnixTime(2),
            synced: 3,
        },
        Record::Withdrawn { first: 4, last: 5 },
    ]
}

#[test]
fn records_are_read_as_they_were_written() {
    let mut batch = Vec::new();
    let lens = all().map(|record| record.append(&mut batch));
    seal(&mut batch, 3);
    let mut rest = &batch[..];
    for (record, len) in all().iter().zip(lens) {
        assert_eq!(claimed_len(rest), Some(len));
        assert!(is_intact(&rest[..len], 3));
        assert_eq!(Record::read(&rest[..len]).as_ref(), Some(record));
        rest = &rest[len..];
    }
    assert!(rest.is_empty());
}

#[test]
fn how_much_is_synced_is_said_when_the_batch_is_written() {
    let (journal, unix) = (JournalTime(1), UnixTime(2));
    let batch = |synced| Record::Batch {
        journal,
        unix,
        synced,
    };
    let mut bytes = Vec::new();
    batch(0).append(&mut bytes);
    set_synced(&mut bytes, 4711);
    assert_eq!(Record::read(&bytes), Some(batch(4711)));
}

#[test]
fn a_settled_job_costs_17_bytes() {
    assert_eq!(Record::Settled(1).append(&mut Vec::new()), 17);
    let fixed = HEAD_BYTES + 8 + 8 + 1 + 8 + 3;
    let texts = "/torraphttps://hooks.slack.com/commands/étext 👍".len();
    let len = Record::Accepted(1, ENTRY).append(&mut Vec::new());
    assert_eq!(len, fixed + texts);
    let with_request = Record::Accepted(1, WITH_REQUEST).append(&mut Vec::new());
    assert_eq!(with_request, len + 3 + 8);
}

/// Its reply is posted all the same.
#[test]
fn a_request_id_of_another_length_is_none() {
    let mut bytes = Vec::new();
    let len = Record::Accepted(1, ENTRY).append(&mut bytes);
    for id in [&[REQUEST, 0, 0][..], &[REQUEST, 2, 0, 7, 8]] {
        bytes.truncate(len);
        bytes.extend_from_slice(id);
        assert_eq!(Record::read(&bytes), Some(Record::Accepted(1, ENTRY)));
    }
}

#[test]
fn a_job_costs_what_its_command_wants_kept_and_no_more() {
    let len = |entry| Record::Accepted(1, entry).append(&mut Vec::new());
    assert_eq!(len(LARGE), len(ENTRY) + 3 + LARGE.fields.len() + 3);
    let without = Entry {
        fields: "",
        is_late: false,
        ..LARGE
    };
    assert_ne!(LARGE.checksum(), without.checksum());
}

/// What 0.1.0 wrote: the three lengths, the command's name first, and the text up to the end.
#[test]
fn an_accepted_record_of_format_1_is_read() {
    let texts = [ENTRY.command, ENTRY.origin, ENTRY.path];
    let lengths = texts.map(|text| (text.len() as u16).to_le_bytes());
    let mut payload = [ENTRY.due.0.to_le_bytes(), ENTRY.expires_at.0.to_le_bytes()].concat();
    payload.push(ENTRY.attempts);
    payload.extend_from_slice(&lengths.concat());
    payload.extend_from_slice(texts.concat().as_bytes());
    payload.extend_from_slice(ENTRY.text.as_bytes());
    let mut record = (payload.len() as u32).to_le_bytes().to_vec();
    record.extend_from_slice(&[0, 0, 0, 0, ACCEPTED_1, 9, 0, 0, 0, 0, 0, 0, 0]);
    record.extend_from_slice(&payload);
    assert_eq!(Record::read(&record), Some(Record::Accepted(9, ENTRY)));
    assert_eq!(claimed_len(&record), Some(record.len()));
    assert!(is_plausible(&record));
    record.pop();
    assert_eq!(Record::read(&record), None, "half of its emoji is gone");
}

#[test]
fn fields_that_are_not_known_are_skipped_and_none_has_to_be_there() {
    let mut bytes = Vec::new();
    let len = Record::Accepted(1, ENTRY).append(&mut bytes);
    let fields = len - 3 - ENTRY.command.len();
    bytes.splice(fields..fields, [200, 2, 0, b'h', b'i', 201, 0, 0]);
    bytes.extend_from_slice(&[255, 1, 0, 0xff]);
    assert_eq!(Record::read(&bytes), Some(Record::Accepted(1, ENTRY)));
    let without = Entry {
        command: "",
        ..ENTRY
    };
    let read = Record::read(&bytes[..fields]);
    assert_eq!(read, Some(Record::Accepted(1, without)));
    for cut in 1..4 {
        assert_eq!(Record::read(&bytes[..bytes.len() - cut]), None, "{cut}");
    }
}

/// Rule 1: old bytes and misplaced blocks never check.
#[test]
fn a_record_checks_in_its_own_segment_alone() {
    let mut record = Vec::new();
    Record::Accepted(1, ENTRY).append(&mut record);
    seal(&mut record, 5);
    for other in (0..1000).filter(|number| *number != 5) {
        assert!(!is_intact(&record, other), "{other}");
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let mut record = Vec::new();
    Record::Accepted(1, ENTRY).append(&mut record);
    seal(&mut record, 5);
    for bit in 0..record.len() * 8 {
        record[bit / 8] ^= 1 << (bit % 8);
        assert!(!is_intact(&record, 5), "bit {bit}");
        record[bit / 8] ^= 1 << (bit % 8);
    }
    assert!(is_intact(&record, 5));
}

#[test]
fn zeros_are_no_record() {
    assert_eq!(claimed_len(&[0; 64]), None);
    assert_eq!(claimed_len(&[]), None);
    assert_eq!(claimed_len(&[0; 8]), None);
}

#[test]
fn a_length_that_no_record_of_its_kind_has_is_no_claim() {
    for record in all() {
        let mut bytes = Vec::new();
        let len = record.append(&mut bytes);
        assert_eq!(claimed_len(&bytes), Some(len));
        assert!(is_plausible(&bytes), "{record:?}");
        bytes[2] = 0x10; // a megabyte more
        assert_eq!(claimed_len(&bytes), None, "{record:?}");
    }
    let mut bytes = Vec::new();
    Record::Accepted(1, ENTRY).append(&mut bytes);
    bytes[HEAD_BYTES + 17] += 1; // its command is said to be longer
    assert!(claimed_len(&bytes).is_some() && !is_plausible(&bytes));
}

#[test]
fn a_payload_of_the_wrong_length_is_no_record() {
    for record in all() {
        let mut bytes = Vec::new();
        record.append(&mut bytes);
        bytes.push(b'x');
        assert_eq!(Record::read(&bytes), None, "longer");
        bytes.truncate(bytes.len() - 2);
        assert_eq!(Record::read(&bytes), None, "shorter");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = (Record::read(&bytes), claimed_len(&bytes), is_intact(&bytes, 1));
    }
}
