//! What the sources may hold, and where.

use crate::{none, places, read, rust_under, toml_of};
use tests::workspace_root;

/// Lines of a file of the product without its unit tests, and of any file.
const LINES_MAX: usize = 400;
const TEST_LINES_MAX: usize = 600;

const PRODUCT: [&str; 3] = ["shared/src", "runtime/src", "functions"];

#[test]
fn sql_stands_in_the_store_alone() {
    let sql = [
        "\"SELECT ",
        "\"INSERT ",
        "\"UPDATE ",
        "\"DELETE FROM",
        "\"CREATE ",
        "\"ALTER ",
        "\"DROP ",
        "\"WITH ",
    ];
    // A shop's own MySQL is another database than ours (DS-12).
    let allowed = ["shared/src/store/", "runtime/src/worker/sync/mysql"];
    let found = places(&rust_under(&PRODUCT), &sql, &allowed);
    none("SQL belongs into shared/src/store", found);
}

#[test]
fn processes_are_spawned_in_one_file() {
    let spawning = [
        "Command::new(",
        "process::Command",
        "nix::unistd::fork",
        ".spawn_process(",
    ];
    let found = places(
        &rust_under(&PRODUCT),
        &spawning,
        &["runtime/src/process.rs"],
    );
    none("processes are spawned in runtime/src/process.rs", found);
}

#[test]
fn outbound_connections_pass_the_egress_door_or_a_capability() {
    let connecting = [
        "TcpStream::connect",
        "TcpSocket::",
        "lookup_host(",
        "to_socket_addrs(",
        "reqwest",
        "HttpConnector",
        "hyper::client",
        "legacy::Client",
        "UdpSocket",
        "mysql_async",
        "lettre::",
        "tungstenite",
    ];
    // A shop's own MySQL stands in its LAN, speaks no HTTP, and is named by the operator (DS-12).
    let mysql = "runtime/src/worker/sync/mysql";
    // Mail is no HTTP either, and its server is named by the operator too (SH-14).
    let mail = "runtime/src/worker/mail.rs";
    // The user's own client, on his own machine: it reaches the one server that he names (SH-15).
    let client = "runtime/src/client/";
    let doors = [
        "runtime/src/egress",
        "runtime/src/host/capability/",
        mysql,
        mail,
        client,
    ];
    let found = places(
        &rust_under(&["runtime/src", "shared/src"]),
        &connecting,
        &doors,
    );
    none(
        "connections are opened in runtime/src/egress, runtime/src/host/capability, worker/sync/mysql, worker/mail and client",
        found,
    );
}

#[test]
fn the_domain_knows_neither_clock_nor_chance_nor_machine() {
    let impure = [
        "SystemTime",
        "Instant",
        "Timestamp::now",
        "Zoned::now",
        "::now(",
        "now_v7",
        "new_v4",
        "getrandom",
        "rand::",
        "std::fs",
        "std::env",
        "std::net::Tcp",
        "std::thread",
        "tokio",
        "async fn",
    ];
    let domain = rust_under(&["shared/src/domain"]);
    none("shared/src/domain is pure", places(&domain, &impure, &[]));
    let outward = ["crate::store", "crate::wire", "crate::auth", "crate::spin"];
    none(
        "domain uses only error and limits",
        places(&domain, &outward, &[]),
    );
}

#[test]
fn shared_knows_no_native_host() {
    let native = [
        "tokio::",
        "wasmtime",
        "runtime::",
        "axum::",
        "rusqlite",
        "std::process",
    ];
    none(
        "shared runs in a component too",
        places(&rust_under(&["shared/src"]), &native, &[]),
    );
}

#[test]
fn no_unsafe_code_is_let_in() {
    let unsafe_code = [
        "unsafe {",
        "unsafe fn",
        "allow(unsafe_code",
        "expect(unsafe_code",
    ];
    // Its own rule would find this file.
    let found = places(
        &rust_under(&["shared", "runtime", "functions", "tests"]),
        &unsafe_code,
        &["tests/tidy/"],
    );
    none("unsafe code is forbidden", found);
    let lints = toml_of("Cargo.toml");
    assert_eq!(
        lints["workspace"]["lints"]["rust"]["unsafe_code"].as_str(),
        Some("forbid")
    );
}

