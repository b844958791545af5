//! What is wrong in the settings is said at once, in words that name the setting.

use std::path::Path;
use std::process::Command;
use tests::{Certificate, binary};

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

#[test]
fn what_is_wrong_with_certificate_and_key_is_named_with_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let one = Certificate::in_folder(folder.path());
    let inner = folder.path().join("other");
    std::fs::create_dir(&inner).expect("a folder");
    let other = Certificate::in_folder(&inner);
    let missing = folder.path().join("missing.pem");
    let locked = folder.path().join("locked.pem");
    let passphrase =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    std::fs::write(&locked, passphrase).expect("a file");
    let said = |cert: &Path, key: &Path| {
        let of = Certificate {
            cert: cert.to_owned(),
            key: key.to_owned(),
        };
        // Beside another mistake, which is reported with it.
        let said = refusal(&format!("{}\n[queue]\nlease_s = 0\n", of.config()));
        assert!(said.contains("queue.lease_s:"), "{said}");
        let lines = said.lines().filter(|line| line.contains("tls."));
        lines.map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    let show = |path: &Path| path.display().to_string();
    let none = Path::new("");
    for (cert, key, sentence) in [
        (
            &*one.cert,
            none,
            "tls.cert and tls.key: are both given or neither".to_owned(),
        ),
        (
            none,
            &*one.key,
            "tls.cert and tls.key: are both given or neither".to_owned(),
        ),
        (
            &missing,
            &one.key,
            format!("tls.cert: {} cannot be read: ", show(&missing)),
        ),
        (
            &one.cert,
            &missing,
            format!("tls.key: {} cannot be read: ", show(&missing)),
        ),
        (
            &one.key,
            &one.key,
            format!("tls.cert: {} holds no certificate in PEM", show(&one.key)),
        ),
        (
            &one.cert,
            &one.cert,
            format!("tls.key: {} holds no private key in PEM", show(&one.cert)),
        ),
        (
            &one.cert,
            &locked,
            format!(
                "tls.key: the key in {} has a passphrase; take that off",
                show(&locked)
            ),
        ),
        (
            &one.cert,
            &other.key,
            format!(
                "tls.key: {} is not the key of the certificate in {}",
                show(&other.key),
                show(&one.cert)
            ),
        ),
    ] {
        let lines = said(cert, key);
        assert!(
            lines.len() == 1 && lines[0].starts_with(&sentence),
            "{lines:?}, not {sentence}"
        );
    }
}
