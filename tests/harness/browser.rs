//! A real browser, headless Chromium, driven through chromedriver.

use crate::process::{dying_with_the_tests, spawn};
use crate::tools::on_path;
use crate::wait::{PATIENCE, eventually};
use crate::{TestApp, target_dir};
use fantoccini::elements::Element;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder, Locator, key::Key};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Browsers at once: each is several processes.
static PLACES: Semaphore = Semaphore::const_new(2);

/// chromedriver says on which port it listens, after these words.
const READY: &str = "was started successfully on port ";

/// What the page is looked at with.
#[derive(Clone, Copy)]
pub struct Device {
    pub width: u32,
    pub height: u32,
    pub language: &'static str,
    pub is_dark: bool,
}

impl Device {
    pub const DESK: Self = Self {
        width: 1100,
        height: 800,
        language: "en-GB",
        is_dark: false,
    };
    pub const PHONE: Self = Self {
        width: 390,
        height: 800,
        language: "zh-CN",
        is_dark: true,
    };
}

/// The console in a browser of its own. Dropped, the browser ends.
pub struct Browser {
    pub page: Client,
    driver: Child,
    _profile: tempfile::TempDir,
    _place: SemaphorePermit<'static>,
}

impl Browser {
    /// Opens the app's console; None where there is no browser, which is said and in CI a failure.
    pub async fn open(app: &TestApp, device: Device) -> Option<Self> {
        let place = PLACES.acquire().await.expect("never closed");
        let Some((driver, port)) = driver() else {
            let line = "NOT COVERED: there is no chromedriver";
            assert!(std::env::var_os("CI").is_none(), "{line}");
            eprintln!("{line}");
            return None;
        };
        let profile = tempfile::tempdir().expect("a folder");
        let page = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities(device, profile.path()))
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("a browser");
        let browser = Self {
            page,
            driver,
            _profile: profile,
            _place: place,
        };
        browser.visit(&format!("{}/", app.base())).await;
        Some(browser)
    }

    /// Goes to an address of the console and waits until it can be written in.
    pub async fn visit(&self, address: &str) {
        self.page.goto(address).await.expect("a page");
        self.element(".chips").await;
    }

    /// The first element that fits, once there is one.
    pub async fn element(&self, selector: &str) -> Element {
        let waited = self.page.wait().at_most(PATIENCE);
        let found = waited.for_element(Locator::Css(selector)).await;
        found.unwrap_or_else(|error| panic!("no {selector}: {error}"))
    }

    /// Writes a line and sends it.
    pub async fn say(&self, line: &str) {
        self.keys(line).await;
        self.keys(&Key::Enter.to_string()).await;
    }

    /// Keys into whatever has the focus.
    pub async fn keys(&self, keys: &str) {
        let focused = self.page.active_element().await.expect("a focus");
        focused.send_keys(keys).await.expect("keys");
    }

    /// Answers what the console asks, once it asks it.
    pub async fn answer(&self, question: &str, answer: &str) {
        let asks = format!(
            "return document.getElementById('question').textContent.includes({})",
            json!(question)
        );
        self.holds(&format!("it asks {question:?}"), &asks).await;
        self.say(answer).await;
    }

    /// The text of the last entry of the log.
    pub async fn last(&self) -> String {
        let last =
            "const all = document.querySelectorAll('.entry'); return all[all.length - 1].innerText";
        self.run(last).await.as_str().expect("a text").to_owned()
    }

    /// Waits until the last entry has ended and holds this text; the whole of it.
    pub async fn shows(&self, text: &str) -> String {
        let script = format!(
            "const last = [...document.querySelectorAll('.entry')].pop(); \
             return !last.hasAttribute('aria-busy') && last.innerText.includes({})",
            json!(text)
        );
        self.holds(&format!("the console shows {text:?}"), &script)
            .await;
        self.last().await
    }

    /// Waits until a script's answer is true.
    pub async fn holds(&self, what: &str, script: &str) {
        let asked = eventually(what, PATIENCE, async || {
            (self.run(script).await == Value::Bool(true)).then_some(())
        });
        if tokio::time::timeout(PATIENCE, asked).await.is_err() {
            panic!(
                "it did not happen: {what}; the log ends with {}",
                self.last().await
            );
        }
    }

    pub async fn run(&self, script: &str) -> Value {
        self.page
            .execute(script, Vec::new())
            .await
            .expect("a script that runs")
    }

    /// Keeps a picture for people to look at, in `screenshots` under the target folder.
    pub async fn picture(&self, name: &str) {
        let folder = target_dir().join("screenshots");
        std::fs::create_dir_all(&folder).expect("a folder");
        let png = self.page.screenshot().await.expect("a picture");
        std::fs::write(folder.join(format!("{name}.png")), png).expect("a file");
    }

    /// What the browser complained of since it was asked last: errors of scripts and of the policy, requests that failed.
    pub async fn complaints(&self) -> Vec<String> {
        let entries = self.page.issue_cmd(BrowserLog).await.expect("a log");
        let entries = entries.as_array().expect("entries").iter();
        let entries = entries.filter(|entry| {
            let is_complaint = entry["level"] == "SEVERE" || entry["level"] == "WARNING";
            // A refusal of the server is an answer; the browser notes each.
            let is_answer = entry["source"] == "network"
                && entry["message"]
                    .as_str()
                    .is_some_and(|text| text.contains("status of 4"));
            is_complaint && !is_answer
        });
        entries
            .map(|entry| entry["message"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// Ends the browser in order; what it complained of fails the test.
    pub async fn close(self) {
        let complaints = self.complaints().await;
        assert!(
            complaints.is_empty(),
            "the browser complains: {complaints:#?}"
        );
        let _ended = self.page.clone().close().await;
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _killed = self.driver.kill();
        let _status = self.driver.wait();
    }
}

/// chromedriver on a port that it chose.
fn driver() -> Option<(Child, u16)> {
    let mut command = Command::new(on_path("chromedriver")?);
    command.arg("--port=0");
    let mut command = dying_with_the_tests(command);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = spawn(command);
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
        let (_, port) = line.split_once(READY)?;
        port.trim_end_matches('.').trim().parse().ok()
    });
    // Read to the end, so that it never waits for us.
    std::thread::spawn(move || lines.for_each(drop));
    Some((child, port.expect("chromedriver says its port")))
}

