//! The outbox of mail: written by the statement that decides, sent by one worker at a time.

use crate::checks::{publication, publish, user};
use crate::claims::Explaining;
use crate::{Fixture, NOW, both, id};
use shared::domain::drive::Drive;
use shared::domain::page::Page;
use shared::store::mails::{self, Backlog, Mail, Outcome};
use shared::store::{Database, checks, directories, links, resources, reviews, users};
use std::sync::Mutex;

const LEASE: i64 = 60_000;

async fn claim(database: &dyn Database, worker: &str, now: i64) -> Vec<Mail> {
    mails::claim(database, worker, now, now + LEASE, 9)
        .await
        .unwrap()
}

async fn decide(database: &dyn Database, review_id: &str, state: reviews::State, reason: &str) {
    let decided = reviews::decide(database, review_id, state, Some(reason), "reviewer", NOW).await;
    assert!(decided.unwrap());
}

/// A resource that is rejected; its mail waits.
async fn rejected(fixture: &Fixture) -> String {
    let published = publish(&*fixture.database, "标题 \"a\"").await;
    let (review, state) = (&published.review_id, reviews::State::Rejected);
    decide(&*fixture.database, review, state, "广告").await;
    published.publisher_id
}

#[tokio::test]
async fn a_rejection_writes_to_the_publisher_once() {
    for fixture in both().await {
        let database = &*fixture.database;
        let publisher_id = rejected(&fixture).await;
        let backlog = mails::backlog(database).await.unwrap();
        let expected = Backlog {
            pending: 1,
            oldest_at: Some(NOW),
        };
        assert_eq!(backlog, expected, "{}", fixture.name);
        let (a, b) = tokio::join!(claim(database, "a", NOW), claim(database, "b", NOW));
        let claimed: Vec<Mail> = a.into_iter().chain(b).collect();
        assert_eq!(claimed.len(), 1, "{}", fixture.name);
        let mail = &claimed[0];
        assert_eq!(
            (mail.kind.as_str(), mail.user_id.as_str()),
            ("resource_rejected", publisher_id.as_str())
        );
        let data: serde_json::Value = serde_json::from_str(&mail.data).unwrap();
        assert_eq!(
            data,
            serde_json::json!({ "title": "标题 \"a\"", "reason": "广告" })
        );
        let publisher = users::find(database, &publisher_id).await.unwrap();
        let address = mails::address(database, &mail.user_id).await.unwrap();
        assert_eq!(address, publisher.map(|publisher| publisher.email));
        assert_eq!(mails::address(database, "unknown").await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_takedown_writes_to_the_publisher_and_to_all_who_reported() {
    for fixture in both().await {
        let database = &*fixture.database;
        let published = publish(database, "a title").await;
        decide(database, &published.review_id, reviews::State::Approved, "").await;
        let reporters = [user(database).await, user(database).await];
        let mut first = None;
        for reporter in &reporters {
            let resource_id = &published.resource_id;
            let report = reviews::report(database, &id(), resource_id, reporter, "侵权", NOW).await;
            first = first.or(report.unwrap());
        }
        decide(
            database,
            &first.unwrap(),
            reviews::State::Approved,
            "confirmed",
        )
        .await;
        let mut told: Vec<(String, String)> = claim(database, "w", NOW)
            .await
            .into_iter()
            .map(|mail| (mail.kind, mail.user_id))
            .collect();
        told.sort();
        let mut expected: Vec<(String, String)> = reporters
            .into_iter()
            .map(|reporter| ("report_confirmed".to_owned(), reporter))
            .chain([("resource_taken_down".to_owned(), published.publisher_id)])
            .collect();
        expected.sort();
        assert_eq!(told, expected, "{}", fixture.name);
    }
}

#[tokio::test]
async fn a_mail_is_tried_again_until_it_is_sent_or_dead() {
    for fixture in both().await {
        let database = &*fixture.database;
        rejected(&fixture).await;
        let mail = claim(database, "w", NOW).await.remove(0);
        let retry = Outcome::Retry {
            run_at: NOW + 500,
            attempts: mail.attempt,
            why: "down".to_owned(),
        };
        assert!(
            !mails::record(database, &mail, "other", &retry, NOW)
                .await
                .unwrap()
        );
        assert!(
            mails::record(database, &mail, "w", &retry, NOW)
                .await
                .unwrap()
        );
        assert!(
            claim(database, "w", NOW + 499).await.is_empty(),
            "{}",
            fixture.name
        );
        let again = claim(database, "w", NOW + 500).await.remove(0);
        assert_eq!((again.attempt, &again.mail_id), (2, &mail.mail_id));
        // The worker dies, another one follows; what the first one says then is void.
        let next = claim(database, "next", NOW + 500 + LEASE).await.remove(0);
        assert!(
            !mails::record(database, &again, "w", &Outcome::Sent, NOW)
                .await
                .unwrap()
        );
        assert!(
            mails::record(database, &next, "next", &Outcome::Sent, NOW + 9)
                .await
                .unwrap()
        );
        assert!(claim(database, "w", NOW + 99 * LEASE).await.is_empty());
        assert_eq!(mails::backlog(database).await.unwrap(), Backlog::default());

        rejected(&fixture).await;
        let mail = claim(database, "w", NOW).await.remove(0);
        let dead = Outcome::Dead {
            why: "550".to_owned(),
        };
        assert!(
            mails::record(database, &mail, "w", &dead, NOW)
                .await
                .unwrap()
        );
        assert!(claim(database, "w", NOW + 99 * LEASE).await.is_empty());
        let first = Page { number: 1, size: 9 };
        let (listed, total) = mails::dead(database, first).await.unwrap();
        assert_eq!((listed.len(), total), (1, 1), "{}", fixture.name);
        assert_eq!(
            (&listed[0].mail_id, listed[0].error.as_deref()),
            (&mail.mail_id, Some("550"))
        );
        let revive = |mail_id| mails::revive(database, mail_id, NOW + 7);
        assert_eq!(revive(Some("another")).await.unwrap(), 0);
        assert_eq!(revive(None).await.unwrap(), 1, "{}", fixture.name);
        assert!(claim(database, "w", NOW + 6).await.is_empty());
        let revived = claim(database, "w", NOW + 7).await.remove(0);
        assert_eq!((revived.attempt, &revived.mail_id), (1, &mail.mail_id));
        assert!(
            mails::record(database, &revived, "w", &dead, NOW)
                .await
                .unwrap()
        );
        rejected(&fixture).await;
        assert_eq!(
            mails::purge(database, NOW + 1).await.unwrap(),
            2,
            "what waits stays"
        );
        assert_eq!(mails::backlog(database).await.unwrap().pending, 1);
    }
}

#[tokio::test]
async fn looking_for_mail_checks_and_room_for_a_publication_seeks_in_indexes() {
    let fixture = crate::open("SQLite", None).await;
    let published = publish(&*fixture.database, "a title").await;
    let explaining = Explaining(&*fixture.database, Mutex::default());
    claim(&explaining, "w", NOW).await;
    mails::purge(&explaining, NOW).await.unwrap();
    let first = Page { number: 1, size: 9 };
    mails::dead(&explaining, first).await.unwrap();
    mails::revive(&explaining, None, NOW).await.unwrap();
    mails::backlog(&explaining).await.unwrap();
    let aliyun = Drive::Aliyun;
    checks::claim(&explaining, aliyun, "w", NOW, NOW)
        .await
        .unwrap();
    checks::release(&explaining, aliyun, "w").await.unwrap();
    checks::request(&explaining, "r", NOW, NOW).await.unwrap();
    let another = publication(&published, "another title");
    resources::published(&explaining, &another).await.unwrap();
    resources::admit(&explaining, &published.publisher_id)
        .await
        .unwrap();
    links::purge(&explaining, NOW).await.unwrap();
    directories::purge(&explaining, NOW).await.unwrap();
    let plan = explaining.1.into_inner().unwrap();
    assert!(plan.len() > 6, "{plan:#?}");
    assert!(
        !plan.iter().any(|line| line.starts_with("SCAN")),
        "{plan:#?}"
    );
    // Counting what waits reads an index alone.
    let counting = Explaining(&*fixture.database, Mutex::default());
    checks::pending(&counting).await.unwrap();
    let plan = counting.1.into_inner().unwrap();
    assert!(
        plan.iter()
            .all(|line| line.contains("USING COVERING INDEX")),
        "{plan:#?}"
    );
}
