//! A journal of any bytes: its reader never panics, finds every intact record past any damage, says the
//! same each time, and the bot that starts on it goes on without losing one of them.

use std::collections::{BTreeMap, BTreeSet};

use super::files::Files;
use super::input::Input;
use super::segments::{self, Header, Said};
use torrap::app::Bot;
use torrap::config::{Config, Settings, SigningSecret};
use torrap::http::{Connection, Limits, Staging};
use torrap::journal::{Error, Journal, Recovery};
use torrap::slack::request;
use torrap::slack::response_url::Origin;
use torrap::store::{Batch, PendingJob};
use torrap::time::{Now, Tick, UnixTime};
use torrap::tools::journal::Report;

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const ORIGIN: &str = "https://hooks.slack.com";
const TEXT: &str = "olleh";
const NOW: Now = Now {
    tick: Tick(0),
    unix: UnixTime(1_600_000_000_000),
};

/// The body: the number of the first segment, and what stands in each.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    // Job numbers that no bot comes to, since it gives them out one by one, or such as it has.
    let numbers = if bytes.first() > Some(&127) {
        u64::MAX >> 1
    } else {
        0xffff
    };
    let files = segments::compose(&mut input, numbers, ORIGIN);
    let shown = show(&files);
    assert_eq!(show(&files), shown, "looking changes nothing");
    let Some((mut process, recovery)) = Process::start(files.clone()) else {
        assert_eq!(shown, None);
        return;
    };
    let (_, again) = Process::start(files.clone()).expect("as before");
    assert_eq!(again, recovery, "the same each time");
    let pending = process.pending.clone();
    assert_eq!(pending.len(), recovery.pending);
    let shown = shown.expect("what can be started on can be looked at");
    assert_eq!(shown, recovery.pending + recovery.not_allowed);
    let expected = surely_pending(&files);
    if let Some(expected) = &expected {
        assert!(is_part(expected, &pending), "{expected:?} of {pending:?}");
    }
    match expected {
        Some(expected) if numbers == 0xffff => goes_on(process, expected),
        _ => _ = process.accept(),
    }
}

/// One more command: it is pending with the others when the next process starts, and so it is when the journal has
/// copied all that is pending and deleted the old segments.
fn goes_on(mut process: Process, mut expected: Vec<String>) {
    let mut all = process.pending.clone();
    let pending = all.len();
    let is_kept = process.accept();
    if is_kept {
        expected.push(TEXT.to_owned());
    }
    let files = process.journal.disk().clone();
    if is_kept {
        all.push(TEXT.to_owned());
    }
    // Unless the numbers of segments come to their end.
    if is_kept && *files.0.keys().max().expect("a segment") < segments::name(u32::MAX - 8) {
        process.tend();
        let files = process.journal.disk().clone();
        let (process, recovery) = Process::start(files).expect("its own journal");
        let mut copied = process.pending;
        copied.sort_unstable();
        all.sort_unstable();
        assert_eq!(copied, all, "a checkpoint changes nothing");
        assert_eq!((recovery.damages, recovery.torn_bytes), (0, 0));
    }
    let is_full = files.0.contains_key(&segments::name(u32::MAX));
    assert!(is_kept || is_full, "a disk that works takes a command");
    let (process, _) = Process::start(files).expect("its own journal");
    let later = process.pending;
    assert!(is_part(&expected, &later), "{expected:?} of {later:?}");
    assert!(later.len() <= pending + 1, "none is pending again");
}

/// Whether each of these is there, as often as it is here.
fn is_part(few: &[String], all: &[String]) -> bool {
    let count = |texts: &[String], text| texts.iter().filter(|other| *other == text).count();
    few.iter().all(|text| count(few, text) <= count(all, text))
}

/// The segments that count: from the oldest on of which the newest intact header says so to the end of the run of
/// numbers that it is in, or that run alone if it says nothing. `None` if there is no intact header.
fn proven(files: &Files) -> Option<Vec<u32>> {
    let names = files.0.keys();
    let numbers: Vec<u32> = names.filter_map(|name| name[..10].parse().ok()).collect();
    let is_intact = |number: &u32| header(files, *number).is_some();
    let mut runs: Vec<&[u32]> = numbers.chunk_by(|a, b| b - a == 1).collect();
    runs.retain(|run| run.iter().any(is_intact));
    let run = runs.pop()?;
    let newest = *run.iter().rfind(|number| is_intact(number))?;
    let oldest = match header(files, newest)?.oldest {
        0 => *run.first()?,
        oldest => oldest.min(newest),
    };
    let counting = oldest..=*run.last()?;
    Some(
        numbers
            .iter()
            .copied()
            .filter(|number| counting.contains(number))
            .collect(),
    )
}

