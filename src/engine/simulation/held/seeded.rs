//! Any requests in any pieces, clients that leave, time that passes, and tickets that are decided late.

use std::collections::BTreeSet;

use super::{FREE, World, contents, held};
use crate::engine::simulation::{Generator, seeds};

const SEEDS: u64 = 256;
const STEPS: usize = 300;

/// A client of the many turns.
struct Client {
    wire: usize,
    asked: Vec<bool>,
    received: String,
    has_left: bool,
}

#[test]
fn every_held_answer_goes_out_once_in_its_order_and_nothing_behind_it_is_forgotten() {
    let mut fates = BTreeSet::new();
    for seed in seeds::chosen(SEEDS) {
        let replay = seeds::Replay(seed);
        let mut generator = Generator::new(seed);
        let places = generator.pick(&[2, 5, 100]);
        let turns_max = generator.pick(&[1, 1_000]);
        let faults = generator.pick(&[0, 0, 20]);
        let chance = Generator::new(generator.number());
        let mut world = World::new(places, turns_max, chance, faults);
        let mut clients = Vec::new();
        for _ in 0..STEPS {
            act(&mut world, &mut clients, &mut generator);
            let all = generator.percent(70);
            world.turn(all);
        }
        finish(&mut world, &mut clients);
        fates.extend(world.holder.fates.values().map(|fate| format!("{fate:?}")));
        drop(replay);
    }
    assert!(seeds::replayed().is_some() || fates.len() == 3, "{fates:?}");
}

fn act(world: &mut World, clients: &mut Vec<Client>, generator: &mut Generator) {
    match generator.below(20) {
        0..4 if clients.len() < 8 => clients.push(Client {
            wire: world.connect(generator.pick(&[60, 500, usize::MAX])),
            asked: Vec::new(),
            received: String::new(),
            has_left: false,
        }),
        0..12 => {
            let at = generator.index(clients.len().max(1));
            let Some(client) = clients.get_mut(at).filter(|client| !client.has_left) else {
                return;
            };
            for _ in 0..generator.pick(&[1, 1, 3]) {
                let is_held = generator.percent(60);
                client.asked.push(is_held);
                let request = if is_held {
                    held(client.wire)
                } else {
                    FREE.to_owned()
                };
                let (first, rest) = request.split_at(generator.index(request.len()));
                world.deliver(client.wire, first);
                world.turn(false);
                world.deliver(client.wire, rest);
            }
            client.has_left = generator.percent(5);
            if client.has_left {
                let mut network = world.network.borrow_mut();
                network.end(client.wire, generator.percent(50));
            }
        }
        12..15 => {
            let ticket = world.holder.ticket;
            world.decided = Some((ticket, generator.percent(70)));
            world.holder.ticket += 1;
        }
        15..17 => clients.iter_mut().for_each(|client| read(world, client)),
        _ => world.advance(generator.pick(&[1, 50, 700, 2_000])),
    }
}

fn read(world: &World, client: &mut Client) {
    let bytes = world.network.borrow_mut().take(client.wire, usize::MAX);
    client.received += std::str::from_utf8(&bytes).unwrap();
}

/// All that is held is decided, and each client that is still there has the answer to each of its requests.
fn finish(world: &mut World, clients: &mut [Client]) {
    for _ in 0..2_000 {
        world.decided = Some((world.holder.ticket, true));
        world.turn(true);
        clients.iter_mut().for_each(|client| read(world, client));
        if !world.endpoint.has_work()
            && !world.endpoint.sessions.has_held()
            && !world.network.borrow().has_events()
        {
            break;
        }
    }
    assert!(!world.endpoint.sessions.has_held(), "held for ever");
    for (token, (wire, _)) in &world.holder.held {
        let network = world.network.borrow();
        let wire = &network.wires[*wire];
        let is_excused = wire.closed && (wire.was_blocked || wire.is_over());
        let is_decided = world.holder.fates.contains_key(token);
        assert!(is_decided || is_excused, "closed while it was held");
    }
    for client in clients {
        let network = world.network.borrow();
        let wire = &network.wires[client.wire];
        if wire.closed || wire.server_fin || !wire.is_seated() {
            continue;
        }
        let answers = contents(&client.received);
        let kinds: Vec<bool> = answers.iter().map(|answer| answer != "Free").collect();
        assert_eq!(kinds, client.asked, "each its own, in their order");
    }
}
