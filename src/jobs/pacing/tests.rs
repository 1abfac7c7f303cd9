//! One workspace's pace, and that of many.

use super::*;

const HERE: Workspace = Workspace(1);
const FAR: Tick = Tick(100_000_000);

const fn key(number: u32) -> Key {
    Key::from_parts(number, number)
}

const fn limited(asked_ms: u64) -> Sign {
    Sign::Limited { asked_ms, seed: 7 }
}

/// All jobs are there, and none expires soon.
fn late(_: Key) -> Option<Tick> {
    Some(FAR)
}

/// A workspace that was refused at this tick with a wait of a second, and these jobs of which are held.
fn paced(jobs: std::ops::Range<u32>, now: Tick) -> (Pacing, Tick) {
    let mut pacing = Pacing::default();
    let until = pacing.learn(HERE, key(900), limited(1_000), now, &late);
    for job in jobs {
        assert!(pacing.hold(HERE, key(job), &late));
    }
    (pacing, until.unwrap())
}

fn turn(pacing: &mut Pacing, now: Tick) -> Vec<Key> {
    let mut released = Vec::new();
    pacing.handle_timeout(now, &mut 1_000, &late, |key| released.push(key));
    released
}

#[test]
fn a_workspace_is_the_origin_and_two_segments() {
    let of = Workspace::of;
    let first = of(0, "/commands/T0001/1/secret");
    for same in [
        "/commands/T0001/2/other",
        "/commands/T0001",
        "/commands/T0001?a/b",
    ] {
        assert_eq!(of(0, same), first, "{same}");
    }
    for other in [
        "/commands/T0002/1/secret",
        "/commands",
        "/",
        "/actions/T0001/1",
    ] {
        assert_ne!(of(0, other), first, "{other}");
    }
    assert_ne!(of(1, "/commands/T0001/1/secret"), first);
}

#[test]
fn after_a_429_one_probe_goes_at_a_time_and_the_oldest_first() {
    let (mut pacing, until) = paced(1..1, Tick(0));
    for job in [5, 3, 4] {
        assert!(pacing.hold(HERE, key(job), &late));
    }
    assert!((1_001..=1_401).contains(&until.0), "{until:?}");
    assert_eq!(pacing.poll_timeout(), Some(until));
    turn(&mut pacing, Tick(until.0 - 1));
    assert!(!pacing.has_due() && pacing.poll(until, &late).is_none());
    turn(&mut pacing, until);
    assert!(pacing.has_due());
    assert_eq!(pacing.poll(until, &late), Some(Next::Send(key(3))));
    assert!(!pacing.has_due() && pacing.poll(until, &late).is_none());
    let at = until.after(50);
    let next = pacing.learn(HERE, key(3), Sign::Taken, at, &late);
    assert_eq!(next, Some(at.after(SPACING_MS)));
    turn(&mut pacing, at.after(SPACING_MS));
    let sent = pacing.poll(at.after(SPACING_MS), &late);
    assert_eq!(sent, Some(Next::Send(key(4))));
}

#[test]
fn other_workspaces_go_on() {
    let (mut pacing, _) = paced(1..3, Tick(0));
    assert!(!pacing.hold(Workspace(2), key(7), &late));
}

#[test]
fn each_refused_probe_makes_the_jitter_grow() {
    let (mut pacing, mut until) = paced(1..2, Tick(0));
    let mut spread = 400;
    for _ in 0..9 {
        turn(&mut pacing, until);
        assert_eq!(pacing.poll(until, &late), Some(Next::Send(key(1))));
        let next = pacing
            .learn(HERE, key(1), limited(1_000), until, &late)
            .unwrap();
        spread = (spread * 2).min(25_600);
        let wait = next.millis_since(until);
        assert!(
            (1_001..=1_001 + spread).contains(&wait),
            "{wait} of {spread}"
        );
        assert!(pacing.hold(HERE, key(1), &late));
        until = next;
    }
}

/// What was under way when the first refusal came is refused like it, and is no reason to wait longer and longer.
#[test]
fn a_burst_of_refusals_counts_once() {
    let (mut pacing, _) = paced(0..0, Tick(0));
    let mut until = Tick(0);
    for job in 1..75 {
        until = pacing
            .learn(HERE, key(job), limited(1_000), Tick(20), &late)
            .unwrap();
        pacing.hold(HERE, key(job), &late);
    }
    assert!(until.0 <= 20 + 1_001 + 800, "{until:?}");
    turn(&mut pacing, until);
    assert_eq!(pacing.poll(until, &late), Some(Next::Send(key(1))));
    // One of them is told late: nothing goes before it allows that, whatever becomes of the probe.
    let told = pacing.learn(HERE, key(80), limited(600_000), until, &late);
    assert_eq!(
        told,
        Some(until.after(PROBE_TIMEOUT_MS).max(until.not_before(600_000)))
    );
    let next = pacing.learn(HERE, key(1), Sign::Taken, until, &late);
    assert_eq!(next, Some(until.not_before(600_000)));
}

