//! The run itself: one thread, one poll loop, all connections and the sink on it.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::TcpStream as StdStream;
use std::ops::Range;
use std::thread::sleep;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use crate::client::Client;
use crate::health::Health;
use crate::histogram::Histogram;
use crate::plan::{Extent, Pacer, Plan};
use crate::pool::Pool;
use crate::process::{self, Cpu};
use crate::report::{Memory, Report};
use crate::sink::Sink;
use crate::tls;

const BUFFER_BYTES: usize = 256 * 1024;
const EVENTS: usize = 1024;
/// How long a server gets to settle before its memory is read.
const SETTLE: Duration = Duration::from_millis(300);
/// How long it gets to give memory back when all is over; idle threads of torrap end after 10 s.
const AFTERMATH: Duration = Duration::from_secs(12);
/// How long no reply may come before the run is given up.
const DEADLINE: Duration = Duration::from_secs(30);
/// Of the connection that asks `/healthz`.
const HEALTH: Token = Token(usize::MAX);

pub struct Run {
    plan: Plan,
    pool: Pool,
    poll: Poll,
    /// Not there while they are looked at.
    events: Option<Events>,
    clients: Vec<Client>,
    free: VecDeque<usize>,
    idle: Vec<StdStream>,
    sink: Option<Sink>,
    health: Option<Health>,
    pacer: Pacer,
    buffer: Vec<u8>,
    /// The next request in the pool.
    cursor: usize,
    sent: u64,
    /// Answers, and those of them that were 200, since the run began.
    answered: u64,
    accepted: u64,
    latencies: Histogram,
}

/// The counters at one moment.
#[derive(Clone, Copy)]
struct Mark {
    at: Instant,
    server: Cpu,
    own: Cpu,
    answered: u64,
    delivered: u64,
}

impl Run {
    pub fn new(plan: Plan, pool: Pool) -> io::Result<Self> {
        let poll = Poll::new()?;
        let first_token = plan.connections;
        let tls = plan.sink_key.as_deref().map(tls::config).transpose()?;
        let sink = plan.sink.map(|address| {
            let listener = TcpListener::bind(address)?;
            Sink::new(listener, first_token, poll.registry(), plan.sink_delay, tls)
        });
        let sink = sink.transpose()?;
        Ok(Self {
            pacer: Pacer::new(plan.pace),
            plan,
            pool,
            poll,
            events: None,
            clients: Vec::new(),
            free: VecDeque::new(),
            idle: Vec::new(),
            sink,
            health: None,
            buffer: vec![0; BUFFER_BYTES],
            cursor: 0,
            sent: 0,
            answered: 0,
            accepted: 0,
            latencies: Histogram::new(),
        })
    }

    /// Does what the plan says.
    pub fn execute(mut self) -> io::Result<Report> {
        let mut memory = Memory {
            start: self.resident()?,
            ..Memory::default()
        };
        self.open_idle()?;
        self.open_clients()?;
        if self.plan.health {
            let health = Health::new(self.plan.target, HEALTH, self.poll.registry())?;
            self.health = Some(health);
        }
        sleep(SETTLE);
        memory.connected = self.resident()?;
        let (begin, end) = self.measure()?;
        memory.loaded = self.resident()?;
        if self.plan.settle {
            self.await_replies()?;
            memory.delivered = self.resident()?;
            self.clients.clear();
            self.idle.clear();
            sleep(AFTERMATH);
            memory.after = self.resident()?;
        }
        if let Some(sink) = self.sink.as_ref().filter(|sink| sink.wrong > 0) {
            return Err(io::Error::other(format!("{} wrong replies", sink.wrong)));
        }
        Ok(Report {
            seconds: (end.at - begin.at).as_secs_f64(),
            answered: end.answered - begin.answered,
            delivered: end.delivered - begin.delivered,
            server: end.server.since(begin.server),
            own: end.own.since(begin.own),
            latencies: self.latencies,
            health: self.health.map(|health| health.latencies),
            memory,
        })
    }

    fn resident(&self) -> io::Result<u64> {
        process::resident_bytes(self.plan.pid)
    }

    /// Opens connections that are used once each, since a server may allocate only then. The request
    /// is one without a signature: it leaves no job.
    fn open_idle(&mut self) -> io::Result<()> {
        for _ in 0..self.plan.idle {
            let mut stream = StdStream::connect(self.plan.target)?;
            stream.set_nodelay(true)?;
            stream.write_all(b"POST /slack HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")?;
            if stream.read(&mut self.buffer)? == 0 {
                return Err(io::Error::other("an idle connection was closed"));
            }
            self.idle.push(stream);
        }
        Ok(())
    }

    fn open_clients(&mut self) -> io::Result<()> {
        for index in 0..self.plan.connections {
            let stream = StdStream::connect(self.plan.target)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mut client = Client::new(TcpStream::from_std(stream));
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll
                .registry()
                .register(client.socket_mut(), Token(index), interest)?;
            self.clients.push(client);
            self.free.push_back(index);
        }
        Ok(())
    }

