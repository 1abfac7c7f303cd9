//! A strict reader of the Prometheus text format: what it takes, `promtool check metrics` takes.

use std::collections::{BTreeMap, BTreeSet};

/// A page of metrics, all of whose rules have been checked.
pub struct Page {
    samples: BTreeMap<String, f64>,
}

/// A family that is being read.
struct Family {
    name: String,
    kind: String,
    samples: Vec<(String, f64)>,
}

impl Page {
    /// Reads a page; panics with the line that breaks a rule.
    pub fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n') && !text.contains("\n\n"), "lines end");
        let mut families: Vec<Family> = Vec::new();
        let mut help: Option<String> = None;
        let mut names = BTreeSet::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, words) = rest.split_once(' ').expect(line);
                assert!(words.ends_with('.') && !words.contains('\\'), "{line}");
                assert!(names.insert(name.to_owned()), "twice: {line}");
                help = Some(name.to_owned());
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect(line);
                assert_eq!(help.take().as_deref(), Some(name), "HELP first: {line}");
                families.push(Family::new(name, kind));
            } else {
                assert!(!line.starts_with('#') && help.is_none(), "{line}");
                let (sample, value) = line.rsplit_once(' ').expect(line);
                let value: f64 = value.parse().expect(line);
                assert!(value.is_finite() && value >= 0.0, "{line}");
                let family = families.last_mut().expect("a family first");
                family.push(sample, value);
            }
        }
        let mut samples = BTreeMap::new();
        for family in families {
            family.check();
            for (sample, value) in family.samples {
                let before = samples.insert(sample.clone(), value);
                assert!(before.is_none(), "twice: {sample}");
            }
        }
        Self { samples }
    }

    /// The value of a sample, its labels as they are written.
    pub fn get(&self, sample: &str) -> f64 {
        let value = self.samples.get(sample);
        *value.unwrap_or_else(|| panic!("no {sample} in {:#?}", self.samples))
    }

    pub fn has(&self, sample: &str) -> bool {
        self.samples.contains_key(sample)
    }
}

impl Family {
    fn new(name: &str, kind: &str) -> Self {
        let is_name = |name: &str| {
            let mut bytes = name.bytes();
            bytes.next().is_some_and(|b| b.is_ascii_lowercase())
                && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        assert!(is_name(name), "{name}");
        let is_counter = kind == "counter";
        assert_eq!(is_counter, name.ends_with("_total"), "{name}");
        assert!(["counter", "gauge", "histogram"].contains(&kind), "{kind}");
        // Base units (prometheus.io/docs/practices/naming).
        for unit in ["_ms", "milli", "_minutes", "_kb", "_kib", "_percent"] {
            assert!(!name.contains(unit), "{name}: base units");
        }
        Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            samples: Vec::new(),
        }
    }

    fn push(&mut self, sample: &str, value: f64) {
        let (name, labels) = match sample.split_once('{') {
            None => (sample, ""),
            Some((name, labels)) => (name, labels.strip_suffix('}').expect(sample)),
        };
        for label in labels.split(',').filter(|label| !label.is_empty()) {
            let (key, value) = label.split_once('=').expect(sample);
            assert!(key.bytes().all(|b| b.is_ascii_lowercase()), "{sample}");
            let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
            let is_plain = |v: &str| !v.is_empty() && !v.contains(['"', '\\', '\n']);
            assert!(value.is_some_and(is_plain), "{sample}");
        }
        let suffix = name.strip_prefix(&*self.name).expect(sample);
        let allowed: &[&str] = if self.kind == "histogram" {
            &["_bucket", "_sum", "_count"]
        } else {
            &[""]
        };
        assert!(allowed.contains(&suffix), "{sample} of {}", self.name);
        assert_eq!(suffix == "_bucket", labels.starts_with("le="), "{sample}");
        self.samples.push((sample.to_owned(), value));
    }

    /// What holds for the family as a whole.
    fn check(&self) {
        assert!(!self.samples.is_empty(), "{}: no sample", self.name);
        if self.kind != "histogram" {
            return;
        }
        let buckets: Vec<(f64, f64)> = self.samples.iter().filter_map(bucket).collect();
        let ascends = |pair: &[(f64, f64)]| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1;
        assert!(buckets.windows(2).all(ascends), "{}", self.name);
        let (bound, all) = *buckets.last().expect(&self.name);
        assert!(bound.is_infinite(), "{}: a bucket for the rest", self.name);
        let of = |suffix| {
            let name = format!("{}{suffix}", self.name);
            let sample = self.samples.iter().find(|(sample, _)| *sample == name);
            sample.expect(&name).1
        };
        assert_eq!(of("_count"), all);
        assert!(of("_sum") >= 0.0);
    }
}

/// Bound and count, if the sample is a bucket.
fn bucket((sample, count): &(String, f64)) -> Option<(f64, f64)> {
    let (_, bound) = sample.split_once("_bucket{le=\"")?;
    let bound = bound.strip_suffix("\"}").expect(sample);
    let bound = if bound == "+Inf" { "inf" } else { bound };
    Some((bound.parse().expect(sample), *count))
}
