//! Every route over HTTP against the running product; one file per part of the URL tree.

mod admin;
mod apart;
mod auth;
mod bodies;
mod cli;
mod cookies;
mod delivery;
mod download;
mod exports;
mod extras;
mod files;
mod fleet;
mod media_sites;
mod metrics;
mod openapi;
mod operating;
mod parse;
mod projects;
mod quota;
mod settings;
mod sharing;
mod sync;
mod tasks;
mod tls;
mod tokens;
mod ws;

use std::sync::LazyLock;
use tests::{Builder, TestApp, media};

/// An app on SQLite that reaches the media server.
fn sqlite() -> Builder {
    reaching(TestApp::sqlite())
}

/// Opens the media server in the egress door.
fn reaching(builder: Builder) -> Builder {
    let [good, resetting] = media().addresses();
    builder.allow(&good).allow(&resetting)
}

/// The app of all tests that leave nothing behind that others would notice.
fn shared() -> &'static TestApp {
    static SHARED: LazyLock<TestApp> = LazyLock::new(|| sqlite().start());
    &SHARED
}

/// An id that was never given out.
const UNKNOWN_ID: &str = "0197f3a0-0000-7000-8000-000000000000";
