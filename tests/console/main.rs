//! The console in a real browser, and the command language in Node.js (SH-15).

mod admin;
mod hostile;
mod keyboard;
mod language;
mod market;
mod media;
mod node;
mod weight;

use std::sync::LazyLock;
use tests::{Builder, TestApp, media, unique};

const PASSWORD: &str = "letters4numbers";

/// An app on SQLite that reaches the media server.
fn sqlite() -> Builder {
    let [good, resetting] = media().addresses();
    TestApp::sqlite().allow(&good).allow(&resetting)
}

/// The app of all tests that leave nothing behind that others would notice.
fn shared() -> &'static TestApp {
    static SHARED: LazyLock<TestApp> = LazyLock::new(|| sqlite().start());
    &SHARED
}

fn address() -> String {
    format!("console-{}@example.com", unique())
}

/// Somebody of the review realm, made on the command line.
fn staff(app: &TestApp, role: &str) -> String {
    let email = format!("{role}-{}@example.com", unique());
    let create = [
        "admin",
        "create",
        &email,
        "--role",
        role,
        "--password-stdin",
    ];
    let made = app.run(&create, &format!("{PASSWORD}\n"));
    assert!(made.status.success(), "{made:?}");
    email
}
