//! Decisions of reviewers, and what publishers and reporters do meanwhile.

use crate::checks::{INTERVAL, approved, bad, claim_one, found, link, publish, user};
use crate::{NOW, both, id};
use futures_util::future::join_all;
use shared::domain::drive::Drive;
use shared::domain::resource::State;
use shared::store::checks::Listing;
use shared::store::resources::{self, Change};
use shared::store::{Database, checks, mails, reviews};

async fn approve(database: &dyn Database, review_id: &str) -> bool {
    let state = reviews::State::Approved;
    reviews::decide(database, review_id, state, Some("it is spam"), "r", NOW)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_link_that_was_found_dead_before_its_approval_is_checked_once_more() {
    for fixture in both().await {
        let database = &*fixture.database;
        let published = publish(database, "dead").await;
        let claim = claim_one(database, NOW).await;
        for now in [NOW, NOW + INTERVAL] {
            bad(&fixture, &claim, now).await;
        }
        assert!(checks::finish(database, &claim, "w").await.unwrap());
        assert!(approve(database, &published.review_id).await);
        assert_eq!(found(&fixture, &published).await.state, State::Ok);
        let now = NOW + 2 * INTERVAL;
        let claim = claim_one(database, now).await;
        bad(&fixture, &claim, now).await;
        let state = found(&fixture, &published).await.state;
        assert_eq!(state, State::Invalidated, "{}", fixture.name);
    }
}

#[tokio::test]
async fn another_text_of_what_waits_is_another_review_and_no_other_check() {
    for fixture in both().await {
        let database = &*fixture.database;
        let published = publish(database, "before").await;
        let claim = claim_one(database, NOW).await;
        let change = Change {
            title: Some("after".to_owned()),
            review_id: id(),
            now: NOW + 1,
            ..Change::default()
        };
        let (resource_id, publisher_id) = (&published.resource_id, &published.publisher_id);
        let changed = resources::change(database, resource_id, publisher_id, &change).await;
        assert!(changed.unwrap());
        assert!(
            !approve(database, &published.review_id).await,
            "nobody sees it any more"
        );
        let done = checks::record_ok(database, &claim, "w", Listing::Same, NOW).await;
        assert!(done.unwrap(), "{}: the check goes on", fixture.name);
        assert!(checks::finish(database, &claim, "w").await.unwrap());
        assert!(approve(database, &change.review_id).await);
        let pending = checks::pending(database).await.unwrap();
        assert!(
            pending.is_empty(),
            "what was found good is not checked again"
        );
    }
}

#[tokio::test]
async fn of_decisions_about_one_resource_at_once_one_counts() {
    for fixture in both().await {
        let database = &*fixture.database;
        for _ in 0..20 {
            let published = approved(database).await;
            let resource_id = &published.resource_id;
            let mut reports = Vec::new();
            for _ in 0..4 {
                let (review_id, reporter) = (id(), user(database).await);
                let told = reviews::report(database, &review_id, resource_id, &reporter, "?", NOW);
                assert_eq!(told.await.unwrap(), Some(review_id.clone()));
                reports.push(review_id);
            }
            let late = user(database).await;
            let late_id = id();
            let (decided, reported) = tokio::join!(
                join_all(reports.iter().map(|review_id| approve(database, review_id))),
                reviews::report(database, &late_id, resource_id, &late, "?", NOW),
            );
            let count = decided.iter().filter(|decided| **decided).count();
            assert_eq!(count, 1, "{}", fixture.name);
            // Whoever came too late was told so; no report waits of what is gone.
            if reported.unwrap().is_some() {
                let left = reviews::find(database, &late_id).await.unwrap().unwrap();
                assert_eq!(left.state, reviews::State::Approved, "{}", fixture.name);
            }
        }
        // Each publisher was told once.
        let told = mails::claim(database, "w", NOW, NOW + 1, 1_000).await;
        let told = told.unwrap();
        let of_publishers = told
            .iter()
            .filter(|mail| mail.kind == "resource_taken_down");
        assert_eq!(of_publishers.count(), 20, "{}", fixture.name);
    }
}

#[tokio::test]
async fn a_decision_and_a_change_at_once_are_one_after_the_other() {
    for fixture in both().await {
        let database = &*fixture.database;
        for _ in 0..20 {
            let published = publish(database, "before").await;
            let change = Change {
                link: Some((link(database).await, Drive::Aliyun)),
                review_id: id(),
                now: NOW + 1,
                ..Change::default()
            };
            let (resource_id, publisher_id) = (&published.resource_id, &published.publisher_id);
            let (_, changed) = tokio::join!(
                approve(database, &published.review_id),
                resources::change(database, resource_id, publisher_id, &change),
            );
            assert!(changed.unwrap());
            let state = found(&fixture, &published).await.state;
            assert_eq!(
                state,
                State::Pending,
                "{}: the new link waits",
                fixture.name
            );
        }
    }
}
