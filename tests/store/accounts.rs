//! Users, sessions, the throttle.

use crate::{NOW, both, id};
use shared::Code;
use shared::domain::account::{Audience, Role};
use shared::limits::{LOGIN_WINDOW_S, REFRESH_TOKEN_S};
use shared::store::accounts;
use shared::store::sessions::{self, Rotation};
use shared::store::users::{self, User};
use shared::store::{Database, logins};

const LATER: i64 = NOW + REFRESH_TOKEN_S * 1000;

pub fn user(email: &str, role: Role) -> User {
    User {
        user_id: id(),
        audience: role.audience(),
        email: email.to_owned(),
        password_hash: "hash-1".to_owned(),
        nickname: "Ada".to_owned(),
        role,
        daily_limit: None,
        blocked_at: None,
        created_at: NOW,
    }
}

async fn with_session(database: &dyn Database, email: &str) -> (User, String) {
    let user = user(email, Role::User);
    users::insert(database, &user).await.unwrap();
    let session = id();
    assert!(
        sessions::open(database, &session, &user, NOW, LATER)
            .await
            .unwrap()
    );
    (user, session)
}

#[tokio::test]
async fn an_address_is_taken_once_in_each_realm() {
    for fixture in both().await {
        let database = &*fixture.database;
        users::insert(database, &user("ada@example.com", Role::User))
            .await
            .unwrap();
        users::insert(database, &user("ada@example.com", Role::Admin))
            .await
            .unwrap();
        let twice = users::insert(database, &user("ada@example.com", Role::Vip)).await;
        assert_eq!(twice.unwrap_err().code, Code::Conflict, "{}", fixture.name);
        let admin = users::find_by_email(database, Audience::Admins, "ada@example.com").await;
        assert_eq!(admin.unwrap().unwrap().role, Role::Admin);
        let nobody = users::find_by_email(database, Audience::Users, "bob@example.com").await;
        assert!(nobody.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_profile_changes_by_what_is_given() {
    for fixture in both().await {
        let database = &*fixture.database;
        let (user, _) = with_session(database, "n@example.com").await;
        let id = user.user_id.as_str();
        for (nickname, bio, wanted) in [
            (Some("昵称"), None, ("昵称", "")),
            (None, Some("about me"), ("昵称", "about me")),
            (Some("Ada"), Some(""), ("Ada", "")),
        ] {
            users::set_profile(database, id, nickname, bio, NOW)
                .await
                .unwrap();
            let account = accounts::find(database, id, NOW).await.unwrap().unwrap();
            assert_eq!((&*account.nickname, &*account.bio), wanted);
        }
    }
}

#[tokio::test]
async fn a_session_holds_until_it_expires() {
    for fixture in both().await {
        let database = &*fixture.database;
        let (user, session) = with_session(database, "s@example.com").await;
        let found = sessions::user_of(database, &session, NOW)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.user_id, user.user_id);
        assert!(
            sessions::user_of(database, &session, LATER)
                .await
                .unwrap()
                .is_none()
        );
        assert!(
            sessions::user_of(database, &id(), NOW)
                .await
                .unwrap()
                .is_none()
        );
        assert_eq!(sessions::purge(database, LATER + 1).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_refresh_rotates_and_reuse_revokes_the_family() {
    for fixture in both().await {
        let database = &*fixture.database;
        let (user, session) = with_session(database, "r@example.com").await;
        let rotate = |used| sessions::rotate(database, &session, used, NOW, LATER + 1);
        let expected = Rotation::Rotated {
            user_id: user.user_id.clone(),
            rotation: 1,
        };
        assert_eq!(rotate(0).await.unwrap(), expected, "{}", fixture.name);
        assert_eq!(rotate(0).await.unwrap(), Rotation::Reused);
        assert_eq!(rotate(1).await.unwrap(), Rotation::Ended);
        assert!(
            sessions::user_of(database, &session, NOW)
                .await
                .unwrap()
                .is_none()
        );
    }
}

#[tokio::test]
async fn of_two_refreshes_at_once_one_wins() {
    for fixture in both().await {
        let database = &*fixture.database;
        let (_, session) = with_session(database, "two@example.com").await;
        let attempts = (0..8).map(|_| sessions::rotate(database, &session, 0, NOW, LATER));
        let outcomes = futures_util::future::join_all(attempts).await;
        let rotated = outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Ok(Rotation::Rotated { .. })));
        assert_eq!(rotated.count(), 1, "{}", fixture.name);
    }
}

#[tokio::test]
async fn logging_out_ends_every_session_of_that_user_only() {
    for fixture in both().await {
        let database = &*fixture.database;
        let (user, first) = with_session(database, "out@example.com").await;
        let second = id();
        assert!(
            sessions::open(database, &second, &user, NOW, LATER)
                .await
                .unwrap()
        );
        let (_, other) = with_session(database, "in@example.com").await;
        sessions::revoke_all(database, &user.user_id, NOW)
            .await
            .unwrap();
        for session in [&first, &second] {
            assert!(
                sessions::user_of(database, session, NOW)
                    .await
                    .unwrap()
                    .is_none()
            );
            let refreshed = sessions::rotate(database, session, 0, NOW, LATER)
                .await
                .unwrap();
            assert!(!matches!(refreshed, Rotation::Rotated { .. }));
        }
        assert!(
            sessions::user_of(database, &other, NOW)
                .await
                .unwrap()
                .is_some()
        );
    }
}

#[tokio::test]
async fn a_password_change_ends_sessions_and_what_was_about_to_open() {
    for fixture in both().await {
        let database = &*fixture.database;
        let (user, session) = with_session(database, "p@example.com").await;
        let change = |old, new| users::replace_password(database, &user.user_id, old, new, NOW);
        assert!(change("hash-1", "hash-2").await.unwrap());
        assert!(!change("hash-1", "hash-3").await.unwrap());
        assert!(
            sessions::user_of(database, &session, NOW)
                .await
                .unwrap()
                .is_none()
        );
        let late = sessions::open(database, &id(), &user, NOW, LATER)
            .await
            .unwrap();
        assert!(!late, "a login with the old password opened a session");
    }
}

#[tokio::test]
async fn failed_logins_count_in_a_window() {
    for fixture in both().await {
        let database = &*fixture.database;
        let ends = NOW + LOGIN_WINDOW_S * 1000;
        for expected in 1..=3 {
            let counted = logins::count(database, "account:a", NOW + expected)
                .await
                .unwrap();
            assert_eq!(counted, (expected, ends + 1), "{}", fixture.name);
        }
        logins::forgive(database, "account:a").await.unwrap();
        assert_eq!(
            logins::count(database, "account:a", NOW + 4)
                .await
                .unwrap()
                .0,
            3
        );
        let next_window = logins::count(database, "account:a", ends + 1)
            .await
            .unwrap();
        assert_eq!(next_window.0, 1);
        logins::clear(database, "account:a").await.unwrap();
        assert_eq!(
            logins::count(database, "account:a", ends + 2)
                .await
                .unwrap()
                .0,
            1
        );
        let counts = (0..20).map(|_| logins::count(database, "address:x", NOW));
        let mut counts: Vec<i64> = futures_util::future::join_all(counts)
            .await
            .into_iter()
            .map(|counted| counted.unwrap().0)
            .collect();
        counts.sort_unstable();
        assert_eq!(counts, (1..=20).collect::<Vec<i64>>());
        assert!(logins::purge(database, ends * 2).await.unwrap() >= 2);
    }
}
