//! What a server says of itself (<https://redis.io/docs/latest/commands/info/>).

/// Scripts with flags, which may run while the memory is full, came with this one.
const VERSION_MIN: (u32, u32) = (7, 0);

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
    /// `aof_enabled`: whether each write is appended to a file.
    pub appends: Option<bool>,
    /// `connected_slaves`.
    pub replicas: Option<u32>,
    /// `run_id` and `master_replid`, one after the other: another run of the server, or another history of its data, may lack what
    /// was written before. Empty if it says neither.
    pub identity: String,
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
                "aof_enabled" => info.appends = Some(value != "0"),
                "connected_slaves" => info.replicas = value.parse().ok(),
                "run_id" | "master_replid" => info.identity += &printable(value),
                "cluster_enabled" => info.is_cluster = value == "1",
                _ => {}
            }
        }
        info
    }

    /// Why no journal can be kept there, and what to do. What the server does not say is no reason.
    #[must_use]
    pub fn unfit(&self) -> Option<String> {
        let (product, version) = (self.product, &self.version);
        if self.compatible_with.is_some_and(|it| it < VERSION_MIN) {
            let (major, minor) = VERSION_MIN;
            return Some(format!(
                "{product} {version} is too old; give one of Redis {major}.{minor}, of Valkey, or later"
            ));
        }
        let policy = self.eviction.as_deref();
        policy.filter(|policy| *policy != "noeviction").map(|policy| {
            format!(
                "maxmemory-policy is {policy}, by which {product} deletes pending replies when its memory is full; set \
                 maxmemory-policy noeviction there"
            )
        })
    }

    /// What makes a journal there less safe than it could be, and what to do, if `wait` replicas of Redis are waited for.
    #[must_use]
    pub fn doubts(&self, wait: u32) -> Vec<String> {
        let mut doubts = Vec::new();
        if self.appends == Some(false) && wait == 0 {
            doubts.push(
                "pending replies do not outlive a restart of Redis, unless a bot of the fleet outlives it that holds them: \
                 set appendonly yes there, or have a replica follow it and give wait=1 in the URL"
                    .to_owned(),
            );
        }
        if let Some(replicas) = self.replicas.filter(|replicas| *replicas < wait) {
            doubts.push(format!(
                "wait={wait} in the URL, and connected replicas of Redis: {replicas}; commands are answered \"busy\" until \
                 there are as many"
            ));
        }
        doubts
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
    const REDIS: &str = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nrun_id:0a1b\r\n\r\n# Memory\r\n\
        maxmemory_policy:noeviction\r\naof_enabled:0\r\n\
        # Replication\r\nrole:master\r\nconnected_slaves:2\r\nmaster_replid:2c3d\r\ncluster_enabled:0\r\n";

    #[test]
    fn the_lines_that_matter_are_read() {
        let info = ServerInfo::parse(REDIS);
        let expected = ServerInfo {
            product: "Redis",
            version: "7.0.15".to_owned(),
            compatible_with: Some((7, 0)),
            eviction: Some("noeviction".to_owned()),
            appends: Some(false),
            replicas: Some(2),
            identity: "0a1b2c3d".to_owned(),
            is_cluster: false,
        };
        assert_eq!(info, expected);
        assert_eq!(info.unfit(), None);
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
        assert_eq!((info.unfit(), info.doubts(1)), (None, Vec::new()));
    }

    #[test]
    fn a_server_that_loses_replies_is_unfit() {
        let unfit = |text| ServerInfo::parse(text).unfit().unwrap();
        let line = unfit("maxmemory_policy:allkeys-lru\r\n");
        assert!(
            line.starts_with("maxmemory-policy is allkeys-lru, "),
            "{line}"
        );
        let line = unfit("redis_version:6.2.14\r\n");
        assert!(line.starts_with("Redis 6.2.14 is too old"), "{line}");
        let shown = ServerInfo::parse("redis_version:7\u{1b}[2J.0\r\n").version;
        assert_eq!(shown, "7[2J.0");
    }

    #[test]
    fn what_makes_it_less_safe_is_told() {
        let told = |text, wait| ServerInfo::parse(text).doubts(wait).concat();
        assert!(told("aof_enabled:0\r\nconnected_slaves:0\r\n", 0).contains("appendonly yes"));
        assert_eq!(told("aof_enabled:1\r\nconnected_slaves:0\r\n", 0), "");
        assert_eq!(told("aof_enabled:0\r\nconnected_slaves:1\r\n", 1), "");
        let line = told("aof_enabled:0\r\nconnected_slaves:1\r\n", 2);
        assert!(line.contains("replicas of Redis: 1;"), "{line}");
    }
}