#[test]
fn a_file_fits_on_a_few_screens() {
    let mut long = Vec::new();
    for source in rust_under(&["shared", "runtime", "functions", "tests"]) {
        let is_test = source.path.starts_with("tests/") || source.path.ends_with("/tests.rs");
        let lines = source.text.lines().count();
        let unit_tests = source
            .text
            .lines()
            .skip_while(|line| !line.starts_with("#[cfg(test)]"));
        let code = lines - unit_tests.count();
        if lines > TEST_LINES_MAX || (!is_test && code > LINES_MAX) {
            long.push(format!(
                "{}: {code} lines of code, {lines} in all",
                source.path
            ));
        }
    }
    none("a long file hides a noun", long);
}

#[test]
fn nothing_is_called_manager_helper_or_util() {
    let mut vague = Vec::new();
    for source in rust_under(&["shared", "runtime", "functions", "tests"]) {
        let name = source.path.to_lowercase();
        if ["manager", "helper", "util", "common", "misc"]
            .iter()
            .any(|word| name.contains(word))
        {
            vague.push(source.path);
        }
    }
    none("a name says what a thing is", vague);
}

#[test]
fn every_allowance_has_its_reason() {
    let mut found = Vec::new();
    for source in rust_under(&["shared", "runtime", "functions", "tests"]) {
        let text = &source.text;
        for opening in ["#[allow(", "#![allow(", "#[expect(", "#![expect("] {
            for (at, _) in text.match_indices(opening) {
                let attribute = text[at..].split(")]").next().unwrap_or_default();
                let line = text[..at].matches('\n').count() + 1;
                if !attribute.contains("reason") && !text[..at].ends_with('"') {
                    found.push(format!("{}:{line}", source.path));
                }
            }
        }
    }
    none("an #[allow] says why", found);
}

#[test]
fn every_dependency_says_what_for() {
    let manifest = read(&workspace_root().join("Cargo.toml")).text;
    let mut silent = Vec::new();
    let mut inside = false;
    let mut commented = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line == "[workspace.dependencies]";
        } else if inside && line.starts_with('#') {
            commented = true;
            continue;
        } else if inside
            && line.contains('=')
            && !line.contains("path = ")
            && !commented
            && !line.contains('#')
        {
            silent.push(line.to_owned());
        }
        commented = false;
    }
    none("a dependency has its purpose beside it", silent);
}

#[test]
fn packages_take_their_dependencies_from_the_workspace() {
    let mut own = Vec::new();
    for manifest in manifests() {
        let table = toml_of(&manifest);
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(dependencies) = table.get(section).and_then(toml::Value::as_table) else {
                continue;
            };
            for (name, value) in dependencies {
                if value.get("workspace").and_then(toml::Value::as_bool) != Some(true) {
                    own.push(format!("{manifest}: {name}"));
                }
            }
        }
    }
    none("versions stand in the workspace", own);
}

#[test]
fn no_function_uses_another() {
    let functions = crate::routes::functions();
    let mut found = Vec::new();
    for function in &functions {
        let table = toml_of(&format!("functions/{function}/Cargo.toml"));
        let names = table["dependencies"]
            .as_table()
            .into_iter()
            .flat_map(|table| table.keys());
        for name in names.filter(|name| functions.contains(name) || *name == "runtime") {
            found.push(format!("{function} uses {name}"));
        }
    }
    none("functions know only shared", found);
    let shared = toml_of("shared/Cargo.toml");
    let names: Vec<&String> = shared["dependencies"]
        .as_table()
        .into_iter()
        .flat_map(|table| table.keys())
        .collect();
    for forbidden in ["runtime", "tokio", "wasmtime", "axum"] {
        assert!(
            !names.iter().any(|name| *name == forbidden),
            "shared uses {forbidden}"
        );
    }
}

fn manifests() -> Vec<String> {
    let mut manifests: Vec<String> = crate::routes::functions()
        .iter()
        .map(|name| format!("functions/{name}/Cargo.toml"))
        .collect();
    manifests.extend(["shared", "runtime", "tests"].map(|name| format!("{name}/Cargo.toml")));
    manifests
}
