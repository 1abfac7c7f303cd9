//! `/torrap`: the text backwards.

use unicode_segmentation::UnicodeSegmentation;

use super::{Command, Request};
use crate::slack::markup::{self, Unit};

/// `/torrap`: the text backwards.
pub const REVERSE: Command = Command::inline("/torrap", run)
    .description("Say some text backwards")
    .hint("[text]")
    .usage(
        "Give me some text and I'll say it backwards. Try `/torrap sdrawkcab si siht`: \
         a moment later I answer `this is backwards`.",
    )
    .deterministic();

fn run(request: &Request<'_>, out: &mut String) {
    reverse(request.text(), out);
}

/// Appends `text` reversed. Names of emoji and Slack's own tokens stay whole, and pings become plain text: a
/// reversed text must not alert a channel.
fn reverse(text: &str, out: &mut String) {
    out.reserve(text.len());
    let mut directions = Directions::default();
    for unit in markup::units_reversed(text) {
        match unit {
            Unit::Text(run) => reverse_plain(&markup::decode(run), &mut directions, out),
            Unit::Emoji(name) => out.push_str(name),
            Unit::Mention(token) | Unit::Token(token) => markup::encode_token_into(token, out),
            Unit::Ping(ping) => markup::encode_plain_into(ping, out),
        }
    }
}

/// Appends plain text reversed by extended grapheme clusters (Unicode Annex #29), then encoded.
///
/// Two neighbouring plain bytes are always two clusters, so stretches of them need no look at
/// Unicode's tables; what is left are knots, each cut where two plain bytes meet.
fn reverse_plain(text: &str, directions: &mut Directions, out: &mut String) {
    let mut rest = text;
    while !rest.is_empty() {
        let bytes = rest.bytes().rev();
        let stretch = bytes.take_while(|&byte| is_plain(byte)).count();
        // The first byte of a stretch can belong to the cluster before it.
        let certain = if stretch == rest.len() {
            stretch
        } else {
            stretch.saturating_sub(1)
        };
        let (before, certain) = rest.split_at(rest.len() - certain);
        push_reversed(certain.as_bytes(), out);

        let mut pairs = before.as_bytes().windows(2);
        let cut = pairs.rposition(|pair| pair.iter().all(|&byte| is_plain(byte)));
        let (before, knot) = before.split_at(cut.map_or(0, |at| at + 1));
        reverse_knot(knot, directions, out);
        rest = before;
    }
}

/// The same for text that needs Unicode's tables.
fn reverse_knot(knot: &str, directions: &mut Directions, out: &mut String) {
    // Flags in a row are pairs of letters, counted from the front. With a letter left over at the end, the
    // reversed row would be other flags: it stays as it is.
    let mut row: Option<(usize, usize)> = None;
    for (at, cluster) in knot.grapheme_indices(true).rev() {
        let is_odd = cluster.chars().count() == 1;
        if cluster.starts_with(FLAG_LETTERS) && (row.is_some() || is_odd) {
            row = Some((at, row.map_or(at + cluster.len(), |(_, end)| end)));
            continue;
        }
        if let Some((start, end)) = row.take() {
            out.push_str(&knot[start..end]);
        }
        directions.push(cluster, out);
    }
    if let Some((start, end)) = row {
        out.push_str(&knot[start..end]);
    }
}

/// The regional indicators (Unicode Technical Standard #51, annex B).
const FLAG_LETTERS: fn(char) -> bool = |c| matches!(c, '\u{1f1e6}'..='\u{1f1ff}');

/// The marks that end a stretch of another direction (Unicode Annex #9) and wait, further back in the text,
/// for the mark that begins it: where each stands in the output.
#[derive(Default)]
struct Directions {
    isolates: Vec<usize>,
    embeddings: Vec<usize>,
}

impl Directions {
    /// Appends a cluster, encoded. The two marks of a stretch change places, so that it begins and ends as
    /// before; otherwise it would reach to the end of the line.
    fn push(&mut self, cluster: &str, out: &mut String) {
        let (stack, ending) = match cluster {
            "\u{2066}" | "\u{2067}" | "\u{2068}" | "\u{2069}" => (&mut self.isolates, "\u{2069}"),
            "\u{202a}" | "\u{202b}" | "\u{202c}" | "\u{202d}" | "\u{202e}" => {
                (&mut self.embeddings, "\u{202c}")
            }
            _ => return markup::encode_into(cluster, out),
        };
        if cluster == ending {
            stack.push(out.len());
        } else if let Some(at) = stack.pop() {
            out.replace_range(at..at + ending.len(), cluster);
            return out.push_str(ending);
        }
        out.push_str(cluster);
    }
}

/// Whether `byte` is a character that is sent as it is and is a cluster of its own beside another one like it; CR
/// is not, because of CR LF.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii() && byte != b'\r' && !markup::is_special(byte)
}

/// Appends ASCII bytes, last first.
fn push_reversed(ascii: &[u8], out: &mut String) {
    out.extend(ascii.iter().rev().map(|&byte| char::from(byte)));
}

#[cfg(test)]
mod tests;
