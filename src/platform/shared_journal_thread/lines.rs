//! What the log says of a fleet's journal: why commands are answered "busy", what became of the replies of dead processes, and
//! the name of this process in the fleet.

use std::fmt;

use log::Level;

use crate::shared_journal::Trouble;
use crate::telemetry::log_limiter::LogLimiter;
use crate::telemetry::metrics::FleetCounters;
use crate::time::Tick;

/// Lines that tell of trouble with Redis in one period: one that comes and goes has a sum.
const LINES_PER_PERIOD: u32 = 5;
const PERIOD_MS: u64 = 60_000;

/// Tells of each kind of trouble once while it lasts, and of its end. A Redis that is away and comes back with another password is
/// two kinds: the second line is the one that helps.
pub(super) struct TroubleLines {
    /// The kind of trouble that there is.
    kind: Option<usize>,
    /// Whether the log has told of this kind.
    is_told: bool,
    /// Whether it has told of any kind since commands were last taken.
    is_begun: bool,
    limiter: LogLimiter<1>,
}

impl TroubleLines {
    pub(super) const fn new() -> Self {
        Self {
            kind: None,
            is_told: false,
            is_begun: false,
            limiter: LogLimiter::new(PERIOD_MS, LINES_PER_PERIOD),
        }
    }

    /// Passes on what is new.
    pub(super) fn tell(
        &mut self,
        cause: Option<&Trouble>,
        now: Tick,
        mut say: impl FnMut(&dyn fmt::Display),
    ) {
        let kind = cause.map(Trouble::kind);
        if kind != self.kind {
            (self.kind, self.is_told) = (kind, false);
            match cause {
                Some(cause) if self.limiter.note(0, now) => self.tell_cause(cause, &mut say),
                None if self.is_begun => {
                    self.is_begun = false;
                    say(&"Redis takes commands again");
                }
                _ => {}
            }
        }
        if let Some([count]) = self.limiter.poll_sums(now) {
            let period = PERIOD_MS / 1000;
            say(&format_args!(
                "{count} more times within {period} s, Redis did not take commands"
            ));
            // It came and went, and now it lasts.
            if let Some(cause) = cause.filter(|_| !self.is_told) {
                self.tell_cause(cause, &mut say);
            }
        }
    }

    fn tell_cause(&mut self, cause: &Trouble, say: &mut impl FnMut(&dyn fmt::Display)) {
        (self.is_told, self.is_begun) = (true, true);
        say(&format_args!(
            "{cause}; commands are answered \"busy\" until Redis takes them"
        ));
    }
}

/// Of what became of the replies of dead processes, one line of each kind in a period.
const TAKEN_PERIOD_MS: u64 = 2_000;

/// Tells how many replies of dead processes were taken over, and how many were not, and why.
#[derive(Default)]
pub(super) struct TakeLines {
    /// How many the log has told of, by what became of them, and when it did.
    told: [u64; 4],
    told_at: Option<Tick>,
}

impl TakeLines {
    /// How many had each end so far.
    pub(super) const fn ends(fleet: &FleetCounters) -> [u64; 4] {
        [
            fleet.taken_over,
            fleet.expired,
            fleet.poisoned,
            fleet.unreadable,
        ]
    }

    /// Passes on what is new, unless the last lines are of just now.
    pub(super) fn tell(
        &mut self,
        counts: [u64; 4],
        now: Tick,
        mut say: impl FnMut(Level, &dyn fmt::Display),
    ) {
        let is_early = |at: Tick| now.millis_since(at) < TAKEN_PERIOD_MS;
        if counts == self.told || self.told_at.is_some_and(is_early) {
            return;
        }
        let told = std::mem::replace(&mut self.told, counts);
        self.told_at = Some(now);
        let more = |kind: usize| (counts[kind] > told[kind]).then(|| counts[kind] - told[kind]);
        if let Some(more) = more(0) {
            say(
                Level::Info,
                &format_args!("took over {more} replies of processes of the fleet that are gone"),
            );
        }
        if let Some(more) = more(1) {
            say(
                Level::Warn,
                &format_args!("{more} replies of dead processes were too late, and are not posted"),
            );
        }
        if let Some(more) = more(2) {
            say(
                Level::Warn,
                &format_args!(
                    "{more} replies are put aside, since all processes that had them died: `torrap journal --jobs` lists them"
                ),
            );
        }
        if let Some(more) = more(3) {
            say(
                Level::Warn,
                &format_args!(
                    "{more} replies cannot be read: those of another signing secret are left to the others, what is damaged is put aside"
                ),
            );
        }
    }
}

