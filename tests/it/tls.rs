//! Replies over TLS: which receivers the bot trusts, and which it does not.

use std::collections::BTreeSet;
use std::fs;

use rustls::HandshakeKind;
use test_support::{Authority, Gate, Torrap};
use torrap::Server;
use torrap::config::{Config, Settings};
use torrap::tools::trial::stand_in::{Answer, SlackStandIn};

use crate::certificates;
use crate::delivery::assert_nothing_was_sent;
use crate::slash_command::assert_acknowledged;

/// The origin of a stand-in by its name, which its certificate is for.
pub fn origin(slack: &SlackStandIn) -> String {
    format!("https://localhost:{}", slack.address().port())
}

#[test]
fn replies_go_over_tls_to_whom_the_file_trusts_on_one_connection() {
    let authority = Authority::create();
    let (slack, handshakes) = certificates::stand_in(&authority, "localhost");
    let origin = origin(&slack);
    let file = authority.file.clone();
    let torrap = Torrap::posting_to(slack, &origin, |config| config.ca_file = Some(file));
    let mut client = torrap.connect();
    for count in 1..=5 {
        assert_acknowledged(&client.exchange(torrap.signed("sdrawkcab si siht")));
        torrap.log.wait_for(": answered", count);
    }
    assert_eq!(torrap.replies(5), ["this is backwards"; 5]);
    let posts = torrap.settle();
    let connections: BTreeSet<_> = posts.iter().map(|post| post.connection).collect();
    assert_eq!((posts.len(), connections.len()), (5, 1));
    assert_eq!(handshakes.wait_for(1), [Ok(Some(HandshakeKind::Full))]);
}

/// Each sender thread has connections of its own, and all of them one memory of sessions.
#[test]
fn a_further_connection_resumes_the_session_of_the_first() {
    let authority = Authority::create();
    let gate = Gate::default();
    let answers = gate.clone();
    let (slack, handshakes) =
        certificates::stand_in_answering(&authority, "localhost", move |post| {
            if post.path != "/first" {
                answers.wait();
            }
            Answer::ok()
        });
    let origin = origin(&slack);
    let file = authority.file.clone();
    let torrap = Torrap::posting_to(slack, &origin, |config| config.ca_file = Some(file));
    let mut client = torrap.connect();
    assert_acknowledged(&client.exchange(torrap.signed_to("/first", "abc")));
    torrap.log.wait_for(": answered", 1);
    for _ in 0..2 {
        assert_acknowledged(&client.exchange(torrap.signed_to("/further", "abc")));
    }
    let handshakes = handshakes.wait_for(2);
    let kinds = [HandshakeKind::Full, HandshakeKind::Resumed];
    assert_eq!(handshakes, kinds.map(|kind| Ok(Some(kind))));
    gate.open();
    assert_eq!(torrap.settle().len(), 3);
}

/// Nothing is posted to a receiver without a certificate that is trusted, and the reply stays pending.
#[track_caller]
fn assert_distrusted(name: &str, authority: &Authority, trusted: Option<&Authority>, reason: &str) {
    let (slack, handshakes) = certificates::stand_in(authority, name);
    let origin = origin(&slack);
    let torrap = Torrap::posting_to(slack, &origin, |config| {
        config.ca_file = trusted.map(|authority| authority.file.clone());
        config.drain_ms = 0;
    });
    assert_acknowledged(&torrap.command("abc"));
    // It is tried again: a certificate may be renewed in time.
    let handshakes = handshakes.wait_for(2);
    assert!(handshakes.iter().all(Result::is_err), "{handshakes:?}");
    for line in torrap.log.wait_for("attempt failed", 1) {
        assert!(line.contains(reason), "{line}");
    }
    assert!(torrap.slack.posts().is_empty());
    assert_nothing_was_sent(torrap);
}

#[test]
fn an_authority_that_is_not_in_the_built_in_roots_is_not_trusted() {
    assert_distrusted("localhost", &Authority::create(), None, "UnknownIssuer");
}

#[test]
fn what_is_no_certificate_beside_a_good_one_does_no_harm() {
    let authority = Authority::create();
    let good = fs::read_to_string(&authority.file).unwrap();
    let hollow = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    fs::write(&authority.file, format!("{hollow}{good}")).unwrap();
    let (slack, _) = certificates::stand_in(&authority, "localhost");
    let origin = origin(&slack);
    let file = authority.file.clone();
    let torrap = Torrap::posting_to(slack, &origin, |config| config.ca_file = Some(file));
    assert_acknowledged(&torrap.command("abc"));
    assert_eq!(torrap.replies(1), ["cba"]);
}

#[test]
fn the_file_is_trusted_instead_of_other_authorities() {
    let (theirs, ours) = (Authority::create(), Authority::create());
    assert_distrusted("localhost", &theirs, Some(&ours), "UnknownIssuer");
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::create();
    let name = "hooks.slack.com";
    assert_distrusted(name, &authority, Some(&authority), "not valid for name");
}

#[test]
fn a_file_that_is_none_is_refused_at_the_start() {
    let authority = Authority::create();
    let refused = |part: &str| {
        let mut config = Config::from_settings(&Settings::default(), Vec::new()).unwrap();
        config.listen = vec!["127.0.0.1:0".to_owned()];
        config.ca_file = Some(authority.file.clone());
        let error = Server::bind(&config).err().unwrap();
        assert!(error.is_usage());
        let error = error.to_string();
        let path = authority.file.display().to_string();
        assert!(error.contains(part) && error.contains(&path), "{error}");
    };
    fs::write(&authority.file, "").unwrap();
    refused("no certificate in it");
    let broken = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
    fs::write(&authority.file, broken).unwrap();
    refused("not PEM");
    // Base64, and no certificate: the handshakes would fail one by one, long after the start.
    let hollow = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    fs::write(&authority.file, hollow.repeat(2)).unwrap();
    refused("no usable certificate in it");
    fs::write(&authority.file, vec![b'-'; 4 * 1024 * 1024 + 1]).unwrap();
    refused("larger than 4 MiB");
    fs::remove_file(&authority.file).unwrap();
    refused("cannot be read");
}
