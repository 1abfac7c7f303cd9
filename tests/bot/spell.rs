//! `/spell`: the text letter by letter, as radio operators say it.

use torrap::commands::{Command, Request};
use torrap::markup;

pub(crate) const SPELL: Command = Command::inline("/spell", spell)
    .description("Spell some text as radio operators do")
    .hint("[text]")
    .usage(
        "Give me some text and I'll spell it. Try `/spell sos`: I answer `Sierra Oscar Sierra`.",
    );

const WORDS: [&str; 26] = [
    "Alfa", "Bravo", "Charlie", "Delta", "Echo", "Foxtrot", "Golf", "Hotel", "India", "Juliett",
    "Kilo", "Lima", "Mike", "November", "Oscar", "Papa", "Quebec", "Romeo", "Sierra", "Tango",
    "Uniform", "Victor", "Whiskey", "X-ray", "Yankee", "Zulu",
];

/// It is called in the event loop: it takes microseconds, and waits for nothing.
fn spell(request: &Request<'_>, reply: &mut String) {
    let text = markup::decode(request.text());
    for (index, letter) in text.chars().filter(|c| !c.is_whitespace()).enumerate() {
        if index > 0 {
            reply.push(' ');
        }
        match word(letter) {
            Some(word) => reply.push_str(word),
            // Encoded: what a person types must not become markup.
            None => markup::encode_into(letter.encode_utf8(&mut [0; 4]), reply),
        }
    }
}

fn word(letter: char) -> Option<&'static str> {
    let letter = letter.to_ascii_lowercase();
    let index = u8::try_from(letter).ok()?.checked_sub(b'a')?;
    WORDS.get(usize::from(index)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_words_and_the_rest_stays_what_it_is() {
        for (text, reply) in [
            ("sos", "Sierra Oscar Sierra"),
            ("A &amp; z", "Alfa &amp; Zulu"),
            ("é 7", "é 7"),
        ] {
            let said = SPELL.rehearse(&Request::new("/spell", text));
            assert_eq!(said.messages, [format!(r#"{{"text": "{reply}"}}"#)]);
        }
    }

    #[test]
    fn nothing_pings() {
        let said = SPELL.rehearse(&Request::new("/spell", "<!here>"));
        assert!(!said.messages[0].contains('<'), "{said:?}");
    }
}
