//! What somebody who mistyped a word most likely meant.

/// Longest word that is compared, in characters: the cost grows with its length.
const WORD_CHARS_MAX: usize = 32;

/// The candidate that is at most two edits away, and by less than half of its own length.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    if word.chars().nth(WORD_CHARS_MAX).is_some() {
        return None;
    }
    let word: Vec<char> = word.chars().collect();
    let near = candidates
        .into_iter()
        .map(|candidate| (distance(&word, candidate), candidate));
    near.filter(|(distance, candidate)| *distance <= 2 && distance * 2 < candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edits from one word to the other: insertions, deletions, replacements, and swaps of two
/// neighbours (optimal string alignment).
fn distance(from: &[char], to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut edits = vec![vec![0; to.len() + 1]; from.len() + 1];
    for i in 0..=from.len() {
        for j in 0..=to.len() {
            edits[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = edits[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
                let is_swap =
                    i > 1 && j > 1 && (from[i - 1], from[i - 2]) == (to[j - 2], to[j - 1]);
                let swapped = if is_swap {
                    edits[i - 2][j - 2] + 1
                } else {
                    replaced
                };
                replaced
                    .min(swapped)
                    .min(edits[i - 1][j] + 1)
                    .min(edits[i][j - 1] + 1)
            };
        }
    }
    edits[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_counted_in_edits() {
        let distance = |from: &str, to: &str| distance(&from.chars().collect::<Vec<_>>(), to);
        assert_eq!(distance("", ""), 0);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("listne", "listen"), 1);
    }

    #[test]
    fn only_a_near_word_is_suggested() {
        let words = ["serve", "try", "manifest"];
        assert_eq!(nearest("manifset", words), Some("manifest"));
        assert_eq!(nearest("servr", words), Some("serve"));
        assert_eq!(nearest("tyr", words), Some("try"));
        assert_eq!(nearest("tri", words), Some("try"));
        assert_eq!(nearest("foo", words), None);
        assert_eq!(nearest("", words), None);
        assert_eq!(nearest(&"manifest".repeat(1_000_000), words), None);
    }
}