/// Tells under which name this process is in the fleet, whenever it has a new one: `torrap journal` lists these names.
#[derive(Default)]
pub(super) struct NameLine(String);

impl NameLine {
    /// The name, if it is new.
    pub(super) fn take<'a>(&mut self, name: Option<&'a str>) -> Option<&'a str> {
        let new = name.filter(|name| *name != self.0)?;
        new.clone_into(&mut self.0);
        Some(new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::ServerError;

    fn away() -> Trouble {
        Trouble::NoAnswer("it has closed the connection".to_owned())
    }

    fn refused(text: &str) -> Trouble {
        Trouble::Refused(ServerError::parse(text))
    }

    fn told(lines: &mut TroubleLines, cause: Option<&Trouble>, at_ms: u64) -> Vec<String> {
        let mut said = Vec::new();
        lines.tell(cause, Tick(at_ms), |line| said.push(line.to_string()));
        said
    }

    #[test]
    fn each_kind_of_trouble_is_told_once_and_its_end_once() {
        let mut lines = TroubleLines::new();
        let busy = "; commands are answered \"busy\" until Redis takes them";
        assert_eq!(told(&mut lines, None, 0), [""; 0]);
        let first = told(&mut lines, Some(&away()), 1);
        assert_eq!(first, [format!("it has closed the connection{busy}")]);
        let same = Trouble::NoAnswer("it cannot be reached".to_owned());
        assert_eq!(told(&mut lines, Some(&same), 2), [""; 0]);
        // It is back, with another password.
        let second = told(&mut lines, Some(&refused("WRONGPASS invalid")), 3);
        assert_eq!(second, [format!("Redis refuses: WRONGPASS invalid{busy}")]);
        let same = refused("NOAUTH Authentication required.");
        assert_eq!(told(&mut lines, Some(&same), 4), [""; 0]);
        assert_eq!(told(&mut lines, None, 5), ["Redis takes commands again"]);
        assert_eq!(told(&mut lines, None, 6), [""; 0]);
    }

    #[test]
    fn trouble_that_comes_and_goes_has_a_sum_and_its_cause_if_it_stays() {
        let mut lines = TroubleLines::new();
        let mut count = 0;
        for at_ms in 0..7 {
            count += told(&mut lines, Some(&away()), at_ms).len();
            count += told(&mut lines, None, at_ms).len();
        }
        assert_eq!(count, 10, "five times, each with its end");
        assert_eq!(told(&mut lines, Some(&away()), 8), [""; 0]);
        let late = told(&mut lines, Some(&away()), PERIOD_MS);
        assert_eq!(late.len(), 2, "{late:?}");
        assert!(late[0].starts_with("3 more times within 60 s"), "{late:?}");
        assert!(late[1].contains("closed the connection"), "{late:?}");
        assert_eq!(told(&mut lines, None, PERIOD_MS + 1).len(), 1);
    }

    #[test]
    fn what_became_of_the_replies_of_dead_processes_is_told_once_a_period() {
        let mut lines = TakeLines::default();
        let mut fleet = FleetCounters::default();
        let mut told = |fleet: &FleetCounters, at_ms| {
            let mut said = Vec::new();
            let say = |level: Level, line: &dyn fmt::Display| said.push(format!("{level} {line}"));
            lines.tell(TakeLines::ends(fleet), Tick(at_ms), say);
            said
        };
        assert_eq!(told(&fleet, 0), [""; 0]);
        fleet.taken_over = 256;
        let first = "INFO took over 256 replies of processes of the fleet that are gone";
        assert_eq!(told(&fleet, 1), [first]);
        (fleet.taken_over, fleet.expired, fleet.poisoned) = (300, 3, 1);
        fleet.unreadable = 2;
        assert_eq!(told(&fleet, 2_000), [""; 0]);
        let later = told(&fleet, 2_001);
        assert_eq!(later.len(), 4, "{later:?}");
        assert!(later[0].starts_with("INFO took over 44 "), "{later:?}");
        let parts = [
            "3 replies of ",
            "1 replies are put aside",
            "2 replies cannot be read",
        ];
        for (line, part) in later[1..].iter().zip(parts) {
            assert!(line.starts_with(&format!("WARN {part}")), "{line}");
        }
        assert_eq!(told(&fleet, 9_000), [""; 0]);
    }

    #[test]
    fn a_name_is_told_when_it_is_new() {
        let mut line = NameLine::default();
        assert_eq!(line.take(None), None);
        assert_eq!(line.take(Some("a")), Some("a"));
        assert_eq!(line.take(Some("a")), None);
        assert_eq!(line.take(None), None);
        assert_eq!(line.take(Some("b")), Some("b"));
    }
}
