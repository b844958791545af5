//! The commands as a whole: all are listed, explained and documented, and answer in JSON.

use super::{PASSWORD, address};
use crate::shared;
use std::collections::BTreeSet;
use tests::{Client, Ran, media, unique, workspace_root};

/// The names that `help` lists.
fn listed(client: &Client) -> Vec<String> {
    let list = client.run(&["shell", "-c", "help --json"]).json();
    let names = list.as_array().expect("a list").iter();
    names
        .map(|command| command["name"].as_str().expect("a name").to_owned())
        .collect()
}

#[tokio::test]
async fn help_lists_the_binarys_commands_and_then_the_languages() {
    let client = Client::of(shared());
    for words in [&["help"][..], &["--help"]] {
        let shown = client.run(words).ok();
        let (own, others) = shown.split_once("Client commands").expect("two lists");
        for name in [
            "up", "serve", "work", "sync", "migrate", "admin", "config", "shell",
        ] {
            assert!(own.contains(&format!("\n  {name} ")), "{name}: {own}");
        }
        for name in listed(&client) {
            assert!(others.contains(&format!("\n  {name} ")), "{name}: {others}");
        }
    }
    assert!(client.run(&["help", "search"]).ok().contains("--drive"));
    assert!(client.run(&["search", "--help"]).ok().contains("--drive"));
    assert!(
        client
            .run(&["help", "admin", "create"])
            .ok()
            .contains("--password-stdin")
    );
    assert!(client.run(&["--version"]).ok().starts_with("wharf "));
}

#[tokio::test]
async fn every_command_explains_itself_in_both_languages() {
    let client = Client::of(shared());
    for name in listed(&client) {
        let english = client.run(&["shell", "-c", &format!("help {name}")]).ok();
        assert!(english.contains(&format!("Usage: {name}")), "{english}");
        let mut command = client.command(&["shell", "-c", &format!("help {name}")]);
        command.env("LANG", "zh_CN.UTF-8");
        let chinese = Ran::of(command, "").ok();
        assert!(chinese.contains(&format!("用法：{name}")), "{chinese}");
    }
}

#[tokio::test]
async fn bash_completes_what_the_shell_completes_and_the_binarys_own_commands() {
    let client = Client::of(shared());
    let folder = tests::binary().parent().expect("a folder").to_owned();
    let completed = |words: &str| {
        let script = format!(
            "PATH={}:$PATH; source <(wharf completions bash); COMP_WORDS=(wharf {words}); \
             COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _wharf; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            folder.display()
        );
        let shown = Ran::of(client.program("bash", &["-c", &script]), "").ok();
        shown.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(completed("whoa"), ["whoami"]);
    assert_eq!(completed("migr"), ["migrate"]);
    assert_eq!(completed("search x --dri"), ["--drive"]);
    assert_eq!(completed("search 三体 --drive ''"), ["aliyun", "baidu"]);
}

#[tokio::test]
async fn every_command_is_in_the_documentation_as_it_is_used() {
    let path = workspace_root().join("docs/cli.md");
    let page = std::fs::read_to_string(path).expect("the page");
    let (_, page) = page.split_once("## Commands").expect("the list");
    let documented: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(usage, _)| usage.replace("\\|", "|"))
        .collect();
    let client = Client::of(shared());
    let usage = |name: &String| {
        let help = client.run(&["shell", "-c", &format!("help {name}")]).ok();
        let line = help.lines().find_map(|line| line.strip_prefix("Usage: "));
        line.expect("a usage").to_owned()
    };
    let used: BTreeSet<String> = listed(&client).iter().map(usage).collect();
    assert_eq!(documented, used, "docs/cli.md and the commands");
}

#[tokio::test]
async fn what_asks_answers_in_json_when_it_is_told_to() {
    let client = Client::registered(shared(), &address(), PASSWORD);
    let url = media().shelf().url("clip.mp4");
    client.run(&["get", &url, "--json"]).json();
    for words in [
        &["whoami"][..],
        &["profile"],
        &["profile", "--bio", "“三体” & <b>"],
        &["history"],
        &["quota"],
        &["stats"],
        &["tasks", "--status", "succeeded"],
        &["task", "1"],
        &["link", "1"],
        &["search", &unique()],
        &["mine"],
        &["orders", "--side", "sale"],
        &["coins"],
        &["ledger"],
        &["payments"],
        &["alias"],
    ] {
        let behind: Vec<&str> = words.iter().copied().chain(["--json"]).collect();
        let before: Vec<&str> = ["--json"]
            .into_iter()
            .chain(words.iter().copied())
            .collect();
        let answer = client.run(&behind).json();
        assert!(answer.is_object(), "{words:?}: {answer}");
        client.run(&before).json();
    }
}

#[tokio::test]
async fn what_reviewers_and_admins_ask_answers_in_json_too() {
    let app = shared();
    let email = format!("root-{}@example.com", unique());
    let made = app.run(
        &[
            "admin",
            "create",
            &email,
            "--role",
            "admin",
            "--password-stdin",
        ],
        &format!("{PASSWORD}\n"),
    );
    assert!(made.status.success(), "{made:?}");
    let client = Client::of(app);
    client.run(&["reviews"]).failed(1);
    client
        .run_with(&["login", "--admin", &email], &format!("{PASSWORD}\n"))
        .ok();
    for words in [
        &["reviews"][..],
        &["overview"],
        &["queue"],
        &["dead-letters"],
        &["users"],
        &["projects"],
        &["sites"],
        &["proxies"],
        &["findings"],
        &["tools"],
    ] {
        let all: Vec<&str> = words.iter().copied().chain(["--json"]).collect();
        client.run(&all).json();
        client.run(words).ok();
    }
}
