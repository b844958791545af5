//! `wharf config show`.

use super::{json, said, wharf};
use serde_json::{Value, json};
use std::path::Path;

/// The entry of a setting in what `config show --json` says.
fn entry(shown: &Value, key: &str) -> Value {
    let all = shown.as_array().expect("a list");
    let mut of_key = all.iter().filter(|one| one["key"] == key);
    let found = of_key
        .next()
        .unwrap_or_else(|| panic!("no {key} in {shown:#}"));
    assert!(of_key.next().is_none(), "{key} twice");
    found.clone()
}

fn folder(file: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("wharf.toml"), file).expect("a file");
    folder
}

fn show(folder: &Path, flags: &[&str], env: &[(&str, &str)]) -> Value {
    let arguments = [&["config", "show", "--json"], flags].concat();
    json(&wharf(folder, &arguments, env))
}

#[test]
fn every_value_is_shown_with_where_it_comes_from() {
    let folder = folder(
        "listen = \"127.0.0.1:4000\"\n[media]\nconcurrency = 7\nquick_ttl_s = 60\n\
         [sync.types.order]\nscope = \"cloud\"\npriority = 0\n",
    );
    let file = folder.path().join("wharf.toml");
    let env = [
        ("WHARF_MEDIA_QUICK_TTL_S", "61"),
        ("WHARF_LISTEN", "127.0.0.1:4001"),
        ("WHARF_EGRESS_ALLOW", "a.example, b.example"),
    ];
    let shown = show(folder.path(), &["--listen", "127.0.0.1:4002"], &env);
    let expect = |key: &str, value: Value, origin: &str, at: Value| {
        let expected = json!({ "key": key, "value": value, "origin": origin, "at": at });
        assert_eq!(entry(&shown, key), expected);
    };
    let in_file = json!(file.canonicalize().expect("it is there"));
    expect("listen", json!("127.0.0.1:4002"), "flag", json!("--listen"));
    expect("media.concurrency", json!(7), "file", in_file.clone());
    expect(
        "media.quick_ttl_s",
        json!(61),
        "environment",
        json!("WHARF_MEDIA_QUICK_TTL_S"),
    );
    let allow = json!(["a.example", "b.example"]);
    expect(
        "egress.allow",
        allow,
        "environment",
        json!("WHARF_EGRESS_ALLOW"),
    );
    expect("queue.lease_s", json!(60), "default", Value::Null);
    expect("media.ytdlp", Value::Null, "default", Value::Null);
    expect("sync.types.order.scope", json!("cloud"), "file", in_file);
    expect(
        "sync.types.member.scope",
        json!("group"),
        "default",
        Value::Null,
    );
    // What follows from others.
    expect(
        "public_url",
        json!("http://127.0.0.1:4002"),
        "default",
        Value::Null,
    );
    expect(
        "worker.url",
        json!("http://127.0.0.1:3001"),
        "default",
        Value::Null,
    );
    // Nothing was made to say so.
    assert!(!folder.path().join("data").exists());

    let shown = show(
        folder.path(),
        &["--data", "elsewhere"],
        &[("WHARF_LISTEN", "127.0.0.1:4001")],
    );
    assert_eq!(entry(&shown, "data_dir")["at"], "--data");
    assert_eq!(entry(&shown, "listen")["at"], "WHARF_LISTEN");
}

#[test]
fn what_is_shown_as_text_is_a_file_that_says_the_same() {
    let first = folder("[media]\nconcurrency = 7\n[site]\ntimes = [\"03:00\"]\n");
    let output = wharf(first.path(), &["config", "show"], &[]);
    let text = said(&output);
    assert!(text.contains("\nmedia.concurrency = 7  # file "), "{text}");
    assert!(
        text.contains("# media.ytdlp is not set  # default\n"),
        "{text}"
    );
    let second = folder(&text);
    let without_origin = |shown: Value| -> Vec<Value> {
        let all = shown.as_array().expect("a list").iter();
        all.map(|one| json!([one["key"], one["value"]])).collect()
    };
    assert_eq!(
        without_origin(show(second.path(), &[], &[])),
        without_origin(show(first.path(), &[], &[]))
    );
}

