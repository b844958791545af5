//! The language as a plain ES module in Node.js: the example of docs/console.md, and what it shows as text.

use crate::{PASSWORD, address, shared};
use sha2::Digest as _;
use std::path::Path;
use std::process::{Command, Output};
use tests::{TestApp, clip, media, workspace_root};

/// Runs the example with these words; None where there is no Node.js.
fn node(app: &TestApp, home: &Path, words: &[&str], answers: &str) -> Option<Output> {
    let example = workspace_root().join("docs/examples/console.mjs");
    let ran = Command::new("node")
        .arg(example)
        .args(words)
        .current_dir(home)
        .env("WHARF_SERVER", app.base())
        .env("WHARF_ANSWERS", answers)
        .env("LANG", "en")
        .output();
    if ran.is_err() {
        let line = "NOT COVERED: there is no node";
        assert!(std::env::var_os("CI").is_none(), "{line}");
        eprintln!("{line}");
    }
    ran.ok()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn the_same_commands_run_in_node() {
    let app = shared();
    let home = tempfile::tempdir().expect("a folder");
    let email = address();
    let Some(output) = node(app, home.path(), &["register", &email], PASSWORD) else {
        return;
    };
    assert!(said(&output).contains("You are logged in."), "{output:?}");
    let url = media().shelf().url("clip.mp4");
    let output = node(app, home.path(), &["get", &url, "--save"], "").expect("node");
    assert!(output.status.success(), "{output:?}");
    assert!(said(&output).contains("100%"), "{output:?}");
    let saved = std::fs::read(home.path().join("clip.mp4")).expect("the file is there");
    assert_eq!(hex::encode(sha2::Sha256::digest(&saved)), clip().sha256);

    let output = node(app, home.path(), &["tasks", "--json"], "").expect("node");
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(list["total"], 1);
    let output = node(app, home.path(), &["serch", "x"], "").expect("node");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(
        said(&output).contains("Did you mean “search”?"),
        "{output:?}"
    );
    let output = node(app, home.path(), &["task", "no-such-task"], "").expect("node");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[tokio::test]
async fn tables_fit_the_terminal_and_no_control_character_reaches_it() {
    let app = shared();
    let (seller, reviewer) = (app.user().await, app.reviewer().await);
    let title = format!("长标题{}\u{202e}", "很长".repeat(60));
    seller
        .published(&tests::publication(&title, "1.00"), &reviewer)
        .await;
    let home = tempfile::tempdir().expect("a folder");
    let Some(output) = node(app, home.path(), &["search", "长标题"], "") else {
        return;
    };
    let shown = said(&output);
    assert!(shown.contains("长标题"), "{shown}");
    assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown:?}");
    for line in shown.lines() {
        let cells: usize = line
            .chars()
            .map(|character| if character > '\u{2e80}' { 2 } else { 1 })
            .sum();
        assert!(cells <= 80, "{cells}: {line}");
    }
}

#[tokio::test]
async fn every_command_is_in_the_documentation() {
    let app = shared();
    let home = tempfile::tempdir().expect("a folder");
    let Some(output) = node(app, home.path(), &["help", "--json"], "") else {
        return;
    };
    let commands: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let page = std::fs::read_to_string(workspace_root().join("docs/console.md")).expect("a page");
    let commands = commands.as_array().expect("commands");
    assert!(commands.len() > 50, "{commands:#?}");
    for command in commands {
        let name = command["name"].as_str().expect("a name");
        assert!(
            page.contains(&format!("`{name}`")),
            "{name} is not in docs/console.md"
        );
    }
}

#[tokio::test]
async fn an_alias_keeps_the_options_of_its_line_and_no_name_of_javascripts_is_one() {
    let app = shared();
    let home = tempfile::tempdir().expect("a folder");
    let run = |words: &[&str]| node(app, home.path(), words, "");
    let line = ["alias", "recent", "search", "--period", "week"];
    let Some(made) = run(&line) else {
        return;
    };
    assert!(made.status.success(), "{made:?}");
    let output = run(&["recent", "nothing-of-the-kind", "--json"]).expect("node");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(found["total"], 0, "{output:?}");
    let aliases = run(&["alias", "--json"]).expect("node");
    assert!(
        said(&aliases).contains("search --period week"),
        "{aliases:?}"
    );
    for name in ["constructor", "__proto__", "toString"] {
        assert_eq!(run(&[name]).expect("node").status.code(), Some(2), "{name}");
        let gone = run(&["unalias", name]).expect("node");
        assert_eq!(gone.status.code(), Some(2), "{gone:?}");
    }
}
