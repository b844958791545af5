//! The command line's client (SH-15): the real binary in a home of its own, against the running product.

mod commands;
mod hostile;
mod terminal;

use crate::{shared, sqlite};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use tests::{Client, PATIENCE, Ran, eventually, media, publication, standing_address, unique};

const PASSWORD: &str = "letters4numbers";

fn address() -> String {
    format!("ada-{}@example.com", unique())
}

fn mode(path: &Path) -> u32 {
    let metadata =
        std::fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    metadata.permissions().mode() & 0o777
}

#[tokio::test]
async fn tokens_are_in_a_file_that_their_owner_alone_may_read_and_no_password_is_anywhere() {
    let email = address();
    let client = Client::registered(shared(), &email, PASSWORD);
    let folder = client.home().join(".config/wharf");
    assert_eq!(mode(&client.store()), 0o600);
    assert_eq!(mode(&folder), 0o700);
    let who = client.run(&["whoami", "--json"]).json();
    assert_eq!(who["user"], email.as_str());
    assert_eq!(who["server"], shared().base());

    let kept = std::fs::read_to_string(client.store()).expect("the file");
    assert!(kept.contains("access_token"), "{kept}");
    for file in tests::files_under(client.home()) {
        let text = std::fs::read_to_string(&file).expect("text");
        assert!(!text.contains(PASSWORD), "{}", file.display());
    }

    client.run(&["logout"]).ok();
    let kept = std::fs::read_to_string(client.store()).expect("the file");
    assert!(!kept.contains("access_token"), "{kept}");
    client.run(&["quota"]).failed(1);
    client
        .run_with(&["login", &email], &format!("{PASSWORD}\n"))
        .ok();
    client.run(&["quota"]).ok();
    assert_eq!(mode(&client.store()), 0o600);
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_nobody_to_ask_for_one_is_said() {
    let email = address();
    let client = Client::registered(shared(), &email, PASSWORD);
    let refused = client
        .run_with(&["login", &email], "numbers4letters\n")
        .failed(1);
    assert!(refused.contains("40103"), "{refused}");
    client.run(&["login", &email]).failed(2);
    // The login from before still stands.
    client.run(&["quota"]).ok();
}

#[tokio::test]
async fn the_server_of_the_last_login_is_the_one_that_commands_go_to() {
    let email = address();
    let client = Client::at("http://127.0.0.1:1");
    let mut register = client.command(&["--server", shared().base(), "register", &email]);
    register.env_remove("WHARF_SERVER");
    Ran::of(register, &format!("{PASSWORD}\n")).ok();
    let mut who = client.command(&["whoami", "--json"]);
    who.env_remove("WHARF_SERVER");
    assert_eq!(Ran::of(who, "").json()["server"], shared().base());
    // The environment says otherwise, and the command line has the last word.
    let elsewhere = client.run(&["whoami", "--json"]).json();
    assert_eq!(elsewhere["server"], "http://127.0.0.1:1");
    assert_eq!(
        elsewhere["user"],
        Value::Null,
        "a login belongs to its server"
    );
    let back = client
        .run(&["whoami", "--json", "--server", shared().base()])
        .json();
    assert_eq!(back["user"], email.as_str());
}

#[tokio::test]
async fn a_video_is_looked_at_downloaded_and_saved_as_it_is_on_the_server() {
    let client = Client::registered(shared(), &address(), PASSWORD);
    let url = media().shelf().url("clip.mp4");
    let parsed = client.run(&["parse", &url, "--json"]).json();
    assert!(
        parsed["formats"]
            .as_array()
            .is_some_and(|formats| !formats.is_empty()),
        "{parsed:#}"
    );

    let shown = client.run(&["get", &url, "--save"]).ok();
    assert!(shown.contains("100%"), "{shown}");
    let task = client.run(&["task", "1", "--json"]).json();
    let name = task["result"]["file_name"].as_str().expect("a name");
    let saved = client.home().join(name);
    assert!(shown.contains(name), "{shown}");
    assert_eq!(task["result"]["sha256"], sha256(&saved).as_str());

    // Another of the same name steps aside, and nothing else is left lying about.
    let again = client.run(&["file", "1", "--json"]).json();
    assert_ne!(again["path"], name);
    let beside = client.home().join(again["path"].as_str().expect("a path"));
    assert_eq!(sha256(&beside), sha256(&saved));
    let here = std::fs::read_dir(client.home())
        .expect("the folder")
        .count();
    assert_eq!(here, 3, "two files and .config");
}

#[tokio::test]
async fn a_download_that_fails_is_told_with_exit_code_1() {
    let client = Client::registered(shared(), &address(), PASSWORD);
    let url = media().shelf().url("nothing.mp4");
    let told = client.run(&["get", &url]).failed(1);
    assert!(told.contains("404"), "{told}");
}

#[tokio::test]
async fn a_resource_is_published_approved_found_bought_and_given_back() {
    let app = shared();
    let publisher = Client::registered(app, &address(), PASSWORD);
    let word = unique();
    let made = publication(&word, "12.50");
    let (url, title) = (
        made["url"].as_str().expect("a link"),
        format!("三体 {word}"),
    );
    let published = publisher.run(&[
        "publish", url, "--code", "q1w2", "--title", &title, "--price", "12.50", "--json",
    ]);
    let resource = published.json()["resource_id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let reviewer = app.reviewer().await;
    let review = reviewer.review_of("resource", &resource).await;
    reviewer.decide(&review, "approve", None).await.ok();

    let email = address();
    let buyer = Client::registered(app, &email, PASSWORD);
    let pay_url = buyer.run(&["recharge", "2.00", "--json"]).json()["pay_url"].clone();
    let paying = reqwest::Client::new()
        .post(pay_url.as_str().expect("a link"))
        .send();
    assert!(
        paying
            .await
            .expect("the sandbox answers")
            .status()
            .is_success()
    );

    eventually("it is found", PATIENCE, async || {
        let found = buyer.run(&["search", &word, "--json"]).json();
        (found["total"] == 1).then_some(())
    })
    .await;
    let listed = buyer.run(&["search", &word]).ok();
    assert!(listed.contains(&title), "{listed}");
    buyer.run(&["buy", "1"]).failed(2);
    let order = buyer.run(&["buy", "1", "--yes", "--json"]).json();
    assert_eq!(order["url"], url);
    assert_eq!(order["code"], "q1w2");
    let coins = buyer.run(&["coins", "--json"]).json();
    assert_eq!(coins["coin"], "7.50");
    buyer.run(&["refund", "1"]).ok();
    assert_eq!(buyer.run(&["coins", "--json"]).json()["coin"], "20.00");
    let orders = buyer
        .run(&["orders", "--state", "refunded", "--json"])
        .json();
    assert_eq!(orders["items"][0]["order_id"], order["order_id"]);
}

#[tokio::test]
async fn two_clients_that_renew_the_same_tokens_at_once_both_go_on() {
    let client = Client::registered(shared(), &address(), PASSWORD);
    for _ in 0..4 {
        let kept = std::fs::read_to_string(client.store()).expect("the file");
        let mut kept: Value = serde_json::from_str(&kept).expect("JSON");
        let login = &mut kept["servers"][shared().base()]["login:user"];
        let mut tokens: Value =
            serde_json::from_str(login.as_str().expect("a login")).expect("JSON");
        tokens["ends_at"] = 0.into();
        *login = tokens.to_string().into();
        std::fs::write(client.store(), kept.to_string()).expect("the file");
        std::thread::scope(|scope| {
            let both = [(); 2].map(|()| scope.spawn(|| client.run(&["quota"])));
            for run in both {
                run.join().expect("it ran").ok();
            }
        });
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_one_sentence_and_exit_code_1() {
    let client = Client::at("http://127.0.0.1:1");
    let told = client.run(&["search", "x"]).failed(1);
    assert!(
        told.starts_with("http://127.0.0.1:1 does not answer."),
        "{told}"
    );
    assert!(!told.contains("panicked"), "{told}");
    // What needs no server does its work.
    client.run(&["help", "search"]).ok();
    client.run(&["whoami"]).ok();
}

#[tokio::test]
async fn a_server_that_goes_away_during_a_watch_does_not_end_it() {
    let mut app = sqlite()
        .config("queue = { lease_s = 2 }")
        .listen(&standing_address())
        .start();
    let client = Client::registered(&app, &address(), PASSWORD);
    let shelf = media().shelf();
    let slow = shelf.url("slow.mp4");
    let task = client.run(&["get", &slow, "--background", "--json"]).json()["task_id"].clone();
    let task = task.as_str().expect("an id");
    let mut watch = client.terminal(&["watch", task], 100);
    watch.shows("downloading");
    app.kill9();
    app.restart();
    shelf.release();
    watch.shows("100%");
    assert_eq!(watch.end().0, 0);
}

#[tokio::test]
async fn what_the_user_typed_wrong_is_told_with_the_nearest_and_exit_code_2() {
    let client = Client::of(shared());
    for (typed, meant) in [
        ("serch", "search"),
        ("migrat", "migrate"),
        ("quotta", "quota"),
    ] {
        let told = client.run(&[typed]).failed(2);
        assert!(
            told.contains(typed) && told.contains(&format!("“{meant}”")),
            "{told}"
        );
    }
    client.run(&["qqqqqqqq"]).failed(2);
    client.run(&["help", "qqqqqqqq"]).failed(2);
    client.run(&["search", "x", "--drvie", "aliyun"]).failed(2);
    client.run(&["search", "x", "--server"]).failed(1);
    client
        .run(&["--server", "wharf.example.com", "search", "x"])
        .failed(1);
    client.run(&[]).failed(2);
}

#[tokio::test]
async fn a_pipe_that_nobody_reads_ends_a_command_quietly() {
    let client = Client::of(shared());
    for words in [&["help"][..], &["search", "x"]] {
        let mut child = client
            .command(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        drop(child.stdout.take());
        let ended = child.wait_with_output().expect("it ends");
        assert!(
            ended.status.success() && ended.stderr.is_empty(),
            "{ended:?}"
        );
    }
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .expect("the device");
    let ended = client
        .command(&["whoami"])
        .stdout(full)
        .output()
        .expect("it ends");
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
}

#[tokio::test]
async fn the_language_follows_the_locale() {
    let client = Client::of(shared());
    let mut command = client.command(&["whoami"]);
    command.env("LC_ALL", "zh_CN.UTF-8");
    assert!(Ran::of(command, "").ok().contains("访客"));
    assert!(client.run(&["whoami"]).ok().contains("visitor"));
}

#[tokio::test]
async fn lines_on_standard_input_run_one_after_another() {
    let email = address();
    let client = Client::registered(shared(), &email, PASSWORD);
    let shown = client
        .run_with(&["shell"], "whoami\n\nlanguage zh\nwhoami\n")
        .ok();
    assert_eq!(shown.matches(&email).count(), 2, "{shown}");
    assert!(shown.contains("用户"), "{shown}");
    // The exit code is that of the last, and `exit` ends it.
    assert_eq!(client.run_with(&["shell"], "whoami\nserch\n").code, 2);
    assert_eq!(client.run_with(&["shell"], "exit\nserch\n").code, 0);
    let one = client.run(&["shell", "-c", "whoami --json"]).json();
    assert_eq!(one["user"], email.as_str());
}

fn sha256(path: &Path) -> String {
    use sha2::{Digest as _, Sha256};
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    hex::encode(Sha256::digest(bytes))
}
