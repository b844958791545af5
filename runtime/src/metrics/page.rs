//! One scrape: what is read when somebody asks, a line of code per metric.

use prometheus_client::encoding::EncodeCounterValue;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;

type Labels = [(&'static str, &'static str); 1];

/// The metrics of one scrape. Values of labels are `'static`, which keeps ids, hosts and URLs out.
#[derive(Default)]
pub struct Page(pub Registry);

impl Page {
    pub fn gauge(&mut self, name: &'static str, help: &'static str, value: f64) {
        self.0.register(name, help, ConstGauge::new(value));
    }

    /// `name` without `_total`.
    pub fn counter<N>(&mut self, name: &'static str, help: &'static str, value: N)
    where
        N: EncodeCounterValue + std::fmt::Debug + Send + Sync + 'static,
    {
        self.0.register(name, help, ConstCounter::new(value));
    }

    pub fn gauges(
        &mut self,
        name: &'static str,
        help: &'static str,
        label: &'static str,
        values: impl IntoIterator<Item = (&'static str, f64)>,
    ) {
        let family = Family::<Labels, Gauge<f64, AtomicU64>>::default();
        for (word, value) in values {
            family.get_or_create(&[(label, word)]).set(value);
        }
        self.0.register(name, help, family);
    }

    /// `name` without `_total`.
    pub fn counters(
        &mut self,
        name: &'static str,
        help: &'static str,
        label: &'static str,
        values: impl IntoIterator<Item = (&'static str, u64)>,
    ) {
        let family = Family::<Labels, Counter>::default();
        for (word, value) in values {
            family.get_or_create(&[(label, word)]).inc_by(value);
        }
        self.0.register(name, help, family);
    }
}
