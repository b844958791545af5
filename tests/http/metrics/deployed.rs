//! The files in `deploy/` against what is served: alert rules and their tests, dashboard, scrape example.

use super::scrape::{Scrape, family, scrape};
use crate::shared;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tests::workspace_root;

/// Of the target, not of Wharf.
const PROMETHEUS_OWN: &str = "up";
/// Words of PromQL before a list of labels, and between expressions.
const BEFORE_LABELS: [&str; 6] = [
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
];
const BETWEEN: [&str; 5] = ["and", "or", "unless", "bool", "offset"];

fn deploy(path: &str) -> PathBuf {
    workspace_root().join("deploy").join(path)
}

/// Runs promtool with this on its input; None where it is not installed, which is said and in CI a failure.
fn promtool(arguments: &[&str], folder: &Path, input: &str) -> Option<Output> {
    let child = Command::new("promtool")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            let line = format!("NOT COVERED: no promtool ({error}); install prometheus");
            assert!(std::env::var_os("CI").is_none(), "{line}");
            eprintln!("{line}");
            return None;
        }
    };
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    Some(child.wait_with_output().expect("it ends"))
}

#[track_caller]
fn passes(arguments: &[&str], folder: &Path) {
    if let Some(output) = promtool(arguments, folder, "") {
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }
}

#[test]
fn promtool_accepts_the_alerts_their_tests_and_the_example() {
    let folder = deploy("prometheus");
    passes(&["check", "rules", "alerts.yml"], &folder);
    passes(&["test", "rules", "alerts_test.yml"], &folder);
    passes(&["check", "config", "prometheus.yml"], &folder);
}

#[tokio::test]
async fn promtool_accepts_the_metrics() {
    let text = scrape(&shared().anonymous()).await.text;
    let Some(output) = promtool(&["check", "metrics"], workspace_root(), &text) else {
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    // The contract has this name (VA-15).
    let complaints: Vec<&str> = said
        .lines()
        .filter(|line| !line.starts_with("active_download_count "))
        .collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

/// The names of metrics in a PromQL expression.
fn names_in(expression: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let word_end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':')
            .unwrap_or(rest.len());
        if word_end == 0 {
            // Labels, ranges and texts hold no names.
            let closing = match first {
                '{' => Some('}'),
                '[' => Some(']'),
                '"' => Some('"'),
                _ => None,
            };
            let after = first.len_utf8();
            let end = closing.and_then(|closing| rest[after..].find(closing));
            rest = &rest[end.map_or(after, |end| after + end + 1)..];
            continue;
        }
        let (word, tail) = rest.split_at(word_end);
        rest = tail;
        let next = tail.trim_start();
        let is_function = ["(", "by ", "without "]
            .iter()
            .any(|start| next.starts_with(start));
        if BEFORE_LABELS.contains(&word) {
            rest = tail.split_once(')').map_or("", |(_, tail)| tail);
        } else if !first.is_ascii_digit() && !BETWEEN.contains(&word) && !is_function {
            names.insert(word.to_owned());
        }
    }
    names
}

#[test]
fn names_are_found_in_expressions() {
    let expression = r#"histogram_quantile(0.95, sum by (component, le) (rate(a_seconds_bucket{job="b", c=~"d.*"}[5m])))
        and on (instance) max(e) > 1e3 or f"#;
    let found = names_in(expression);
    assert_eq!(
        found,
        ["a_seconds_bucket", "e", "f"].map(str::to_owned).into()
    );
}

#[track_caller]
fn all_are_served(scrape: &Scrape, file: &str, expressions: &[String]) {
    let served = scrape.metrics();
    for expression in expressions {
        let names = names_in(expression);
        assert!(!names.is_empty(), "{file}: {expression} has no metric");
        for name in names {
            let is_served = served.contains_key(&name) || served.contains_key(family(&name));
            assert!(
                is_served || name == PROMETHEUS_OWN,
                "{file}: {name} is not served"
            );
        }
    }
}

/// The expressions of the alerts: text after `expr:`, on its line or indented below it.
fn alert_expressions() -> Vec<String> {
    let text = std::fs::read_to_string(deploy("prometheus/alerts.yml")).expect("alerts");
    let mut found: Vec<String> = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((indent, expression)) = line.split_once("expr:") else {
            continue;
        };
        let mut expression = expression.trim().trim_start_matches('|').to_owned();
        while let Some(more) = lines.next_if(|line| line.starts_with(&format!("{indent} "))) {
            expression = expression + " " + more.trim();
        }
        found.push(expression);
    }
    found
}

#[tokio::test]
async fn every_alert_asks_for_metrics_that_are_served() {
    let expressions = alert_expressions();
    let text = std::fs::read_to_string(deploy("prometheus/alerts.yml")).expect("alerts");
    assert_eq!(expressions.len(), text.matches("- alert:").count());
    let now = scrape(&shared().anonymous()).await;
    all_are_served(&now, "alerts.yml", &expressions);
}

/// Every `expr` of a dashboard, at any depth.
fn dashboard_expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(expression) if name == "expr" => found.push(expression.to_owned()),
                    _ => dashboard_expressions(value, found),
                }
            }
        }
        Value::Array(values) => {
            for value in values {
                dashboard_expressions(value, found);
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn every_query_of_the_dashboard_asks_for_metrics_that_are_served() {
    let text = std::fs::read_to_string(deploy("grafana/wharf.json")).expect("a dashboard");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    assert!(
        dashboard["panels"]
            .as_array()
            .is_some_and(|panels| panels.len() > 20)
    );
    let mut expressions = Vec::new();
    dashboard_expressions(&dashboard, &mut expressions);
    let now = scrape(&shared().anonymous()).await;
    all_are_served(&now, "wharf.json", &expressions);
    for served in now.metrics().keys() {
        let is_shown = text.contains(served.as_str());
        assert!(is_shown, "wharf.json does not show {served}");
    }

    // As recording rules, which promtool parses.
    let mut rules = "groups:\n- name: dashboard\n  rules:\n".to_owned();
    for (number, expression) in expressions.iter().enumerate() {
        let expression = expression.replace("$__rate_interval", "5m");
        let expression = serde_json::to_string(&expression).expect("a text");
        rules += &format!("  - record: query:{number}\n    expr: {expression}\n");
    }
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("rules.yml"), rules).expect("a file");
    passes(&["check", "rules", "rules.yml"], folder.path());
}
