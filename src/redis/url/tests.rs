//! URLs that are right, and each way to be wrong.

use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> RedisUrl {
    RedisUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn a_url_has_defaults_for_all_but_the_host() {
    let url = parsed("redis://redis");
    let expected = RedisUrl {
        is_tls: false,
        user: None,
        addresses: vec![Address {
            host: "redis".to_owned(),
            port: 6379,
        }],
        database: 0,
        fleet: "torrap".to_owned(),
        wait: 0,
        sentinel: None,
    };
    assert_eq!(url, expected);
    for same in [
        "REDIS://redis:6379",
        "redis://redis/",
        "redis://redis/0?",
        "redis://redis?fleet=torrap&wait=0",
    ] {
        assert_eq!(parsed(same), expected, "{same}");
    }
}

#[test]
fn each_part_is_read_and_written_in_one_spelling() {
    for (text, canonical) in [
        (
            "rediss://bot@a.example:6380,[::1],10.0.0.1:1/15?wait=2&fleet=My.fleet_1-a",
            "rediss://bot@a.example:6380,[::1]:6379,10.0.0.1:1/15?fleet=My.fleet_1-a&wait=2",
        ),
        (
            "redis://a,b:5000?sentinel=my",
            "redis://a:26379,b:5000/0?fleet=torrap&sentinel=my",
        ),
        (
            "redis://b%C3%B6t%40home@a?sentinel=m-1&",
            "redis://b%C3%B6t%40home@a:26379/0?fleet=torrap&sentinel=m%2D1",
        ),
    ] {
        let url = parsed(text);
        assert_eq!(url.to_string(), canonical);
        assert_eq!(parsed(canonical), url);
    }
    assert_eq!(
        parsed("redis://b%C3%B6t%40home@a").user.as_deref(),
        Some("böt@home")
    );
}

#[test]
fn what_is_wrong_is_named() {
    for (text, error) in [
        ("redis", UrlError::Scheme),
        ("redis:a", UrlError::Scheme),
        ("valkey://a", UrlError::Scheme),
        ("unix:///run/redis.sock", UrlError::Scheme),
        ("redis://", UrlError::HostMissing),
        ("redis:///0", UrlError::HostMissing),
        ("redis://a,,b", UrlError::HostMissing),
        ("redis://:6379", UrlError::HostMissing),
        ("redis://bot@", UrlError::HostMissing),
        ("redis://a b", UrlError::Host),
        ("redis://10.0.0", UrlError::Host),
        ("redis://::1:6379", UrlError::Brackets),
        ("redis://a:redis", UrlError::Port),
        ("redis://a:0", UrlError::Port),
        ("redis://@a", UrlError::User),
        ("redis://b%zz@a", UrlError::User),
        ("redis://b%20t@a", UrlError::User),
        ("redis://b%0at@a", UrlError::User),
        ("redis://b%ff@a", UrlError::User),
        ("redis://a/x", UrlError::Database),
        ("redis://a/0/", UrlError::Database),
        ("redis://a/-1", UrlError::Database),
        ("redis://a/65536", UrlError::Database),
        ("redis://a?fleet=", UrlError::Fleet),
        ("redis://a?fleet=a{b}", UrlError::Fleet),
        ("redis://a?fleet=a*", UrlError::Fleet),
        ("redis://a?wait=", UrlError::Wait),
        ("redis://a?wait=17", UrlError::Wait),
        ("redis://a?wait=1.5", UrlError::Wait),
        ("redis://a?sentinel=", UrlError::Sentinel),
        ("redis://a?sentinel=a%20b", UrlError::Sentinel),
        ("redis://a?db=1", UrlError::Parameter),
        ("redis://a?Fleet=a", UrlError::Parameter),
        ("redis://a?wait", UrlError::Parameter),
        ("redis://a?wait=1&wait=1", UrlError::Twice),
        ("redis://a#x", UrlError::Fragment),
    ] {
        assert_eq!(RedisUrl::parse(text), Err(error), "{text}");
    }
    let hosts = vec!["a"; 17].join(",");
    let error = RedisUrl::parse(&format!("redis://{hosts}"));
    assert_eq!(error, Err(UrlError::TooManyAddresses));
}

/// However a password got in, it is not shown, and where it is seen, the line says where it belongs.
#[test]
fn a_password_is_refused_and_not_shown() {
    for text in [
        "redis://:hunter2@a",
        "redis://bot:hunter2@a:6379/0",
        "redis://bot:hun@ter2@a",
        "redis://bot:hunter2/hunter2@a",
        "redis://bot:6379?hunter2@a",
        "redis://bot:1?sentinel=hunter2@a",
        "redis://a?password=hunter2",
        "redis://a/0?user=hunter2",
    ] {
        assert_eq!(RedisUrl::parse(text), Err(UrlError::Password), "{text}");
    }
    for text in [
        "redis://bot:hunter2",
        "redis://a?hunter2",
        "redis://bot:hunter2?@a",
        "valkey://:hunter2@a",
    ] {
        let error = RedisUrl::parse(text).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{text}: {error}");
    }
}

proptest! {
    #[test]
    fn no_text_panics_and_what_is_read_is_read_again(
        text in "rediss?://(.{0,6}@)?[a-c0-9.:,\\[\\]]{0,12}(/[0-9]{0,3})?(\\?(fleet=.{0,3}|wait=[0-9]{0,2}|sentinel=.{0,4}|&){0,4})?",
    ) {
        if let Ok(url) = RedisUrl::parse(&text) {
            prop_assert_eq!(RedisUrl::parse(&url.to_string()), Ok(url));
        }
    }

    #[test]
    fn no_error_shows_a_part_of_the_url(text in ".{0,20}") {
        prop_assume!(text.chars().count() > 6);
        if let Err(error) = RedisUrl::parse(&format!("redis://{text}")) {
            prop_assert!(!error.to_string().contains(&text));
        }
    }
}
