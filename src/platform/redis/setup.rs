//! The first words on a connection: who we are, which database, and whether the server is a master that has the fleet's keys.

use std::fmt;
use std::time::Instant;

use zeroize::Zeroizing;

use super::connection::Connection;
use super::error::{Cause, ExchangeError, tls_error};
use crate::config::RedisPassword;
use crate::redis::{Address, ErrorKind, RedisUrl, Reply, ServerError, ServerInfo, encode};

/// What a server that wants one says to a client without a certificate.
const NO_CERTIFICATE: rustls::Error =
    rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRequired);

/// What is asked of a server, in this order, in one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Authenticate,
    Select,
    Role,
    Info,
    /// Two of the fleet's keys are read, to learn whether this server has them and this user may.
    Keys,
    Members,
    /// A Sentinel is asked for the master.
    Master,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Authenticate => "AUTH",
            Self::Select => "SELECT",
            Self::Role => "ROLE",
            Self::Info => "INFO",
            Self::Keys => "HGET",
            Self::Members => "ZSCORE",
            Self::Master => "SENTINEL GET-MASTER-ADDR-BY-NAME",
        })
    }
}

/// Commands and what each is for, in a buffer that is overwritten: it may hold the password.
#[derive(Default)]
struct Pipeline {
    requests: Zeroizing<Vec<u8>>,
    steps: Vec<Step>,
}

impl Pipeline {
    fn push(&mut self, step: Step, parts: &[&[u8]]) {
        encode(parts, &mut self.requests);
        self.steps.push(step);
    }

    fn push_authentication(&mut self, url: &RedisUrl, password: Option<&RedisPassword>) {
        let word = password.map_or(&b""[..], RedisPassword::as_bytes);
        // A growing buffer would leave copies behind.
        self.requests.reserve(word.len() + 512);
        match (&url.user, password) {
            (Some(user), _) => {
                self.push(Step::Authenticate, &[b"AUTH", user.as_bytes(), word]);
            }
            (None, Some(_)) => self.push(Step::Authenticate, &[b"AUTH", word]),
            (None, None) => {}
        }
    }
}

/// Makes a connection ready for commands.
pub(super) fn set_up(
    connection: &mut Connection,
    url: &RedisUrl,
    password: Option<&RedisPassword>,
    deadline: Instant,
) -> Result<(), Cause> {
    let mut pipeline = Pipeline::default();
    pipeline.push_authentication(url, password);
    if url.database != 0 {
        let database = url.database.to_string();
        pipeline.push(Step::Select, &[b"SELECT", database.as_bytes()]);
    }
    pipeline.push(Step::Role, &[b"ROLE"]);
    pipeline.push(Step::Info, &[b"INFO"]);
    let key = |name| format!("{{{}}}:{name}", url.fleet);
    let (fleet, replicas) = (key("fleet"), key("replicas"));
    pipeline.push(Step::Keys, &[b"HGET", fleet.as_bytes(), b"beat"]);
    pipeline.push(Step::Members, &[b"ZSCORE", replicas.as_bytes(), b"-"]);
    let mut first = Some(greet(connection, &pipeline, url, deadline)?);
    for step in pipeline.steps {
        let reply = match first.take() {
            Some(reply) => reply,
            None => receive(connection, step, deadline)?,
        };
        let reply = reply.ok().map_err(|error| refusal(step, error, password))?;
        match step {
            Step::Role => judge_role(&reply)?,
            Step::Info => {
                let text = reply.bytes().ok_or(Cause::Unexpected(step))?;
                connection.set_info(ServerInfo::parse(&String::from_utf8_lossy(text)));
            }
            _ => {}
        }
    }
    connection
        .end_exchange()
        .map_err(|error| Cause::Failed(Step::Members, error))
}