#[test]
fn no_secret_is_shown() {
    const SECRET: &str = "5ec4e7005ec4e7005ec4e7005ec4e700";
    let url = |start: &str| format!("{start}wharf:{SECRET}@host.example/path");
    let values = [
        ("WHARF_DATABASE_URL", url("postgres://")),
        ("WHARF_SITE_MYSQL_URL", url("mysql://")),
        ("WHARF_SMTP_URL", url("smtps://").replace("/path", "")),
        ("WHARF_SMTP_FROM", "wharf@host.example".to_owned()),
        (
            "WHARF_PROXY_ENDPOINT",
            format!("https://host.example/get?key={SECRET}"),
        ),
        ("WHARF_PROXY_API_KEY", SECRET.to_owned()),
        (
            "WHARF_SYNC_APPLY_URL",
            format!("https://{SECRET}@host.example/"),
        ),
        ("WHARF_SYNC_APPLY_SECRET", SECRET.to_owned()),
        (
            "WHARF_SITE_APPLY_URL",
            format!("https://host.example/apply?token={SECRET}"),
        ),
        ("WHARF_SITE_APPLY_SECRET", SECRET.to_owned()),
        ("WHARF_SITE_CODE", SECRET.to_owned()),
        ("WHARF_SITE_CLIENT_ID", "site".to_owned()),
        ("WHARF_SITE_CLIENT_SECRET", SECRET.to_owned()),
        ("WHARF_PAYMENTS_SANDBOX_SECRET", SECRET.to_owned()),
        ("WHARF_METRICS_TOKEN", SECRET.to_owned()),
        ("WHARF_FILES_KIDS", format!("k1:{SECRET}")),
    ];
    let keys = [
        "USERS",
        "PROJECTS",
        "SITES",
        "ADMINS",
        "WORKER",
        "COOKIES",
        "CALLBACKS",
    ];
    let keys = keys.map(|name| (format!("WHARF_KEYS_{name}"), SECRET.to_owned()));
    let mut env: Vec<(&str, &str)> = values
        .iter()
        .map(|(name, value)| (*name, &**value))
        .collect();
    env.extend(keys.iter().map(|(name, value)| (&**name, &**value)));
    let folder = folder("");
    for arguments in [&["config", "show"][..], &["config", "show", "--json"]] {
        let output = wharf(folder.path(), arguments, &env);
        assert!(output.status.success(), "{output:?}");
        let text = said(&output);
        assert!(!text.contains(SECRET), "{text}");
        // Everything was set, and the rest of it is there to see.
        assert!(
            text.contains("postgres://wharf:***@host.example/path"),
            "{text}"
        );
        assert!(text.matches("***").count() >= env.len() - 2, "{text}");
    }
}

#[test]
fn generated_keys_are_hidden_and_say_where_they_are_kept() {
    let folder = folder("");
    // The first start makes them.
    assert!(wharf(folder.path(), &["migrate"], &[]).status.success());
    let kept = std::fs::read_to_string(folder.path().join("data/keys.toml")).expect("keys");
    let kept: toml::Table = kept.parse().expect("TOML");
    let shown = show(folder.path(), &[], &[("WHARF_KEYS_USERS", &"u".repeat(32))]);
    let expected = folder
        .path()
        .canonicalize()
        .expect("it is there")
        .join("data/keys.toml");
    for key in ["keys.admins", "files.kids", "payments.sandbox_secret"] {
        let entry = entry(&shown, key);
        assert_eq!(entry["origin"], "generated", "{key}");
        assert_eq!(entry["at"], json!(expected), "{key}");
        assert_eq!(entry["value"], "***", "{key}");
    }
    assert_eq!(entry(&shown, "keys.users")["at"], "WHARF_KEYS_USERS");
    for value in kept.values() {
        let value = value.as_str().expect("a text");
        assert!(!shown.to_string().contains(value));
    }
}