#[test]
fn a_workspace_that_takes_all_again_is_soon_free() {
    let (mut pacing, until) = paced(1..1_000, Tick(0));
    let (mut now, mut probes) = (until, 0);
    loop {
        let released = turn(&mut pacing, now);
        if !released.is_empty() {
            assert_eq!(released.len() + probes, 999);
            break;
        }
        if let Some(Next::Send(key)) = pacing.poll(now, &late) {
            probes += 1;
            pacing.learn(HERE, key, Sign::Taken, now, &late);
        }
        now = pacing.poll_timeout().unwrap().max(now);
    }
    assert!(
        now.0 < 12_000 && probes < 30,
        "{probes} probes until {now:?}"
    );
    assert!(
        !pacing.hold(HERE, key(5), &late),
        "it is not limited any more"
    );
    turn(&mut pacing, now);
    assert!(pacing.is_empty() && pacing.poll_timeout().is_none());
}

#[test]
fn a_release_is_split_by_the_budget() {
    let (mut pacing, _) = paced(1..101, Tick(0));
    pacing.workspaces.get_mut(&HERE).unwrap().spacing_ms = 0;
    let now = pacing.poll_timeout().unwrap();
    let mut released = 0;
    for turns in 0.. {
        let mut budget = 30;
        pacing.handle_timeout(now, &mut budget, &late, |_| released += 1);
        if pacing.is_empty() {
            assert_eq!((released, turns), (100, 3));
            return;
        }
        assert!(pacing.poll_timeout() <= Some(now), "the rest goes at once");
    }
}

#[test]
fn a_probe_that_says_nothing_is_followed_by_the_next_one() {
    let (mut pacing, until) = paced(1..4, Tick(0));
    turn(&mut pacing, until);
    assert_eq!(pacing.poll(until, &late), Some(Next::Send(key(1))));
    let next = pacing
        .learn(HERE, key(1), Sign::Unclear, until, &late)
        .unwrap();
    assert_eq!(next, until.after(SPACING_MS));
    turn(&mut pacing, next);
    assert_eq!(pacing.poll(next, &late), Some(Next::Send(key(2))));
    // Nothing is ever heard of this one.
    let timeout = pacing.poll_timeout().unwrap();
    assert_eq!(timeout, next.after(PROBE_TIMEOUT_MS));
    turn(&mut pacing, timeout);
    assert_eq!(pacing.poll(timeout, &late), Some(Next::Send(key(3))));
    assert_eq!(
        pacing.learn(HERE, key(2), Sign::Taken, timeout, &late),
        None
    );
}

#[test]
fn what_expires_while_it_is_held_is_told_in_time() {
    let expires = |key: Key| (key.index() != 2).then(|| Tick(500 * u64::from(key.index())));
    let mut pacing = Pacing::default();
    let until = pacing.learn(HERE, key(9), limited(60_000), Tick(0), &expires);
    for job in 1..5 {
        pacing.hold(HERE, key(job), &expires);
    }
    for (expiry, job) in [(500, 1), (1_500, 3), (2_000, 4)] {
        let at = pacing.poll_timeout().unwrap();
        assert_eq!(at, Tick(expiry));
        pacing.handle_timeout(at, &mut 9, &expires, |_| panic!("released"));
        let next = pacing.poll(at, &expires);
        assert_eq!(next, Some(Next::Expired(key(job))));
        // Job 2 was withdrawn.
        pacing.handle_timeout(at, &mut 9, &expires, |_| panic!("released"));
        assert_eq!(pacing.poll(at, &expires), None);
    }
    assert_eq!(pacing.poll_timeout(), until);
    turn(&mut pacing, until.unwrap());
    assert!(pacing.is_empty() && pacing.timers.is_empty() && pacing.due.is_empty());
}

#[test]
fn no_more_workspaces_are_paced_than_there_is_room_for() {
    let mut pacing = Pacing::default();
    for number in 0..2 * WORKSPACES_MAX {
        let until = pacing.learn(
            Workspace(number as u64),
            key(1),
            limited(1_000),
            Tick(0),
            &late,
        );
        assert_eq!(until.is_some(), number < WORKSPACES_MAX);
    }
    assert!(!pacing.hold(Workspace(WORKSPACES_MAX as u64), key(1), &late));
    let last = pacing.timers.last().unwrap().0;
    while !pacing.is_empty() {
        turn(&mut pacing, last);
    }
    assert!(pacing.timers.is_empty());
}

#[test]
fn an_endless_retry_after_is_cut_to_the_life_of_a_reply() {
    let mut pacing = Pacing::default();
    let until = pacing
        .learn(HERE, key(1), limited(u64::MAX), Tick(0), &late)
        .unwrap();
    assert!(until.0 <= retry::LIFETIME_MS + 400, "{until:?}");
}
