//! What a process has too little of: descriptors and memory.

use std::io::{ErrorKind, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use test_support::generator::Generator;
use test_support::{Bot, Client, DEADLINE, kernel};
use torrap::tools::trial::command;

use crate::TORRAP;
use crate::http::HEALTHZ;
use crate::http::pipelining::narrow;

/// A signed command that needs no reply, so that nothing goes out: its answer's status.
fn help(bot: &Bot, client: &mut Client) -> u16 {
    client.exchange(bot.signed("help")).status
}

fn descriptors(bot: &Bot) -> usize {
    kernel::descriptors(bot.process.pid())
}

/// Waits until no more descriptors are open than `count`: each answer is a turn of the loop.
fn assert_descriptors_return_to(bot: &Bot, count: usize) {
    let begin = Instant::now();
    let mut client = bot.connect();
    while descriptors(bot) > count + 1 {
        assert_eq!(client.exchange(HEALTHZ).status, 200);
        let open = descriptors(bot);
        assert!(
            begin.elapsed() < DEADLINE,
            "{open} descriptors open, {count} before"
        );
    }
}

#[test]
fn no_descriptor_is_left_behind() {
    let bot = TORRAP.start(|_| {});
    let mut first = bot.connect();
    assert_eq!(help(&bot, &mut first), 200);
    let before = descriptors(&bot) - 1;
    drop(first);
    let mut generator = Generator::new(7);
    let mut held = Vec::new();
    for number in 0..600 {
        let mut client = bot.connect();
        let request = [
            HEALTHZ,
            "GET / HTTP/2.0\r\n\r\n",
            "POST /x HTTP/1.1\r\nHost: x\r\n",
        ];
        client.send(&request[number % 3][..generator.index(17)]);
        match number % 5 {
            0 => client.reset(),
            1 => client.stream.shutdown(Shutdown::Write).unwrap(),
            2 => held.push(client),
            3 => drop(client.stream.shutdown(Shutdown::Both)),
            _ => drop(client),
        }
    }
    assert_eq!(help(&bot, &mut bot.connect()), 200);
    let (open, held_open) = (descriptors(&bot), held.len());
    assert!(
        open >= before + held_open,
        "{open} open, {before} before, {held_open} held"
    );
    drop(held);
    assert_descriptors_return_to(&bot, before);
}

/// The processor time that the server uses while it has nothing to do but to say no. The time is that
/// which a client waits in vain for an answer.
fn cpu_ticks_while_waiting(bot: &Bot, waiting: &mut Client) -> u64 {
    let before = kernel::cpu_ticks(bot.process.pid());
    waiting
        .stream
        .set_read_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    let error = waiting.stream.peek(&mut [0]).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        "{error}"
    );
    waiting.stream.set_read_timeout(Some(DEADLINE)).unwrap();
    kernel::cpu_ticks(bot.process.pid()) - before
}

/// A client whose request is in progress.
fn begun(bot: &Bot) -> Client {
    let mut client = bot.connect();
    client.send(&HEALTHZ[..20]);
    client
}

#[test]
fn a_low_limit_of_descriptors_lowers_the_number_of_places() {
    let bot = TORRAP.start_limited(80, |command| {
        command.args(["--senders", "1"]);
    });
    let mut clients: Vec<Client> = (0..100).map(|_| begun(&bot)).collect();
    // An answer to the last: all of them are accepted.
    assert_eq!(clients[99].exchange(&HEALTHZ[20..]).status, 200);
    assert!(descriptors(&bot) <= 80);
    let is_served = |client: &mut Client| {
        let rest = client.stream.write_all(&HEALTHZ.as_bytes()[20..]);
        let answer = rest.and_then(|()| command::receive(&mut client.stream));
        answer.is_ok_and(|answer| answer.status == 200)
    };
    let served = clients[..99]
        .iter_mut()
        .filter_map(|client| is_served(client).then_some(()));
    // 80 descriptors less 16 in reserve and one sender.
    assert_eq!(served.count() + 1, 63);
    drop(clients);
    assert_eq!(help(&bot, &mut bot.connect()), 200);
}

fn limit_descriptors(bot: &Bot, limit: u64) {
    let id = i32::try_from(bot.process.pid()).unwrap();
    rlimit::prlimit(id, rlimit::Resource::NOFILE, Some((limit, 4_096)), None).unwrap();
}

#[test]
fn running_out_of_descriptors_neither_spins_nor_lasts() {
    let mut bot = TORRAP.start(|_| {});
    let free = kernel::lowest_free_descriptor(bot.process.pid());
    // From now on there is not one descriptor more.
    limit_descriptors(&bot, free);
    let mut clients: Vec<Client> = (0..6).map(|_| begun(&bot)).collect();
    bot.process.read_until("cannot accept connections");
    for client in &mut clients {
        client.send(&HEALTHZ[20..]);
    }
    let ticks = cpu_ticks_while_waiting(&bot, &mut clients[0]);
    assert!(
        ticks < 30,
        "it spins: {ticks} hundredths of a second in one"
    );
    assert_eq!(
        bot.process.count_unread("cannot accept"),
        0,
        "it floods its log"
    );
    // With one more it serves them all: a client that was served makes room after a while.
    limit_descriptors(&bot, free + 1);
    for client in &mut clients {
        assert_eq!(client.receive().status, 200);
    }
    limit_descriptors(&bot, 4_096);
    assert_eq!(help(&bot, &mut bot.connect()), 200);
}

#[test]
fn clients_that_do_not_read_take_up_little_memory() {
    let bot = TORRAP.start(|_| {});
    let mut clients: Vec<Client> = (0..16).map(|_| narrow(bot.address)).collect();
    for client in &mut clients {
        client.stream.set_nonblocking(true).unwrap();
    }
    let requests = HEALTHZ.repeat(2_000);
    let mut good = bot.connect();
    let begin = Instant::now();
    // Until for some turns of the loop the server has read nothing more from any of them.
    let (mut sent, mut quiet) = (0, 0);
    while quiet < 20 {
        let mut write = |client: &mut Client| client.stream.write(requests.as_bytes()).unwrap_or(0);
        let more: usize = clients.iter_mut().map(&mut write).sum();
        sent += more;
        quiet = if more == 0 { quiet + 1 } else { 0 };
        assert_eq!(help(&bot, &mut good), 200);
        assert!(
            begin.elapsed() < DEADLINE,
            "{sent} bytes, and it still reads"
        );
    }
    let peak = kernel::peak_kib(bot.process.pid());
    println!("{sent} bytes of requests, {peak} KiB at most");
    assert!(peak < 32 * 1024, "{peak} KiB");
}
