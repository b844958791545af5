//! A real mail server for the tests: aiosmtpd, from an environment below the target folder
//! (`tests/fixtures/smtp.py`).

use crate::product::workspace_root;
use crate::tools::set_up;
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
use tempfile::TempDir;

const AIOSMTPD: &str = "aiosmtpd==1.4.6";
/// What the server wants to hear; it stands nowhere else in a test.
pub const SMTP_PASSWORD: &str = "smtp-password-5e1d";
const START_S_MAX: u64 = 60;
const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";

/// One mail that arrived.
#[derive(Clone, Debug)]
pub struct Received {
    pub from: String,
    pub to: Vec<String>,
    /// Head and body as they came.
    pub message: String,
}

/// How the connection to a mail server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    None,
    StartTls,
    Tls,
}

/// A mail server, stopped when it is dropped.
pub struct Mailbox {
    pub port: u16,
    encryption: Encryption,
    process: Child,
    received: Arc<Mutex<Vec<Received>>>,
    /// Certificate and key.
    folder: TempDir,
}

impl Received {
    /// The value of a header, its lines joined; as it came, encoded words and all.
    pub fn header(&self, name: &str) -> Option<String> {
        let head = self.message.split("\r\n\r\n").next()?;
        let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let prefix = format!("{}:", name.to_ascii_lowercase());
        unfolded
            .split("\r\n")
            .find(|line| line.to_ascii_lowercase().starts_with(&prefix))
            .map(|line| line[prefix.len()..].trim().to_owned())
    }
}

impl Mailbox {
    /// On a port of the system's choice.
    pub fn start() -> Self {
        Self::start_on(0)
    }

    pub fn start_on(port: u16) -> Self {
        Self::launch(port, Encryption::None)
    }

    /// With a certificate that nobody knows but who is shown it.
    pub fn encrypted(encryption: Encryption) -> Self {
        Self::launch(0, encryption)
    }

    fn launch(port: u16, encryption: Encryption) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let python = set_up("test-smtp", "python", &[AIOSMTPD]);
        let mut command = Command::new(python);
        command
            .arg(workspace_root().join("tests/fixtures/smtp.py"))
            .args([&port.to_string(), SMTP_PASSWORD]);
        if encryption != Encryption::None {
            make_certificate(&folder);
            let mode = if encryption == Encryption::Tls {
                "tls"
            } else {
                "starttls"
            };
            command.arg(mode);
            command.args([CERTIFICATE, KEY].map(|name| folder.path().join(name)));
        }
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python runs");
        let mut lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let received = Arc::<Mutex<Vec<Received>>>::default();
        let (ready, port) = mpsc::channel();
        let kept = received.clone();
        std::thread::spawn(move || {
            while let Some(Ok(line)) = lines.next() {
                match line.parse::<u16>() {
                    Ok(port) => drop(ready.send(port)),
                    Err(_) => kept
                        .lock()
                        .expect("nobody panics in here")
                        .push(read(&line)),
                }
            }
        });
        let port = port.recv_timeout(Duration::from_secs(START_S_MAX));
        Self {
            port: port.expect("the mail server starts"),
            encryption,
            process,
            received,
            folder,
        }
    }

    /// The `[smtp]` section of an app that hands its mail in here.
    pub fn config(&self) -> String {
        let config = smtp_config(self.port);
        match self.encryption {
            Encryption::None => config,
            Encryption::StartTls => config.replacen("\", from", "?tls=required\", from", 1),
            Encryption::Tls => config.replacen("smtp://", "smtps://", 1),
        }
    }

    /// What an app has to trust.
    pub fn certificate(&self) -> String {
        self.folder.path().join(CERTIFICATE).display().to_string()
    }

    /// What has arrived so far.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().expect("nobody panics in here").clone()
    }

    /// What has arrived for this address.
    pub fn received_by(&self, address: &str) -> Vec<Received> {
        let mut received = self.received();
        received.retain(|mail| mail.to.iter().any(|to| to == address));
        received
    }
}

/// The `[smtp]` section of an app that hands its mail in at this port.
pub fn smtp_config(port: u16) -> String {
    format!(
        "smtp = {{ url = \"smtp://wharf:{SMTP_PASSWORD}@127.0.0.1:{port}\", \
         from = \"Wharf <noreply@wharf.example>\", backoff_initial_ms = 20, backoff_max_ms = 200 }}"
    )
}

fn make_certificate(folder: &TempDir) {
    let output = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ])
        .args([
            "-days",
            "2",
            "-subj",
            "/CN=mail",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-out", CERTIFICATE, "-keyout", KEY])
        .current_dir(folder.path())
        .output()
        .expect("openssl runs");
    assert!(output.status.success(), "{output:?}");
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _reaped = self.process.wait();
    }
}

fn read(line: &str) -> Received {
    let mail: Value = serde_json::from_str(line).expect("a line of JSON");
    let to = mail["to"].as_array().expect("a list").iter();
    Received {
        from: mail["from"].as_str().expect("a text").to_owned(),
        to: to
            .map(|to| to.as_str().expect("a text").to_owned())
            .collect(),
        message: mail["message"].as_str().expect("a text").to_owned(),
    }
}
