//! `spin.toml`, manifest version 2 (<https://spinframework.dev/manifest-reference>).
//!
//! What the runner does not implement is a misconfiguration, never silently ignored: a component that
//! works on Spin and lacks a grant here would fail in the middle of a request.

use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// What the manifest says, with paths resolved against its folder; templates are unresolved.
#[derive(Debug, Default)]
pub struct Manifest {
    pub variables: BTreeMap<String, Variable>,
    pub routes: Vec<Trigger>,
    pub components: BTreeMap<String, Component>,
}

/// An application variable.
#[derive(Debug, Default)]
pub struct Variable {
    pub default: Option<String>,
    pub required: bool,
}

/// One `[[trigger.http]]`.
#[derive(Debug)]
pub struct Trigger {
    pub route: String,
    pub component: String,
}

/// One `[component.X]`.
#[derive(Debug, Default)]
pub struct Component {
    pub source: PathBuf,
    /// Templates of `scheme://host:port`.
    pub allowed_outbound_hosts: Vec<String>,
    /// Name to template.
    pub variables: BTreeMap<String, String>,
    pub sqlite_databases: BTreeSet<String>,
    pub environment: BTreeMap<String, String>,
    pub build: Option<Build>,
}

/// `[component.X.build]`.
#[derive(Debug, Default)]
pub struct Build {
    pub command: String,
    pub workdir: PathBuf,
    /// Globs relative to `workdir`.
    pub watch: Vec<String>,
}

/// Everything that is wrong with the configuration, for one report.
#[derive(Debug, Default)]
pub struct Problems(Vec<String>);

impl Problems {
    pub fn add(&mut self, problem: impl Into<String>) {
        self.0.push(problem.into());
    }

    /// All problems as one error, or nothing.
    pub fn into_result(self, manifest: &Path) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        anyhow::bail!(
            "{} is not fit to run:\n  - {}",
            manifest.display(),
            self.0.join("\n  - ")
        )
    }
}

/// Reads the manifest; an unreadable file is an error, everything else goes into `problems`.
pub fn read(path: &Path, problems: &mut Problems) -> Result<Manifest> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    let table: Table = text
        .parse()
        .with_context(|| format!("{} is not TOML", path.display()))?;
    // Absolute, since Wasm files and build folders are used from elsewhere.
    let path = std::path::absolute(path)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    Ok(parse(&table, folder, problems))
}

fn parse(table: &Table, folder: &Path, problems: &mut Problems) -> Manifest {
    if table
        .get("spin_manifest_version")
        .and_then(Value::as_integer)
        != Some(2)
    {
        problems.add("the manifest must say `spin_manifest_version = 2`");
    }
    let mut manifest = Manifest::default();
    for (key, value) in table {
        match key.as_str() {
            "spin_manifest_version" => {}
            "application" => application(value, problems),
            "variables" => {
                for (name, value) in entries(value) {
                    manifest
                        .variables
                        .insert(name.clone(), variable(name, value, problems));
                }
            }
            "trigger" => triggers(value, &mut manifest, problems),
            "component" => {
                for (id, value) in entries(value) {
                    let component = component(id, value, folder, problems);
                    manifest.components.insert(id.clone(), component);
                }
            }
            other => problems.add(format!("`{other}` is not supported by this runner")),
        }
    }
    if manifest.routes.is_empty() {
        problems.add("there is no `[[trigger.http]]`");
    }
    for trigger in &manifest.routes {
        if !manifest.components.contains_key(&trigger.component) {
            problems.add(format!(
                "route {}: there is no component \"{}\"; add `[component.{}]`",
                trigger.route, trigger.component, trigger.component
            ));
        }
    }
    manifest
}

fn application(value: &Value, problems: &mut Problems) {
    for (key, value) in entries(value) {
        match key.as_str() {
            "name" | "version" | "description" | "authors" | "tool" => {}
            "trigger" if entries(value).next().is_none() => {}
            other => problems.add(format!(
                "`application.{other}` is not supported by this runner"
            )),
        }
    }
}

fn variable(name: &str, value: &Value, problems: &mut Problems) -> Variable {
    let mut variable = Variable::default();
    for (key, value) in entries(value) {
        match (key.as_str(), value) {
            ("default", Value::String(text)) => variable.default = Some(text.clone()),
            ("required", Value::Boolean(required)) => variable.required = *required,
            ("secret", Value::Boolean(_)) | ("description", Value::String(_)) => {}
            (other, _) => problems.add(format!(
                "variable {name}: `{other}` is unknown or has the wrong type"
            )),
        }
    }
    if variable.default.is_none() && !variable.required {
        problems.add(format!(
            "variable {name}: give it a `default`, or say `required = true`"
        ));
    }
    variable
}

fn triggers(value: &Value, manifest: &mut Manifest, problems: &mut Problems) {
    for (kind, list) in entries(value) {
        if kind != "http" {
            problems.add(format!(
                "`trigger.{kind}` is not supported by this runner; only `trigger.http` is"
            ));
            continue;
        }
        for trigger in list.as_array().into_iter().flatten() {
            if let Some(trigger) = http_trigger(trigger, problems) {
                manifest.routes.push(trigger);
            }
        }
    }
}

