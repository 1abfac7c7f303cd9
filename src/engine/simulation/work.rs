//! A blocking command, and what must come of its runs.

use super::Generator;
use crate::commands::{
    Chosen, Command, Commands, Failure, Field, Messages, REVERSE, Reply, Request, RunEnd,
};

pub(super) const NAME: &str = "/work";
const COMMAND: Command = Command::blocking(NAME, &work)
    .usage(NAME)
    .keeps(&[Field::UserId, Field::TeamId]);

/// Both commands.
pub(super) fn chosen() -> Chosen {
    let all = Commands::new(&[REVERSE, COMMAND]).expect("Slack takes them");
    let mut chosen = Chosen::of(all);
    for name in ["/torrap", NAME] {
        chosen.add(name).expect("there is one of this name");
    }
    chosen
}

/// What a command's text asks for: so many messages, and how it ends.
pub(super) struct Plan {
    pub(super) messages: usize,
    pub(super) end: char,
}

impl Plan {
    pub(super) fn draw(number: u64, generator: &mut Generator) -> String {
        let messages = generator.below(7);
        let end = generator.pick(&['r', 'r', 'f', 'p']);
        format!("{number} {messages}{end}")
    }

    pub(super) fn of(text: &str) -> Self {
        let (_, plan) = text.split_once(' ').expect("a number and a plan");
        let (messages, end) = plan.split_at(1);
        Self {
            messages: messages.parse().expect("a digit"),
            end: end.chars().next().expect("a letter"),
        }
    }
}

/// What the person reads of a failure.
pub(super) const TOLD: &str = "that build is gone";

fn work(request: &Request<'_>, messages: &mut Messages<'_>) -> Result<Reply, Failure> {
    let (user, team) = (request.user_id(), request.team_id());
    assert_eq!(
        (user, team, request.user_name()),
        ("U2147483697", "T0001", "")
    );
    let plan = Plan::of(request.text());
    for number in 0..plan.messages {
        let _ = messages.send(format!("message {number} of {}", request.text()));
    }
    match plan.end {
        'r' => {
            let (text, is_late, id) = (request.text(), request.is_late(), request.id());
            Ok(format!("{text}, {is_late}, {id}").into())
        }
        'f' => Err(Failure::new(TOLD)),
        _ => std::panic::resume_unwind(Box::new("as planned")),
    }
}

/// How far the run of a job's command has come.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Run {
    /// It needs none.
    #[default]
    None,
    Wanted,
    /// So many messages that may have been taken were posted.
    Running {
        used: u8,
    },
    /// The reply is made.
    Made(Vec<u8>),
    /// It was given up, of which the person is told.
    GivenUp,
}

/// Whether a run has made what its text asks for; gives its reply, if it has one of its own.
pub(super) fn judge(
    text: &str,
    is_late: Option<bool>,
    message: &[u8],
    end: RunEnd,
) -> Option<String> {
    let message = String::from_utf8_lossy(message);
    let ephemeral = |text: &str| format!(r#"{{"response_type": "ephemeral", "text": "{text}"#);
    let is_late = is_late.unwrap_or_else(|| message.contains("true"));
    let (begin, planned) = match Plan::of(text).end {
        'r' => (
            format!(r#"{{"text": "{text}, {is_late}, "#),
            RunEnd::Replied,
        ),
        'f' => (ephemeral(TOLD), RunEnd::Failed),
        _ => (ephemeral("Sorry, that did not work"), RunEnd::Panicked),
    };
    assert_eq!(end, planned, "{text}: {message}");
    assert!(
        message.starts_with(&begin),
        "{text}: {message}, not {begin}"
    );
    (end == RunEnd::Replied).then(|| message.into_owned())
}
