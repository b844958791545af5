//! Parse answers, tickets, duties.

use crate::{NOW, both};
use shared::store::tickets::{self, Bearer};
use shared::store::{duties, parses};

#[tokio::test]
async fn a_parse_answer_is_kept_for_its_time() {
    for fixture in both().await {
        let database = &*fixture.database;
        parses::keep(database, "hash", "{\"a\":1}", NOW + 10)
            .await
            .unwrap();
        parses::keep(database, "hash", "{\"a\":2}", NOW + 20)
            .await
            .unwrap();
        let found = parses::find(database, "hash", NOW + 19).await.unwrap();
        assert_eq!(found.as_deref(), Some("{\"a\":2}"), "{}", fixture.name);
        assert_eq!(
            parses::find(database, "hash", NOW + 20).await.unwrap(),
            None
        );
        assert_eq!(parses::find(database, "other", NOW).await.unwrap(), None);
        assert_eq!(parses::purge(database, NOW + 20).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_ticket_is_used_once() {
    for fixture in both().await {
        let database = &*fixture.database;
        let session = Bearer::Session("session".to_owned());
        tickets::insert(database, "t", &session, NOW + 10)
            .await
            .unwrap();
        let uses = (0..8).map(|_| tickets::redeem(database, "t", NOW));
        let redeemed: Vec<Bearer> = futures_util::future::join_all(uses)
            .await
            .into_iter()
            .filter_map(Result::unwrap)
            .collect();
        assert_eq!(redeemed, [session], "{}", fixture.name);
        let project = Bearer::Project {
            project_id: "project".to_owned(),
            issued_at: NOW,
        };
        for ticket in ["early", "late"] {
            tickets::insert(database, ticket, &project, NOW + 10)
                .await
                .unwrap();
        }
        let redeemed = tickets::redeem(database, "early", NOW + 9).await.unwrap();
        assert_eq!(redeemed, Some(project));
        let late = tickets::redeem(database, "late", NOW + 10).await.unwrap();
        assert_eq!(late, None);
        assert_eq!(tickets::purge(database, NOW + 10).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_duty_has_one_holder_and_passes_on_when_the_holder_dies() {
    for fixture in both().await {
        let database = &*fixture.database;
        let hold = |owner, now| duties::hold(database, "clean", owner, now, now + 100);
        assert!(hold("a", NOW).await.unwrap(), "{}", fixture.name);
        assert!(!hold("b", NOW + 50).await.unwrap());
        assert!(hold("a", NOW + 50).await.unwrap());
        assert!(!hold("b", NOW + 149).await.unwrap());
        assert!(hold("b", NOW + 150).await.unwrap());
        duties::release(database, "b").await.unwrap();
        assert!(hold("c", NOW + 151).await.unwrap());
    }
}
