//! What the manifest says, in each of its forms.

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
