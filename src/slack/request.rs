//! How Slack writes and signs the request of a slash command
//! (docs.slack.dev/interactivity/implementing-slash-commands and
//! docs.slack.dev/authentication/verifying-requests-from-slack).
//!
//! The bot never sends one: `torrap try`, the tests and the benches do.

use hmac::Mac;

use super::markup;
use super::signature::{SIGNATURE_FIELD, TIMESTAMP_FIELD, base_string, keyed};

/// A form with the fields that Slack sends, for what a person typed.
#[must_use]
pub fn form(command: &str, typed: &str, response_url: &str) -> String {
    let mut text = String::new();
    markup::encode_into(typed, &mut text);
    form_urlencoded::Serializer::new(String::new())
        .append_pair("token", "gIkuvaNzQIHg97ATvDxqgjtO")
        .append_pair("team_id", "T0001")
        .append_pair("team_domain", "example")
        .append_pair("channel_id", "C2147483705")
        .append_pair("channel_name", "test")
        .append_pair("user_id", "U2147483697")
        .append_pair("user_name", "roadrunner")
        .append_pair("command", command)
        .append_pair("text", &text)
        .append_pair("api_app_id", "A123456")
        .append_pair("is_enterprise_install", "false")
        .append_pair("response_url", response_url)
        .append_pair("trigger_id", "13345224609.738474920.8088930838d88f008e0")
        .finish()
}

/// Signs content: the value of `X-Slack-Signature`.
#[must_use]
pub fn sign(secret: &[u8], timestamp_secs: u64, content: &[u8]) -> String {
    let timestamp = timestamp_secs.to_string();
    let mac = base_string(&keyed(secret), timestamp.as_bytes(), content);
    format!("v0={}", hex::encode(mac.finalize().into_bytes()))
}

/// The header fields that Slack sends with a form, for a client that writes the rest of the request itself.
#[must_use]
pub fn fields(secret: &[u8], timestamp_secs: u64, content: &[u8]) -> [(&'static str, String); 3] {
    [
        (SIGNATURE_FIELD, sign(secret, timestamp_secs, content)),
        (TIMESTAMP_FIELD, timestamp_secs.to_string()),
        (
            "Content-Type",
            "application/x-www-form-urlencoded".to_owned(),
        ),
    ]
}

/// A whole request with this content, signed, on a connection that stays open.
#[must_use]
pub fn signed(secret: &[u8], timestamp_secs: u64, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let [signature, timestamp, content_type] =
        fields(secret, timestamp_secs, content).map(|(name, value)| format!("{name}: {value}\r\n"));
    let mut request = format!(
        "POST /slack HTTP/1.1\r\n\
         Host: torrap.example\r\n\
         User-Agent: Slackbot 1.0 (+https://api.slack.com/robots)\r\n\
         Accept-Encoding: gzip,deflate\r\n\
         Accept: */*\r\n\
         {signature}{timestamp}Content-Length: {length}\r\n{content_type}\r\n"
    )
    .into_bytes();
    request.extend_from_slice(content);
    request
}

#[cfg(test)]
mod tests {
    use super::super::signature::tests::{OFFICIAL, OFFICIAL_SIGNATURE, SECRET, TIMESTAMP};
    use super::*;

    /// Signer and verifier share the base string: the signature that Slack has published judges each of them by itself.
    #[test]
    fn slacks_own_example_is_signed_as_slack_has_signed_it() {
        assert_eq!(
            sign(SECRET, TIMESTAMP, OFFICIAL.as_bytes()),
            OFFICIAL_SIGNATURE
        );
    }

    #[test]
    fn further_examples() {
        let other = b"fa2c05deeef5a4077494e89f54394de0".as_slice();
        for (secret, content, digits) in [
            (
                SECRET,
                b"".as_slice(),
                "55f41ec73231010289b54e669149ea021fccab11b5524355523533ce930cb739",
            ),
            (
                SECRET,
                b"a=b",
                "4ac7a9660a84a7c0a8e890c919b12194f1f98ba378f6b76cb3be639dfd4ee7b9",
            ),
            (
                SECRET,
                "text=é".as_bytes(),
                "0d5137b67e56f3cd2a7991a5bfd9ea4dfa98dd4fb418a1af2ad30273ce091982",
            ),
            (
                SECRET,
                b"\xff\xfe",
                "1e24759714b2509d3673aed07ee62e21470bff8e64776a1b26919606cbcaa164",
            ),
            (
                other,
                b"test-body",
                "baa91ef62d346e56607bbdd278a8acd570b91226854f15a382f43d33be42f666",
            ),
        ] {
            assert_eq!(sign(secret, TIMESTAMP, content), format!("v0={digits}"));
        }
    }

    /// Byte for byte, so that no test or figure changes without notice.
    #[test]
    fn a_request_is_written_as_slack_writes_it() {
        let request = signed(SECRET, TIMESTAMP, OFFICIAL.as_bytes());
        let expected = format!(
            "POST /slack HTTP/1.1\r\n\
             Host: torrap.example\r\n\
             User-Agent: Slackbot 1.0 (+https://api.slack.com/robots)\r\n\
             Accept-Encoding: gzip,deflate\r\n\
             Accept: */*\r\n\
             X-Slack-Signature: {OFFICIAL_SIGNATURE}\r\n\
             X-Slack-Request-Timestamp: 1531420618\r\n\
             Content-Length: 362\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\r\n\
             {OFFICIAL}"
        );
        assert_eq!(String::from_utf8(request).unwrap(), expected);
    }

    #[test]
    fn what_was_typed_is_encoded_twice_as_markup_and_as_a_form() {
        let form = form("/torrap", "a & <b>", "https://hooks.slack.com/x");
        assert!(
            form.contains("&text=a+%26amp%3B+%26lt%3Bb%26gt%3B&"),
            "{form}"
        );
        assert!(form.contains("&command=%2Ftorrap&"), "{form}");
        let url = "&response_url=https%3A%2F%2Fhooks.slack.com%2Fx&";
        assert!(form.contains(url), "{form}");
    }
}