fn http_trigger(value: &Value, problems: &mut Problems) -> Option<Trigger> {
    let (mut route, mut component) = (None, None);
    for (key, value) in entries(value) {
        match (key.as_str(), value) {
            ("id", Value::String(_)) => {}
            ("route", Value::String(text)) => route = Some(text.clone()),
            ("route", _) => problems
                .add("`trigger.http.route` must be a string; private routes are not supported"),
            ("component", Value::String(text)) => component = Some(text.clone()),
            ("component", _) => {
                problems.add("`trigger.http.component` must name a `[component.X]`");
            }
            (other, _) => problems.add(format!(
                "`trigger.http.{other}` is not supported by this runner"
            )),
        }
    }
    match (route, component) {
        (Some(route), Some(component)) => Some(Trigger { route, component }),
        (route, component) => {
            problems.add(format!(
                "a `[[trigger.http]]` needs both `route` and `component` (route {route:?}, component {component:?})"
            ));
            None
        }
    }
}

fn component(id: &str, value: &Value, folder: &Path, problems: &mut Problems) -> Component {
    let mut component = Component::default();
    let mut problem = |text: &str| problems.add(format!("component {id}: {text}"));
    for (key, value) in entries(value) {
        match (key.as_str(), value) {
            ("source", Value::String(path)) => component.source = folder.join(path),
            ("source", _) => problem("`source` must be a path to a Wasm file beside the manifest"),
            ("description", _) | ("tool", _) => {}
            ("allowed_outbound_hosts", value) => match strings(value) {
                Some(hosts) => component.allowed_outbound_hosts = hosts,
                None => problem("`allowed_outbound_hosts` must be a list of strings"),
            },
            ("sqlite_databases", value) => match strings(value) {
                Some(names) => component.sqlite_databases = names.into_iter().collect(),
                None => problem("`sqlite_databases` must be a list of strings"),
            },
            ("variables", value) => component.variables = texts(value, key, &mut problem),
            ("environment", value) => component.environment = texts(value, key, &mut problem),
            ("build", value) => component.build = Some(build(value, folder, &mut problem)),
            (
                "files" | "key_value_stores" | "ai_models" | "dependencies" | "exclude_files",
                value,
            ) => {
                if !is_empty(value) {
                    problem(&format!("`{key}` is not supported by this runner"));
                }
            }
            (other, _) => problem(&format!("`{other}` is not supported by this runner")),
        }
    }
    if component.source.as_os_str().is_empty() {
        problem("`source` is missing");
    }
    component
}

fn build(value: &Value, folder: &Path, problem: &mut impl FnMut(&str)) -> Build {
    let mut build = Build {
        workdir: folder.to_path_buf(),
        ..Build::default()
    };
    for (key, value) in entries(value) {
        match (key.as_str(), value) {
            ("command", Value::String(command)) => build.command = command.clone(),
            ("command", value) if strings(value).is_some() => {
                build.command = strings(value).unwrap_or_default().join(" && ");
            }
            ("workdir", Value::String(path)) => build.workdir = folder.join(path),
            ("watch", value) if strings(value).is_some() => {
                build.watch = strings(value).unwrap_or_default();
            }
            (other, _) => problem(&format!("`build.{other}` is unknown or has the wrong type")),
        }
    }
    build
}

fn texts(value: &Value, key: &str, problem: &mut impl FnMut(&str)) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    for (name, value) in entries(value) {
        match value {
            Value::String(text) => {
                texts.insert(name.clone(), text.clone());
            }
            _ => problem(&format!("`{key}.{name}` must be a string")),
        }
    }
    texts
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_table().into_iter().flatten()
}

fn strings(value: &Value) -> Option<Vec<String>> {
    value
        .as_array()?
        .iter()
        .map(|value| value.as_str().map(str::to_owned))
        .collect()
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(list) => list.is_empty(),
        Value::Table(table) => table.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(text: &str) -> String {
        let mut problems = Problems::default();
        let table = text.parse().expect("the test's TOML");
        parse(&table, Path::new("/app"), &mut problems);
        problems
            .into_result(Path::new("spin.toml"))
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    }

    #[test]
    fn a_whole_manifest_is_understood() {
        let mut problems = Problems::default();
        let table: Table = r#"
            spin_manifest_version = 2
            [application]
            name = "app"
            [variables]
            worker_address = { default = "127.0.0.1:3000" }
            key = { required = true, secret = true }
            [[trigger.http]]
            route = "/a/..."
            component = "a"
            [component.a]
            source = "target/a.wasm"
            allowed_outbound_hosts = ["http://{{ worker_address }}"]
            sqlite_databases = ["default"]
            [component.a.variables]
            key = "{{ key }}"
            [component.a.build]
            command = "cargo build"
            watch = ["src/**/*.rs"]
        "#
        .parse()
        .expect("the test's TOML");
        let manifest = parse(&table, Path::new("/app"), &mut problems);
        assert_eq!(problems.0, Vec::<String>::new());
        let component = &manifest.components["a"];
        assert_eq!(component.source, Path::new("/app/target/a.wasm"));
        assert_eq!(component.variables["key"], "{{ key }}");
        assert!(manifest.variables["key"].required);
    }

    #[test]
    fn all_misconfigurations_are_reported_together() {
        let report = report(
            r#"
            spin_manifest_version = 1
            [[trigger.redis]]
            channel = "x"
            [[trigger.http]]
            route = "/b"
            component = "b"
            [component.a]
            key_value_stores = ["default"]
            "#,
        );
        for part in [
            "spin_manifest_version = 2",
            "trigger.redis",
            "no component \"b\"",
            "component a: `key_value_stores`",
            "component a: `source` is missing",
        ] {
            assert!(report.contains(part), "{part} is not in {report}");
        }
    }
}
