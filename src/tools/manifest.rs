//! The Slack app manifest for a bot that is reached at a public URL.
//!
//! Fields and limits: github.com/slackapi/manifest-schema, `manifest.schema.1.0.0.json`.

use crate::commands::{Choice, Chosen};
use crate::slack::message::json_string as quoted;
use crate::tools::public_url;

/// How the manifest is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// YAML with comments, for people to paste into Slack.
    #[default]
    Yaml,
    /// JSON, for programs, and where the page's editor of YAML does not work.
    Json,
    /// The address of a page of Slack's on which the app is created with a few clicks.
    Link,
}

/// What is printed of the manifest, and for which of Slack's sites.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// As what.
    pub form: Form,
    /// Whether the app is one of GovSlack.
    pub is_gov: bool,
}

impl Options {
    /// The page on which apps are created.
    const fn page(self) -> &'static str {
        match self.is_gov {
            false => "https://api.slack.com/apps",
            true => "https://api.slack-gov.com/apps",
        }
    }
}

/// Renders the manifest for the bot of this name whose public base URL is `url` and which answers these commands.
///
/// # Errors
/// As [`public_url::for_slack`].
pub fn render(
    name: &str,
    url: &str,
    chosen: &Chosen,
    options: Options,
) -> Result<String, public_url::Error> {
    let request_url = public_url::for_slack(url)?;
    let page = options.page();
    Ok(match options.form {
        Form::Yaml => {
            let entries = chosen.iter().map(|choice| entry(choice, &request_url));
            filled(YAML, page, name, chosen, &entries.collect::<String>())
        }
        Form::Json => json(name, &request_url, chosen),
        Form::Link => {
            // A line break and what follows it are only for people to read: no string holds one.
            let json: String = json(name, &request_url, chosen)
                .lines()
                .map(str::trim_start)
                .collect();
            let encoded: String = form_urlencoded::byte_serialize(json.as_bytes()).collect();
            // Not everything that decodes a query takes a plus for a blank.
            let encoded = encoded.replace('+', "%20");
            format!("{page}?new_app=1&manifest_json={encoded}\n")
        }
    })
}

/// A template with what it leaves open. Nothing is looked for in a text that was put in.
fn filled(template: &str, page: &str, name: &str, chosen: &Chosen, entries: &str) -> String {
    let first = chosen.iter().next();
    let first_name = first.map_or("", |choice| &choice.name);
    let description = first.map_or("", |choice| choice.command().description);
    let description: String = description.chars().take(DESCRIPTION_CHARS_MAX).collect();
    let (head, tail) = template.split_once(ENTRIES).unwrap_or((template, ""));
    let head = head.replace("{page}", page).replace("{name}", name);
    let head = head.replace("{scalar}", &scalar(name));
    let head = head.replace("{first}", first_name);
    let head = head.replace("{description}", &quoted(&description));
    [&head, entries, tail].concat()
}

/// A command as an entry of the YAML's list. What JSON calls a string is a double-quoted scalar of YAML.
fn entry(choice: &Choice, request_url: &str) -> String {
    let command = choice.command();
    let (name, url) = (&choice.name, quoted(request_url));
    let description = quoted(command.description);
    // The schema takes no empty one.
    let hint = match command.hint {
        "" => String::new(),
        hint => format!("      usage_hint: {}\n", quoted(hint)),
    };
    format!(
        "    - command: {name}
      url: {url}
      description: {description}
{hint}      should_escape: true
"
    )
}

fn json(name: &str, request_url: &str, chosen: &Chosen) -> String {
    let entry = |choice: &Choice| {
        let command = choice.command();
        let (name, url) = (quoted(&choice.name), quoted(request_url));
        let description = quoted(command.description);
        let hint = match command.hint {
            "" => String::new(),
            hint => format!("        \"usage_hint\": {},\n", quoted(hint)),
        };
        format!(
            "      {{
        \"command\": {name},
        \"url\": {url},
        \"description\": {description},
{hint}        \"should_escape\": true
      }}"
        )
    };
    let entries: Vec<String> = chosen.iter().map(entry).collect();
    filled(JSON, "", name, chosen, &(entries.join(",\n") + "\n"))
}

/// A scalar of YAML, plain where it can be: YAML's own words (`true`, `null`, …) have at most five letters.
fn scalar(name: &str) -> String {
    let is_plain = name.len() > 5
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if is_plain {
        name.to_owned()
    } else {
        quoted(name)
    }
}

/// Longest description of an app, in characters.
const DESCRIPTION_CHARS_MAX: usize = 140;

/// Where the commands stand in a template.
const ENTRIES: &str = "{slash_commands}\n";

/// `should_escape` is on, other than by Slack's default: only then does what Slack means as a
/// mention or a link differ from what a person typed, so that it can be kept whole.
const YAML: &str = r#"# The Slack app of {name}. To use it:
#   1. Open {page}, choose "Create New App", then "From a manifest".
#   2. Choose a workspace, the YAML tab, and put this text in; then "Create".
#   3. Choose "Install to Workspace".
#   4. Copy the signing secret from "Basic Information", "App Credentials" into
#      SLACK_SIGNING_SECRET and start {name}.
#   5. Type in any channel: {first} sdrawkcab si siht
_metadata:
  major_version: 1
  minor_version: 1
display_information:
  name: {scalar}
  description: {description}
features:
  bot_user:
    display_name: {scalar}
    always_online: false
  # With should_escape on, mentions and links come as tokens, which a reply can keep whole: it still
  # links to them.
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

/// The same without comments, which JSON has not.
const JSON: &str = r#"{
  "_metadata": {
    "major_version": 1,
    "minor_version": 1
  },
  "display_information": {
    "name": "{name}",
    "description": {description}
  },
  "features": {
    "bot_user": {
      "display_name": "{name}",
      "always_online": false
    },
    "slash_commands": [
{slash_commands}
    ]
  },
  "oauth_config": {
    "scopes": {
      "bot": [
        "commands"
      ]
    }
  },
  "settings": {
    "org_deploy_enabled": true,
    "socket_mode_enabled": false,
    "token_rotation_enabled": false
  }
}
"#;

#[cfg(test)]
mod tests;
