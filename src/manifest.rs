//! The Slack app manifest for a bot that is reached at a public URL.
//!
//! Fields and limits: github.com/slackapi/manifest-schema, `manifest.schema.1.0.0.json`.

use std::fmt;

use crate::config::Shown;
use crate::slack::response_url::{Origin, OriginError, is_path};

/// Longest request URL that Slack takes, in bytes.
pub const URL_BYTES_MAX: usize = 3000;

/// Where the bot takes slash commands.
const COMMAND_PATH: &str = "/slack";

/// Renders the manifest, YAML, for the bot whose public base URL is `url`.
///
/// The request URL is `url` with `/slack` behind it, unless that is already there.
///
/// # Errors
/// If `url` is not a plain https URL: a host, perhaps a port and a path, and nothing else.
pub fn render(url: &str) -> Result<String, Error> {
    let request_url = request_url(url).map_err(|fault| Error {
        url: url.to_owned(),
        fault,
    })?;
    Ok(TEMPLATE.replace("{request_url}", &request_url))
}

/// Built from what was parsed, so that nothing in it can end the YAML scalar it stands in.
fn request_url(url: &str) -> Result<String, Fault> {
    let url = url.trim_end_matches('/');
    let is_https = url
        .get(..8)
        .is_some_and(|start| start.eq_ignore_ascii_case("https://"));
    if !is_https {
        return Err(Fault::NotHttps);
    }
    let path_start = url[8..].find('/').map_or(url.len(), |at| at + 8);
    let (origin, path) = url.split_at(path_start);
    let origin = Origin::parse(origin).map_err(Fault::Origin)?;
    let path = path
        .strip_suffix(COMMAND_PATH)
        .unwrap_or(path)
        .trim_end_matches('/');
    if path.contains(['?', '\'']) || !is_path(path) {
        return Err(Fault::Path);
    }
    let request_url = format!("{origin}{path}{COMMAND_PATH}");
    if request_url.len() > URL_BYTES_MAX {
        return Err(Fault::TooLong);
    }
    Ok(request_url)
}

/// A URL that Slack could not use, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    url: String,
    fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    NotHttps,
    Origin(OriginError),
    Path,
    TooLong,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not a URL that Slack can call: ", Shown(&self.url))?;
        match self.fault {
            Fault::NotHttps => f.write_str(
                "it must begin with https://; give the https URL that ngrok prints, \
                 such as https://example.ngrok.app",
            ),
            // A query or a fragment right behind the host is the same mistake as one behind a path.
            Fault::Path | Fault::Origin(OriginError::Path) => f.write_str(
                "give it without query, fragment, quotes, white space and other special characters",
            ),
            Fault::Origin(error) => {
                write!(f, "{error}; give one such as https://example.ngrok.app")
            }
            Fault::TooLong => {
                write!(
                    f,
                    "it is longer than {URL_BYTES_MAX} bytes; give a shorter one"
                )
            }
        }
    }
}

impl std::error::Error for Error {}

/// `should_escape` is on, other than by Slack's default: only then does what Slack means as a
/// mention or a link differ from what somebody typed, so that it can be kept whole.
const TEMPLATE: &str = r#"# The Slack app of torrap. To use it:
#   1. Open https://api.slack.com/apps, choose "Create New App", then "From a manifest".
#   2. Choose a workspace, the YAML tab, and put this text in; then "Create".
#   3. Choose "Install to Workspace".
#   4. Copy the signing secret from "Basic Information", "App Credentials" into
#      SLACK_SIGNING_SECRET and start torrap.
#   5. Type in any channel: /torrap sdrawkcab si siht
_metadata:
  major_version: 1
  minor_version: 1
display_information:
  name: torrap
  description: Replies with your text reversed
features:
  bot_user:
    display_name: torrap
    always_online: false
  slash_commands:
    - command: /torrap
      url: "{request_url}"
      description: Reverse some text
      usage_hint: "[text to reverse]"
      # Mentions and links come as tokens, which torrap keeps whole: the reply still links to them.
      should_escape: true
