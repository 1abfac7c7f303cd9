//! A real `redis-server`: what its errors mean. Skipped, loudly, where there is none.

use std::path::PathBuf;

use super::encrypted::Authority;
use super::server::Server;
use super::*;
use crate::redis::{Reply, encode};

fn told(url: &str, password: Option<&str>) -> (String, bool) {
    let error = refusal(url, password);
    (error.to_string(), error.is_definite())
}

fn assert_told(found: (String, bool), expected: &str, is_definite: bool) {
    assert!(found.0.contains(expected), "{}", found.0);
    assert_eq!(found.1, is_definite, "{}", found.0);
}

#[test]
fn a_real_server_says_what_it_is() {
    let Some(server) = Server::start(&["--maxmemory-policy", "allkeys-lru"]) else {
        return;
    };
    let connection = connect(server.at).unwrap();
    let info = connection.info();
    assert!(
        info.compatible_with
            .is_some_and(|version| version >= (6, 0))
    );
    assert_eq!((info.appends, info.replicas), (Some(false), Some(0)));
    assert_eq!(info.eviction.as_deref(), Some("allkeys-lru"));
    assert_eq!(info.identity.len(), 80, "its run and its history");
    assert_told(
        told(&format!("{}/99", server.url()), None),
        "it refuses SELECT: ERR DB index",
        true,
    );
    assert_told(
        told(&server.url(), Some("hunter2")),
        "the user has none there",
        true,
    );
    server.run("SET {torrap}:fleet x");
    assert_told(
        told(&server.url(), None),
        "another program uses the keys",
        true,
    );
    assert!(
        connector(&format!("{}?fleet=b", server.url()), None)
            .connect(None, within(AMPLE))
            .is_ok()
    );
}

#[test]
fn a_real_server_asks_for_user_password_and_rights() {
    let Some(server) = Server::start(&["--requirepass", "hunter2"]) else {
        return;
    };
    assert_told(
        told(&server.url(), None),
        "it asks for a password; set",
        true,
    );
    assert_told(
        told(&server.url(), Some("hunter3")),
        "user or password is wrong",
        true,
    );
    let url = format!("redis://bot@{}", server.at);
    assert_told(
        told(&url, Some("hunter2")),
        "user or password is wrong",
        true,
    );
    let mut all = connector(&server.url(), Some("hunter2"));
    let mut connection = all.connect(None, within(AMPLE)).unwrap();
    let mut grant = |rules: &str| {
        let words = format!("ACL SETUSER bot reset on >hunter3 {rules}");
        let words: Vec<_> = words.split(' ').map(str::as_bytes).collect();
        let mut request = Vec::new();
        encode(&words, &mut request);
        let replies = connection.exchange(&request, 1, within(AMPLE)).unwrap();
        assert_eq!(replies, [Reply::Status("OK".to_owned())], "{rules}");
    };
    let own = "~{torrap}:*";
    for (rules, expected) in [
        (own.to_owned(), "the user lacks the right `+role`"),
        (format!("{own} +role"), "the user lacks the right `+info`"),
        (
            format!("{own} +role +info"),
            "the user lacks the right `+hget`",
        ),
        (
            format!("{own} +role +info +hget"),
            "the user lacks the right `+zscore`",
        ),
        (
            "+role +info +hget +zscore".to_owned(),
            "to the fleet's keys, `~{NAME}:*`",
        ),
    ] {
        grant(&rules);
        assert_told(told(&url, Some("hunter3")), expected, true);
    }
    grant(&format!("{own} +role +info +hget +zscore"));
    assert!(
        connector(&url, Some("hunter3"))
            .connect(None, within(AMPLE))
            .is_ok()
    );
    assert_told(
        told(&format!("{url}/1"), Some("hunter3")),
        "the right `+select`",
        true,
    );
    assert_told(
        told(&format!("{url}?fleet=b"), Some("hunter3")),
        "to the fleet's keys",
        true,
    );
}

