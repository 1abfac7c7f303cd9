//! A siege: hostile clients, one kind after the other and then all at once, against the real binary,
//! while a good client gives commands. Prints what was tried and how long the good client had to wait.
//!
//! ```sh
//! cargo build --release
//! cargo run --release --example siege -- --seconds 5
//! ```
//!
//! Exit code 1: the good client was refused something, a reply was lost, the kernel held more for a
//! connection than it may, or the server did not give back what it had taken. It takes `ss` of iproute2.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types
)] // a test program
#![allow(unreachable_pub)] // no other crate uses it

mod attacker;
mod attacks;
mod good_client;
mod kernel_memory;
mod server;

use std::net::SocketAddr;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use attacker::Attacker;
use attacks::ATTACKS;
use server::Server;

/// Some kinds of hostile clients, and what the server has.
struct Scenario {
    name: &'static str,
    attacks: Vec<&'static str>,
    /// Its limit of open files.
    descriptors: u32,
}

/// Enough for the default `--max-connections`, the senders and what the process needs itself.
const DESCRIPTORS: u32 = 8_400;
const DESCRIPTORS_FEW: u32 = 256;
/// Commands before the first look: by then there is what there always is.
const WARM_UP: usize = 100;

enum Run {
    /// The whole siege, or one scenario of it.
    Siege { seconds: u64, only: Option<String> },
    /// One kind of attack, in a process of its own.
    Attack {
        name: String,
        seconds: u64,
        address: SocketAddr,
        request: String,
    },
}

fn main() -> ExitCode {
    match arguments() {
        Ok(Run::Siege { seconds, only }) => siege(seconds, only.as_deref()),
        Ok(Run::Attack {
            name,
            seconds,
            address,
            request,
        }) => {
            let attack = ATTACKS.iter().find(|attack| attack.name == name).unwrap();
            let until = Instant::now() + Duration::from_secs(seconds);
            println!("{}", (attack.run)(&Attacker::new(address, until, request)));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("siege: {error}\nusage: siege [--seconds N] [--only SCENARIO]");
            ExitCode::from(2)
        }
    }
}

fn arguments() -> Result<Run, lexopt::Error> {
    use lexopt::prelude::*;
    let (mut seconds, mut only, mut attack) = (3, None, Vec::new());
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("seconds") => seconds = parser.value()?.parse()?,
            Long("only") => only = Some(parser.value()?.string()?),
            Value(value) => attack.push(value.string()?),
            _ => return Err(argument.unexpected()),
        }
    }
    match <[String; 3]>::try_from(attack) {
        Ok([name, address, request]) => Ok(Run::Attack {
            name,
            seconds,
            address: address.parse().map_err(|_| "no address")?,
            request,
        }),
        Err(none) if none.is_empty() => Ok(Run::Siege { seconds, only }),
        Err(other) => Err(format!("unexpected {other:?}").into()),
    }
}

fn siege(seconds: u64, only: Option<&str>) -> ExitCode {
    println!(
        "| hostile clients | what they did | commands | median | worst | descriptors | resident | kernel, at most |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    );
    let mut is_good = true;
    for scenario in scenarios() {
        if only.is_none_or(|only| only == scenario.name) {
            is_good &= attack_with(&scenario, seconds);
        }
    }
    println!(
        "{}",
        if is_good {
            "\nthe bot stood it all"
        } else {
            "\nFAILED"
        }
    );
    ExitCode::from(u8::from(!is_good))
}

/// No attacker, each kind alone, some with few descriptors, and all at once.
fn scenarios() -> Vec<Scenario> {
    let scenario = |name, attacks| Scenario {
        name,
        attacks,
        descriptors: DESCRIPTORS,
    };
    let mut scenarios = vec![scenario("none", Vec::new())];
    scenarios.extend(
        ATTACKS
            .iter()
            .map(|attack| scenario(attack.name, vec![attack.name])),
    );
    for (name, attack) in [
        ("half heads for few places", "half heads"),
        ("served and idle on few places", "served and idle"),
        ("silent on few places", "silent"),
    ] {
        scenarios.push(Scenario {
            descriptors: DESCRIPTORS_FEW,
            ..scenario(name, vec![attack, "churn"])
        });
    }
    scenarios.push(scenario(
        "all at once",
        ATTACKS.iter().map(|attack| attack.name).collect(),
    ));
    scenarios
}

/// Prints a row of the table, and what was not as it should be below it.
fn attack_with(scenario: &Scenario, seconds: u64) -> bool {
    let server = Server::start(scenario.descriptors);
    let warm = good_client::give_commands(&server, |given| given == WARM_UP);
    let before = server.usage();
    let over = AtomicBool::new(false);
    let (said, good, kernel) = thread::scope(|scope| {
        let kernel = scope.spawn(|| kernel_memory::watch(server.address.port(), &over));
        let good =
            scope.spawn(|| good_client::give_commands(&server, |_| over.load(Ordering::Acquire)));
        let said = attack(scenario, &server, seconds);
        over.store(true, Ordering::Release);
        (said, good.join().unwrap(), kernel.join().unwrap())
    });
    let peak_mib = server.peak_mib();
    let after = server.settle(before);
    println!(
        "| {} | {} | {} | {:.1} ms | {:.0} ms | {} → {} | {:.1} → {:.1} MiB, at most {peak_mib:.1} | \
         {:.1} MiB for {} connections, {:.0} KiB for one |",
        scenario.name,
        said.join("; "),
        good.waits.len(),
        good.median_ms(),
        good.worst_ms(),
        before.descriptors,
        after.descriptors,
        before.resident_mib,
        after.resident_mib,
        kernel.mib,
        kernel.connections,
        kernel.each_kib,
    );
    let mut faults = [warm.faults, good.faults].concat();
    faults.extend(server.lost_replies(warm.waits.len() + good.waits.len()));
    let had_uploads = scenario.attacks.contains(&"half uploads");
    faults.extend(after.not_given_back(before, had_uploads));
    faults.extend(kernel.fault());
    for fault in &faults {
        println!("  {}: {fault}", scenario.name);
    }
    faults.is_empty()
}

/// Runs the attackers at a lower priority: in life they have machines of their own, here they would only
/// show how the system shares its cores. Returns what each says it did.
fn attack(scenario: &Scenario, server: &Server, seconds: u64) -> Vec<String> {
    let attacker = |name: &&str| {
        Command::new("nice")
            .args(["-n", "19"])
            .arg(std::env::current_exe().unwrap())
            .args(["--seconds", &seconds.to_string(), name])
            .args([server.address.to_string(), server.signed("dekcatta")])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let attackers: Vec<Child> = scenario.attacks.iter().map(attacker).collect();
    if attackers.is_empty() {
        thread::sleep(Duration::from_secs(seconds));
    }
    let said = |attacker: Child| {
        let output = attacker.wait_with_output().unwrap();
        assert!(output.status.success(), "an attacker has failed");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    attackers.into_iter().map(said).collect()
}
