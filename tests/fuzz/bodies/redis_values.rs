//! Values of the shared journal: what one replica seals another one opens, and nothing else opens; no bytes panic.

use super::input::Input;
use torrap::journal::{Entry, JournalTime};
use torrap::request_id::RequestId;
use torrap::shared_journal::{Head, Name, RedisTime, Sealer, Value};

const SECRETS: [&[u8]; 2] = [b"8f742231b10e8888abcd99yyyzzz85a5", b"another"];

/// The body: a name, a head, texts, and which byte is changed to what; the same bytes are a value as they are.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let name = match input.byte().is_multiple_of(2) {
        true => Name::of_request(RequestId(input.u64())),
        false => Name::numbered([input.byte(); 8], input.u64()),
    };
    let mut one = sealer(1);
    if let Some(value) = Value::read(bytes.to_vec()) {
        assert_eq!(value.as_bytes(), bytes);
        assert!(one.open(&name, &value).is_none(), "it was never sealed");
    }
    let head = Head {
        hint: 0,
        takeovers: input.byte(),
        expires: RedisTime(input.u64()),
        due: RedisTime(input.u64()),
        attempts: input.byte(),
        is_relied_on: input.byte().is_multiple_of(2),
    };
    let (place, change) = (input.u32() as usize, input.byte());
    let texts: Vec<_> = (0..5).map(|_| text(&mut input)).collect();
    let entry = Entry {
        due: JournalTime(head.due.0),
        expires_at: JournalTime(head.expires.0),
        attempts: head.attempts,
        command: &texts[0],
        origin: &texts[1],
        path: &texts[2],
        text: &texts[3],
        fields: &texts[4],
        is_late: change.is_multiple_of(2),
        request: name.is_of_request().then_some(RequestId(7)),
    };
    let value = one.seal(&name, &entry, &head);
    let mut other = sealer(2);
    let opened = other
        .open(&name, &value)
        .expect("it was sealed by the fleet");
    assert_eq!(opened.entry(&value.head()), Some(entry));
    let sealed_from = value.as_bytes().len() - value.sealed().len();
    let mut bytes = value.as_bytes().to_vec();
    let place = place % bytes.len();
    bytes[place] ^= change;
    let Some(changed) = Value::read(bytes) else {
        return assert_eq!(place, 0, "another format");
    };
    // The hint tells which secret is tried; the rest of the head is the scripts'.
    let is_opened = place < sealed_from && changed.head().hint == value.head().hint || change == 0;
    assert_eq!(other.open(&name, &changed).is_some(), is_opened);
    let elsewhere = Name::numbered([255; 8], 1);
    assert!(name == elsewhere || other.open(&elsewhere, &value).is_none());
}

fn sealer(id: u8) -> Sealer {
    Sealer::new(SECRETS, "bots", &mut |bytes| bytes.fill(id))
}

fn text(input: &mut Input<'_>) -> String {
    String::from_utf8_lossy(input.some()).into_owned()
}

/// Values of this format and of others, whole and cut off.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = [0, 1, 19, 20, 51, 52, 53, 300]
        .into_iter()
        .flat_map(|len| [0x15, 0x25, 0].map(|format| [&[format], &*vec![7; len]].concat()))
        .collect();
    // A head, the place and the change, and five texts.
    for place in [0, 1, 19, 20, 28, 36, 50, 200] {
        let mut seed = vec![0; 8 + 1 + 1 + 8 + 8 + 2];
        seed.extend([place, 0, 0, 0, 16]);
        seed.extend(b"\x07/torrap\x04http\x02/a\x05olleh\x00");
        seeds.push(seed);
    }
    seeds
}