/// The header of this segment, if there is one.
fn header(files: &Files, segment: u32) -> Option<Header> {
    Header::read(files.0.get(&segments::name(segment))?, segment)
}

/// The texts of jobs that are pending whatever else the files say; `None` if nothing is sure, since a time in them
/// is beyond all times, or nothing shows which of them are the journal.
fn surely_pending(files: &Files) -> Option<Vec<String>> {
    let numbers = proven(files)?;
    let (mut accepted, mut settled) = (BTreeMap::new(), BTreeSet::new());
    let mut withdrawn = Vec::new();
    for number in &numbers {
        let bytes = &files.0[&segments::name(*number)];
        let next = number.checked_add(1).and_then(|next| header(files, next));
        let end = next.map_or(u64::MAX, |next| next.previous_end);
        let end = bytes.len().min(end as usize);
        for said in segments::said(&bytes[..end], *number) {
            match said {
                Said::Accepted(number, job) => _ = accepted.insert(number, job),
                Said::Settled(number) => _ = settled.insert(number),
                Said::Withdrawn(first, last) => withdrawn.push(first..=last),
                Said::Batch(journal) if journal > 1 << 62 => return None,
                _ => {}
            }
        }
    }
    let is_sure = |(number, job): &(u64, segments::Job)| {
        let is_allowed = job.origin == ORIGIN && ["/a", "/b/c?d"].contains(&&*job.path);
        let is_over = settled.contains(number) || withdrawn.iter().any(|all| all.contains(number));
        is_allowed && job.expires == u64::MAX && !is_over
    };
    Some(
        accepted
            .into_iter()
            .filter(is_sure)
            .map(|(_, job)| job.text)
            .collect(),
    )
}

/// How many replies are pending, as the report says.
fn show(files: &Files) -> Option<usize> {
    let look = || match Report::of(&mut files.clone(), NOW.unix, true) {
        Err(Error::Version { .. }) => None,
        result => Some(result.expect("all can be read")),
    };
    let report = look()?;
    let text = report.to_string();
    assert_eq!(look()?.to_string(), text, "the same each time");
    let number = |line: &str| {
        let mut numbers = text.lines().filter_map(|other| other.strip_prefix(line));
        numbers.next()?.parse::<usize>().ok()
    };
    let pending = number("pending: ")?;
    let expired = number("expired and not answered: ")?;
    assert_eq!(report.jobs().count(), pending + expired);
    Some(pending)
}

/// The bot and its journal.
struct Process {
    /// The texts of what was pending at its start.
    pending: Vec<String>,
    bot: Bot,
    journal: Journal<Files>,
}

impl Process {
    /// `None` on a format that is not known.
    fn start(files: Files) -> Option<(Self, Recovery)> {
        let secret = SigningSecret::new(SECRET).expect("a secret");
        let mut config =
            Config::from_settings(&Settings::default(), vec![secret]).expect("defaults");
        config.reply_origins = vec![Origin::parse(ORIGIN).expect("an origin")];
        let mut bot = Bot::new(&config, NOW.tick);
        let mut pending = Vec::new();
        let restore = |number, job: &PendingJob<'_>| {
            let key = bot.restore(number, job, NOW.tick)?;
            pending.push(job.text.to_owned());
            Some(key)
        };
        match Journal::open(files, NOW, restore) {
            Err(Error::Version { .. }) => None,
            result => {
                let (journal, recovery) = result.expect("damage is no reason");
                bot.begin_store(journal.next_job());
                assert_eq!(bot.pending(), pending.len());
                Some((
                    Self {
                        pending,
                        bot,
                        journal,
                    },
                    recovery,
                ))
            }
        }
    }

    /// A turn with a command; whether it may be acknowledged.
    fn accept(&mut self) -> bool {
        let content = request::form("/torrap", TEXT, &format!("{ORIGIN}/1"));
        let mut request = request::signed(SECRET.as_bytes(), NOW.unix.secs(), content.as_bytes());
        let (mut staging, limits) = (Staging::default(), Limits::default());
        staging.begin(NOW.unix);
        let mut connection = Connection::new(NOW.tick, &limits);
        let bot = &mut self.bot;
        let handler = |request: &torrap::http::Request<'_>| bot.handle_request(request, NOW);
        connection.receive(&mut request, NOW.tick, &limits, &mut staging, handler);
        let (ticket, batch) = self.bot.take_batch();
        let is_kept = self.journal.commit(batch, NOW).is_ok();
        batch.clear();
        self.bot.handle_stored(ticket, is_kept, NOW);
        is_kept
    }
}

