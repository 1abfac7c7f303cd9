//! How many sender threads blocking commands may have, and a warning about a pool that is too small for them.

use super::Notice;
use crate::commands::{Choice, Chosen};

/// Threads that run no command, so that commands that hang hold up no reply; of few threads, half.
const POSTING_THREADS_MIN: usize = 8;

/// How many commands may run at the same time on this many threads.
pub(crate) const fn runs_max(threads_max: usize) -> usize {
    let half = threads_max / 2;
    let posting = if half < POSTING_THREADS_MIN {
        half
    } else {
        POSTING_THREADS_MIN
    };
    threads_max - posting
}

/// A warning if one of the commands runs on a pool in which fewer threads post than should. `name` is the setting's.
pub(super) fn notice(name: &str, threads_max: usize, commands: &Chosen) -> Option<Notice> {
    let runs = runs_max(threads_max);
    let is_small = threads_max - runs < POSTING_THREADS_MIN;
    let mut blocking = commands
        .iter()
        .filter(|choice: &&Choice| choice.command().is_blocking());
    let command = blocking.next().filter(|_| is_small)?;
    let limit = match threads_max {
        1 => format!(
            "no reply is posted while the blocking command {} runs on the only sender thread",
            command.name
        ),
        _ => format!(
            "of {threads_max} sender threads {runs} run blocking commands such as {}, and one that hangs keeps its thread",
            command.name
        ),
    };
    let enough = 2 * POSTING_THREADS_MIN;
    Some(Notice::warning(format!(
        "{name}: {limit}; give {enough} or more, of which {POSTING_THREADS_MIN} always post replies"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::{Command, Commands, REVERSE};

    #[test]
    fn commands_never_have_the_last_threads() {
        for (threads, runs) in [(1, 1), (2, 1), (3, 2), (8, 4), (15, 8), (16, 8), (64, 56)] {
            assert_eq!(runs_max(threads), runs, "{threads}");
        }
    }

    #[test]
    fn few_threads_get_a_warning_if_a_command_takes_its_time() {
        let work = Command::blocking("/work", &|_, _| Ok("done".into())).usage("/work");
        let mut commands = Chosen::of(Commands::new(&[REVERSE, work]).unwrap());
        commands.add("/torrap").unwrap();
        assert_eq!(notice("--senders", 1, &commands), None);
        commands.add("/work=/toil").unwrap();
        let line = |threads| notice("--senders", threads, &commands).map(|notice| notice.line);
        assert_eq!(
            line(1).as_deref(),
            Some(
                "--senders: no reply is posted while the blocking command /toil runs on the only sender thread; \
                 give 16 or more, of which 8 always post replies"
            )
        );
        assert_eq!(
            line(5).as_deref(),
            Some(
                "--senders: of 5 sender threads 3 run blocking commands such as /toil, and one that hangs keeps its \
                 thread; give 16 or more, of which 8 always post replies"
            )
        );
        assert!(line(15).is_some());
        assert_eq!((line(16), line(64)), (None, None));
    }
}
