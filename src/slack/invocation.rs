//! A slash command's invocation, read from verified content
//! (docs.slack.dev/interactivity/implementing-slash-commands).

use super::form;
use super::response_url::{Origin, ResponseUrl, UrlError};
use super::signature::Verified;

/// What a person typed, and where the answer goes. Slack sends more; unknown fields are ignored.
#[derive(Clone, Copy, Debug)]
pub struct Invocation<'a> {
    /// The command's name with its slash.
    pub command: &'a str,
    /// All after the name, in Slack's markup; empty if the field is absent.
    pub text: &'a str,
    /// Where replies go.
    pub response_url: ResponseUrl<'a>,
}

/// Who typed a command and where, by Slack's ids, for the log: the form is searched for them when the line is
/// written.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    content: &'a [u8],
}

impl<'a> Sender<'a> {
    /// The sender of verified content.
    #[must_use]
    pub const fn of(verified: Verified<'a>) -> Self {
        Self {
            content: verified.content(),
        }
    }
}

impl std::fmt::Display for Sender<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (what, name) in [
            ("user ", "user_id"),
            (" in channel ", "channel_id"),
            (" of team ", "team_id"),
        ] {
            f.write_str(what)?;
            let raw = form::find(self.content, name).unwrap_or_default();
            let mut id = form::decoded(raw);
            if raw.is_empty() {
                f.write_str("-")?;
            }
            for byte in id.by_ref().take(ID_BYTES_SHOWN) {
                write!(f, "{}", byte.escape_ascii())?;
            }
            if id.next().is_some() {
                f.write_str("...")?;
            }
        }
        Ok(())
    }
}

/// Most bytes of an id that the log shows; Slack's have eleven.
const ID_BYTES_SHOWN: usize = 24;

