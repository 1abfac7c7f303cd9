//! The Slack app manifest for a bot that is reached at a public URL.
//!
//! Fields and limits: github.com/slackapi/manifest-schema, `manifest.schema.1.0.0.json`.

use std::fmt;

use crate::commands::{Choice, Chosen};
use crate::config::Shown;
use crate::slack::response_url::{Origin, OriginError, is_path};

/// Longest request URL that Slack takes, in bytes.
pub const URL_BYTES_MAX: usize = 3000;

/// Where the bot takes slash commands.
const COMMAND_PATH: &str = "/slack";

/// Renders the manifest, YAML, for the bot whose public base URL is `url` and which answers these commands.
///
/// The request URL is `url` with `/slack` behind it, unless that is already there.
///
/// # Errors
/// If `url` is not a plain https URL: a host, perhaps a port and a path, and nothing else.
pub fn render(url: &str, chosen: &Chosen) -> Result<String, Error> {
    let is_https = url
        .trim_end_matches('/')
        .get(..8)
        .is_some_and(|start| start.eq_ignore_ascii_case("https://"));
    let error = |fault| Error {
        url: url.to_owned(),
        fault,
    };
    if !is_https {
        return Err(error(Fault::NotHttps));
    }
    let request_url = parse(url).map_err(error)?;
    let entries: String = chosen
        .iter()
        .map(|choice| entry(choice, &request_url))
        .collect();
    let first = chosen.iter().next().map_or("", |choice| &choice.name);
    let rendered = TEMPLATE.replace("{first}", first);
    Ok(rendered.replace("{slash_commands}\n", &entries))
}

/// The address of a page of Slack's on which that app is created with a few clicks.
///
/// # Errors
/// As [`render`].
pub fn link(url: &str, chosen: &Chosen) -> Result<String, Error> {
    let manifest = render(url, chosen)?;
    let is_comment = |line: &&str| line.trim_start().starts_with('#');
    let lines = manifest.lines().filter(|line| !is_comment(line));
    let yaml: String = lines.map(|line| format!("{line}\n")).collect();
    let encoded: String = form_urlencoded::byte_serialize(yaml.as_bytes()).collect();
    // Not everything that decodes a query takes a plus for a blank.
    let encoded = encoded.replace('+', "%20");
    Ok(format!(
        "https://api.slack.com/apps?new_app=1&manifest_yaml={encoded}\n"
    ))
}

/// The URL that takes the slash commands of a bot whose base URL, http or https, is `url`.
///
/// # Errors
/// If it is more than a host, perhaps a port and a path.
pub fn request_url(url: &str) -> Result<String, Error> {
    parse(url).map_err(|fault| Error {
        url: url.to_owned(),
        fault,
    })
}

/// Built from what was parsed, so that nothing in it can end the YAML scalar it stands in.
fn parse(url: &str) -> Result<String, Fault> {
    let url = url.trim_end_matches('/');
    let host_start = url.find("://").map_or(0, |at| at + 3);
    let path_start = url[host_start..]
        .find('/')
        .map_or(url.len(), |at| at + host_start);
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

fn entry(choice: &Choice, request_url: &str) -> String {
    let (name, command) = (&choice.name, choice.command());
    let (description, hint) = (command.description, command.hint);
    format!(
        "    - command: {name}
      url: \"{request_url}\"
      description: \"{description}\"
      usage_hint: \"{hint}\"
      should_escape: true
"
    )
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
/// mention or a link differ from what a person typed, so that it can be kept whole.
const TEMPLATE: &str = r#"# The Slack app of torrap. To use it:
#   1. Open https://api.slack.com/apps, choose "Create New App", then "From a manifest".
#   2. Choose a workspace, the YAML tab, and put this text in; then "Create".
#   3. Choose "Install to Workspace".
#   4. Copy the signing secret from "Basic Information", "App Credentials" into
#      SLACK_SIGNING_SECRET and start torrap.
#   5. Type in any channel: {first} sdrawkcab si siht
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
  # With should_escape on, mentions and links come as tokens, which torrap keeps whole: the reply
  # still links to them.
  slash_commands:
{slash_commands}
oauth_config:
  scopes:
    bot:
      - commands
settings:
  # Without this, Slack never calls the app in an Enterprise organisation.
  org_deploy_enabled: true
  # With socket mode on, Slack would not call the URL.
  socket_mode_enabled: false
  token_rotation_enabled: false
"#;

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(list: &[&str]) -> Chosen {
        let mut chosen = Chosen::default();
        list.iter().for_each(|entry| chosen.add(entry).unwrap());
        chosen
    }

    fn render(url: &str) -> Result<String, Error> {
        super::render(url, &chosen(&["/torrap"]))
    }

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
        let other = render("https://other.example/bot").unwrap();
        assert_eq!(
            manifest,
            other.replace(
                "https://other.example/bot/slack",
                "https://example.ngrok.app/slack"
            )
        );
        assert!(manifest.is_ascii() && manifest.lines().all(|line| line.len() <= 100));
    }

    #[test]
    fn the_chosen_commands_are_in_it_under_their_names_and_no_others() {
        for (list, names) in [
            (&["/torrap"][..], &["/torrap"][..]),
            (&["/shout=/yell", "/torrap"], &["/yell", "/torrap"]),
        ] {
            let url = "https://example.ngrok.app";
            let chosen = chosen(list);
            let manifest = super::render(url, &chosen).unwrap();
            for choice in &chosen {
                assert!(manifest.contains(&entry(choice, "https://example.ngrok.app/slack")));
            }
            let lines = manifest.lines();
            let found: Vec<_> = lines
                .filter_map(|line| line.trim_start().strip_prefix("- command: "))
                .collect();
            assert_eq!(found, names);
            let first = format!("Type in any channel: {} sdrawkcab si siht\n", names[0]);
            assert!(
                manifest.contains(&first) && !manifest.contains('{'),
                "{manifest}"
            );
            let link = link(url, &chosen).unwrap();
            assert_eq!(link.matches("%2Fyell").count(), names.len() - 1);
            assert!(!link.contains("%2Fshout"));
        }
    }

    #[test]
    fn an_organisation_can_install_it() {
        let manifest = render("https://example.ngrok.app").unwrap();
        assert!(manifest.contains("\n  org_deploy_enabled: true\n"));
        let link = link("https://example.ngrok.app", &chosen(&["/torrap"])).unwrap();
        assert!(link.contains("org_deploy_enabled%3A%20true"), "{link}");
    }

    #[test]
    fn the_link_is_the_manifest_without_its_comments() {
        let link = link("https://example.ngrok.app", &chosen(&["/torrap"])).unwrap();
        let query = link.trim_end().split_once('?').unwrap().1;
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        assert_eq!(pairs[0], ("new_app".to_owned(), "1".to_owned()));
        assert_eq!(pairs[1].0, "manifest_yaml");
        let yaml = &pairs[1].1;
        assert!(yaml.starts_with("_metadata:\n") && !yaml.contains('#'));
        assert!(yaml.ends_with(
            "  token_rotation_enabled: false
"
        ));
        assert!(
            !query.contains('+') && link.is_ascii() && link.len() < 4000,
            "{}",
            link.len()
        );
    }

    #[test]
    fn a_running_bot_may_be_called_without_tls() {
        let url = request_url("http://127.0.0.1:8000/").unwrap();
        assert_eq!(url, "http://127.0.0.1:8000/slack");
        assert!(request_url("127.0.0.1:8000").is_err());
        assert!(request_url("ftp://a").is_err());
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
