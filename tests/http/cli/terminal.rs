//! The client on a terminal: the interactive shell, passwords that are not shown, Ctrl-C and Ctrl-D.

use super::{PASSWORD, address, mode};
use crate::shared;
use tests::{Client, media};

const CTRL_C: &str = "\u{3}";
const CTRL_D: &str = "\u{4}";
const UP: &str = "\u{1b}[A";
const PROMPT: &str = "wharf> ";

#[tokio::test]
async fn a_password_is_asked_for_and_never_shown() {
    let email = address();
    let client = Client::of(shared());
    let mut login = client.terminal(&["register", &email], 80);
    login.shows("New password: ");
    assert!(!login.echoes());
    login.press(&format!("{PASSWORD}\r"));
    login.shows("Welcome.");
    let (code, shown) = login.end();
    assert_eq!(code, 0, "{shown}");
    assert!(!shown.contains(PASSWORD), "{shown}");
    assert_eq!(
        client.run(&["whoami", "--json"]).json()["user"],
        email.as_str()
    );
}

#[tokio::test]
async fn ctrl_c_at_a_password_gives_the_terminal_back() {
    let client = Client::of(shared());
    // The shell stays, so that its terminal can be looked at.
    let mut shell = client.terminal(&["shell"], 80);
    shell.shows(PROMPT);
    shell.press("login ada@example.com\r");
    shell.shows("Password: ");
    assert!(!shell.echoes());
    shell.press("half");
    shell.press(CTRL_C);
    shell.shows(PROMPT);
    shell.press("exit\r");
    let (_, shown) = shell.end();
    assert!(!shown.contains("half"), "{shown}");

    let mut login = client.terminal(&["login", "ada@example.com"], 80);
    login.shows("Password: ");
    login.press(CTRL_C);
    assert_eq!(login.end().0, 130);
}

#[tokio::test]
async fn ctrl_c_ends_a_watch_with_130() {
    let client = Client::registered(shared(), &address(), PASSWORD);
    let shelf = media().shelf();
    let slow = shelf.url("slow.mp4");
    client.run(&["get", &slow, "--background"]).ok();
    let mut watch = client.terminal(&["watch", "1"], 80);
    watch.shows("downloading");
    assert!(watch.echoes());
    watch.press(CTRL_C);
    let (code, shown) = watch.end();
    assert_eq!(code, 130, "{shown}");
    assert!(
        !shown.contains("\u{1b}[?25l"),
        "the cursor is hidden: {shown}"
    );
    shelf.release();
}

#[tokio::test]
async fn ctrl_c_ends_a_command_of_the_shell_and_not_the_shell() {
    let client = Client::registered(shared(), &address(), PASSWORD);
    let shelf = media().shelf();
    let slow = shelf.url("slow.mp4");
    let mut shell = client.terminal(&["shell"], 80);
    shell.shows(PROMPT);
    shell.press(&format!("get {slow}\r"));
    shell.shows("downloading");
    shell.press(CTRL_C);
    shell.shows(PROMPT);
    shell.press(CTRL_C);
    shell.shows(PROMPT);
    shelf.release();
    // The task goes on without anybody who watches.
    shell.press("watch 1\r");
    shell.shows("100%");
    shell.shows(PROMPT);
    shell.press(CTRL_D);
    assert_eq!(shell.end().0, 0);
}

#[tokio::test]
async fn bars_move_on_their_line_and_fit_the_terminal() {
    let client = Client::registered(shared(), &address(), PASSWORD);
    let shelf = media().shelf();
    let mut get = client.terminal(&["get", &shelf.url("slow.mp4")], 60);
    get.shows("downloading");
    get.shows("\u{1b}[1A");
    shelf.release();
    get.shows("100%");
    let (code, shown) = get.end();
    assert_eq!(code, 0, "{shown}");
    for line in shown.split("\r\n") {
        let visible = line.rsplit("\u{1b}[0J").next().unwrap_or(line);
        let plain: String = visible
            .split("\u{1b}[")
            .enumerate()
            .map(|(at, part)| {
                if at == 0 {
                    part
                } else {
                    part.split_once('m').map_or("", |(_, rest)| rest)
                }
            })
            .collect();
        let is_bar = plain.contains('%');
        assert!(!is_bar || plain.chars().count() <= 60, "{plain:?}");
    }
}

