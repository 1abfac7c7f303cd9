//! A journal in Redis before there is a loop: a first connection, which tells mistakes in the settings from a Redis that is away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use log::{info, warn};
use mio::Waker;
use ring::rand::{SecureRandom, SystemRandom};

use super::clock::Clock;
use super::error::Error;
use super::redis::{Connection, Connector};
use super::shared_journal_thread::{Driver, SharedJournalThread};
use crate::app::Bot;
use crate::config::{Config, SharedJournal};
use crate::redis::ErrorKind;
use crate::shared_journal::{Random, Replica, Sealer, Settings, Trouble};

/// How long a start waits for Redis.
const START_TIMEOUT: Duration = Duration::from_secs(2);

/// A journal that this process may use, as far as is known.
pub(crate) struct FleetStart {
    driver: Driver,
    lease_ms: u64,
}

impl FleetStart {
    /// Tries to connect. A Redis that is away keeps no bot from starting: the fleet may have others, and it may come back.
    ///
    /// # Errors
    /// The settings are wrong, or Redis is: what it has answered, it will answer until a person changes something.
    pub(crate) fn new(
        config: &Config,
        journal: &SharedJournal,
        clock: Clock,
    ) -> Result<Self, Error> {
        let refused = |reason| Error::SharedJournal {
            url: journal.url.to_string(),
            reason,
            is_usage: true,
        };
        if config.signing_secrets.is_empty() {
            let reason =
                "what is pending is sealed with the signing secret; set SLACK_SIGNING_SECRET";
            return Err(refused(reason.to_owned()));
        }
        let mut connector = Connector::new(journal, config.ca_file.as_deref())?;
        let deadline = Instant::now() + START_TIMEOUT;
        let connected = connector.connect(None, deadline);
        if let Ok(connection) = &connected {
            greet(connection, journal).map_err(refused)?;
        }
        if let Err(error) = &connected
            && error.is_definite()
        {
            return Err(refused(error.to_string()));
        }
        let mut driver = Driver::new(replica(config, journal), connector, connected, clock);
        if let Some(Trouble::Refused(error)) = driver.join(deadline)
            && is_of_rights(&error.kind)
        {
            return Err(refused(format!(
                "Redis refuses what a journal needs: {}",
                error.with_remedy()
            )));
        }
        Ok(Self {
            driver,
            lease_ms: journal.lease_ms,
        })
    }

    /// Gives the journal to its thread. What earlier processes have left comes as that of any other process.
    ///
    /// # Errors
    /// The system has no thread.
    pub(crate) fn open(
        self,
        bot: &mut Bot,
        waker: Arc<Waker>,
    ) -> Result<SharedJournalThread, Error> {
        bot.begin_store(1);
        let Self { driver, lease_ms } = self;
        SharedJournalThread::start(driver, lease_ms, waker).map_err(Error::Loop)
    }
}

/// Looks at the server. `Err` says why no journal can be kept there.
fn greet(connection: &Connection, journal: &SharedJournal) -> Result<(), String> {
    let info = connection.info();
    if let Some(reason) = info.unfit() {
        return Err(reason);
    }
    let (address, fleet) = (connection.address(), &journal.url.fleet);
    let (product, version) = (info.product, &info.version);
    info!("journal: {product} {version} at {address}, fleet {fleet}");
    for doubt in info.doubts(journal.url.wait) {
        warn!("journal: {doubt}");
    }
    Ok(())
}

/// Whether waiting would be in vain.
const fn is_of_rights(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::NoPerm(_) | ErrorKind::WrongType | ErrorKind::UnknownCommand
    )
}

fn replica(config: &Config, journal: &SharedJournal) -> Replica {
    let settings = Settings {
        fleet: journal.url.fleet.clone(),
        wait: journal.url.wait,
        lease_ms: journal.lease_ms,
    };
    let mut random = random();
    let secrets = config
        .signing_secrets
        .iter()
        .map(|secret| secret.as_bytes());
    let sealer = Sealer::new(secrets, &settings.fleet, &mut random);
    Replica::new(settings, sealer, random)
}

/// The system's random numbers: ids of replicas, nonces.
fn random() -> Random {
    let system = SystemRandom::new();
    Box::new(move |bytes| {
        // It waits until the kernel has some, which it has since the machine started.
        system.fill(bytes).expect("the system has random numbers");
    })
}
