//! What operators see and decide: users, proxies, cookie jars, workers, tools, findings.

use crate::accounts::user;
use crate::{NOW, both, id};
use shared::domain::account::Role;
use shared::domain::page::Page;
use shared::domain::proxy::{Mode, Policy};
use shared::limits::REFRESH_TOKEN_S;
use shared::store::cookies::{self, Jar};
use shared::store::findings::{self, FILE_WITHOUT_ROW, Finding};
use shared::store::proxies::{self, Decision, ProxyEvent};
use shared::store::sessions;
use shared::store::tools::{self, ToolRequest};
use shared::store::users::{self, Change};
use shared::store::workers::{self, WorkerRow};

const PAGE: Page = Page { number: 1, size: 2 };

#[tokio::test]
async fn users_are_found_by_the_beginning_of_their_address() {
    for fixture in both().await {
        let database = &*fixture.database;
        for email in [
            "ada@a.test",
            "adam@a.test",
            "a_d@a.test",
            "bob@a.test",
            "adb@a.test",
        ] {
            users::insert(database, &user(email, Role::User))
                .await
                .unwrap();
        }
        users::insert(database, &user("ada@a.test", Role::Admin))
            .await
            .unwrap();
        let (found, total) = users::list(database, "ada", PAGE).await.unwrap();
        let emails: Vec<&str> = found.iter().map(|user| user.email.as_str()).collect();
        assert_eq!(
            (emails, total),
            (vec!["ada@a.test", "adam@a.test"], 2),
            "{}",
            fixture.name
        );
        assert_eq!(users::list(database, "a_", PAGE).await.unwrap().1, 1);
        assert_eq!(users::list(database, "%", PAGE).await.unwrap().1, 0);
        assert_eq!(users::list(database, "", PAGE).await.unwrap().1, 5);
        assert_eq!(users::count(database).await.unwrap(), 5);
    }
}

#[tokio::test]
async fn a_blocked_user_has_no_session_and_gets_none() {
    for fixture in both().await {
        let database = &*fixture.database;
        let user = user("eve@a.test", Role::User);
        users::insert(database, &user).await.unwrap();
        let ends = NOW + REFRESH_TOKEN_S * 1000;
        let session = id();
        assert!(
            sessions::open(database, &session, &user, NOW, ends)
                .await
                .unwrap()
        );
        let block = Change {
            is_blocked: Some(true),
            role: Some(Role::Vip),
            daily_limit: Some(Some(7)),
        };
        let blocked = users::change(database, &user.user_id, block, NOW + 1)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (blocked.blocked_at, blocked.role, blocked.daily_limit),
            (Some(NOW + 1), Role::Vip, Some(7)),
            "{}",
            fixture.name
        );
        assert!(
            sessions::user_of(database, &session, NOW)
                .await
                .unwrap()
                .is_none()
        );
        assert!(
            !sessions::open(database, &id(), &user, NOW, ends)
                .await
                .unwrap()
        );
        let free = Change {
            is_blocked: Some(false),
            daily_limit: Some(None),
            ..Change::default()
        };
        let free = users::change(database, &user.user_id, free, NOW + 2)
            .await
            .unwrap()
            .unwrap();
        assert_eq!((free.blocked_at, free.daily_limit), (None, None));
        assert!(
            sessions::user_of(database, &session, NOW)
                .await
                .unwrap()
                .is_none(),
            "the old session is back"
        );
        assert!(
            sessions::open(database, &id(), &user, NOW, ends)
                .await
                .unwrap()
        );
        assert!(
            users::change(database, &id(), free_role(), NOW)
                .await
                .unwrap()
                .is_none()
        );
    }
}

fn free_role() -> Change {
    Change {
        role: Some(Role::User),
        ..Change::default()
    }
}

