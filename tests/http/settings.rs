//! What is wrong in the settings is said at once, in words that name the setting.

use std::process::Command;
use tests::binary;

/// The standard error of a start with this file, which must fail.
fn refusal(file: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("wharf.toml");
    std::fs::write(&path, file).expect("a file");
    let output = Command::new(binary())
        .arg("migrate")
        .arg("--config")
        .arg(&path)
        .arg("--data")
        .arg(folder.path().join("data"))
        .output()
        .expect("the binary starts");
    assert!(!output.status.success(), "{file} was accepted");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn all_that_is_wrong_is_reported_together() {
    let said = refusal(
        "nonsense = 1\ntrusted_proxies = [\"localhost\"]\ndatabase_url = \"mysql://x\"\n\
         [media]\nconcurrency = 0\n[queue]\nlease_s = 0\nmax_retries = -1\n\
         [files]\nkids = \"k1:zz\"\n[delivery]\nmax_transfers = 0\n[metrics]\ntoken = \"short\"\n[keys]\nusers = \"short\"\n[egress]\nallow = [\"*\"]\n",
    );
    for setting in [
        "nonsense: there is no such setting",
        "database_url:",
        "trusted_proxies:",
        "media.concurrency:",
        "queue.lease_s:",
        "queue.max_retries:",
        "files.kids:",
        "delivery.max_transfers:",
        "metrics.token:",
        "keys.users:",
        "egress.allow:",
    ] {
        assert!(said.contains(setting), "{setting} is not in:\n{said}");
    }
}

#[test]
fn a_file_that_is_no_toml_is_reported_once() {
    let said = refusal("[media\n");
    assert_eq!(said.matches("wharf.toml").count(), 1, "{said}");
}

#[test]
fn what_is_wrong_with_drives_and_mail_is_named_and_no_password_is_shown() {
    let said = refusal(
        "[market]\nrecheck_after_s = 0\n\
         [drives]\naliyun_base = \"ftp://drive\"\nbaidu_base = \"\"\nbad_interval_s = 0\ncalls_per_s = 0\n\
         backoff_initial_ms = 5\nbackoff_max_ms = 4\n\
         [smtp]\nurl = \"smtp://user:very-secret@mail.example\"\n",
    );
    for setting in [
        "market.recheck_after_s:",
        "drives.aliyun_base:",
        "drives.baidu_base:",
        "drives.bad_interval_s:",
        "drives.calls_per_s:",
        "drives.backoff_max_ms:",
        "smtp.from:",
    ] {
        assert!(said.contains(setting), "{setting} is not in:\n{said}");
    }
    assert!(!said.contains("very-secret"), "{said}");
    for url in [
        "http://user:very-secret@mail.example",
        "smtp://user:very-secret@mail.example?tls=no",
        "very-secret",
    ] {
        let said = refusal(&format!(
            "[smtp]\nurl = \"{url}\"\nfrom = \"Wharf <noreply@wharf.example>\"\n"
        ));
        assert!(said.contains("smtp.url:"), "{said}");
        assert!(!said.contains("very-secret"), "{said}");
    }
}
