//! Mail by SMTP from the outbox (SH-14), to a real server.

use crate::sharing::market::Market;
use shared::store::Database;
use tests::{
    Encryption, Mailbox, PATIENCE, Received, SMTP_PASSWORD, TestApp, eventually, smtp_config,
    standing_address,
};

async fn received(mailbox: &Mailbox, address: &str) -> Received {
    eventually("the mail arrives", PATIENCE, async || {
        mailbox.received_by(address).into_iter().next()
    })
    .await
}

/// All that has arrived, once it is so many.
async fn arrived(mailbox: &Mailbox, count: usize) -> Vec<Received> {
    eventually("the mails arrive", PATIENCE, async || {
        Some(mailbox.received()).filter(|mails| mails.len() >= count)
    })
    .await
}

/// State, attempts and error of the one mail to this user.
async fn row(database: &dyn Database, user_id: &str) -> (String, i64, Option<String>) {
    let sql = "SELECT state, attempt, error FROM mails WHERE user_id = $1";
    let rows = database.query(sql, &[user_id.into()]).await.expect("rows");
    assert_eq!(rows.len(), 1, "{user_id}");
    let row = &rows[0];
    (
        row.get("state").expect("a text"),
        row.get("attempt").expect("a number"),
        row.get("error").expect("a text or none"),
    )
}

async fn until(market: &Market, user_id: &str, state: &str) -> (String, i64, Option<String>) {
    eventually(&format!("the mail is {state}"), PATIENCE, async || {
        Some(row(market.database(), user_id).await).filter(|row| row.0 == state)
    })
    .await
}

async fn takedown_is_told(builder: tests::Builder) {
    let mailbox = Mailbox::start();
    let app = builder.config(&mailbox.config()).start();
    let market = Market::of(&app).await;
    let reporter = app.user().await;
    market
        .taken_down("考研 <b>数学</b>", &reporter.user_id, "侵权 & more")
        .await;

    let to_publisher = received(&mailbox, &market.publisher_email).await;
    let to_reporter = received(&mailbox, &reporter.email).await;
    for (mail, to) in [
        (&to_publisher, &market.publisher_email),
        (&to_reporter, &reporter.email),
    ] {
        assert_eq!(mail.from, "noreply@wharf.example");
        assert_eq!(mail.to, std::slice::from_ref(to), "nobody else sees it");
        assert_eq!(mail.header("To").as_ref(), Some(to));
        let from = mail.header("From").expect("a sender");
        assert!(from.contains("noreply@wharf.example"), "{from}");
        assert!(mail.header("Date").is_some());
        assert_eq!(
            mail.header("Auto-Submitted").as_deref(),
            Some("auto-generated")
        );
        let kind = mail.header("Content-Type").expect("a type");
        assert!(kind.starts_with("multipart/alternative"), "{kind}");
        for part in ["text/plain", "text/html"] {
            assert!(mail.message.contains(part), "{part}");
        }
    }
    let id = to_publisher.header("Message-Id").expect("an id");
    assert!(
        id.starts_with("<taken.down.") && id.ends_with("@wharf.example>"),
        "{id}"
    );
    let id = to_reporter.header("Message-Id").expect("an id");
    assert!(id.starts_with("<confirmed."), "{id}");
    for user_id in [&market.publisher_id, &reporter.user_id] {
        let (_, attempt, error) = until(&market, user_id, "sent").await;
        assert_eq!((attempt, error), (1, None));
    }
    assert_eq!(mailbox.received().len(), 2);
    let log = app.log();
    assert!(!log.contains(SMTP_PASSWORD) && !log.contains("@example.com"));
}

#[tokio::test]
async fn a_takedown_is_told_to_both_sides_on_sqlite() {
    takedown_is_told(TestApp::sqlite()).await;
}

#[tokio::test]
async fn a_takedown_is_told_to_both_sides_on_postgresql() {
    if let Some(builder) = TestApp::postgres() {
        takedown_is_told(builder).await;
    }
}

