//! Connections to Redis: sockets, TLS and deadlines for [`crate::redis`].
//!
//! [`Connector`] finds the server to write to, through names, several addresses, Sentinel and a cluster's redirections, and
//! returns a [`Connection`] that is ready: authenticated, in its database, with a master that knows the fleet's keys. What it is
//! asked to do has one deadline in all. A connection that has failed once is never used again, because a late reply would be taken
//! for that of the next command (redis-rs/redis-rs#1252).

mod certificate;
mod connection;
mod connector;
mod error;
mod setup;
mod stream;

pub(crate) use connection::Connection;
pub(crate) use connector::Connector;
pub(crate) use error::{ConnectError, ExchangeError};

#[cfg(test)]
pub(crate) mod tests;