/// Why verified content is no invocation. Slack never sends content like this; a person who has the secret might.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// A field that every invocation has is not there.
    MissingField(&'static str),
    /// The `response_url` is no URL, or of an origin that is not allowed.
    ResponseUrl(UrlError),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::MissingField(name) => write!(f, "the field {name} is missing"),
            Self::ResponseUrl(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

/// Room for the decoded fields of one invocation, used again for the next.
#[derive(Debug, Default)]
pub struct Scratch {
    decoded: Vec<u8>,
    mended: String,
}

/// Decoded fields give this much memory back when a large one has passed.
const SCRATCH_BYTES_KEPT: usize = 16 * 1024;

impl Scratch {
    /// Decodes three fields. What is not UTF-8 in one is read as U+FFFD, as Slack's SDKs do: Slack shows people an
    /// error for a 400.
    fn decode(&mut self, fields: [&[u8]; 3]) -> [&str; 3] {
        let bytes = self.room(fields.iter().map(|field| field.len()).sum());
        let mut len = 0;
        let mut ends = fields.map(|field| {
            len += form::decode(field, &mut bytes[len..]);
            len
        });
        // All three are checked at once: they are well-formed if that is and none ends within a character.
        let text = match str::from_utf8(&self.decoded[..len]) {
            Ok(text) if ends.iter().all(|end| text.is_char_boundary(*end)) => text,
            _ => {
                self.mended = mended(&self.decoded[..len], &mut ends);
                &self.mended
            }
        };
        let [first, second, _] = ends;
        let (two, third) = text.split_at(second);
        let (first, second) = two.split_at(first);
        [first, second, third]
    }

    /// So many bytes, whatever they are.
    fn room(&mut self, len: usize) -> &mut [u8] {
        self.mended = String::new();
        if self.decoded.len().max(len) > SCRATCH_BYTES_KEPT {
            self.decoded = Vec::new();
        }
        if self.decoded.len() < len {
            self.decoded.resize(len, 0);
        }
        &mut self.decoded
    }
}

/// The fields that end at `ends`, each made UTF-8; then they end elsewhere.
fn mended(bytes: &[u8], ends: &mut [usize]) -> String {
    let (mut text, mut start) = (String::with_capacity(bytes.len()), 0);
    for end in ends {
        text.push_str(&String::from_utf8_lossy(&bytes[start..*end]));
        start = std::mem::replace(end, text.len());
    }
    text
}

impl<'a> Invocation<'a> {
    /// Reads the three fields that matter; the first counts where one stands twice.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn parse(
        verified: Verified<'_>,
        origins: &[Origin],
        scratch: &'a mut Scratch,
    ) -> Result<Self, Error> {
        let [mut command, mut text, mut response_url] = [None; 3];
        for pair in form::pairs(verified.content()) {
            match pair.initial() {
                Some(b'c') => command = command.or_else(|| pair.value_of("command")),
                Some(b't') => text = text.or_else(|| pair.value_of("text")),
                Some(b'r') => {
                    response_url = response_url.or_else(|| pair.value_of("response_url"));
                    // Slack writes it behind the others.
                    if command.is_some() && text.is_some() && response_url.is_some() {
                        break;
                    }
                }
                _ => {}
            }
        }
        let command = command.ok_or(Error::MissingField("command"))?;
        let response_url = response_url.ok_or(Error::MissingField("response_url"))?;
        let [command, text, response_url] =
            scratch.decode([command, text.unwrap_or_default(), response_url]);
        Ok(Self {
            command,
            text,
            response_url: ResponseUrl::parse(response_url, origins).map_err(Error::ResponseUrl)?,
        })
    }
}

/// Whether a form is exactly a certificate check, which Slack sends unsigned: `ssl_check` with the
/// value `1` and no `command`. A looser rule was a way around the signature in other bots.
#[must_use]
pub fn is_certificate_check(content: &[u8]) -> bool {
    let mut checks = 0;
    for pair in form::pairs(content) {
        match pair.initial() {
            Some(b'c') if pair.value_of("command").is_some() => return false,
            Some(b's') => match pair.value_of("ssl_check") {
                Some(b"1") => checks += 1,
                Some(_) => return false,
                None => {}
            },
            _ => {}
        }
    }
    checks == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slack::request::sign;
    use crate::slack::signature::Verifier;
    use crate::time::UnixTime;

    /// What an invocation says, owned.
    type Owned = (String, String, String);

    fn parse(content: &[u8]) -> Result<Owned, Error> {
        let verifier = Verifier::new([b"secret".as_slice()], 1000);
        let signature = sign(b"secret", 0, content);
        let signature = Some(signature.as_bytes());
        let verified = verifier
            .verify(Some(b"0"), signature, content, UnixTime(0))
            .unwrap();
        let origins = [Origin::parse("https://hooks.slack.com").unwrap()];
        let mut scratch = Scratch::default();
        let invocation = Invocation::parse(verified, &origins, &mut scratch)?;
        let url = invocation.response_url;
        Ok((
            invocation.command.into(),
            invocation.text.into(),
            url.path.into(),
        ))
    }

    const URL: &str = "response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1%2F2%2Fx";

    fn owned(command: &str, text: &str) -> Owned {
        (command.into(), text.into(), "/commands/T1/2/x".into())
    }

    #[test]
    fn the_three_fields_are_found_and_decoded_in_any_order() {
        let content = format!("token=t&{URL}&text=a+b%26%C3%A9&command=%2Ftorrap&trigger_id=1");
        assert_eq!(parse(content.as_bytes()), Ok(owned("/torrap", "a b&é")));
        let raw = "command=/torrap&text=&response_url=https://hooks.slack.com/commands/T1/2/x";
        assert_eq!(parse(raw.as_bytes()), Ok(owned("/torrap", "")));
        let hidden = format!("%63ommand=%2Ft&{URL}&te%78t=1&text=2");
        assert_eq!(parse(hidden.as_bytes()), Ok(owned("/t", "1")));
    }

    #[test]
    fn a_sender_is_told_by_ids_that_are_short_and_printable() {
        let shown = |content: &str| {
            let content = content.as_bytes();
            Sender { content }.to_string()
        };
        assert_eq!(
            shown("user_name=bob&team_id=T1&user_id=U1&user_id=U2&channel_id=C1"),
            "user U1 in channel C1 of team T1"
        );
        assert_eq!(shown("user_id"), "user - in channel - of team -");
        let forged = shown("user_id=a%0A%1b[31m&channel_id=%F0%9F%91%8D\"");
        assert_eq!(
            forged,
            r#"user a\n\x1b[31m in channel \xf0\x9f\x91\x8d\" of team -"#
        );
        let long = shown(&format!("team_id={}", "T".repeat(100_000)));
        assert!(
            long.ends_with(&format!("team {}...", "T".repeat(24))),
            "{long}"
        );
    }

    #[test]
    fn a_command_without_text_has_an_empty_one() {
        let content = format!("command=%2Ftorrap&{URL}");
        assert_eq!(parse(content.as_bytes()), Ok(owned("/torrap", "")));
        let alone = format!("command=%2Ftorrap&text&{URL}");
        assert_eq!(parse(alone.as_bytes()), Ok(owned("/torrap", "")));
    }

    #[test]
    fn what_is_not_utf_8_is_read_as_replacement_characters() {
        for (command, text, expected) in [
            ("/t", "%FF", owned("/t", "\u{fffd}")),
            ("/t", "a%C3&%A9", owned("/t", "a\u{fffd}")),
            ("%2Ft%E2%82", "%ACb", owned("/t\u{fffd}", "\u{fffd}b")),
            ("/t%C3", "%A9", owned("/t\u{fffd}", "\u{fffd}")),
            (
                "/t",
                "%ED%A0%BD%ED%B8%80",
                owned("/t", &"\u{fffd}".repeat(6)),
            ),
            ("/t", "é%C3%A9%F0%9F%91%8D", owned("/t", "éé👍")),
        ] {
            let content = format!("command={command}&text={text}&{URL}");
            assert_eq!(parse(content.as_bytes()), Ok(expected), "{text}");
        }
        let raw = [b"command=/t&text=\xff\xfe&".as_slice(), URL.as_bytes()].concat();
        assert_eq!(parse(&raw), Ok(owned("/t", "\u{fffd}\u{fffd}")));
    }

    #[test]
    fn a_signed_but_odd_form_is_an_error() {
        let missing = |content: &str| parse(content.as_bytes()).err();
        assert_eq!(missing(""), Some(Error::MissingField("command")));
        assert_eq!(
            missing("{\"command\": 1}"),
            Some(Error::MissingField("command"))
        );
        let url = Some(Error::MissingField("response_url"));
        assert_eq!(missing("command=a"), url);
        assert_eq!(missing("command=a&text=b"), url);
        let command = Some(Error::MissingField("command"));
        assert_eq!(missing(&format!("text=b&{URL}")), command);
        let foreign = "command=a&text=b&response_url=https://hooks.slack.com.evil.example/x";
        assert!(matches!(missing(foreign), Some(Error::ResponseUrl(_))));
        assert!(parse(b"command=a&text=b&response_url=\xff\xfe").is_err());
    }

    #[test]
    fn a_certificate_check_is_exactly_that() {
        for check in ["ssl_check=1", "ssl_check=1&token=x", "token=x&ssl_check=1&"] {
            assert!(is_certificate_check(check.as_bytes()), "{check}");
        }
        for not in [
            "",
            "ssl_check",
            "ssl_check=",
            "ssl_check=0",
            "ssl_check=11",
            "ssl_check=+1",
            "ssl_check=true",
            "ssl_check=1&command=%2Ftorrap",
            "%63ommand=&ssl_check=1",
            "ssl_check=1&ssl_check=0",
            "ssl_check=1&ssl_check=1",
            "text=ssl_check=1",
            "SSL_CHECK=1",
        ] {
            assert!(!is_certificate_check(not.as_bytes()), "{not}");
        }
    }
}
