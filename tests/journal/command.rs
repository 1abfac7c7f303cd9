//! What is known of a command by those who sent it and those who got its reply.
//!
//! What the journal guarantees is said here, and no less: whatever it has made [`Known::Durable`] holds for good, what
//! it has [`Known::Written`] holds unless the power is cut, or the system has failed to sync it, and
//! then may have dropped it from memory as well. All else is not known, and then the reply may come once more.
//! What stands in files of an earlier process, or in one that has failed, becomes durable with the next checkpoint.

use torrap::jobs::ATTEMPTS_MAX;

/// How well the journal knows something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Known {
    /// Not at all: no process has been told yet.
    #[default]
    No,
    /// A process was told, and has not written it.
    Told,
    /// It was written to a file that has failed since: a process that is killed may leave nothing of it.
    Doubted,
    /// It was found in the files of an earlier process: only a power cut takes it away.
    Read,
    /// It has written it, and no sync has failed since.
    Written,
    /// And it was synced.
    Durable,
}

/// What is known of a command from outside.
#[derive(Debug, Default)]
pub struct Command {
    pub acknowledged: bool,
    /// If it was answered "busy", how well that is known.
    pub busy: Option<Known>,
    /// It was answered "busy", and a crash came before that was known well enough.
    pub may_return: bool,
    pub due: u64,
    pub expires: u64,
    /// Attempts that began, but for those that were told not to be posted.
    pub posts: u64,
    /// The same as far as the process can know, and how many of them have failed.
    attempts: u64,
    failed: Failed,
    /// Attempts that the receiver has answered for good.
    pub finals: u64,
    /// Whether one has since it was last found to be pending, and how well that is known.
    is_answered: bool,
    known: Known,
    /// Crashes at which this answer was not known well enough.
    unknown: u64,
    /// Whether a process that starts now must know of the answer.
    must_know_answer: bool,
    /// No process lived while it could still be answered.
    pub is_excused: bool,
}

/// How many failed attempts are known, and how well.
#[derive(Clone, Copy, Debug, Default)]
struct Failed {
    told: u64,
    written: u64,
    durable: u64,
    /// So many stand in files of an earlier process, or in one that has failed, and nowhere else.
    old: u64,
}

impl Failed {
    fn advance(&mut self, done: Done) {
        if done.sync_failed {
            self.old = self.old.max(self.written);
            self.written = self.durable;
        }
        if done.checkpointed || done.synced && self.told > self.old {
            (self.written, self.durable) = (self.told, self.told);
        } else if done.written && self.told > self.old {
            self.written = self.told;
        }
    }
}

/// What a commit has done.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    pub written: bool,
    pub synced: bool,
    /// A sync has failed, so that what was written before may be gone.
    pub sync_failed: bool,
    /// A checkpoint has ended.
    pub checkpointed: bool,
}

impl Known {
    fn advance(&mut self, done: Done) {
        *self = match *self {
            Self::No => Self::No,
            _ if done.checkpointed => Self::Durable,
            Self::Told if done.synced => Self::Durable,
            Self::Told if done.written => Self::Written,
            Self::Written if done.sync_failed => Self::Doubted,
            Self::Written if done.synced => Self::Durable,
            known => known,
        };
    }
}

impl Command {
    pub fn new(due: u64, expires: u64) -> Self {
        Self {
            due,
            expires,
            ..Self::default()
        }
    }

    /// An attempt begins; whether it may fail.
    pub fn post(&mut self) -> bool {
        assert!(!self.is_answered, "answered once more: {self:?}");
        let is_busy = self.busy.is_some() && !self.may_return;
        assert!(!is_busy, "answered after it was answered busy: {self:?}");
        self.posts += 1;
        self.attempts += 1;
        let max = u64::from(ATTEMPTS_MAX);
        assert!(self.attempts <= max, "tried too often: {self:?}");
        self.attempts < max
    }

    /// The receiver has answered for good.
    pub fn answer(&mut self) {
        self.finals += 1;
        self.is_answered = true;
        self.known = Known::No;
    }

    /// The process learns that the last attempt was answered for good.
    pub fn tell_final(&mut self) {
        self.known = Known::Told;
    }

    /// The process learns that the last attempt has failed, and may have reached the receiver.
    pub fn tell_failed(&mut self) {
        self.failed.told = self.attempts;
    }

    /// The process learns that nothing was posted: it does not count.
    pub fn tell_unsent(&mut self) {
        self.posts -= 1;
        self.attempts -= 1;
    }

    /// A commit has ended.
    pub fn commit(&mut self, done: Done) {
        self.known.advance(done);
        if let Some(busy) = &mut self.busy {
            busy.advance(done);
        }
        self.failed.advance(done);
    }

    /// The process or the machine stops, and what is not known so well may be forgotten.
    pub fn crash(&mut self, enough: Known) {
        self.may_return |= self.busy.is_some_and(|busy| busy < enough);
        self.must_know_answer = self.known >= enough;
        if !self.must_know_answer {
            self.known = Known::No;
        }
        let failed = &mut self.failed;
        if enough == Known::Durable {
            failed.written = failed.durable;
        }
        failed.told = failed.written;
        self.unknown += u64::from(self.is_answered && !self.must_know_answer);
    }

    /// A process has begun. The reply is pending, after so many failed attempts, and has made so sure of
    /// what it knows.
    pub fn find(&mut self, attempts: u64, sure: Known) {
        let is_known = self.is_answered && self.must_know_answer;
        assert!(!is_known, "pending, and known to be answered: {self:?}");
        let is_busy = self.busy.is_some() && !self.may_return;
        assert!(!is_busy, "pending after it was answered busy: {self:?}");
        let known = self.failed.told..=self.posts;
        assert!(known.contains(&attempts), "{attempts} attempts: {self:?}");
        self.attempts = attempts; // perhaps more than before: what was lost can be found again
        self.failed.told = attempts;
        self.read_again(sure);
        (self.is_answered, self.known) = (false, Known::No);
    }

    /// A process has begun, and the reply is not pending.
    pub fn miss(&mut self, sure: Known) {
        let is_done = self.finals > 0 || self.is_excused || !self.acknowledged;
        assert!(is_done, "acknowledged and lost: {self:?}");
        if self.is_answered && self.known < Known::Durable {
            self.known = sure;
        }
        if let Some(busy) = self.busy.as_mut().filter(|busy| **busy < Known::Durable) {
            *busy = sure;
        }
        self.read_again(sure);
    }

    /// What is known of failed attempts was read from files, and is so sure now.
    fn read_again(&mut self, sure: Known) {
        let failed = &mut self.failed;
        failed.old = failed.told;
        failed.written = match sure {
            Known::Read => failed.told,
            _ => failed.durable,
        };
    }

    /// At the end of all.
    pub fn check(&self) {
        let is_done = self.finals > 0 || self.is_excused || !self.acknowledged;
        assert!(is_done, "acknowledged and never answered: {self:?}");
        let most = 1 + self.unknown;
        assert!(self.finals <= most, "answered once too often: {self:?}");
    }
}
