//! The load generator: signs commands, sends them, checks every answer, and counts.
//!
//! `load run …` prints one line of JSON; `load startup ADDRESS COMMAND…` the milliseconds that a
//! server takes to listen; `load certificate FOLDER` writes `certificate.pem`, which the server is to trust, and beside it
//! what a receiver with TLS needs. The secret comes from `SLACK_SIGNING_SECRET`.

mod client;
mod health;
mod histogram;
mod plan;
mod pool;
mod process;
mod report;
mod run;
mod sink;
mod startup;
mod tls;

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;
use std::{env, process as system};

use lexopt::{Arg, Parser, ValueExt};

use plan::{Extent, Pace, Plan};
use pool::{Pool, Shape};

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let result = match arguments.first().map(String::as_str) {
        Some("run") => run(&arguments[1..]),
        Some("startup") if arguments.len() > 2 => startup(&arguments[1..]),
        Some("certificate") if arguments.len() == 2 => {
            tls::write_certificate(arguments[1].as_ref())
        }
        _ => Err(
            "usage: load run OPTIONS | load startup ADDRESS COMMAND… | load certificate FOLDER"
                .into(),
        ),
    };
    if let Err(error) = result {
        eprintln!("load: {error}");
        system::exit(1);
    }
}

fn startup(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let millis = startup::measure(arguments[0].parse()?, &arguments[1..])?;
    println!("{millis:.3}");
    Ok(())
}

fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let (plan, shape) = parse(arguments)?;
    // Thousands of connections: as many descriptors as the system lets us have.
    rlimit::increase_nofile_limit(u64::MAX)?;
    let secret = env::var("SLACK_SIGNING_SECRET")?;
    let pool = Pool::new(secret.as_bytes(), &shape);
    let report = run::Run::new(plan, pool)?.execute()?;
    println!("{}", report.json());
    Ok(())
}

fn parse(arguments: &[String]) -> Result<(Plan, Shape), Box<dyn Error>> {
    let mut plan = Plan {
        target: SocketAddr::from(([127, 0, 0, 1], 8000)),
        pid: 0,
        connections: 64,
        pipeline: 1,
        idle: 0,
        warmup: Duration::from_millis(500),
        extent: Extent::Time(Duration::from_secs(3)),
        pace: Pace::Closed,
        sink: None,
        sink_delay: Duration::ZERO,
        sink_key: None,
        health: false,
        settle: false,
        fresh: false,
    };
    let mut shape = Shape {
        distinct: 20_000,
        fresh: false,
        content_bytes: 0,
        text_bytes: 0,
        forged_every: 0,
        reply_origin: "http://127.0.0.1:9".to_owned(),
    };
    let mut parser = Parser::from_args(arguments);
    let seconds = |text: f64| Duration::from_secs_f64(text);
    while let Some(argument) = parser.next()? {
        let Arg::Long(name) = argument else {
            return Err(argument.unexpected().into());
        };
        match name.to_owned().as_str() {
            "target" => plan.target = parser.value()?.parse()?,
            "pid" => plan.pid = parser.value()?.parse()?,
            "connections" => plan.connections = parser.value()?.parse()?,
            "pipeline" => plan.pipeline = parser.value()?.parse()?,
            "idle" => plan.idle = parser.value()?.parse()?,
            "warmup" => plan.warmup = seconds(parser.value()?.parse()?),
            "seconds" => plan.extent = Extent::Time(seconds(parser.value()?.parse()?)),
            "count" => plan.extent = Extent::Count(parser.value()?.parse()?),
            "rate" => plan.pace = Pace::Rate(parser.value()?.parse()?),
            "window" => plan.pace = Pace::Window(parser.value()?.parse()?),
            "sink" => plan.sink = Some(parser.value()?.parse()?),
            "sink-delay" => plan.sink_delay = seconds(parser.value()?.parse()?),
            "sink-key" => plan.sink_key = Some(parser.value()?.into()),
            "health" => plan.health = true,
            "settle" => plan.settle = true,
            "distinct" => shape.distinct = parser.value()?.parse()?,
            "fresh" => (plan.fresh, shape.fresh) = (true, true),
            "content-bytes" => shape.content_bytes = parser.value()?.parse()?,
            "text-bytes" => shape.text_bytes = parser.value()?.parse()?,
            "forged-every" => shape.forged_every = parser.value()?.parse()?,
            "reply-origin" => shape.reply_origin = parser.value()?.parse()?,
            _ => return Err(Arg::Long(name).unexpected().into()),
        }
    }
    if plan.settle && !(plan.sink.is_some() && matches!(plan.extent, Extent::Count(_))) {
        return Err("--settle needs --sink and --count".into());
    }
    Ok((plan, shape))
}
