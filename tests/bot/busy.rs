//! `/busy`: how busy the processors of the server are, measured for two seconds.

use std::time::Duration;
use std::{fs, thread};

use torrap::commands::{
    Acknowledgement, Command, Failure, Field, Messages, Reply, Request, Visibility,
};

pub(crate) const BUSY: Command = Command::blocking("/busy", &busy)
    .description("Measure how busy the server is, and show it to the channel")
    .hint("")
    .usage("Type `/busy`: two seconds later I say how busy the server is.")
    .runs_without_text()
    .visibility(Visibility::InChannel)
    .acknowledgement(Acknowledgement::Typed)
    .keeps(&[Field::UserId]);

/// What the processors have done since the system was started: proc_stat(5).
const COUNTERS: &str = "/proc/stat";

const SPAN: Duration = Duration::from_secs(2);

/// It is called on a thread, and may wait. After a crash it may be called again for the same command, which does no harm here.
#[allow(clippy::disallowed_methods)] // the rules of torrap's own core are none of a command
fn busy(request: &Request<'_>, _: &mut Messages<'_>) -> Result<Reply, Failure> {
    let before = fs::read_to_string(COUNTERS)?;
    thread::sleep(SPAN);
    let after = fs::read_to_string(COUNTERS)?;
    let percent = percent(&before, &after).ok_or_else(|| {
        Failure::new("I cannot read what the processors of this server do.")
            .because(format!("{COUNTERS} is not as expected"))
    })?;
    let asked = request.user_id();
    Ok(format!("<@{asked}>: the server was busy for {percent} % of the last two seconds.").into())
}

/// The share of the time between two readings in which the processors were not idle.
fn percent(before: &str, after: &str) -> Option<u64> {
    let ((idle_before, all_before), (idle, all)) = (times(before)?, times(after)?);
    let (idle, all) = (idle.checked_sub(idle_before)?, all.checked_sub(all_before)?);
    (100 * all.checked_sub(idle)?).checked_div(all)
}

/// The time in which they were idle, and all of it.
fn times(counters: &str) -> Option<(u64, u64)> {
    let fields = counters.strip_prefix("cpu ")?.lines().next()?;
    let times: Option<Vec<u64>> = fields.split_whitespace().map(|n| n.parse().ok()).collect();
    let times = times?;
    // user, nice, system, idle, iowait, irq, softirq, steal; what follows is in user and nice already.
    let idle = times.get(3)? + times.get(4)?;
    Some((idle, times.iter().take(8).sum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_what_is_not_idle() {
        let before = "cpu  100 0 100 700 100 0 0 0 50 0\ncpu0 1\n";
        let after = "cpu  130 0 140 720 110 0 0 0 90 0\ncpu0 1\n";
        assert_eq!(percent(before, after), Some(70));
        assert_eq!(percent(before, before), None, "no time between them");
        assert_eq!(percent(after, before), None);
        for wrong in ["", "cpu 1 2", "cpu  a b c d e", "intr 1 2 3 4 5"] {
            assert_eq!(percent(before, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_channel_reads_who_has_asked_and_what_was_measured() {
        let request = Request::new("/busy", "").with(Field::UserId, "U1");
        let said = BUSY.rehearse(&request);
        if said.failure.is_none() {
            let start =
                r#"{"response_type": "in_channel", "text": "<@U1>: the server was busy for "#;
            assert!(said.messages[0].starts_with(start), "{said:?}");
        } else {
            assert!(fs_is_missing(), "{said:?}");
            assert!(said.messages[0].contains("ephemeral"), "{said:?}");
        }
    }

    #[allow(clippy::disallowed_methods)] // a test reads files
    fn fs_is_missing() -> bool {
        fs::read_to_string(COUNTERS).is_err()
    }
}
