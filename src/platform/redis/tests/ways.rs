//! Which server is reached: several addresses, a cluster's nodes, Sentinels.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use test_support::free_address;

use super::stand_in::{Act, StandIn, bulk, hang};
use super::*;
use crate::delivery::resolver::CachingResolver;
use crate::redis::Address;

const REPLICA: &str = "*5\r\n$5\r\nslave\r\n$1\r\na\r\n:1\r\n$9\r\nconnected\r\n:0\r\n";

fn replica() -> StandIn {
    StandIn::answering("ROLE", REPLICA)
}

fn url_of(servers: &[&StandIn]) -> String {
    let addresses: Vec<_> = servers.iter().map(|server| server.at.to_string()).collect();
    format!("redis://{}", addresses.join(","))
}

/// A node that says that another one has the slot.
fn moved_to(node: &str) -> StandIn {
    StandIn::answering("HGET", &format!("-MOVED 3999 {node}\r\n"))
}

fn port_of(connection: &Connection) -> u16 {
    connection.address().port
}

#[test]
fn the_set_up_names_user_database_and_fleet() {
    let server = StandIn::master();
    let url = format!("redis://b%C3%B6t@{}/7?fleet=a", server.at);
    connector(&url, Some("hunter2"))
        .connect(None, within(AMPLE))
        .unwrap();
    let expected = [
        "AUTH böt hunter2",
        "SELECT 7",
        "ROLE",
        "INFO",
        "HGET {a}:fleet beat",
        "ZSCORE {a}:replicas -",
    ];
    assert_eq!(server.commands(), expected);

    let server = StandIn::master();
    let mut with_password = connector(&server.url(), Some("hunter2"));
    let connection = with_password.connect(None, within(AMPLE)).unwrap();
    assert_eq!(connection.info().version, "7.0.15");
    let fleet = [
        "ROLE",
        "INFO",
        "HGET {torrap}:fleet beat",
        "ZSCORE {torrap}:replicas -",
    ];
    assert_eq!(server.commands(), [&["AUTH hunter2"], &fleet[..]].concat());

    // A user without a password may be one of Redis's `nopass`.
    let server = StandIn::master();
    let url = format!("redis://bot@{}", server.at);
    connector(&url, None).connect(None, within(AMPLE)).unwrap();
    assert_eq!(server.commands()[0], "AUTH bot ");

    let server = StandIn::master();
    connect(server.at).unwrap();
    assert_eq!(server.commands(), fleet);
}

#[test]
fn the_first_master_of_several_addresses_is_used_and_remembered() {
    let (closed, replica, master) = (free_address(), replica(), StandIn::master());
    let url = format!("redis://{closed},{},{}", replica.at, master.at);
    let mut connector = connector(&url, None);
    for times in 1..=3 {
        let connection = connector.connect(None, within(AMPLE)).unwrap();
        assert_eq!(port_of(&connection), master.at.port());
        assert_eq!((replica.accepted(), master.accepted()), (1, times));
    }
}

#[test]
fn an_address_that_hangs_leaves_time_for_the_others() {
    let (hung, master) = (StandIn::serving(hang), StandIn::master());
    let mut connector = connector(&url_of(&[&hung, &master]), None);
    let connection = connector.connect(None, within(SHORT * 8)).unwrap();
    assert_eq!(port_of(&connection), master.at.port());
}

/// As a service of Kubernetes has them, or a provider that moves a name to another server.
#[test]
fn all_addresses_of_a_name_are_tried_and_looked_up_again_after_a_failure() {
    let (closed, demoted, master) = (free_address(), replica(), StandIn::master());
    let answers = [
        vec![closed, demoted.at],
        vec![closed, demoted.at, master.at],
    ];
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let resolver = CachingResolver::asking(move |name| {
        assert_eq!(name, "redis.example:6379");
        let number = counter.fetch_add(1, Ordering::SeqCst);
        Ok(answers[number.min(1)].clone())
    });
    let mut connector = connector("redis://redis.example", None);
    connector.set_resolver(resolver);
    let error = connector.connect(None, within(AMPLE)).unwrap_err();
    let line = error.to_string();
    assert!(
        line.starts_with("redis.example:6379: it is a replica"),
        "{line}"
    );
    for _ in 0..2 {
        let connection = connector.connect(None, within(AMPLE)).unwrap();
        assert_eq!(connection.address().to_string(), "redis.example:6379");
    }
    let asked = asked.load(Ordering::SeqCst);
    assert_eq!((asked, demoted.accepted(), master.accepted()), (2, 3, 2));
}

/// Of several addresses that cannot be used, the one is named whose error says most.
#[test]
fn the_error_that_says_most_is_told() {
    let wrong = StandIn::answering("ROLE", "-NOAUTH Authentication required.\r\n");
    let loading = StandIn::answering(
        "HGET",
        "-LOADING Redis is loading the dataset in memory\r\n",
    );
    let (closed, replica) = (free_address(), replica());
    let told = |addresses: &[SocketAddr]| {
        let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        refusal(&format!("redis://{}", addresses.join(",")), None).to_string()
    };
    let starts =
        |line: String, at: SocketAddr| assert!(line.starts_with(&at.to_string()), "{line}");
    starts(told(&[closed, replica.at, wrong.at, loading.at]), wrong.at);
    starts(told(&[wrong.at, closed]), wrong.at);
    starts(told(&[closed, loading.at, replica.at]), loading.at);
    starts(told(&[closed, replica.at]), replica.at);
    starts(told(&[closed]), closed);
}

