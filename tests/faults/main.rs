//! What goes wrong on purpose: killed workers, stopped runners, media servers that misbehave.

mod crash;
mod disk;
mod exports;
mod fairness;
mod fleet;
mod media_servers;
mod proxies;
mod secrets;
mod stop;
mod sync;
mod traps;
mod workers;

use tests::{Builder, TestApp, media};

/// An app on SQLite that reaches the media server, with a lease that ends soon.
fn sqlite() -> Builder {
    let [good, resetting] = media().addresses();
    TestApp::sqlite()
        .config("queue = { lease_s = 2 }")
        .allow(&good)
        .allow(&resetting)
}

/// The processes whose working folder lies in this app's data folder: the extractors it has started.
fn processes_in(app: &TestApp) -> Vec<String> {
    let data = app.data();
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    processes
        .flatten()
        .filter(|process| {
            let folder = std::fs::read_link(process.path().join("cwd"));
            folder.is_ok_and(|folder| folder.starts_with(&data))
        })
        .map(|process| process.file_name().to_string_lossy().into_owned())
        .collect()
}