/// Asks a Sentinel for the master of a name.
pub(super) fn ask_sentinel(
    connection: &mut Connection,
    name: &str,
    url: &RedisUrl,
    password: Option<&RedisPassword>,
    deadline: Instant,
) -> Result<Address, Cause> {
    let question: &[&[u8]] = &[b"SENTINEL", b"get-master-addr-by-name", name.as_bytes()];
    let mut pipeline = Pipeline::default();
    pipeline.push(Step::Master, question);
    let mut reply = greet(connection, &pipeline, url, deadline)?;
    // Sentinels mostly have no password, and one that has none refuses any.
    let asks = matches!(&reply, Reply::Error(error) if error.kind == ErrorKind::NoAuth);
    if asks && (password.is_some() || url.user.is_some()) {
        let mut pipeline = Pipeline::default();
        pipeline.push_authentication(url, password);
        pipeline.push(Step::Master, question);
        let sent = connection.send(&pipeline.requests, deadline);
        sent.map_err(|error| Cause::Failed(Step::Authenticate, error))?;
        let authenticated = receive(connection, Step::Authenticate, deadline)?;
        let refused = |error| refusal(Step::Authenticate, error, password);
        authenticated.ok().map_err(refused)?;
        reply = receive(connection, Step::Master, deadline)?;
    }
    let reply = reply.ok();
    match reply.map_err(|error| refusal(Step::Master, error, password))? {
        Reply::Null => Err(Cause::UnknownMaster(name.to_owned())),
        reply => {
            let parts = reply.array().unwrap_or_default();
            let text = |at: usize| parts.get(at).and_then(Reply::text);
            let master = text(0).zip(text(1));
            let master = master.and_then(|(host, port)| Address::of_sentinel(host, port));
            master.ok_or(Cause::Unexpected(Step::Master))
        }
    }
}

/// Sends the first commands of a connection; the reply to the first of them.
fn greet(
    connection: &mut Connection,
    pipeline: &Pipeline,
    url: &RedisUrl,
    deadline: Instant,
) -> Result<Reply, Cause> {
    let first = pipeline.steps.first().copied().unwrap_or(Step::Role);
    let sent = connection.greet(&pipeline.requests, deadline);
    sent.map_err(|error| Cause::Failed(first, error))?;
    receive(connection, first, deadline).map_err(|cause| match cause {
        Cause::Failed(_, ExchangeError::Closed) if !url.is_tls => Cause::ClosedAtOnce,
        cause => cause,
    })
}

fn receive(connection: &mut Connection, step: Step, deadline: Instant) -> Result<Reply, Cause> {
    let reply = connection.receive(deadline);
    reply.map_err(|error| match error {
        // TLS 1.3 lets a client speak before the server has looked at its certificate.
        ExchangeError::Io(error) if tls_error(&error) == Some(&NO_CERTIFICATE) => {
            Cause::CertificateWanted
        }
        error => Cause::Failed(step, error),
    })
}

fn judge_role(reply: &Reply) -> Result<(), Cause> {
    let role = reply.array().and_then(|parts| parts.first());
    match role.and_then(Reply::text) {
        Some("master") => Ok(()),
        Some("slave") => Err(Cause::NotMaster("replica".to_owned())),
        Some("sentinel") => Err(Cause::NotMaster("Sentinel".to_owned())),
        _ => Err(Cause::Unexpected(Step::Role)),
    }
}

fn refusal(step: Step, error: ServerError, password: Option<&RedisPassword>) -> Cause {
    // A user without a password is refused unless it has none in Redis either.
    if matches!(error.kind, ErrorKind::NoAuth | ErrorKind::WrongPass) && password.is_none() {
        return Cause::PasswordMissing;
    }
    // Whatever is between may have repeated it.
    let word = password.and_then(|word| str::from_utf8(word.as_bytes()).ok());
    let is_repeated = word.is_some_and(|word| error.text.contains(word));
    let text = match is_repeated {
        true => "(it repeats the password)".to_owned(),
        false => error.text,
    };
    Cause::Refused(step, ServerError { text, ..error })
}
