//! `spin.toml`, the routes that each function names, the OpenAPI document and the tests say the same.

use crate::{none, read, rust_under, toml_of};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tests::workspace_root;

/// The console's: pages for people, no part of the API. All of `tests/console` is their test.
const PAGES: [&str; 2] = ["/", "/console/..."];

/// Routes that the binary serves itself, so that no function names them.
const WORKERS_ROUTES: [&str; 4] = ["/files/{}/{}", "/api/v1/ws/progress", "/health", "/metrics"];

/// The folders under `functions/`.
pub fn functions() -> Vec<String> {
    let folder = workspace_root().join("functions");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("functions/")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Parameters have no name here: `:id`, `{id}` and `{task_id}` are all `{}`.
fn normal(route: &str) -> String {
    let part = |part: &str| {
        let is_parameter = part.starts_with(':') || part.starts_with('{');
        if is_parameter {
            "{}".to_owned()
        } else {
            part.to_owned()
        }
    };
    route.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// Component → the routes of its triggers in `spin.toml`, as they stand there.
fn triggers() -> BTreeMap<String, Vec<String>> {
    let manifest = toml_of("spin.toml");
    let mut triggers = BTreeMap::<String, Vec<String>>::new();
    for trigger in manifest["trigger"]["http"].as_array().expect("triggers") {
        let text = |name: &str| trigger[name].as_str().expect("a text").to_owned();
        triggers
            .entry(text("component"))
            .or_default()
            .push(text("route"));
    }
    triggers
}

/// The routes in the `//!` lines of a function.
fn named_by(function: &str) -> Vec<String> {
    let source = read(&workspace_root().join(format!("functions/{function}/src/lib.rs")));
    source
        .text
        .lines()
        .take_while(|line| line.starts_with("//!"))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .filter(|text| text.starts_with('/'))
        .map(str::to_owned)
        .collect()
}

fn covers(trigger: &str, route: &str) -> bool {
    match trigger.strip_suffix("/...") {
        Some(prefix) => route.starts_with(&format!("{prefix}/")),
        None => normal(trigger) == normal(route),
    }
}

fn all_routes() -> BTreeSet<String> {
    functions()
        .iter()
        .flat_map(|function| named_by(function))
        .map(|route| normal(&route))
        .collect()
}

#[test]
fn every_function_is_a_component_and_every_component_a_function() {
    let manifest = toml_of("spin.toml");
    let components: BTreeSet<String> = manifest["component"]
        .as_table()
        .expect("components")
        .keys()
        .cloned()
        .collect();
    assert_eq!(components, functions().into_iter().collect());
    assert_eq!(components, triggers().into_keys().collect());
    for name in &components {
        let source = manifest["component"][name]["source"]
            .as_str()
            .unwrap_or_default();
        assert!(
            source.ends_with(&format!("/{}.wasm", name.replace('-', "_"))),
            "{name}: {source}"
        );
        let package = toml_of(&format!("functions/{name}/Cargo.toml"));
        assert_eq!(package["package"]["name"].as_str(), Some(name.as_str()));
    }
}

#[test]
fn every_function_names_the_routes_that_spin_toml_gives_it() {
    let mut apart = Vec::new();
    for (component, routes) in triggers() {
        let named = named_by(&component);
        for route in &routes {
            if !named.iter().any(|named| covers(route, named)) {
                apart.push(format!("{component} does not name a route of {route}"));
            }
        }
        for named in &named {
            if !routes.iter().any(|route| covers(route, named)) {
                apart.push(format!("spin.toml does not give {named} to {component}"));
            }
        }
    }
    none("spin.toml and the functions' first lines", apart);
}

#[test]
fn the_openapi_document_holds_exactly_these_routes() {
    let document = read(&workspace_root().join("functions/openapi/src/openapi.json")).text;
    let document: Value = serde_json::from_str(&document).expect("JSON");
    let paths = document["paths"]
        .as_object()
        .expect("the document has paths");
    let documented: BTreeSet<String> = paths.keys().map(|path| normal(path)).collect();
    let mut routes = all_routes();
    routes.retain(|route| !PAGES.contains(&route.as_str()));
    routes.extend(WORKERS_ROUTES.map(str::to_owned));
    let missing: Vec<_> = routes.difference(&documented).cloned().collect();
    none("not in the OpenAPI document", missing);
    let unknown: Vec<_> = documented.difference(&routes).cloned().collect();
    none("in the OpenAPI document, but nowhere served", unknown);
}

#[test]
fn every_route_has_a_test() {
    let mut mentioned = BTreeSet::new();
    for source in rust_under(&["tests/http", "tests/harness", "tests/faults"]) {
        for (at, _) in source.text.match_indices('/') {
            let rest = &source.text[at..];
            let is_start = ["/api/", "/admin/", "/files/", "/health", "/metrics"]
                .iter()
                .any(|start| rest.starts_with(start));
            if !is_start {
                continue;
            }
            let end = |c: char| !(c.is_ascii_alphanumeric() || "/_-.{}:".contains(c));
            let path = rest.split(end).next().unwrap_or_default();
            // In `/api/v1/tasks{query}` the brace begins no segment.
            let brace = path
                .match_indices('{')
                .find(|(at, _)| !path[..*at].ends_with('/'));
            let path = brace.map_or(path, |(at, _)| &path[..at]);
            mentioned.insert(normal(path.trim_end_matches(['.', ':'])));
        }
    }
    let mut untested: Vec<String> = all_routes().difference(&mentioned).cloned().collect();
    untested.retain(|route| !PAGES.contains(&route.as_str()));
    untested.extend(
        WORKERS_ROUTES
            .map(str::to_owned)
            .into_iter()
            .filter(|route| {
                // A file's URL is taken from an answer, so only its beginning stands in the tests.
                !mentioned.contains(route)
                    && !mentioned
                        .iter()
                        .any(|path| route.starts_with("/files") && path == "/files/")
            }),
    );
    none("a route without a test", untested);
}

/// A grant in `spin.toml`, and what in the function's source shows that it is used.
fn evidence(grant: &str) -> &'static [&'static str] {
    match grant {
        "database_url" | "sqlite" | "postgres" => &[
            "database()",
            "authenticate",
            "check_password",
            "own_task",
            "find_task",
        ],
        "users_key" => &["Audience::Users", "authenticate_owner"],
        "projects_key" => &[
            "authenticate_owner",
            "authenticate_project",
            "client::grant_token",
        ],
        "sites_key" => &["authenticate_site", "client::grant_token"],
        "admins_key" => &["Audience::Admins", "authenticate_admin"],
        "worker_url" | "worker_token" => &[
            "worker::parse",
            "worker::page",
            "worker::fetch",
            "worker::wait_for_rows",
        ],
        "sync_types" | "sync_receiver" => &["accept(call", "keep(call"],
        "sync_max_rows" => &["accept(call", "read_all("],
        "egress_allow" => &["check_egress", "check_hosts"],
        "quota_user" | "quota_vip" => &["quota::place"],
        _ => &[],
    }
}

#[test]
fn every_grant_is_used() {
    let manifest = toml_of("spin.toml");
    let mut unused = Vec::new();
    for name in functions() {
        let component = &manifest["component"][&name];
        let sources = rust_under(&[&format!("functions/{name}/src")]);
        let source: String = sources.into_iter().map(|source| source.text).collect();
        let mut grants: Vec<String> = Vec::new();
        if let Some(variables) = component.get("variables").and_then(toml::Value::as_table) {
            grants.extend(variables.keys().cloned());
        }
        if component.get("sqlite_databases").is_some() {
            grants.push("sqlite".to_owned());
        }
        let hosts = component
            .get("allowed_outbound_hosts")
            .and_then(toml::Value::as_array);
        for host in hosts.into_iter().flatten().filter_map(toml::Value::as_str) {
            grants.push(
                if host.starts_with("postgres://") {
                    "postgres"
                } else {
                    "worker_url"
                }
                .to_owned(),
            );
        }
        for grant in grants {
            let read_by_name = source.contains(&format!("\"{grant}\""));
            if !read_by_name && !evidence(&grant).iter().any(|sign| source.contains(sign)) {
                unused.push(format!("{name}: {grant}"));
            }
        }
    }
    none("granted in spin.toml and not used", unused);
}
