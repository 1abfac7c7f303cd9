//! Two ways to let time pass: at random, or only as far as somebody asked to be woken.

use super::world::World;

#[derive(Clone, Copy)]
enum Action {
    Connect,
    Compose,
    Carry,
    Disconnect,
    HalfClose,
    Shed,
    ExpireClients,
    Advance,
    Jump,
    ToTheTick,
    SetWallClock,
    Expire,
    Dispatch,
    Collect,
    Misreport,
    Drain,
}

const ACTIONS: [(u64, Action); 16] = [
    (4, Action::Connect),
    (16, Action::Compose),
    (30, Action::Carry),
    (1, Action::Disconnect),
    (1, Action::HalfClose),
    (1, Action::Shed),
    (5, Action::ExpireClients),
    (12, Action::Advance),
    (1, Action::Jump),
    (12, Action::ToTheTick),
    (1, Action::SetWallClock),
    (20, Action::Expire),
    (20, Action::Dispatch),
    (16, Action::Collect),
    (2, Action::Misreport),
    (0, Action::Drain),
];

/// Every seed has its own habits: what is rare in one is all that happens in another.
fn habits(world: &mut World) -> [(u64, Action); ACTIONS.len()] {
    let drains = world.generator.percent(25);
    ACTIONS.map(|(weight, action)| match action {
        Action::Drain => (u64::from(drains), action),
        _ => (weight * world.generator.pick(&[1, 1, 2, 5]), action),
    })
}

/// Anything may happen at any time, in any order.
pub fn run_freely(world: &mut World, steps: u64) {
    let habits = habits(world);
    for step in 0..steps {
        world.steps = step;
        let action = world.generator.weighted(&habits);
        act(world, action);
        world.check();
    }
    finish(world);
}

fn act(world: &mut World, action: Action) {
    match action {
        Action::Connect => world.connect(),
        Action::Compose => world.compose(),
        Action::Carry => world.carry(),
        Action::Disconnect => world.leave(false),
        Action::HalfClose => world.leave(true),
        Action::Shed => world.shed(),
        Action::ExpireClients => world.expire_clients(),
        Action::Advance => {
            let ms = world.generator.magnitude(0..=14);
            world.advance(ms);
        }
        Action::Jump => {
            let ms = world.generator.magnitude(15..=26);
            world.advance(ms);
        }
        Action::ToTheTick => to_the_tick(world),
        Action::SetWallClock => world.set_wall_clock(),
        Action::Expire => {
            let budget = world.generator.pick(&[0, 1, 2, 7, 4096]);
            world.expire(budget);
        }
        Action::Dispatch => world.dispatch(),
        Action::Collect => {
            world.collect();
        }
        Action::Misreport => world.misreport(),
        Action::Drain if !world.draining => world.drain(),
        Action::Drain => {}
    }
}

/// To the moment when something is due, or to the one before it.
fn to_the_tick(world: &mut World) {
    let deadlines = world.clients.iter().map(|client| client.deadline());
    let wakeups = deadlines
        .chain(world.bot.poll_timeout())
        .chain(world.receiver.poll_timeout());
    let next = wakeups.filter(|at| *at > world.now.tick).min();
    if let Some(at) = next {
        let ms = at.millis_since(world.now.tick);
        let early = world.generator.below(3) / 2;
        world.advance(ms - early);
    }
}

/// The server's loop: time passes only up to what was asked for, by the clients, the senders or the
/// bot.
pub fn run_awake(world: &mut World, turns: u64) {
    let pace_ms = world.generator.pick(&[0, 3, 100, 2_000, 60_000]);
    let drains_at = world.generator.below(4 * turns);
    let mut client_acts_at = world.now.tick;
    for turn in 0..turns {
        world.steps = turn;
        if turn == drains_at {
            world.drain();
        }
        sleep(world, Some(client_acts_at));
        while client_acts_at <= world.now.tick {
            client_acts_at = client_acts_at.after(1 + world.generator.below(pace_ms + 1));
            client_acts(world);
        }
        let budget = world.generator.pick(&[1, 3, 4096]);
        work(world, budget);
    }
    finish(world);
}

fn client_acts(world: &mut World) {
    let action = world.generator.weighted(&[
        (2, Action::Connect),
        (10, Action::Compose),
        (20, Action::Carry),
        (1, Action::Disconnect),
        (1, Action::HalfClose),
        (1, Action::Shed),
        (1, Action::SetWallClock),
    ]);
    act(world, action);
}

/// Waits for whatever comes first; not at all while there is work. Says whether there was anything to
/// wait for.
fn sleep(world: &mut World, clients: Option<torrap::time::Tick>) -> bool {
    let has_room = world.receiver.room() > 0;
    if world.bot.has_delivery() && has_room || world.clients.iter().any(|c| c.has_backlog()) {
        return true;
    }
    let bot = world.bot.poll_timeout();
    let deadlines = world.clients.iter().map(|client| client.deadline());
    let others = deadlines
        .chain(world.receiver.poll_timeout())
        .chain(clients);
    let others = others.min();
    let Some(at) = bot.into_iter().chain(others).min() else {
        return false;
    };
    if bot.is_some_and(|bot| others.is_none_or(|others| bot < others)) {
        world.model.tally.note("wake-ups of the bot alone");
    }
    let ms = at.millis_since(world.now.tick);
    if ms > 0 {
        world.advance(ms);
    }
    true
}

/// A turn of the loop, after its waiting.
fn work(world: &mut World, budget: usize) {
    while world.collect() {}
    world.expire_clients();
    world.expire(budget);
    world.dispatch();
    world.check();
}

/// No more clients come; what is owed is settled, unless its sender died.
pub fn finish(world: &mut World) {
    world.trace(|| String::from("the clients have gone home"));
    let turns_before = world.steps;
    while sleep(world, None) {
        world.steps += 1;
        let budget = world.generator.pick(&[1, 3, 4096]);
        work(world, budget);
        assert!(
            world.steps - turns_before < 20_000,
            "it never comes to rest"
        );
    }
    let (bot, model) = (&world.bot, &world.model);
    assert!(world.clients.is_empty(), "every connection ends");
    assert_eq!(bot.poll_timeout(), None, "nothing waits");
    assert!(!bot.has_delivery());
    assert_eq!(bot.pending(), model.len());
    assert_eq!(bot.undelivered().count(), model.len());
    assert_eq!(
        model.sending().count(),
        model.len(),
        "only what died with its sender is owed"
    );
    assert!(
        model.len() as u64 <= world.receiver.lost,
        "fewer senders died"
    );
    // Three cascades and an expiry for each timer, and a summary of refusals now and then.
    let wakeups = model.tally.count("wake-ups of the bot alone");
    assert!(
        wakeups <= 4 * model.schedules + model.tally.count("refusals"),
        "{wakeups} wake-ups"
    );
}
