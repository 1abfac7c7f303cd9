//! What clients think of: requests of every kind, most of them commands.

use super::Generator;
use super::faults;
use super::requests::{Draft, ORIGINS, SECRET, Sent, WORKSPACES, What};
use super::work::{self, Plan};
use crate::http::Limits;
use crate::slack::request::{self, sign};
use crate::slack::signature::{SIGNATURE_FIELD, TIMESTAMP_FIELD};
use crate::time::UnixTime;

/// How many commands a composer remembers.
const RECENT_MAX: usize = 6;

/// Makes requests, no two commands alike but for repeats.
pub(super) struct Composer {
    number: u64,
    tolerance_secs: u64,
    /// Every seed's people are as talkative.
    text_len: u64,
    /// Of each hundred commands, so many run on a sender.
    work_percent: u64,
    /// Of each hundred commands, so many are repeats of the last ones.
    repeat_percent: u64,
    recent: Vec<Recent>,
}

/// A command that was composed.
#[derive(Clone)]
struct Recent {
    id: u64,
    signed_at: u64,
    text: String,
    url: String,
    is_work: bool,
}

#[derive(Clone, Copy)]
enum Kind {
    Command,
    Help,
    Unusable,
    Forged,
    CertificateCheck,
    Health,
    Plain,
    Fault,
}

const KINDS: &[(u64, Kind)] = &[
    (60, Kind::Command),
    (3, Kind::Help),
    (3, Kind::Unusable),
    (6, Kind::Forged),
    (2, Kind::CertificateCheck),
    (4, Kind::Health),
    (4, Kind::Plain),
    (3, Kind::Fault),
];

impl Composer {
    pub(super) fn new(tolerance_secs: u64, generator: &mut Generator) -> Self {
        Self {
            number: 0,
            tolerance_secs,
            text_len: generator.pick(&[1, 24, 24, 24, 1600]),
            work_percent: generator.pick(&[0, 10, 50]),
            repeat_percent: generator.pick(&[0, 0, 5, 30]),
            recent: Vec::new(),
        }
    }

    pub(super) fn compose(
        &mut self,
        now: UnixTime,
        limits: &Limits,
        generator: &mut Generator,
    ) -> Sent {
        match generator.weighted(KINDS) {
            Kind::Command => self.command(now, generator),
            Kind::Help => {
                let text = generator.pick(&["", " ", "help", "HELP ", "\u{200b}"]);
                let signed_at = self.signed_at(now, generator);
                let form = request::form("/torrap", text, ORIGINS[0]);
                Draft::signed(&form, signed_at).finish(What::Help { signed_at }, generator)
            }
            Kind::Unusable => {
                let signed_at = self.signed_at(now, generator);
                unusable(signed_at, generator).finish(What::Unusable { signed_at }, generator)
            }
            Kind::Forged => forged(now.secs(), generator).finish(What::Forged, generator),
            Kind::CertificateCheck if generator.percent(50) => {
                Draft::post("ssl_check=1&token=x").finish(What::CertificateCheck, generator)
            }
            Kind::CertificateCheck => {
                Draft::new("GET", "/slack?ssl_check=1").finish(What::CertificateCheck, generator)
            }
            Kind::Health => {
                let method = generator.pick(&["GET", "HEAD"]);
                Draft::new(method, "/healthz?x=y").finish(What::Health, generator)
            }
            Kind::Plain => {
                let (method, target, what, status) =
                    generator.pick::<(_, _, fn(u16) -> What, _)>(&[
                        ("GET", "/", What::Note, 404),
                        ("POST", "/slack/", What::Plain, 404),
                        ("HEAD", "/nothing", What::Plain, 404),
                        ("GET", "/slack", What::Note, 405),
                        ("DELETE", "/healthz", What::Plain, 405),
                        ("OPTIONS", "*", What::Plain, 200),
                    ]);
                Draft::new(method, target).finish(what(status), generator)
            }
            Kind::Fault => faults::draw(limits, generator),
        }
    }

    /// What is asked for at the address for metrics.
    pub(super) fn compose_for_admin(generator: &mut Generator) -> Sent {
        let (method, target, what) = match generator.below(5) {
            0 => ("GET", "/healthz", What::Health),
            1 => ("POST", "/metrics", What::Plain(405)),
            2 => ("GET", "/slack", What::Plain(404)),
            3 => ("HEAD", "/metrics", What::Page),
            _ => ("GET", "/metrics", What::Page),
        };
        Draft::new(method, target).finish(what, generator)
    }