#[tokio::test]
async fn a_title_adds_no_header_and_no_recipient() {
    let mailbox = Mailbox::start();
    let app = TestApp::sqlite().config(&mailbox.config()).start();
    let market = Market::of(&app).await;
    let title = "a\r\nBcc: everybody@example.com\r\nX-Evil: 1\r\n\r\nbody";
    market.rejected(title, "why\r\nX-Evil: 2").await;
    let mail = received(&mailbox, &market.publisher_email).await;
    assert_eq!(mail.to, std::slice::from_ref(&market.publisher_email));
    assert_eq!((mail.header("Bcc"), mail.header("X-Evil")), (None, None));
    let subject = mail.header("Subject").expect("a subject");
    assert!(subject.starts_with("Not approved: a Bcc:"), "{subject}");
}

#[tokio::test]
async fn mail_waits_for_a_server_that_is_down_and_is_sent_once() {
    let address = standing_address();
    let (_, port) = address.rsplit_once(':').expect("a port");
    let port = port.parse().expect("a number");
    let app = TestApp::sqlite().config(&smtp_config(port)).start();
    let market = Market::of(&app).await;
    market.rejected("a title", "a reason").await;
    eventually("it was tried twice", PATIENCE, async || {
        let (_, attempt, error) = row(market.database(), &market.publisher_id).await;
        (attempt >= 2).then_some(error)
    })
    .await;
    let (state, _, error) = row(market.database(), &market.publisher_id).await;
    assert_eq!(state, "pending");
    assert_eq!(error.as_deref(), Some("the mail server cannot be reached"));
    let mailbox = Mailbox::start_on(port);
    until(&market, &market.publisher_id, "sent").await;
    assert_eq!(arrived(&mailbox, 1).await.len(), 1);
    assert!(!app.log().contains(SMTP_PASSWORD));
}

#[tokio::test]
async fn a_recipient_that_is_put_off_gets_it_later_and_one_that_is_refused_never() {
    let mailbox = Mailbox::start();
    let app = TestApp::sqlite().config(&mailbox.config()).start();
    let market = Market::of(&app).await;
    market.set_email("later@example.com").await;
    market.rejected("a title", "a reason").await;
    let (_, attempt, _) = until(&market, &market.publisher_id, "sent").await;
    assert_eq!(attempt, 2);
    assert_eq!(arrived(&mailbox, 1).await[0].to, ["later@example.com"]);

    let other = Market::of(&app).await;
    other.set_email("nobody@example.com").await;
    other.rejected("a title", "a reason").await;
    let (_, attempt, error) = until(&other, &other.publisher_id, "dead").await;
    assert_eq!(attempt, 1, "it is not tried again");
    assert_eq!(error.as_deref(), Some("the mail server answered 550"));
    assert_eq!(mailbox.received().len(), 1);
}

async fn given_up_is_tried_again(builder: tests::Builder) {
    let mailbox = Mailbox::start();
    let app = builder.config(&mailbox.config()).start();
    let market = Market::of(&app).await;
    let said = |arguments: &[&str]| {
        let output = app.run(&[&["admin", "mails"], arguments].concat(), "");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("a text")
    };
    assert_eq!(said(&[]), "0 of 0\n");
    market.set_email("nobody@example.com").await;
    market.rejected("a title", "a reason").await;
    until(&market, &market.publisher_id, "dead").await;

    let list: serde_json::Value = serde_json::from_str(&said(&["--json"])).expect("JSON");
    assert_eq!(list["total"], 1, "{list}");
    let mail = &list["items"][0];
    assert_eq!(mail["kind"], "resource_rejected");
    assert_eq!(mail["attempts"], 1);
    assert_eq!(mail["error"], "the mail server answered 550");
    assert!(!list.to_string().contains("@example.com"), "{list}");
    let doctor = app.run(&["doctor"], "");
    let doctor = String::from_utf8(doctor.stdout).expect("a text");
    assert!(
        doctor.contains("warning  mail: mails that were given up: 1"),
        "{doctor}"
    );

    let unknown = app.run(&["admin", "mails", "--retry", "unknown"], "");
    assert_eq!(unknown.status.code(), Some(1));
    assert_eq!(said(&["--retry", "--json"]), "{\"retried\":1}\n");
    until(&market, &market.publisher_id, "dead").await;
    market.set_email("ada@example.com").await;
    let mail_id = mail["mail_id"].as_str().expect("a text");
    assert_eq!(
        said(&["--retry", mail_id]),
        "Mails that wait to be sent again: 1\n"
    );
    until(&market, &market.publisher_id, "sent").await;
    assert_eq!(arrived(&mailbox, 1).await[0].to, ["ada@example.com"]);
    assert_eq!(said(&[]), "0 of 0\n");
}