impl Process {
    /// Does what the journal asks for until there is nothing left.
    fn tend(&mut self) {
        for _ in 0..1_000 {
            if self.journal.poll_timeout().is_none_or(|at| at > NOW.tick) {
                return;
            }
            let result = self.journal.commit(&Batch::default(), NOW);
            result.expect("a disk that works");
        }
        panic!("it does not come to an end");
    }
}

/// Segments as a bot leaves them, and what becomes of them.
pub fn seeds() -> Vec<Vec<u8>> {
    let job_of = |kind: u8, number: u8, text: &[u8]| {
        let front = [
            &[kind, number][..],
            &[0; 8],
            &[0, 0, 0, text.len() as u8],
            text,
        ];
        [front.concat(), vec![0, 0]].concat()
    };
    let job = |number: u8, text: &[u8]| job_of(7, number, text);
    // In format 1, which has nothing behind the attempts.
    let job_1 = |number: u8, text: &[u8]| {
        let mut job = job_of(6, number, text);
        job.pop();
        job
    };
    let batch = || vec![2, 0, 0, 0, 0, 0, 3, 1];
    let settled = |number: u8| vec![0, number];
    let segment = |front: &[u8], pieces: &[Vec<u8>]| {
        [front, &[pieces.len() as u8], &pieces.concat(), &[0]].concat()
    };
    let intact = &[0, 4, 0][..];
    let first = segment(intact, &[batch(), job(1, b"one"), job(2, b"two")]);
    let second = segment(intact, &[batch(), settled(1), job(3, b"three")]);
    let all =
        |first_number: u8, segments: &[&[u8]]| [&[first_number], &segments.concat()[..]].concat();
    let mut seeds = vec![
        all(0, &[&first]),
        all(0, &[&first, &second]),
        all(5, &[&first, &second]),
        all(4, &[&first, &second, &first, &second, &first, &second]),
    ];
    // Segments of format 1, alone and before one of format 2, and a header that says that they count no more.
    let format_1 = &[48, 4, 0][..];
    let earlier = segment(format_1, &[batch(), job_1(1, b"one"), job_1(2, b"two")]);
    let copy = segment(intact, &[batch(), job(2, b"two"), job(3, b"three")]);
    let checkpoint = segment(&[3, 4, 0], &[batch(), job(2, b"two")]);
    seeds.push(all(0, &[&earlier]));
    seeds.push(all(0, &[&earlier, &copy]));
    seeds.push(all(0, &[&earlier, &copy, &checkpoint]));
    // The header of the second: cut, garbage, a flipped bit, another's, an unknown version; its end.
    let bad = [
        [7, 4, 0],
        [9, 4, 0],
        [11, 4, 0],
        [13, 4, 0],
        [255, 4, 0],
        [0, 0, 0],
        [0, 3, 0],
    ];
    for front in bad {
        seeds.push(all(
            1,
            &[&first, &segment(&front, &[batch(), job(4, b"four")])],
        ));
    }
    // Records that are damaged, cut or doubled, and what stands between them.
    for piece in [
        [vec![15], job(1, b"x")[1..].to_vec(), vec![7, 3]].concat(),
        [vec![23], job(1, b"x")[1..].to_vec(), vec![40]].concat(),
        [vec![31], job(1, b"x")[1..].to_vec()].concat(),
        vec![5, 1, 1],
        vec![3, 0, 12, 40, 0, 0, 0, 9, 9, 9, 9, 1, 9, 9, 9],
        vec![4, 0, 200],
        vec![0, 255, 255, 255, 255, 255, 255, 255, 255, 255],
    ] {
        seeds.push(all(0, &[&segment(intact, &[batch(), piece, job(2, b"y")])]));
    }
    seeds
}
