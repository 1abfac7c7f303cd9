//! What a receiver's answer means for the job, and what of it the log may show.

use super::Outcome;

/// Bytes of a refusing answer that go to the log.
const EXCERPT_BYTES: usize = 100;

/// A part of a URL's path that is shorter than this is no secret, and may be a word of the answer.
const SECRET_BYTES_MIN: usize = 8;

/// The outcome of an attempt that got an answer: its status, and the value of its Retry-After field.
#[must_use]
pub fn outcome(status: u16, retry_after: Option<&[u8]>) -> Outcome {
    match status {
        200..=299 => Outcome::Delivered,
        408 | 429 | 500..=599 => {
            let text = retry_after.and_then(|value| std::str::from_utf8(value).ok());
            Outcome::Unavailable {
                status,
                retry_after: text.map(str::to_owned),
            }
        }
        _ => Outcome::Rejected { status },
    }
}

/// The beginning of a refusing answer, for the log. Many servers repeat the URL that they refuse: its
/// path is a secret, as a whole and in its parts, and so is the beginning of a part at the answer's
/// end, where reading has stopped.
#[must_use]
pub fn excerpt(answer: &[u8], url: &str) -> String {
    let mut text = String::from_utf8_lossy(answer).into_owned();
    let path = url.splitn(4, '/').nth(3).unwrap_or_default();
    let parts = path.split(['/', '?', '&', '=']);
    let secrets = || {
        let long = |part: &&str| part.len() >= SECRET_BYTES_MIN;
        let whole = std::iter::once(path).filter(|path| !path.is_empty());
        whole.chain(parts.clone().filter(long))
    };
    for secret in secrets() {
        text = without(&text, secret);
    }
    while let Some(len) = secrets()
        .map(|secret| begun(&text, secret))
        .find(|len| *len > 0)
    {
        text.truncate(text.len() - len);
    }
    let end = (0..=text.len().min(EXCERPT_BYTES))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or(0));
    text
}

/// `text` with every occurrence of `secret`, in whatever case, replaced by an ellipsis.
fn without(text: &str, secret: &str) -> String {
    let (lower, secret) = (text.to_ascii_lowercase(), secret.to_ascii_lowercase());
    let mut kept = String::with_capacity(text.len());
    let mut at = 0;
    for (found, _) in lower.match_indices(&secret) {
        kept.push_str(&text[at..found]);
        kept.push('…');
        at = found + secret.len();
    }
    kept.push_str(&text[at..]);
    kept
}

/// How many bytes at the end of `text` are the beginning of `secret`, if they are more than chance.
fn begun(text: &str, secret: &str) -> usize {
    let (text, secret) = (text.as_bytes(), secret.as_bytes());
    let begins = |len: &usize| text[text.len() - len..].eq_ignore_ascii_case(&secret[..*len]);
    let longest = text.len().min(secret.len());
    (SECRET_BYTES_MIN..=longest).rev().find(begins).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str =
        "https://hooks.slack.com/commands/T1DC2JH3J/397700885554/96rGlfmibIGlgcZRskXaIFfN";

    #[test]
    fn an_excerpt_is_short_and_has_nothing_of_the_path() {
        let body =
            "The URL /commands/T1DC2JH3J/397700885554/96rGlfmibIGlgcZRskXaIFfN was not found";
        assert_eq!(excerpt(body.as_bytes(), URL), "The URL /… was not found");
        assert_eq!(excerpt(b"no 96rGlfmibIGlgcZRskXaIFfN", URL), "no …");
        assert_eq!(excerpt(b"NO 96rglfmibiglgczrskxaiffn", URL), "NO …");
        assert_eq!(excerpt(b"expired_url", URL), "expired_url");
        assert_eq!(excerpt("é".repeat(200).as_bytes(), URL).len(), 100);
        assert_eq!(excerpt(b"a/b", "http://h/"), "a/b");
    }

    #[test]
    fn an_answer_that_breaks_off_shows_no_beginning_of_the_path() {
        assert_eq!(excerpt(b"no 96rGlfmibIGlgcZRskXaIF", URL), "no ");
        assert_eq!(
            excerpt(b"no 96rGlfm", URL),
            "no 96rGlfm",
            "as good as chance"
        );
        let url = format!("https://h/{}", "x1".repeat(1000));
        let body = "x1".repeat(1500);
        assert_eq!(excerpt(body.as_bytes(), &url), "…");
        assert_eq!(
            excerpt(&[b'a'; 58], "https://h/aaaaaaaaaaaaaaaaab"),
            "aaaaaaa"
        );
    }

    #[test]
    fn outcomes_go_by_the_status() {
        let unavailable = |status, retry_after: Option<&str>| Outcome::Unavailable {
            status,
            retry_after: retry_after.map(str::to_owned),
        };
        for delivered in [200, 201, 204, 299] {
            assert_eq!(outcome(delivered, Some(b"1")), Outcome::Delivered);
        }
        for status in [100, 199, 300, 302, 400, 404, 407, 410, 428, 430, 499, 600] {
            assert_eq!(outcome(status, Some(b"1")), Outcome::Rejected { status });
        }
        for status in [408, 429, 500, 503, 599] {
            assert_eq!(
                outcome(status, Some(b"30")),
                unavailable(status, Some("30"))
            );
            assert_eq!(outcome(status, Some(b"\xff")), unavailable(status, None));
            assert_eq!(outcome(status, None), unavailable(status, None));
        }
    }
}