#[test]
fn a_real_replica_and_a_cluster_without_slots_are_told() {
    let Some(server) = Server::start(&["--replicaof", "127.0.0.1 1"]) else {
        return;
    };
    assert_told(
        told(&server.url(), None),
        "it is a replica, not a master",
        false,
    );
    let options = ["--cluster-enabled", "yes", "--cluster-port", "1"];
    let Some(server) = Server::start(&options) else {
        return;
    };
    assert_told(
        told(&server.url(), None),
        "it refuses HGET: CLUSTERDOWN",
        false,
    );
    assert_told(
        told(&format!("{}/1", server.url()), None),
        "it refuses SELECT",
        true,
    );
}

#[test]
fn a_real_sentinel_is_asked() {
    let Some(master) = Server::start(&[]) else {
        return;
    };
    let directory = std::env::temp_dir().join(format!("torrap-sentinel-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("sentinel.conf");
    let line = format!(
        "sentinel monitor my-master 127.0.0.1 {} 1\n",
        master.at.port()
    );
    std::fs::write(&file, line).unwrap();
    let options = [file.to_str().unwrap(), "--sentinel"];
    let sentinel = Server::start(&options).unwrap();
    let url = format!("redis://{}?sentinel=my-master", sentinel.at);
    let connection = connector(&url, None).connect(None, within(AMPLE)).unwrap();
    assert_eq!(connection.address().port, master.at.port());
    let url = format!("redis://{}?sentinel=other", sentinel.at);
    assert_told(
        told(&url, None),
        "this Sentinel knows no master \"other\"",
        true,
    );
    let (line, _) = told(&format!("redis://{}", sentinel.at), None);
    assert!(line.starts_with(&sentinel.at.to_string()), "{line}");
    let _ = std::fs::remove_dir_all(&directory);
}

#[test]
fn a_real_server_is_reached_by_tls() {
    let authority = Authority::create();
    let (certificate, key) = authority.certify("localhost");
    let directory = std::env::temp_dir().join(format!("torrap-real-tls-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let (cert_file, key_file) = (directory.join("cert.pem"), directory.join("key.pem"));
    std::fs::write(&cert_file, certificate.pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    let text = |path: &PathBuf| path.to_str().unwrap().to_owned();
    let (cert, key, ca) = (text(&cert_file), text(&key_file), text(&authority.file));
    let options = [
        "--tls-port",
        "--tls-cert-file",
        &cert,
        "--tls-key-file",
        &key,
    ];
    let options = [
        &options[..],
        &["--tls-ca-cert-file", &ca, "--tls-auth-clients", "no"],
    ]
    .concat();
    let server = Server::start(&options);
    let _ = std::fs::remove_dir_all(&directory);
    let Some(server) = server else {
        return;
    };
    let to = |scheme, host| format!("{scheme}://{host}:{}", server.at.port());
    let mut connector = Connector::new(
        &journal(&to("rediss", "localhost"), None),
        Some(&authority.file),
    );
    let connector = connector.as_mut().unwrap();
    let mut connection = connector.connect(None, within(AMPLE)).unwrap();
    let mut request = Vec::new();
    encode(&[b"PING"], &mut request);
    for _ in 0..3 {
        let replies = connection.exchange(&request, 1, within(AMPLE));
        assert_eq!(replies.unwrap(), [Reply::Status("PONG".to_owned())]);
    }
    // OpenSSL closes the connection, with an alert or without.
    let (line, _) = told(&to("redis", "localhost"), None);
    assert!(line.contains("TLS") || line.contains("closed"), "{line}");

    let Some(plain) = Server::start(&[]) else {
        return;
    };
    let url = format!("rediss://localhost:{}", plain.at.port());
    let mut connector = Connector::new(&journal(&url, None), None).unwrap();
    let error = connector.connect(None, within(SHORT)).unwrap_err();
    assert!(error.to_string().contains("TLS"), "{error}");
}

#[test]
fn a_real_server_with_too_many_clients_is_no_mistake_in_settings() {
    let Some(server) = Server::start(&["--maxclients", "1"]) else {
        return;
    };
    let mut connector = connector(&server.url(), None);
    // The test's own first look at the port may still be one of its clients.
    let kept = (0..1000).find_map(|_| connector.connect(None, within(AMPLE)).ok());
    let expected = "it refuses ROLE: ERR max number of clients";
    assert_told(told(&server.url(), None), expected, false);
    drop(kept.unwrap());
}
