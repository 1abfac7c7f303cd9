//! A cluster of two nodes, and the slot of the fleet moves from one to the other under load.

use std::net::SocketAddr;

use test_support::{free_address, poll_for};
use torrap::redis::Reply;

use super::fleet::{Fleet, PROCESSES};
use super::redis_server::{RedisServer, is_installed};

/// A node, and the port by which nodes talk to each other.
fn node(name: &str) -> (RedisServer, SocketAddr) {
    let bus = free_address();
    let port = bus.port().to_string();
    let arguments = ["--cluster-enabled", "yes", "--cluster-port", &port];
    (RedisServer::start(name, &arguments), bus)
}

fn text(reply: &Reply) -> String {
    let bytes = reply.bytes().unwrap_or_else(|| panic!("{reply:?}"));
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn done(node: &RedisServer, command: &str) {
    let reply = node.run(command);
    assert_eq!(reply, Reply::Status("OK".to_owned()), "{command}");
}

/// Moves the slot of the fleet's keys, as `redis-cli --cluster reshard` does.
fn move_slot(from: &RedisServer, to: &RedisServer) {
    let slot = from.run("CLUSTER KEYSLOT {test}:replicas");
    let slot = slot.integer().unwrap();
    let [old, new] = [from, to].map(|node| text(&node.run("CLUSTER MYID")));
    done(to, &format!("CLUSTER SETSLOT {slot} IMPORTING {old}"));
    done(from, &format!("CLUSTER SETSLOT {slot} MIGRATING {new}"));
    let port = to.address.port();
    poll_for("a slot without keys", || {
        let keys = from.run(&format!("CLUSTER GETKEYSINSLOT {slot} 100"));
        let keys = keys.array().unwrap();
        for key in keys {
            from.run(&format!("MIGRATE 127.0.0.1 {port} {} 0 5000", text(key)));
        }
        keys.is_empty().then_some(())
    });
    for node in [to, from] {
        done(node, &format!("CLUSTER SETSLOT {slot} NODE {new}"));
    }
}

#[test]
fn the_slot_of_a_fleet_may_move_to_another_node() {
    if !is_installed() {
        return;
    }
    let ((one, _), (other, bus)) = (node("node-one"), node("node-other"));
    done(&one, "CLUSTER ADDSLOTSRANGE 0 16383");
    let (port, bus) = (other.address.port(), bus.port());
    done(&one, &format!("CLUSTER MEET 127.0.0.1 {port} {bus}"));
    for node in [&one, &other] {
        poll_for("a cluster of two", || {
            let info = text(&node.run("CLUSTER INFO"));
            let is_whole = info.contains("cluster_state:ok") && info.contains("known_nodes:2");
            is_whole.then_some(())
        });
    }
    let mut fleet = Fleet::start(one, "");
    move_slot(&fleet.redis, &other);
    fleet.wait_for_more(0..PROCESSES, 50);
    // The first node is needed no more, unless a connection breaks.
    fleet.processes[0].signal("KILL");
    fleet.processes[1].read_until("Redis takes commands again");
    fleet.wait_for_more(1..PROCESSES, 100);
    let leases = other.run("ZCARD {test}:replicas");
    assert!(matches!(leases, Reply::Integer(2..)), "{leases:?}");
    let tally = fleet.finish("cluster");
    assert_eq!(tally.lost, 0, "{tally:?}");
}
