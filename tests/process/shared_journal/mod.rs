//! Three processes with their journal in a Redis of the test's own: what is lost and what is posted twice, fault by fault.
//!
//! Nothing that was acknowledged may be lost. How often a reply is posted twice is printed, and not asserted: each fault may
//! come between a post and the note of it.

mod cluster;
mod fleet;
mod hung;
mod inspecting;
mod odd_values;
mod redis_server;
mod relay;
mod starting;

use std::thread;
use std::time::Duration;

use self::fleet::{Fleet, LEASE_MS, PROCESSES};
use self::redis_server::{RedisServer, is_installed};

/// A fleet in this scene, if there is a Redis.
fn fleet(name: &str, arguments: &[&str]) -> Option<Fleet> {
    is_installed().then(|| Fleet::start(RedisServer::start(name, arguments), ""))
}

/// How long a fault lasts: so many leases.
fn leases(count: u32) {
    thread::park_timeout(Duration::from_millis(LEASE_MS) * count);
}

/// Plays a scene to its end: nothing is lost.
fn play(name: &str, fault: impl FnOnce(&mut Fleet)) {
    let Some(mut fleet) = fleet(name, &[]) else {
        return;
    };
    fault(&mut fleet);
    let tally = fleet.finish(name);
    assert_eq!(tally.lost, 0, "{tally:?}");
    assert!(tally.accepted > 100, "{tally:?}");
}

#[test]
fn the_replies_of_a_killed_process_are_posted_by_the_others() {
    play("kill", |fleet| {
        fleet.processes[0].signal("KILL");
        fleet.wait_for_more(1..PROCESSES, 100);
    });
}

#[test]
fn all_but_one_may_be_killed() {
    play("kill-two", |fleet| {
        fleet.processes[0].signal("KILL");
        fleet.processes[1].signal("KILL");
        fleet.wait_for_more(2..PROCESSES, 100);
    });
}

#[test]
fn a_process_that_was_stopped_asks_before_it_posts() {
    play("stop", |fleet| {
        fleet.processes[0].signal("STOP");
        leases(6);
        fleet.processes[0].signal("CONT");
        fleet.processes[0].read_until("took this process for dead");
        fleet.wait_for_more(0..PROCESSES, 50);
    });
}

#[test]
fn redis_may_be_killed_and_come_back() {
    play("redis-kill", |fleet| {
        fleet.redis.kill();
        leases(3);
        fleet.redis.restart();
        fleet.wait_for_more(0..PROCESSES, 50);
    });
}

#[test]
fn redis_may_be_killed_together_with_a_process() {
    play("both-kill", |fleet| {
        fleet.redis.kill();
        fleet.processes[0].signal("KILL");
        leases(2);
        fleet.redis.restart();
        fleet.wait_for_more(1..PROCESSES, 50);
    });
}

#[test]
fn redis_may_hang() {
    play("redis-hang", |fleet| {
        fleet.redis.signal("STOP");
        leases(5);
        fleet.redis.signal("CONT");
        fleet.wait_for_more(0..PROCESSES, 50);
    });
}

#[test]
fn redis_may_sleep() {
    play("redis-sleep", |fleet| {
        fleet.redis.run("DEBUG SLEEP 3");
        fleet.wait_for_more(0..PROCESSES, 50);
    });
}

#[test]
fn an_emptied_redis_is_filled_again() {
    play("flush", |fleet| {
        fleet.redis.run("FLUSHALL");
        fleet.redis.run("SCRIPT FLUSH");
        fleet.wait_for_more(0..PROCESSES, 50);
        // It has all that is pending again: one process may die now.
        fleet.processes[0].signal("KILL");
        fleet.wait_for_more(1..PROCESSES, 50);
    });
}

#[test]
fn a_full_redis_refuses_commands_and_takes_outcomes() {
    play("full", |fleet| {
        fleet.redis.run("CONFIG SET maxmemory 1");
        fleet.processes[0].signal("KILL");
        leases(4);
        fleet.redis.run("CONFIG SET maxmemory 0");
        fleet.wait_for_more(1..PROCESSES, 50);
    });
}

#[test]
fn connections_may_be_killed() {
    play("client-kill", |fleet| {
        for _ in 0..5 {
            fleet.redis.run("CLIENT KILL TYPE normal SKIPME yes");
            fleet.wait_for_more(0..PROCESSES, 10);
        }
    });
}

/// It posts what it has, and so do the others: twice is better than not.
#[test]
fn a_process_that_is_cut_off_from_redis_goes_on_and_comes_back() {
    play("cut", |fleet| {
        fleet.relays[0].cut();
        leases(5);
        fleet.relays[0].mend();
        fleet.wait_for_more(0..PROCESSES, 50);
    });
}

#[test]
fn a_process_that_leaves_has_its_replies_posted_at_once() {
    play("leave", |fleet| {
        assert_eq!(fleet.processes[0].stop(), Some(0));
        fleet.wait_for_more(1..PROCESSES, 50);
    });
}

#[test]
fn a_failover_to_a_replica_that_is_up_to_date_loses_nothing() {
    failover("failover", "", |_| {}, |_| {});
}

/// What the replica of Redis lacks was never acknowledged.
#[test]
fn a_failover_to_a_replica_that_is_behind_loses_nothing_with_wait() {
    let fall_behind = |replica: &RedisServer| {
        replica.signal("STOP");
        thread::park_timeout(Duration::from_millis(500));
    };
    failover("failover-wait", "&wait=1", fall_behind, |fleet| {
        fleet.processes[0].signal("KILL");
    });
}

/// Has a replica of Redis take over, after `before` has happened to it, while `then` happens to the fleet.
fn failover(name: &str, query: &str, before: impl FnOnce(&RedisServer), then: impl FnOnce(&Fleet)) {
    if !is_installed() {
        return;
    }
    let master = RedisServer::start(name, &[]);
    let replica = RedisServer::start(&format!("{name}-replica"), &[]);
    replica.follow(Some(&master));
    replica.wait_until_linked();
    let mut fleet = Fleet::start(master, query);
    before(&replica);
    fleet.redis.kill();
    then(&fleet);
    replica.signal("CONT");
    replica.follow(None);
    for relay in &fleet.relays {
        relay.redirect(replica.address);
    }
    if !query.is_empty() {
        // With nothing that follows it the new one confirms nothing, and all commands are answered "busy".
        fleet.redis.restart();
        fleet.redis.follow(Some(&replica));
        fleet.redis.wait_until_linked();
    }
    fleet.wait_for_more(1..PROCESSES, 50);
    let tally = fleet.finish(name);
    assert_eq!(tally.lost, 0, "{tally:?}");
}

/// A restart of everything: no process could take over meanwhile.
#[test]
fn the_next_fleet_posts_what_the_last_one_has_left() {
    if !is_installed() {
        return;
    }
    let mut fleet = Fleet::start(RedisServer::start("all", &[]), "");
    for process in &fleet.processes {
        process.signal("KILL");
    }
    fleet.restart_processes();
    let tally = fleet.finish("all");
    assert_eq!(tally.lost, 0, "{tally:?}");
}
