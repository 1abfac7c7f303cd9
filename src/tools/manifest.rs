//! The Slack app manifest for a bot that is reached at a public URL.
//!
//! Fields and limits: github.com/slackapi/manifest-schema, `manifest.schema.1.0.0.json`.

use crate::commands::{Choice, Chosen};
use crate::slack::message::append_json_string;
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

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut json = Vec::new();
    append_json_string(text, &mut json);
    String::from_utf8_lossy(&json).into_owned()
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
  name: "{name}"
  description: {description}
features:
  bot_user:
    display_name: "{name}"
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
mod tests {
    use super::*;
    use crate::commands::{Command, Commands, SHOUT};
    use serde_json::Value;

    const URL: &str = "https://torrap.ngrok-free.dev";

    fn chosen(list: &[&str]) -> Chosen {
        let mut chosen = Chosen::default();
        list.iter().for_each(|entry| chosen.add(entry).unwrap());
        chosen
    }

    fn rendered(form: Form, list: &[&str]) -> String {
        let options = Options {
            form,
            is_gov: false,
        };
        render("torrap", URL, &chosen(list), options).unwrap()
    }

    fn parsed(json: &str) -> Value {
        serde_json::from_str(json).unwrap()
    }

    /// The manifest that a link holds.
    fn linked(link: &str) -> Value {
        let query = link.trim_end().split_once('?').unwrap().1;
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        assert_eq!(pairs[0], ("new_app".to_owned(), "1".to_owned()));
        assert_eq!((pairs[1].0.as_str(), pairs.len()), ("manifest_json", 2));
        parsed(&pairs[1].1)
    }

    #[test]
    fn nothing_else_depends_on_the_url() {
        for form in [Form::Yaml, Form::Json] {
            let options = Options {
                form,
                is_gov: false,
            };
            let other = "https://other.example/bot";
            let rendered_there = render("torrap", other, &chosen(&["/torrap"]), options).unwrap();
            let request_url = format!("\"{other}/slack\"");
            assert_eq!(rendered_there.matches(&request_url).count(), 1);
            assert_eq!(
                rendered(form, &["/torrap"]),
                rendered_there.replace(other, URL)
            );
            assert!(rendered_there.is_ascii());
            assert!(rendered_there.lines().all(|line| line.len() <= 100));
        }
        assert!(
            render(
                "torrap",
                "http://a.example",
                &Chosen::default(),
                Options::default()
            )
            .is_err()
        );
    }

    #[test]
    fn the_chosen_commands_are_in_it_under_their_names_and_no_others() {
        for (list, names) in [
            (&["/torrap"][..], &["/torrap"][..]),
            (&["/shout=/yell", "/torrap"], &["/yell", "/torrap"]),
        ] {
            let manifest = rendered(Form::Yaml, list);
            for choice in &chosen(list) {
                assert!(manifest.contains(&entry(choice, "https://torrap.ngrok-free.dev/slack")));
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
            let json = parsed(&rendered(Form::Json, list));
            let commands = json["features"]["slash_commands"].as_array().unwrap();
            let found: Vec<_> = commands.iter().map(|command| &command["command"]).collect();
            assert_eq!(found, names);
        }
    }

    #[test]
    fn a_bot_of_ones_own_has_its_own_name_and_words() {
        let hello = Command {
            name: "/hello",
            hint: "",
            description: "Say \"hello\": {name} {slash_commands}",
            usage: "`/hello`",
            ..SHOUT
        };
        let mut chosen = Chosen::of(Commands::new(&[hello]).unwrap());
        chosen.add("/hello").unwrap();
        let of = |form| {
            let is_gov = false;
            render("mybot", URL, &chosen, Options { form, is_gov }).unwrap()
        };
        let yaml = of(Form::Yaml);
        assert!(!yaml.contains("torrap.\n") && !yaml.contains("usage_hint"));
        let json = parsed(&of(Form::Json));
        assert_eq!(json, linked(&of(Form::Link)));
        let app = &json["display_information"];
        assert_eq!(
            (&app["name"], &app["description"]),
            (&"mybot".into(), &hello.description.into())
        );
        let expected = serde_json::json!([{
            "command": "/hello",
            "url": format!("{URL}/slack"),
            "description": hello.description,
            "should_escape": true,
        }]);
        assert_eq!(json["features"]["slash_commands"], expected);
    }

    #[test]
    fn an_organisation_can_install_it() {
        let manifest = rendered(Form::Yaml, &["/torrap"]);
        assert!(manifest.contains("\n  org_deploy_enabled: true\n"));
        let json = parsed(&rendered(Form::Json, &["/torrap"]));
        assert_eq!(json["settings"]["org_deploy_enabled"], true);
    }

    /// The names and values of all that is no list or group, in the order of their names.
    fn leaves(value: &Value, name: &str, out: &mut Vec<(String, String)>) {
        match value {
            Value::Object(fields) => fields
                .iter()
                .for_each(|(name, value)| leaves(value, name, out)),
            Value::Array(entries) => entries.iter().for_each(|entry| leaves(entry, name, out)),
            leaf => out.push((name.to_owned(), leaf.to_string())),
        }
    }

    #[test]
    fn the_json_says_what_the_yaml_says() {
        let list = ["/torrap", "/shout=/yell"];
        let (mut of_json, mut of_yaml) = (Vec::new(), Vec::new());
        leaves(&parsed(&rendered(Form::Json, &list)), "", &mut of_json);
        let yaml = rendered(Form::Yaml, &list);
        let mut group = "";
        for line in yaml.lines().map(str::trim_start) {
            let line = line.strip_prefix("- ").unwrap_or(line);
            let (name, value) = match line.split_once(": ") {
                _ if line.starts_with('#') => continue,
                Some(pair) => pair,
                None if line.ends_with(':') => {
                    group = line.trim_end_matches(':');
                    continue;
                }
                None => (group, line),
            };
            let is_json = serde_json::from_str::<Value>(value).is_ok();
            let quoted = if is_json {
                value.to_owned()
            } else {
                format!("{value:?}")
            };
            of_yaml.push((name.to_owned(), quoted));
        }
        of_json.sort();
        of_yaml.sort();
        assert_eq!(of_json, of_yaml);
        assert!(of_json.len() >= 18, "{of_json:?}");
    }

    #[test]
    fn the_link_holds_the_json() {
        let list = ["/torrap", "/shout"];
        let link = rendered(Form::Link, &list);
        assert_eq!(linked(&link), parsed(&rendered(Form::Json, &list)));
        assert!(link.starts_with("https://api.slack.com/apps?new_app=1&manifest_json=%7B%22_"));
        assert!(
            !link.contains('+') && link.is_ascii() && link.len() < 4000,
            "{}",
            link.len()
        );
    }

    #[test]
    fn govslack_has_pages_of_its_own() {
        for form in [Form::Yaml, Form::Json, Form::Link] {
            let of = |is_gov| {
                render(
                    "torrap",
                    URL,
                    &chosen(&["/torrap"]),
                    Options { form, is_gov },
                )
                .unwrap()
            };
            let page = "https://api.slack-gov.com/apps";
            assert_eq!(
                of(true).matches(page).count(),
                usize::from(form != Form::Json)
            );
            assert!(!of(false).contains(page));
            assert_eq!(
                of(true).replace(page, "https://api.slack.com/apps"),
                of(false)
            );
        }
    }
}