#[tokio::test]
async fn the_proxies_policy_and_their_use_are_kept() {
    for fixture in both().await {
        let database = &*fixture.database;
        assert_eq!(proxies::policy(database).await.unwrap(), Policy::default());
        assert_eq!(proxies::decision(database).await.unwrap(), None);
        for mode in [Mode::Never, Mode::OnRefusal] {
            let decision = Decision {
                policy: Policy {
                    mode,
                    direct_sites: vec!["a.example".to_owned()],
                },
                updated_at: NOW,
                updated_by: "ada".to_owned(),
            };
            proxies::decide(database, &decision).await.unwrap();
            assert_eq!(
                proxies::policy(database).await.unwrap(),
                decision.policy,
                "{}",
                fixture.name
            );
            assert_eq!(proxies::decision(database).await.unwrap(), Some(decision));
        }
        for (n, outcome) in ["succeeded", "forbidden", "succeeded"]
            .into_iter()
            .enumerate()
        {
            let event = ProxyEvent {
                event_id: id(),
                at: NOW + n as i64,
                worker_id: "w".to_owned(),
                task_id: (n > 0).then(id),
                attempt: (n > 0).then_some(1),
                site: "a.example".to_owned(),
                proxy: (n > 0).then(|| "1.2.3.4:8080".to_owned()),
                outcome: outcome.to_owned(),
            };
            proxies::record(database, &event).await.unwrap();
        }
        let (events, total) = proxies::events(database, PAGE).await.unwrap();
        assert_eq!((events[0].at, events.len(), total), (NOW + 2, 2, 3));
        assert_eq!(
            proxies::outcomes(database, NOW).await.unwrap(),
            [("succeeded".to_owned(), 2), ("forbidden".to_owned(), 1)]
        );
        assert_eq!(proxies::purge(database, NOW + 1).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_site_has_one_jar_and_the_first_site_that_has_one_counts() {
    for fixture in both().await {
        let database = &*fixture.database;
        for (site, sealed) in [
            ("example.com", "old"),
            ("example.com", "new"),
            ("b.test", "b"),
        ] {
            let jar = Jar {
                site: site.to_owned(),
                cookies: 2,
                expires_at: None,
                updated_at: NOW,
                updated_by: "ada".to_owned(),
            };
            cookies::keep(database, &jar, sealed).await.unwrap();
        }
        assert_eq!(
            cookies::list(database, 10).await.unwrap().len(),
            2,
            "{}",
            fixture.name
        );
        let found = cookies::find(database, &["video.example.com", "example.com"])
            .await
            .unwrap();
        assert_eq!(found, Some(("example.com".to_owned(), "new".to_owned())));
        assert!(cookies::remove(database, "example.com").await.unwrap());
        assert!(!cookies::remove(database, "example.com").await.unwrap());
        assert_eq!(
            cookies::find(database, &["example.com"]).await.unwrap(),
            None
        );
    }
}

#[tokio::test]
async fn workers_are_seen_while_they_say_so() {
    for fixture in both().await {
        let database = &*fixture.database;
        let row = |id: &str, seen_at| WorkerRow {
            worker_id: id.to_owned(),
            started_at: NOW,
            seen_at,
            state: "{}".to_owned(),
        };
        for worker in [row("a", NOW), row("b", NOW), row("a", NOW + 5)] {
            workers::beat(database, &worker).await.unwrap();
        }
        let seen = workers::list(database, NOW + 1, 10).await.unwrap();
        assert_eq!(seen, [row("a", NOW + 5)], "{}", fixture.name);
        assert_eq!(workers::purge(database, NOW + 1).await.unwrap(), 1);
        workers::leave(database, "a").await.unwrap();
        assert!(workers::list(database, 0, 10).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn the_last_word_about_a_tool_counts() {
    for fixture in both().await {
        let database = &*fixture.database;
        assert_eq!(tools::requested(database, "yt-dlp").await.unwrap(), None);
        for version in ["2026.10.26", "latest"] {
            let request = ToolRequest {
                tool: "yt-dlp".to_owned(),
                version: version.to_owned(),
                requested_at: NOW,
                requested_by: "ada".to_owned(),
            };
            tools::request(database, &request).await.unwrap();
            assert_eq!(
                tools::requested(database, "yt-dlp").await.unwrap(),
                Some(request),
                "{}",
                fixture.name
            );
        }
    }
}

#[tokio::test]
async fn a_finding_keeps_its_first_time_and_goes_when_it_is_not_seen_again() {
    for fixture in both().await {
        let database = &*fixture.database;
        let finding = |path: &str, at| Finding {
            path: path.to_owned(),
            kind: FILE_WITHOUT_ROW.to_owned(),
            task_id: None,
            file_size: Some(5),
            found_at: at,
            seen_at: at,
        };
        for finding in [finding("a", NOW), finding("b", NOW), finding("a", NOW + 5)] {
            findings::note(database, &finding).await.unwrap();
        }
        assert_eq!(
            findings::purge(database, NOW + 5).await.unwrap(),
            1,
            "{}",
            fixture.name
        );
        let (left, total) = findings::list(database, PAGE).await.unwrap();
        assert_eq!(
            (left[0].found_at, left[0].seen_at, total),
            (NOW, NOW + 5, 1)
        );
    }
}
