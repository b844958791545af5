//! What lies in `deploy/`, as far as this machine can hold it against something: schemas, the programs that read it,
//! the settings and files that it names.

use super::{json, said, wharf};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tests::{binary, deployment_schemas, files_under, workspace_root};

/// Variables of the environment that are no settings.
const OWN_VARIABLES: [&str; 1] = ["WHARF_LOG"];

fn deploy() -> PathBuf {
    workspace_root().join("deploy")
}

fn text_of(path: &str) -> String {
    let path = deploy().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// None where it is not installed, which is said and in CI a failure.
fn run(program: &str, arguments: &[&str], package: &str) -> Option<Output> {
    match Command::new(program).args(arguments).output() {
        Ok(output) => Some(output),
        Err(error) => {
            let line = format!("NOT COVERED: no {program} ({error}); install {package}");
            assert!(std::env::var_os("CI").is_none(), "{line}");
            eprintln!("{line}");
            None
        }
    }
}

#[test]
fn manifests_and_compose_file_hold_their_schemas() {
    let output = deployment_schemas(&deploy());
    assert!(
        output.status.success() && output.stdout.is_empty(),
        "{}",
        said(&output)
    );
}

#[test]
fn systemd_accepts_the_units() {
    let folder = tempfile::tempdir().expect("a folder");
    for path in files_under(&deploy().join("systemd")) {
        let text = fs::read_to_string(&path).expect("a unit");
        // Nobody has installed it here.
        let text = text.replace(
            "ExecStart=/opt/wharf/wharf",
            &format!("ExecStart={}", binary().display()),
        );
        let unit = folder.path().join(path.file_name().expect("a name"));
        fs::write(&unit, text).expect("a file");
        let unit = unit.display().to_string();
        let Some(output) = run("systemd-analyze", &["verify", "--man=no", &unit], "systemd") else {
            return;
        };
        assert!(
            output.status.success() && said(&output).is_empty(),
            "{unit}: {}",
            said(&output)
        );
        let exposure = run(
            "systemd-analyze",
            &["security", "--offline=true", "--threshold=20", &unit],
            "systemd",
        );
        let exposure = exposure.expect("it was there a moment ago");
        assert!(exposure.status.success(), "{}", said(&exposure));
    }
}

#[test]
fn promtool_accepts_the_configuration_for_compose() {
    let folder = tempfile::tempdir().expect("a folder");
    for file in ["compose/prometheus.yml", "prometheus/alerts.yml"] {
        let name = Path::new(file).file_name().expect("a name");
        fs::write(folder.path().join(name), text_of(file)).expect("a file");
    }
    let config = folder.path().join("prometheus.yml").display().to_string();
    if let Some(output) = run("promtool", &["check", "config", &config], "prometheus") {
        assert!(output.status.success(), "{}", said(&output));
    }
}

#[test]
fn nginx_accepts_its_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    let inner = text_of("compose/nginx.conf");
    // These names are known inside of compose alone.
    let inner = inner
        .replace("runner:3000", "127.0.0.1:3000")
        .replace("worker:3001", "127.0.0.1:3001");
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {kind};\n"))
        .concat();
    let whole = format!(
        "pid nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}{inner}\n}}\n"
    );
    let config = folder.path().join("nginx.conf");
    fs::write(&config, whole).expect("a file");
    let prefix = folder.path().display().to_string();
    let config = config.display().to_string();
    if let Some(output) = run(
        "nginx",
        &["-t", "-p", &prefix, "-c", &config],
        "nginx-light",
    ) {
        assert!(output.status.success(), "{}", said(&output));
    }
}

/// The words of this beginning in a text.
fn words<'a>(text: &'a str, start: &str) -> BTreeSet<&'a str> {
    let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    text.split(|c| !is_part(c))
        .filter(|word| word.starts_with(start) && word.len() > start.len())
        .collect()
}

#[test]
fn every_variable_that_is_set_is_a_setting() {
    let folder = tempfile::tempdir().expect("a folder");
    let shown = json(&wharf(folder.path(), &["config", "show", "--json"], &[]));
    let known: BTreeSet<String> = shown
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["key"].as_str().expect("a key"))
        .map(|key| format!("WHARF_{}", key.replace('.', "_").to_ascii_uppercase()))
        .chain(OWN_VARIABLES.map(str::to_owned))
        .collect();
    let docs = ["deployment.md", "spin.md"].map(|name| workspace_root().join("docs").join(name));
    let mut unknown = Vec::new();
    let mut found = 0;
    for path in files_under(&deploy()).into_iter().chain(docs) {
        let text = fs::read_to_string(&path).expect("a text");
        for word in words(&text, "WHARF_") {
            found += 1;
            // What Kubernetes would set by itself is named where it is switched off.
            if !known.contains(word) && word != "WHARF_WORKER_PORT" {
                unknown.push(format!("{}: {word}", path.display()));
            }
        }
    }
    assert!(
        unknown.is_empty(),
        "no such setting:\n{}",
        unknown.join("\n")
    );
    assert!(found > 5);
}

