//! The console's first visit over loopback, in headless Chromium with a new profile each time: from the navigation to the
//! first thing that is painted and to the line that takes commands; the requests it makes and what they weigh.
//!
//! `cargo bench --package tests --bench console`

use std::time::Duration;
use tests::figures::{percentile_ms, print_machine};
use tests::{Browser, Device, TestApp};

const VISITS: usize = 20;
const SEEN: &str = "const paint = performance.getEntriesByName('first-contentful-paint')[0]; \
    const ready = performance.getEntriesByName('ready')[0]; \
    const fetched = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]; \
    return [paint.startTime, ready.startTime, fetched.length, \
        fetched.reduce((sum, entry) => sum + entry.encodedBodySize, 0), \
        fetched.reduce((sum, entry) => sum + entry.decodedBodySize, 0)]";

#[tokio::main]
async fn main() {
    print_machine();
    let app = TestApp::sqlite().start();
    let (mut paints, mut readies) = (Vec::new(), Vec::new());
    let mut last = Vec::new();
    for _ in 0..VISITS {
        let Some(browser) = Browser::open(&app, Device::DESK).await else {
            return;
        };
        browser
            .holds(
                "it is painted",
                "return performance.getEntriesByType('paint').length > 1",
            )
            .await;
        let seen: Vec<f64> = serde_json::from_value(browser.run(SEEN).await).expect("numbers");
        paints.push(Duration::from_secs_f64(seen[0] / 1000.0));
        readies.push(Duration::from_secs_f64(seen[1] / 1000.0));
        last = seen;
        browser.close().await;
    }
    for (what, samples) in [
        ("first paint", &mut paints),
        ("ready for commands", &mut readies),
    ] {
        println!(
            "{what:<20} p50 {:>7.1} ms  p95 {:>7.1} ms",
            percentile_ms(samples, 50.0),
            percentile_ms(samples, 95.0)
        );
    }
    println!(
        "{} requests, {:.1} KiB compressed, {:.1} KiB of text",
        last[2],
        last[3] / 1024.0,
        last[4] / 1024.0
    );
}
