//! What a server says of itself (<https://redis.io/docs/latest/commands/info/>).

/// The lines of `INFO` that decide whether a journal can be kept there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerInfo {
    /// `Redis` or `Valkey`.
    pub product: &'static str,
    /// Its version, as it writes it.
    pub version: String,
    /// The version of Redis that it is compatible with: major and minor.
    pub compatible_with: Option<(u32, u32)>,
    /// `maxmemory_policy`.
    pub eviction: Option<String>,
    /// `maxmemory` in bytes; 0 is no limit.
    pub memory_bytes_max: Option<u64>,
    /// `used_memory`.
    pub memory_bytes: Option<u64>,
    /// `aof_enabled`: whether each write is appended to a file.
    pub appends: Option<bool>,
    /// `connected_slaves`.
    pub replicas: Option<u32>,
    /// `cluster_enabled`.
    pub is_cluster: bool,
}

impl ServerInfo {
    /// Reads the reply; lines that are missing or malformed stay unknown.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut info = Self {
            product: "Redis",
            ..Self::default()
        };
        for (name, value) in text.lines().filter_map(|line| line.trim().split_once(':')) {
            match name {
                "redis_version" => {
                    info.compatible_with = version(value);
                    if info.version.is_empty() {
                        info.version = printable(value);
                    }
                }
                // Valkey says `redis_version:7.2.4` for the sake of clients, and its own besides.
                "valkey_version" => {
                    info.product = "Valkey";
                    info.version = printable(value);
                }
                "maxmemory_policy" => info.eviction = Some(printable(value)),
                "maxmemory" => info.memory_bytes_max = value.parse().ok(),
                "used_memory" => info.memory_bytes = value.parse().ok(),
                "aof_enabled" => info.appends = Some(value != "0"),
                "connected_slaves" => info.replicas = value.parse().ok(),
                "cluster_enabled" => info.is_cluster = value == "1",
                _ => {}
            }
        }
        info
    }

    /// Whether it is older than a version of Redis; one that does not say is not.
    #[must_use]
    pub fn is_older_than(&self, major: u32, minor: u32) -> bool {
        self.compatible_with
            .is_some_and(|version| version < (major, minor))
    }

    /// Whether it deletes keys when its memory is full, instead of refusing writes.
    #[must_use]
    pub fn evicts(&self) -> bool {
        let policy = self.eviction.as_deref();
        policy.is_some_and(|policy| policy != "noeviction")
    }
}

/// Names and numbers have no more characters, and go to a terminal.
fn printable(value: &str) -> String {
    value
        .chars()
        .filter(char::is_ascii_graphic)
        .take(40)
        .collect()
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split('.').map(str::parse);
    let major = numbers.next()?.ok()?;
    Some((major, numbers.next().and_then(Result::ok).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of Redis 7.0.15.
    const REDIS: &str = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n\r\n# Memory\r\n\
        used_memory:1000\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\naof_enabled:0\r\n\
        # Replication\r\nrole:master\r\nconnected_slaves:2\r\ncluster_enabled:0\r\n";

    #[test]
    fn the_lines_that_matter_are_read() {
        let info = ServerInfo::parse(REDIS);
        let expected = ServerInfo {
            product: "Redis",
            version: "7.0.15".to_owned(),
            compatible_with: Some((7, 0)),
            eviction: Some("noeviction".to_owned()),
            memory_bytes_max: Some(0),
            memory_bytes: Some(1000),
            appends: Some(false),
            replicas: Some(2),
            is_cluster: false,
        };
        assert_eq!(info, expected);
        assert!(!info.evicts() && !info.is_older_than(7, 0) && info.is_older_than(7, 2));
    }

    #[test]
    fn valkey_is_called_by_its_name() {
        for text in [
            "redis_version:7.2.4\r\nvalkey_version:8.1.0\r\n",
            "valkey_version:8.1.0\r\nredis_version:7.2.4\r\n",
        ] {
            let info = ServerInfo::parse(text);
            assert_eq!((info.product, &*info.version), ("Valkey", "8.1.0"));
            assert_eq!(info.compatible_with, Some((7, 2)));
        }
    }

    #[test]
    fn what_is_not_said_is_unknown_and_refuses_nothing() {
        let info = ServerInfo::parse("redis_version:x\r\nmaxmemory_policy\r\n:\r\n");
        assert_eq!((info.compatible_with, &info.eviction), (None, &None));
        assert!(!info.is_older_than(7, 0) && !info.evicts());
    }

    #[test]
    fn a_server_that_evicts_is_told() {
        assert!(ServerInfo::parse("maxmemory_policy:allkeys-lru\r\n").evicts());
        assert!(ServerInfo::parse("redis_version:6.2.14\r\n").is_older_than(7, 0));
        let shown = ServerInfo::parse("redis_version:7\u{1b}[2J.0\r\n").version;
        assert_eq!(shown, "7[2J.0");
    }
}