#[test]
fn every_path_that_is_named_is_there_and_every_image_has_a_version() {
    let compose = text_of("compose.yaml");
    let mut mounted = 0;
    for line in compose.lines().map(str::trim) {
        let mount = line
            .strip_prefix("- ./")
            .and_then(|rest| rest.split_once(':'));
        if let Some((path, _)) = mount {
            mounted += 1;
            assert!(deploy().join(path).exists(), "{line}");
        }
    }
    assert_eq!(mounted, 5);
    for resource in text_of("spinkube/kustomization.yaml").lines() {
        if let Some(path) = resource.trim().strip_prefix("- ") {
            assert!(deploy().join("spinkube").join(path).is_file(), "{path}");
        }
    }
    for file in [
        "compose.yaml",
        "Containerfile",
        "spinkube/spinapp.yaml",
        "spinkube/worker.yaml",
    ] {
        for line in text_of(file).lines().map(str::trim) {
            let image = line
                .strip_prefix("image: ")
                .or_else(|| line.strip_prefix("FROM "));
            let image = image.map(|image| image.split(' ').next().unwrap_or_default());
            // `wharf` is built from the Containerfile here.
            if let Some(image) = image.filter(|image| *image != "wharf") {
                let version = image.rsplit_once(':').map(|(_, version)| version);
                let is_pinned = version.is_some_and(|it| it != "latest" && !it.contains('/'));
                assert!(is_pinned, "{file}: {image}");
            }
        }
    }
    let prometheus = ["prometheus/prometheus.yml", "compose/prometheus.yml"]
        .map(text_of)
        .concat();
    assert_eq!(prometheus.matches("- alerts.yml").count(), 2);
    let dashboards = text_of("grafana/provisioning/dashboards/wharf.yaml");
    assert!(dashboards.contains("path: /var/lib/grafana/dashboards"));
    assert!(compose.contains(":/var/lib/grafana/dashboards/wharf.json"));
}

/// The values of `name:` in YAML, wherever they stand.
fn values<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    text.lines()
        .filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix(name))
        .filter_map(|rest| rest.strip_prefix(": "))
        .collect()
}

#[test]
fn the_spin_app_gets_every_variable_of_the_manifest_from_what_config_spin_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    let written = wharf(folder.path(), &["config", "spin"], &[]);
    assert!(written.status.success(), "{}", said(&written));
    let env = fs::read_to_string(folder.path().join("spin-variables.env")).expect("it is written");
    let in_env: BTreeSet<&str> = env
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name)
        .collect();
    let in_toml =
        fs::read_to_string(folder.path().join("spin-variables.toml")).expect("it is written");
    let in_toml: toml::Table = in_toml.parse().expect("TOML");
    for line in env.lines() {
        let (name, value) = line.split_once('=').expect("a variable");
        assert_eq!(in_toml[name].as_str(), Some(value), "{name}");
    }
    let manifest = fs::read_to_string(workspace_root().join("spin.toml")).expect("a manifest");
    let manifest: toml::Table = manifest.parse().expect("TOML");
    let declared = manifest["variables"].as_table().expect("variables");
    let declared: BTreeSet<&str> = declared.keys().map(String::as_str).collect();
    assert_eq!(in_env, declared);

    let app = text_of("spinkube/spinapp.yaml");
    let keys: BTreeSet<&str> = values(&app, "key").into_iter().collect();
    assert_eq!(keys, declared);
    let from = values(&app, "name")
        .into_iter()
        .filter(|name| *name == "wharf-variables");
    assert_eq!(from.count(), declared.len());
}

#[test]
fn the_runtime_configurations_name_the_database_that_the_components_are_granted() {
    for file in ["sqlite.toml", "postgres.toml"] {
        let config: toml::Table = text_of(&format!("spin/{file}")).parse().expect("TOML");
        let database = &config["sqlite_database"]["default"];
        assert_eq!(database["type"].as_str(), Some("spin"), "{file}");
        let path = Path::new(database["path"].as_str().expect("a path"));
        assert!(
            path.is_absolute(),
            "{file}: Spin resolves a relative path against where it is started"
        );
    }
}
