//! What a check has found, and the table of it.

use crate::telemetry::terminal::{Colour, Terminal};

/// One thing that was looked at: what was found, or what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    what: &'static str,
    verdict: Verdict,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    /// The bot runs with it, and most likely not as was meant.
    Doubtful,
    Bad,
}

impl Finding {
    pub(super) fn new(what: &'static str, found: Result<String, String>) -> Self {
        let verdict = match found {
            Ok(_) => Verdict::Good,
            Err(_) => Verdict::Bad,
        };
        let (Ok(text) | Err(text)) = found;
        Self {
            what,
            verdict,
            text,
        }
    }

    pub(super) const fn doubtful(what: &'static str, text: String) -> Self {
        Self {
            what,
            verdict: Verdict::Doubtful,
            text,
        }
    }

    #[cfg(all(test, feature = "redis"))]
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it keeps the bot from doing its work here.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        self.verdict == Verdict::Bad
    }
}

/// The findings, one a line, and what they come to.
#[must_use]
pub fn table(findings: &[Finding], terminal: Terminal) -> String {
    let lines = findings.iter().map(|finding| {
        let (colour, verdict) = match finding.verdict {
            Verdict::Good => (Colour::Green, "ok     "),
            Verdict::Doubtful => (Colour::Yellow, "warning"),
            Verdict::Bad => (Colour::Red, "failed "),
        };
        let verdict = terminal.paint(colour, verdict);
        format!("{verdict} {:<10}  {}\n", finding.what, finding.text)
    });
    let count = |verdict| findings.iter().filter(|f| f.verdict == verdict).count();
    let sum = match (count(Verdict::Bad), count(Verdict::Doubtful)) {
        (0, 0) => "all is well: torrap can run here\n".to_owned(),
        (0, doubtful) => format!("torrap can run here; warnings: {doubtful}\n"),
        (bad, _) => format!("problems found: {bad}\n"),
    };
    lines.chain([sum]).collect()
}