#[tokio::test]
async fn what_was_given_up_is_listed_and_tried_again_on_sqlite() {
    given_up_is_tried_again(TestApp::sqlite()).await;
}

#[tokio::test]
async fn what_was_given_up_is_listed_and_tried_again_on_postgresql() {
    if let Some(builder) = TestApp::postgres() {
        given_up_is_tried_again(builder).await;
    }
}

#[tokio::test]
async fn a_wrong_password_is_no_end_of_a_mail() {
    let mailbox = Mailbox::start();
    let config = mailbox.config().replace(SMTP_PASSWORD, "another");
    let app = TestApp::sqlite().config(&config).start();
    let market = Market::of(&app).await;
    market.rejected("a title", "a reason").await;
    let error = eventually("it was tried twice", PATIENCE, async || {
        let (state, attempt, error) = row(market.database(), &market.publisher_id).await;
        assert_eq!(state, "pending");
        (attempt >= 2).then_some(error)
    })
    .await;
    assert_eq!(error.as_deref(), Some("the mail server answered 535"));
    // Nor after a weekend of tries, which count up to the longest wait.
    let tried = "UPDATE mails SET attempt = 1000, run_at = 0 WHERE lease_owner IS NULL";
    eventually("it was tried a thousand times", PATIENCE, async || {
        let done = market.database().execute(tried, &[]).await;
        done.is_ok_and(|rows| rows == 1).then_some(())
    })
    .await;
    eventually("it is tried once more", PATIENCE, async || {
        let (state, attempt, _) = row(market.database(), &market.publisher_id).await;
        assert_eq!(state, "pending");
        (attempt < 100).then_some(())
    })
    .await;
    assert!(mailbox.received().is_empty());
}

#[tokio::test]
async fn a_worker_killed_after_sending_sends_again_under_the_same_id() {
    let mailbox = Mailbox::start();
    let builder = TestApp::sqlite().config(&mailbox.config());
    let mut app = builder.env("WHARF_CRASH_AT", "mail:sent").start();
    let market = Market::of(&app).await;
    market.rejected("a title", "a reason").await;
    let status = app.wait_for_end(PATIENCE);
    assert!(!status.success(), "{status}");
    market.end_leases().await;
    app.restart_with(&[]);
    until(&market, &market.publisher_id, "sent").await;
    let mails = arrived(&mailbox, 2).await;
    assert_eq!(mails.len(), 2, "at least once");
    assert_eq!(mails[0].header("Message-Id"), mails[1].header("Message-Id"));
}

#[tokio::test]
async fn without_a_server_mail_waits_untouched() {
    let app = TestApp::sqlite().start();
    let market = Market::of(&app).await;
    market.rejected("a title", "a reason").await;
    let anonymous = app.anonymous();
    crate::metrics::scrape_until(&anonymous, "the mail is counted", |now| {
        now.value("mail_pending", &[]) == 1.0 && now.value("mail_wait_seconds", &[]) > 0.0
    })
    .await;
    let row = row(market.database(), &market.publisher_id).await;
    assert_eq!(row, ("pending".to_owned(), 0, None));
}

#[tokio::test]
async fn an_encrypted_server_is_spoken_to_when_its_certificate_is_trusted() {
    for encryption in [Encryption::StartTls, Encryption::Tls] {
        let mailbox = Mailbox::encrypted(encryption);
        let builder = TestApp::sqlite().config(&mailbox.config());
        let mut app = builder.start();
        let market = Market::of(&app).await;
        market.rejected("a title", "a reason").await;
        let error = eventually("it was tried", PATIENCE, async || {
            let (state, _, error) = row(market.database(), &market.publisher_id).await;
            assert_eq!(state, "pending", "{encryption:?}");
            error
        })
        .await;
        assert_eq!(
            error, "the mail server's TLS does not hold",
            "{encryption:?}"
        );
        assert!(app.stop().success());
        app.restart_with(&[("SSL_CERT_FILE", &mailbox.certificate())]);
        until(&market, &market.publisher_id, "sent").await;
        assert_eq!(arrived(&mailbox, 1).await.len(), 1, "{encryption:?}");
    }
}