#[test]
fn a_cluster_leads_to_the_node_that_has_the_slot() {
    let master = StandIn::master();
    let second = moved_to(&format!(":{}", master.at.port()));
    let first = moved_to(&second.at.to_string());
    let connection = connect(first.at).unwrap();
    assert_eq!(port_of(&connection), master.at.port());

    // What an exchange was told: that node first, and then the addresses of the URL.
    let mut connector = connector(&first.url(), None);
    let node = |at: SocketAddr| Address::moved(&at.to_string(), "");
    let connection = connector.connect(node(master.at), within(AMPLE)).unwrap();
    assert_eq!(
        (port_of(&connection), first.accepted()),
        (master.at.port(), 1)
    );
    let closed = free_address();
    let connection = connector.connect(node(closed), within(AMPLE)).unwrap();
    assert_eq!(
        (port_of(&connection), first.accepted()),
        (master.at.port(), 2)
    );
}

#[test]
fn nodes_that_lead_in_a_circle_are_given_up() {
    let server = StandIn::acting_with(|words, stream| {
        let own = stream.local_addr().unwrap();
        (words[0] == "HGET").then(|| format!("-MOVED 1 {own}\r\n").as_str().into())
    });
    let error = refusal(&server.url(), None);
    let line = error.to_string();
    assert!(
        line.contains("the cluster leads from node to node without end"),
        "{line}"
    );
    assert!(server.accepted() == 5 && !error.is_definite());
}

/// A Sentinel that says this of its master.
fn sentinel(answer: Vec<u8>) -> StandIn {
    StandIn::acting(move |words| (words[0] == "SENTINEL").then(|| answer.clone().into()))
}

fn knows(master: &StandIn) -> Vec<u8> {
    let (host, port) = (bulk("127.0.0.1"), bulk(&master.at.port().to_string()));
    [b"*2\r\n".to_vec(), host, port].concat()
}

#[test]
fn a_sentinel_is_asked_for_the_master() {
    let (master, demoted) = (StandIn::master(), replica());
    let unknowing = sentinel(b"*-1\r\n".to_vec());
    let late = sentinel(knows(&demoted));
    let right = sentinel(knows(&master));
    let url = url_of(&[&unknowing, &late, &right]) + "/2?sentinel=my-master&fleet=a";
    let mut connector = connector(&url, None);
    for _ in 0..2 {
        let connection = connector.connect(None, within(AMPLE)).unwrap();
        assert_eq!(port_of(&connection), master.at.port());
    }
    let question = "SENTINEL get-master-addr-by-name my-master";
    assert_eq!(right.commands(), [question, question]);
    assert_eq!((late.commands().len(), demoted.accepted()), (1, 1));
    assert!(master.commands().contains(&"SELECT 2".to_owned()));
}

#[test]
fn a_sentinel_gets_the_password_only_if_it_asks_for_one() {
    let master = StandIn::master();
    let answer = knows(&master);
    let is_open = AtomicBool::new(false);
    let asking = StandIn::acting(move |words| match words[0].as_str() {
        "AUTH" => {
            is_open.store(true, Ordering::SeqCst);
            None
        }
        "SENTINEL" if is_open.load(Ordering::SeqCst) => Some(answer.clone().into()),
        _ => Some("-NOAUTH Authentication required.\r\n".into()),
    });
    let url = format!("redis://bot@{}?sentinel=m", asking.at);
    let connection = connector(&url, Some("hunter2")).connect(None, within(AMPLE));
    assert_eq!(port_of(&connection.unwrap()), master.at.port());
    assert_eq!(asking.commands()[1], "AUTH bot hunter2");

    let open = sentinel(knows(&master));
    let url = format!("redis://{}?sentinel=m", open.at);
    connector(&url, Some("hunter2"))
        .connect(None, within(AMPLE))
        .unwrap();
    assert_eq!(open.commands().len(), 1);
}

#[test]
fn what_a_sentinel_cannot_say_is_told() {
    let told = |answer: &[u8], password: Option<&str>| {
        let server = sentinel(answer.to_vec());
        let error = refusal(&format!("redis://{}?sentinel=m", server.at), password);
        (error.to_string(), error.is_definite())
    };
    let (line, is_definite) = told(b"*-1\r\n", None);
    assert!(
        is_definite && line.contains("this Sentinel knows no master \"m\"; give the name"),
        "{line}"
    );
    let (line, is_definite) = told(b"-NOAUTH Authentication required.\r\n", None);
    assert!(
        is_definite && line.contains("it asks for a password"),
        "{line}"
    );
    let (line, is_definite) = told(b"-ERR unknown command 'SENTINEL'\r\n", None);
    let end =
        "it is no Sentinel; give the ports of Sentinels, mostly 26379, or leave out ?sentinel=";
    assert!(is_definite && line.ends_with(end), "{line}");
    for answer in [
        &b":1\r\n"[..],
        b"*0\r\n",
        b"*2\r\n$1\r\na\r\n$1\r\nx\r\n",
        b"*2\r\n$0\r\n\r\n$4\r\n6379\r\n",
    ] {
        let (line, _) = told(answer, None);
        assert!(line.contains("its reply to SENTINEL"), "{line}");
    }
}

#[test]
fn a_sentinel_that_hangs_leaves_time_for_the_next() {
    let master = StandIn::master();
    let hung = StandIn::acting(|words| (words[0] == "SENTINEL").then_some(Act::Hang));
    let right = sentinel(knows(&master));
    let url = url_of(&[&hung, &right]) + "?sentinel=m";
    let connection = connector(&url, None).connect(None, within(SHORT * 8));
    assert_eq!(port_of(&connection.unwrap()), master.at.port());
}