    fn command(&mut self, now: UnixTime, generator: &mut Generator) -> Sent {
        let is_repeat = !self.recent.is_empty() && generator.percent(self.repeat_percent);
        let command = if is_repeat {
            self.recent[generator.index(self.recent.len())].clone()
        } else {
            self.new_command(now, generator)
        };
        let name = if command.is_work {
            work::NAME
        } else {
            "/torrap"
        };
        let form = request::form(name, &command.text, &command.url);
        let what = What::Command {
            id: command.id,
            signed_at: command.signed_at,
            text: command.text,
            url: command.url,
            is_work: command.is_work,
        };
        Draft::signed(&form, command.signed_at).finish(what, generator)
    }

    fn new_command(&mut self, now: UnixTime, generator: &mut Generator) -> Recent {
        self.number += 1;
        let is_work = generator.percent(self.work_percent);
        let (mut text, text_len) = match is_work {
            true => (Plan::draw(self.number, generator), 1),
            false => (format!("{} ", self.number), self.text_len),
        };
        for _ in 0..generator.below(text_len) {
            // Between two colons could stand the name of an emoji, which is not reversed.
            let character = char::from(generator.between(0x20..=0x7e) as u8);
            text.push(if character == ':' { ';' } else { character });
        }
        let url = format!(
            "{}/commands/{}/{}/{:x}",
            generator.pick(&ORIGINS),
            generator.pick(&WORKSPACES),
            self.number,
            generator.number()
        );
        let signed_at = self.signed_at(now, generator);
        let command = Recent {
            id: self.number,
            signed_at,
            text,
            url,
            is_work,
        };
        if self.recent.len() == RECENT_MAX {
            self.recent.remove(0);
        }
        self.recent.push(command.clone());
        command
    }

    /// Most clocks agree with the bot's; some are off by as much as is allowed, or by a second more.
    fn signed_at(&self, now: UnixTime, generator: &mut Generator) -> u64 {
        let (now, tolerance) = (now.secs(), self.tolerance_secs);
        match generator.below(20) {
            0 => now.saturating_sub(tolerance),
            1 => now + tolerance,
            2 => now.saturating_sub(tolerance + 1),
            3 => now + tolerance + 1,
            4 => generator.below(2 * now + 1),
            _ => now,
        }
    }
}

fn forged(now_secs: u64, generator: &mut Generator) -> Draft {
    let form = request::form("/torrap", "forged", ORIGINS[0]);
    let (now, right) = (
        now_secs.to_string(),
        sign(SECRET.as_bytes(), now_secs, form.as_bytes()),
    );
    let draft = Draft::post(&form);
    match generator.below(7) {
        0 => draft,
        1 => draft.field(TIMESTAMP_FIELD, &now),
        2 => draft.field(SIGNATURE_FIELD, &right),
        3 => draft
            .field(TIMESTAMP_FIELD, &now)
            .field(SIGNATURE_FIELD, &right[3..]),
        4 => {
            let twice = draft
                .field(TIMESTAMP_FIELD, &now)
                .field(SIGNATURE_FIELD, &right);
            twice.field(SIGNATURE_FIELD, &right)
        }
        5 => {
            let mut altered = Draft::signed(&form, now_secs);
            let at = generator.index(altered.content.len());
            altered.content[at] ^= 1;
            altered
        }
        _ => {
            let another = sign(b"another", now_secs, form.as_bytes());
            draft
                .field(TIMESTAMP_FIELD, &now)
                .field(SIGNATURE_FIELD, &another)
        }
    }
}

fn unusable(signed_at: u64, generator: &mut Generator) -> Draft {
    let foreign = request::form("/torrap", "x", "https://hooks.slack.com.example/commands/1");
    let content = generator.pick(&[
        foreign.as_str(),
        "",
        "command=/torrap&text=x",
        "text=x&response_url=https://hooks.slack.com/1",
        "command=/torrap&text=%ff&response_url=%ff",
        "command=/torrap&text=x&response_url=https://hooks.slack.com/%0d",
        "{\"command\": \"/torrap\"}",
    ]);
    Draft::signed(content, signed_at)
}