fn capabilities(device: Device, profile: &std::path::Path) -> Capabilities {
    let mut arguments = vec![
        "--headless=new".to_owned(),
        "--no-sandbox".to_owned(),
        "--disable-gpu".to_owned(),
        "--disable-quic".to_owned(),
        "--no-first-run".to_owned(),
        "--disable-background-networking".to_owned(),
        "--disable-component-update".to_owned(),
        "--disable-sync".to_owned(),
        "--disable-dev-shm-usage".to_owned(),
        format!("--lang={}", device.language),
        format!("--accept-lang={}", device.language),
        format!("--window-size={},{}", device.width, device.height),
        format!("--user-data-dir={}", profile.display()),
    ];
    if device.is_dark {
        arguments.push("--force-dark-mode".to_owned());
    }
    let Value::Object(capabilities) = json!({
        "goog:chromeOptions": {
            "args": arguments,
            "prefs": { "intl.accept_languages": device.language, "intl.selected_languages": device.language },
        },
        "goog:loggingPrefs": { "browser": "ALL" },
    }) else {
        unreachable!("an object")
    };
    capabilities
}

/// chromedriver's own command for what a page's console holds.
#[derive(Debug)]
struct BrowserLog;

impl WebDriverCompatibleCommand for BrowserLog {
    fn endpoint(
        &self,
        base: &url::Url,
        session: Option<&str>,
    ) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _url: &url::Url) -> (http::Method, Option<String>) {
        (
            http::Method::POST,
            Some(json!({ "type": "browser" }).to_string()),
        )
    }
}