oauth_config:
  scopes:
    bot:
      - commands
settings:
  org_deploy_enabled: false
  # With socket mode on, Slack would not call the URL.
  socket_mode_enabled: false
  token_rotation_enabled: false
"#;

#[cfg(test)]
mod tests {
    use super::*;

    fn url_line(url: &str) -> String {
        let manifest = render(url).unwrap();
        let line = manifest
            .lines()
            .find(|line| line.trim_start().starts_with("url: "))
            .unwrap();
        line.trim_start().to_owned()
    }

    #[test]
    fn the_request_url_is_the_base_url_and_slack() {
        for url in [
            "https://example.ngrok.app",
            "https://example.ngrok.app/",
            "https://example.ngrok.app//",
            "https://example.ngrok.app/slack",
            "https://example.ngrok.app/slack/",
            "HTTPS://Example.ngrok.app:443",
        ] {
            assert_eq!(
                url_line(url),
                r#"url: "https://example.ngrok.app/slack""#,
                "{url}"
            );
        }
        let line = url_line("https://example.com:8443/bots/torrap");
        assert_eq!(line, r#"url: "https://example.com:8443/bots/torrap/slack""#);
        let line = url_line("https://example.com/notslack");
        assert_eq!(line, r#"url: "https://example.com/notslack/slack""#);
    }

    #[test]
    fn nothing_else_depends_on_the_url() {
        let manifest = render("https://example.ngrok.app").unwrap();
        assert_eq!(
            manifest,
            TEMPLATE.replace("{request_url}", "https://example.ngrok.app/slack")
        );
        assert!(manifest.is_ascii() && manifest.lines().all(|line| line.len() <= 100));
    }

    #[test]
    fn what_slack_cannot_call_is_refused_with_a_hint() {
        let plain = "give it without query, fragment, quotes, white space and other special \
                     characters";
        let https = "it must begin with https://; give the https URL that ngrok prints, such as \
                     https://example.ngrok.app";
        let one = "give one such as https://example.ngrok.app";
        for (url, why) in [
            ("", https.to_owned()),
            ("http://example.ngrok.app", https.to_owned()),
            ("http://localhost:8000", https.to_owned()),
            ("example.ngrok.app", https.to_owned()),
            ("https:/example.ngrok.app", https.to_owned()),
            ("https://", https.to_owned()),
            (
                "https://user@example.com",
                format!("it must have no user and no password; {one}"),
            ),
            (
                "https://example.com:99999",
                format!("its port must be a number from 1 to 65535; {one}"),
            ),
            (
                "https://exa mple.com",
                format!("its host is missing or malformed; {one}"),
            ),
            (
                "https://example.com\"",
                format!("its host is missing or malformed; {one}"),
            ),
            ("https://example.com?x", plain.to_owned()),
            ("https://example.com#x", plain.to_owned()),
            ("https://example.com/a?x", plain.to_owned()),
            ("https://example.com/a#x", plain.to_owned()),
            ("https://example.com/a\"b", plain.to_owned()),
            ("https://example.com/a'b", plain.to_owned()),
            ("https://example.com/a b", plain.to_owned()),
            ("https://example.com/a\nb: c", plain.to_owned()),
            ("https://example.com/a\\b", plain.to_owned()),
            ("https://example.com/{x}", plain.to_owned()),
        ] {
            let error = render(url).unwrap_err().to_string();
            assert_eq!(
                error,
                format!("{url:?} is not a URL that Slack can call: {why}")
            );
        }
        let url = |bytes: usize| format!("https://example.com/{}", "x".repeat(bytes - 26));
        assert!(render(&url(URL_BYTES_MAX)).is_ok());
        let error = render(&url(URL_BYTES_MAX + 1)).unwrap_err().to_string();
        assert!(
            error.ends_with("it is longer than 3000 bytes; give a shorter one"),
            "{error}"
        );
    }
}
