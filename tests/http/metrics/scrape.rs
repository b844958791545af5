//! One answer of `/metrics`, read.

use std::collections::{BTreeMap, BTreeSet};
use tests::{Caller, PATIENCE, eventually};

pub struct Scrape {
    pub text: String,
    samples: Vec<Sample>,
}

struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// What is scraped by whoever shows no token.
pub async fn scrape(caller: &Caller<'_>) -> Scrape {
    let answer = caller.get("/metrics").await;
    assert_eq!(answer.status, 200, "{answer}");
    let kind = answer.header("content-type");
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    Scrape::of(String::from_utf8(answer.body.to_vec()).expect("UTF-8"))
}

/// Scrapes until the metrics are as they should be, which figures of the database are after seconds.
pub async fn scrape_until(
    caller: &Caller<'_>,
    what: &str,
    ready: impl Fn(&Scrape) -> bool,
) -> Scrape {
    eventually(what, PATIENCE, async || {
        Some(scrape(caller).await).filter(|scrape| ready(scrape))
    })
    .await
}

impl Scrape {
    fn of(text: String) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let samples = lines.map(sample).collect();
        Self { text, samples }
    }

    /// The sum of the samples of this name with these labels.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let is_wanted = |sample: &&Sample| {
            let carries = |(label, value): &(&str, &str)| {
                sample.labels.get(*label).map(String::as_str) == Some(*value)
            };
            sample.name == name && labels.iter().all(carries)
        };
        self.samples
            .iter()
            .filter(is_wanted)
            .map(|sample| sample.value)
            .sum()
    }

    /// The values of a label of this name.
    pub fn values_of(&self, name: &str, label: &str) -> BTreeSet<&str> {
        self.samples
            .iter()
            .filter(|sample| sample.name == name)
            .filter_map(|sample| sample.labels.get(label).map(String::as_str))
            .collect()
    }

    /// Every metric with its type and its labels.
    pub fn metrics(&self) -> BTreeMap<String, (String, BTreeSet<String>)> {
        let types = self.text.lines().filter_map(|line| {
            let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
            Some((name.to_owned(), kind.to_owned()))
        });
        let mut metrics: BTreeMap<_, _> = types
            .map(|(name, kind)| (name, (kind, BTreeSet::new())))
            .collect();
        for sample in &self.samples {
            let (_, labels) = match metrics.get_mut(family(&sample.name)) {
                Some(metric) => metric,
                None => metrics
                    .get_mut(&sample.name)
                    .unwrap_or_else(|| panic!("{} has no type", sample.name)),
            };
            labels.extend(sample.labels.keys().filter(|name| *name != "le").cloned());
        }
        metrics
    }
}

/// The histogram that a sample belongs to, by its name.
pub fn family(sample: &str) -> &str {
    ["_bucket", "_sum", "_count"]
        .iter()
        .find_map(|suffix| sample.strip_suffix(suffix))
        .unwrap_or(sample)
}

/// `name{label="value",…} 1.0`; no value of ours holds a quote or a comma.
fn sample(line: &str) -> Sample {
    let parse = || {
        let (described, value) = line.rsplit_once(' ')?;
        let (name, labels) = match described.strip_suffix('}') {
            Some(described) => described.split_once('{')?,
            None => (described, ""),
        };
        let labels = labels.split(',').filter(|label| !label.is_empty());
        let labels = labels.map(|label| {
            let (name, value) = label.split_once('=')?;
            Some((name.to_owned(), value.trim_matches('"').to_owned()))
        });
        Some(Sample {
            name: name.to_owned(),
            labels: labels.collect::<Option<_>>()?,
            value: value.parse().ok()?,
        })
    };
    parse().unwrap_or_else(|| panic!("{line} is no sample"))
}
