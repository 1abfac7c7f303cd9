//! Names of emoji by their definition, told by what stands between colons, for the [reversal](super::reversal).

use unicode_segmentation::UnicodeSegmentation;

/// The text in pieces, and whether each is the name of an emoji with its modifiers.
pub fn pieces(text: &str) -> Vec<(bool, String)> {
    let words: Vec<&str> = text.split(':').collect();
    let named = named(&words);
    let mut pieces: Vec<(bool, String)> = vec![(false, words[0].to_owned())];
    for (at, word) in words.iter().enumerate().skip(1) {
        let last = pieces.len() - 1;
        if named[at] {
            let is_modifier = at >= 3
                && named[at - 2]
                && words[at - 1].is_empty()
                && word.starts_with("skin-tone-");
            if is_modifier {
                // The empty word between the two has left an empty piece.
                pieces.pop();
                pieces[last - 1].1 += &format!(":{word}:");
            } else {
                pieces.push((true, format!(":{word}:")));
            }
        } else if named[at - 1] {
            // The colon before it is the name's.
            pieces.push((false, (*word).to_owned()));
        } else {
            pieces[last].1 += &format!(":{word}");
        }
    }
    pieces
}

/// Which words are names: of two that share a colon the first.
fn named(words: &[&str]) -> Vec<bool> {
    let mut named = vec![false; words.len()];
    let mut at = 1;
    while at + 1 < words.len() {
        if named[at - 1] || !is_name(words, at) {
            at += 1;
            continue;
        }
        let is_behind_path = at >= 2
            && words[at - 1].is_empty()
            && !named[at - 2]
            && words[at - 2].ends_with(char::is_alphanumeric);
        match path_end(words, at).filter(|_| is_behind_path) {
            Some(end) => at = end + 1,
            None => {
                named[at] = true;
                at += 1;
            }
        }
    }
    named
}

/// The last word of a path that goes on behind this one.
fn path_end(words: &[&str], mut at: usize) -> Option<usize> {
    while words[at + 1].is_empty() && words.get(at + 2)?.starts_with(char::is_alphanumeric) {
        at += 2;
        if at + 1 == words.len() || !is_lettered(words[at]) {
            return Some(at);
        }
    }
    None
}

fn is_name(words: &[&str], at: usize) -> bool {
    if words[at + 1].starts_with(is_mark) {
        return false;
    }
    let is_number = !words[at].is_empty() && words[at].chars().all(|c| c.is_ascii_digit());
    let is_beside = words[at - 1].ends_with(char::is_alphanumeric)
        || words[at + 1].starts_with(char::is_alphanumeric);
    is_lettered(words[at]) || is_number && !is_beside
}

fn is_lettered(word: &str) -> bool {
    let of_names = |c: char| match c {
        'A'..='Z' => false,
        '_' | '\'' | '+' | '-' => true,
        c if c.is_ascii() => c.is_alphanumeric(),
        c => is_mark(c) || c.is_alphanumeric() && !c.is_uppercase(),
    };
    word.chars().all(of_names)
        && !word.starts_with(is_mark)
        && word.chars().count() <= 100
        && word.contains(|c: char| c.is_alphabetic() || c == '+' || c == '-')
}

fn is_mark(c: char) -> bool {
    !c.is_ascii() && format!("a{c}").graphemes(true).count() == 1
}
