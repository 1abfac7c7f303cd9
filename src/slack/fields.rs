//! The fields of an invocation that a command wants kept with its job
//! (docs.slack.dev/interactivity/implementing-slash-commands).

use super::form;

/// A field that Slack sends with a command, besides text and `response_url`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Field {
    /// The command as it was typed, slash included.
    Command,
    /// The id of the person who typed it, which never changes: `U2147483697`.
    UserId,
    /// The name of that person, which may change; Slack calls the field deprecated.
    UserName,
    /// The id of the channel in which it was typed: `C2147483705`.
    ChannelId,
    /// The name of that channel; `directmessage` or `privategroup` where it has none.
    ChannelName,
    /// The id of the workspace: `T0001`.
    TeamId,
    /// The id with which a modal can be opened within three seconds of the command.
    TriggerId,
}

impl Field {
    /// All of them, in their order.
    pub const ALL: [Self; 7] = [
        Self::Command,
        Self::UserId,
        Self::UserName,
        Self::ChannelId,
        Self::ChannelName,
        Self::TeamId,
        Self::TriggerId,
    ];

    /// Its name in the form.
    const fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::UserId => "user_id",
            Self::UserName => "user_name",
            Self::ChannelId => "channel_id",
            Self::ChannelName => "channel_name",
            Self::TeamId => "team_id",
            Self::TriggerId => "trigger_id",
        }
    }

    /// What stands for it where fields are kept; a journal has it, so that it never changes.
    const fn tag(self) -> u8 {
        match self {
            Self::Command => 1,
            Self::UserId => 2,
            Self::UserName => 3,
            Self::ChannelId => 4,
            Self::ChannelName => 5,
            Self::TeamId => 6,
            Self::TriggerId => 7,
        }
    }
}

/// Longest value that is kept; the longest of Slack's, a `trigger_id`, has about 60 bytes. A longer one is left out: half
/// of an id names another user. A length up to this is one byte of UTF-8, as a tag is.
const VALUE_BYTES_MAX: usize = 127;

/// The fields that a job keeps, in one text: for each a tag, the length of its value, and the value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields<'a>(&'a str);

impl<'a> Fields<'a> {
    /// Fields as they were kept.
    #[must_use]
    pub const fn new(kept: &'a str) -> Self {
        Self(kept)
    }

    /// The value of a field; empty if it is not kept.
    #[must_use]
    pub fn get(self, field: Field) -> &'a str {
        let mut rest = self.0;
        while let [tag, len, ..] = *rest.as_bytes() {
            let end = 2 + usize::from(len);
            let Some(value) = rest.get(2..end) else {
                break;
            };
            if tag == field.tag() {
                return value;
            }
            rest = &rest[end..];
        }
        ""
    }
}

/// Writes those of the wanted fields that a form has, for [`Fields`] to read; of a field that stands there twice, the
/// first.
pub fn keep(content: &[u8], wanted: &[Field], out: &mut String) {
    out.clear();
    for field in wanted {
        let raw = form::find(content, field.name()).unwrap_or_default();
        let mut value = [0; VALUE_BYTES_MAX];
        let mut len = 0;
        let mut decoded = form::decoded(raw);
        for (place, byte) in value.iter_mut().zip(decoded.by_ref()) {
            *place = byte;
            len += 1;
        }
        let value = String::from_utf8_lossy(&value[..len]);
        // What is no UTF-8 grows by being mended.
        if decoded.next().is_none() && (1..=VALUE_BYTES_MAX).contains(&value.len()) {
            out.extend([field.tag(), value.len() as u8].map(char::from));
            out.push_str(&value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Field; 7] = Field::ALL;

    #[test]
    fn all_are_in_their_order_and_have_tags_of_their_own() {
        for (index, field) in ALL.into_iter().enumerate() {
            assert_eq!(field as usize, index);
            assert_eq!(usize::from(field.tag()), index + 1);
        }
    }

    fn kept(content: &[u8], wanted: &[Field]) -> String {
        let mut out = String::from("of the command before");
        keep(content, wanted, &mut out);
        out
    }

    #[test]
    fn what_is_wanted_is_kept_and_nothing_else() {
        let content = b"user_id=U1&text=a&user_name=J%C3%B6rg&user_id=U2&trigger_id=1.2.3&team_id=";
        let some = kept(content, &[Field::UserName, Field::TriggerId, Field::TeamId]);
        let some = Fields::new(&some);
        assert_eq!(some.get(Field::UserName), "Jörg");
        assert_eq!(some.get(Field::TriggerId), "1.2.3");
        assert_eq!((some.get(Field::UserId), some.get(Field::TeamId)), ("", ""));
        assert_eq!(Fields::new(&kept(content, &ALL)).get(Field::UserId), "U1");
        assert_eq!(kept(content, &[]), "");
    }

    #[test]
    fn a_value_that_is_longer_than_any_of_slacks_is_left_out() {
        for (len, is_kept) in [(127, true), (128, false), (100_000, false)] {
            let content = format!("user_id={}&team_id=T1", "U".repeat(len));
            let text = kept(content.as_bytes(), &[Field::UserId, Field::TeamId]);
            let fields = Fields::new(&text);
            assert_eq!(
                fields.get(Field::UserId).len(),
                if is_kept { len } else { 0 }
            );
            assert_eq!(fields.get(Field::TeamId), "T1");
        }
        let broken = format!("user_id={}&team_id=T1", "%FF".repeat(100));
        let text = kept(broken.as_bytes(), &[Field::UserId, Field::TeamId]);
        assert_eq!(Fields::new(&text).get(Field::UserId), "");
        let mended = kept(b"user_id=a%FF", &[Field::UserId]);
        assert_eq!(Fields::new(&mended).get(Field::UserId), "a\u{fffd}");
    }

    proptest! {
        /// A journal may hold anything.
        #[test]
        fn no_text_is_read_beyond_its_end(text in any::<String>()) {
            for field in ALL {
                let _ = Fields::new(&text).get(field);
            }
        }

        #[test]
        fn values_come_back(values in proptest::collection::vec("\\PC{0,30}", 7)) {
            let mut form = form_urlencoded::Serializer::new(String::new());
            for (field, value) in ALL.iter().zip(&values) {
                form.append_pair(field.name(), value);
            }
            let text = kept(form.finish().as_bytes(), &ALL);
            for (field, value) in ALL.iter().zip(&values) {
                let expected = if value.len() > VALUE_BYTES_MAX { "" } else { value };
                prop_assert_eq!(Fields::new(&text).get(*field), expected);
            }
        }
    }
}