    fn measure(&mut self) -> io::Result<(Mark, Mark)> {
        self.pacer = Pacer::new(self.plan.pace);
        if let Extent::Time(_) = self.plan.extent {
            let until = Instant::now() + self.plan.warmup;
            self.drive(|_| Instant::now() >= until)?;
            self.latencies = Histogram::new();
            if let Some(health) = &mut self.health {
                health.latencies = Histogram::new();
            }
        }
        let begin = self.mark()?;
        match self.plan.extent {
            Extent::Time(time) => {
                let until = Instant::now() + time;
                self.drive(|_| Instant::now() >= until)?;
            }
            Extent::Count(count) => self.drive(|run| run.answered >= count)?,
        }
        Ok((begin, self.mark()?))
    }

    fn mark(&self) -> io::Result<Mark> {
        Ok(Mark {
            at: Instant::now(),
            server: process::cpu(self.plan.pid)?,
            own: process::cpu(std::process::id())?,
            answered: self.answered,
            delivered: self.delivered(),
        })
    }

    fn delivered(&self) -> u64 {
        self.sink.as_ref().map_or(0, |sink| sink.delivered)
    }

    fn await_replies(&mut self) -> io::Result<()> {
        let mut progress = (self.delivered(), Instant::now());
        while self.delivered() < self.accepted {
            if self.delivered() > progress.0 {
                progress = (self.delivered(), Instant::now());
            }
            if progress.1.elapsed() > DEADLINE {
                let missing = self.accepted - self.delivered();
                return Err(io::Error::other(format!("{missing} replies did not come")));
            }
            self.turn()?;
        }
        Ok(())
    }

    fn drive(&mut self, is_over: impl Fn(&Self) -> bool) -> io::Result<()> {
        while !is_over(self) {
            self.dispatch()?;
            self.turn()?;
        }
        Ok(())
    }

    /// Sends on free connections what is due.
    fn dispatch(&mut self) -> io::Result<()> {
        if let Some(health) = &mut self.health {
            health.poll(Instant::now())?;
        }
        while let Some(&index) = self.free.front() {
            if matches!(self.plan.extent, Extent::Count(count) if self.sent >= count) {
                break;
            }
            let pending = self.sent - self.delivered();
            let Some(meant) = self.pacer.next(Instant::now(), pending) else {
                break;
            };
            self.free.pop_front();
            let requests = self.next_requests()?;
            self.sent += requests.len() as u64;
            self.clients[index].send(requests, meant, &self.pool)?;
        }
        Ok(())
    }

    fn next_requests(&mut self) -> io::Result<Range<usize>> {
        let depth = self.plan.pipeline.min(self.pool.len());
        if self.cursor + depth > self.pool.len() {
            if self.plan.fresh {
                let error =
                    "all requests are sent, and none may be sent twice: sign more (--distinct)";
                return Err(io::Error::other(error));
            }
            self.cursor = 0;
        }
        let requests = self.cursor..self.cursor + depth;
        self.cursor = requests.end;
        Ok(requests)
    }

    /// Waits for events and handles them; what became free sends again at once.
    fn turn(&mut self) -> io::Result<()> {
        let mut events = self
            .events
            .take()
            .unwrap_or_else(|| Events::with_capacity(EVENTS));
        let answers = self.sink.as_ref().and_then(Sink::timeout);
        let timeout = self.pacer.poll_timeout();
        let timeout = answers.map_or(timeout, |answers| answers.min(timeout));
        self.poll.poll(&mut events, Some(timeout))?;
        if let Some(sink) = &mut self.sink {
            sink.answer();
        }
        for event in &events {
            if event.token().0 < self.plan.connections {
                self.serve(event)?;
            } else if let Some(health) = self.health.as_mut().filter(|_| event.token() == HEALTH) {
                health.receive(&mut self.buffer)?;
            } else if let Some(sink) = &mut self.sink {
                sink.handle(event.token(), &mut self.buffer, self.poll.registry())?;
            }
            self.dispatch()?;
        }
        self.events = Some(events);
        Ok(())
    }

    fn serve(&mut self, event: &mio::event::Event) -> io::Result<()> {
        let index = event.token().0;
        let client = &mut self.clients[index];
        if event.is_writable() {
            client.flush(&self.pool)?;
        }
        if !event.is_readable() || client.is_free() {
            return Ok(());
        }
        let (latencies, mut fault) = (&mut self.latencies, None);
        let (mut answered, mut accepted) = (0, 0);
        let now = Instant::now();
        client.receive(&mut self.buffer, &self.pool, |answer| {
            let nanos = now.saturating_duration_since(answer.meant).as_nanos();
            latencies.record(u64::try_from(nanos).unwrap_or(u64::MAX));
            answered += 1;
            accepted += u64::from(answer.status == 200);
            if answer.status != answer.expected {
                fault = Some(answer);
            }
        })?;
        self.answered += answered;
        self.accepted += accepted;
        if let Some(answer) = fault {
            let (status, expected) = (answer.status, answer.expected);
            return Err(io::Error::other(format!(
                "status {status} instead of {expected}"
            )));
        }
        if client.is_free() {
            self.free.push_back(index);
        }
        Ok(())
    }
}
