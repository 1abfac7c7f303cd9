//! Which program is started as Redis.

use std::env;

/// `redis-server`, or what the variable `REDIS_SERVER` says: the path of a Valkey, or of another version.
pub fn redis_server() -> String {
    env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned())
}