#[tokio::test]
async fn tab_completes_commands_options_and_their_values() {
    let client = Client::of(shared());
    let mut shell = client.terminal(&["shell"], 80);
    shell.shows(PROMPT);
    shell.press("whoa\t");
    shell.shows("whoami ");
    shell.press("\r");
    shell.shows("visitor");
    shell.shows(PROMPT);
    shell.press("search 三体 --dr\t");
    shell.shows("--drive ");
    shell.press("al\t");
    shell.shows("aliyun ");
    shell.press("\r");
    shell.shows(PROMPT);
    shell.press("co\t\t");
    shell.shows("coins");
    shell.shows("cookies");
    // The line as it was, below the list.
    shell.shows(PROMPT);
    shell.press(CTRL_C);
    shell.shows(PROMPT);
    shell.press(CTRL_D);
    assert_eq!(shell.end().0, 0);
}

#[tokio::test]
async fn history_comes_back_another_day_without_what_is_secret() {
    let client = Client::of(shared());
    let mut shell = client.terminal(&["shell"], 80);
    for line in [
        "search 三体 第一课",
        "publish https://pan.baidu.com/s/1 --code q1w2 --title Maps --price 1",
        " whoami",
        "quit",
    ] {
        shell.shows(PROMPT);
        shell.press(&format!("{line}\r"));
    }
    shell.end();
    let file = client.home().join(".config/wharf/history");
    assert_eq!(mode(&file), 0o600);
    let kept = std::fs::read_to_string(&file).expect("the history");
    assert!(kept.contains("search 三体 第一课"), "{kept}");
    assert!(!kept.contains("q1w2") && !kept.contains("whoami"), "{kept}");

    let mut shell = client.terminal(&["shell"], 80);
    shell.shows(PROMPT);
    shell.press(UP);
    shell.press(UP);
    shell.shows("search 三体 第一课");
    shell.press("\r");
    shell.shows("Nothing found.");
    shell.shows(PROMPT);
    shell.press(CTRL_D);
    shell.end();
}

#[tokio::test]
async fn what_costs_coins_is_asked_for_on_a_terminal() {
    let app = shared();
    let reviewer = app.reviewer().await;
    let publisher = app.user().await;
    let made = tests::publication(&tests::unique(), "1.00");
    let resource = publisher.published(&made, &reviewer).await;
    let client = Client::registered(app, &address(), PASSWORD);
    let profile = client.run(&["profile", "--json"]).json();
    app.give_coins(profile["user_id"].as_str().expect("an id"), 1000)
        .await;
    let mut buy = client.terminal(&["buy", &resource], 80);
    buy.shows("[y/N]");
    assert!(buy.echoes());
    buy.press("n\r");
    buy.shows("Not bought.");
    assert_eq!(buy.end().0, 2);
    let mut buy = client.terminal(&["buy", &resource], 80);
    buy.shows("[y/N]");
    buy.press("y\r");
    buy.shows("q1w2");
    assert_eq!(buy.end().0, 0);
}

#[tokio::test]
async fn colours_are_for_terminals_and_for_those_who_want_them() {
    let client = Client::of(shared());
    let coloured = client.terminal(&["help", "search"], 80).end().1;
    assert!(coloured.contains("\u{1b}[1m"), "{coloured:?}");
    let plain = client
        .terminal(&["help", "search", "--no-color"], 80)
        .end()
        .1;
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
    assert!(!client.run(&["help", "search"]).ok().contains('\u{1b}'));
}
