//! Good and bad values of each setting that has a flag.

use crate::config::Setting;

/// One setting that has a flag: what stands for its default, two good values with what they come
/// to, and bad values with the line that each gets, behind the name.
pub(super) struct Row {
    pub(super) setting: Setting,
    pub(super) default: &'static str,
    pub(super) good: [(&'static str, &'static str); 2],
    pub(super) bad: &'static [(&'static str, &'static str)],
}

const SECONDS_TO_1500: &str = "a number of seconds from 0 to 1500; give one such as 5 or 2.5";
const SECONDS_TO_DAY: &str = "a number of seconds from 0 to 86400; give one such as 5 or 2.5";
const SECONDS_FROM_1: &str = "a number of seconds from 1 to 86400; give one such as 5 or 2.5";

pub(super) const ROWS: &[Row] = &[
    Row {
        setting: Setting::Listen,
        default: "localhost:8000",
        good: [
            (
                "[::1]:80, my.host:0, 8001",
                "[::1]:80,my.host:0,localhost:8001",
            ),
            ("\":1\"", ":1"),
        ],
        bad: &[
            (
                "localhost",
                r#""localhost" is not an address to listen on: the port is missing;"#,
            ),
            (
                "80000",
                r#""80000" is not an address to listen on: the port must be"#,
            ),
            (
                "a:1,,b:2",
                r#""" is not an address to listen on: the port is missing;"#,
            ),
            (
                "a:99999",
                r#""a:99999" is not an address to listen on: the port must be a number"#,
            ),
            (
                "::1:80",
                r#""::1:80" is not an address to listen on: an IPv6 address must stand in"#,
            ),
            (
                "a b:1",
                r#""a b:1" is not an address to listen on: the host is malformed; give one"#,
            ),
        ],
    },
    Row {
        setting: Setting::Delay,
        default: "5000",
        good: [("0.2", "200"), (" '1500'\u{feff}", "1500000")],
        bad: &[
            ("1500.001", SECONDS_TO_1500),
            ("-1", SECONDS_TO_1500),
            ("5s", SECONDS_TO_1500),
            ("inf", SECONDS_TO_1500),
            ("1e2", SECONDS_TO_1500),
            ("a\nb", SECONDS_TO_1500),
        ],
    },
    Row {
        setting: Setting::Tolerance,
        default: "60000",
        good: [("300", "300000"), ("1", "1000")],
        bad: &[
            ("0", SECONDS_FROM_1),
            ("0.999", SECONDS_FROM_1),
            ("86401", SECONDS_FROM_1),
        ],
    },
    Row {
        setting: Setting::ReplyOrigins,
        default: "https://hooks.slack.com,https://hooks.slack-gov.com",
        good: [
            (
                "HTTPS://A.b:443/, http://[::1]:9",
                "https://a.b,http://[::1]:9",
            ),
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
        ],
        bad: &[
            (
                "hooks.slack.com",
                r#""hooks.slack.com" is not an origin: it must begin with https"#,
            ),
            (
                "https://a/b",
                r#""https://a/b" is not an origin: it must end after the host or the"#,
            ),
            (
                "https://a,",
                r#""" is not an origin: it must begin with https:// or http://; give "#,
            ),
        ],
    },
    Row {
        setting: Setting::Commands,
        default: "/torrap",
        good: [
            ("/torrap, /shout=/yell", "/torrap, /yell (/shout)"),
            ("/shout", "/shout"),
        ],
        bad: &[
            (
                "/torrap,/parrot",
                r#""/parrot" is not a command to answer: there are /torrap"#,
            ),
            (
                "/torrap,",
                r#""" is not a command to answer: there are /torrap"#,
            ),
            (
                "/shout=/Yell",
                r#""/shout=/Yell" is not a command to answer: a name is / and up to 31 lower-case"#,
            ),
            (
                "/shout,/shout=/yell",
                r#""/shout=/yell" is not a command to answer: the list has that command already;"#,
            ),
            (
                "/torrap,/shout=/torrap",
                r#""/shout=/torrap" is not a command to answer: another command has that name;"#,
            ),
        ],
    },
    Row {
        setting: Setting::Senders,
        default: "64",
        good: [("1", "1"), ("1024", "1024")],
        bad: &[
            ("0", "a whole number from 1 to 1024; give one"),
            ("1025", "a whole number from 1 to 1024; give one"),
            ("+1", "a whole number from 1 to 1024; give one"),
            ("1.5", "a whole number from 1 to 1024; give one"),
            (
                "99999999999999999999",
                "a whole number from 1 to 1024; give one",
            ),
        ],
    },
    Row {
        setting: Setting::MaxPending,
        default: "100000",
        good: [("1", "1"), ("10000000", "10000000")],
        bad: &[("10000001", "a whole number from 1 to 10000000; give one")],
    },
    Row {
        setting: Setting::MaxConnections,
        default: "8192",
        good: [("1", "1"), ("1000000", "1000000")],
        bad: &[("many", "a whole number from 1 to 1000000; give one")],
    },
    Row {
        setting: Setting::Drain,
        default: "35000",
        good: [("0", "0"), ("86400", "86400000")],
        bad: &[("86400.1", SECONDS_TO_DAY), ("never", SECONDS_TO_DAY)],
    },
    Row {
        setting: Setting::Journal,
        default: "none",
        good: [("\"/var/lib/torrap\"\n", "/var/lib/torrap"), ("j", "j")],
        bad: &[],
    },
    Row {
        setting: Setting::CaFile,
        default: "none",
        good: [("/etc/ssl/ca.pem", "/etc/ssl/ca.pem"), ("ca.pem", "ca.pem")],
        bad: &[],
    },
    Row {
        setting: Setting::MetricsListen,
        default: "",
        good: [
            ("[::1]:9100, :0", "[::1]:9100,:0"),
            ("9100", "localhost:9100"),
        ],
        bad: &[(
            "a",
            r#""a" is not an address to listen on: the port is missing;"#,
        )],
    },
];
