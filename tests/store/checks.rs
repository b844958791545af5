//! Checks of links: one at a time, by one worker, and its answer counts for the link that was asked for.

use crate::{Fixture, NOW, both, id};
use shared::domain::account::Role;
use shared::domain::check::Verdict;
use shared::domain::coins::Coins;
use shared::domain::directory::{Directory, Node, NodeType};
use shared::domain::drive::{Drive, ShareLink};
use shared::domain::resource::State;
use shared::store::checks::{self, Claim, Listing};
use shared::store::resources::{self, Change, NewResource, Resource};
use shared::store::{Database, directories, links, reviews, users};

const LEASE: i64 = 60_000;
pub const INTERVAL: i64 = 600_000;

/// A published resource; approved, when it is `ok`.
pub struct Published {
    pub resource_id: String,
    pub publisher_id: String,
    pub review_id: String,
    pub link_id: String,
}

pub async fn user(database: &dyn Database) -> String {
    let user = crate::accounts::user(&format!("{}@example.com", id()), Role::User);
    users::insert(database, &user).await.unwrap();
    user.user_id
}

pub async fn link(database: &dyn Database) -> String {
    let link_id = id();
    let link = ShareLink::parse("https://www.alipan.com/s/abcdef", "k3y9").unwrap();
    links::insert(database, &link_id, &link, NOW).await.unwrap();
    link_id
}

pub async fn publish(database: &dyn Database, title: &str) -> Published {
    let publisher_id = user(database).await;
    publish_as(database, publisher_id, title).await
}

async fn publish_as(database: &dyn Database, publisher_id: String, title: &str) -> Published {
    let published = Published {
        resource_id: id(),
        publisher_id,
        review_id: id(),
        link_id: link(database).await,
    };
    let new = publication(&published, title);
    resources::publish(database, &new).await.unwrap();
    published
}

pub fn publication(published: &Published, title: &str) -> NewResource {
    NewResource {
        resource_id: published.resource_id.clone(),
        publisher_id: published.publisher_id.clone(),
        drive: Drive::Aliyun,
        title: title.to_owned(),
        bio: String::new(),
        price: Coins::from_hundredths(0),
        total_size: 0,
        link_id: published.link_id.clone(),
        directory_id: "none".to_owned(),
        review_id: published.review_id.clone(),
        idempotency_key: None,
        request_hash: "hash".to_owned(),
        now: NOW,
    }
}

pub async fn approved(database: &dyn Database) -> Published {
    let published = publish(database, "a title").await;
    let (review, state) = (&published.review_id, reviews::State::Approved);
    let decided = reviews::decide(database, review, state, None, "reviewer", NOW).await;
    assert!(decided.unwrap());
    published
}

async fn claim_as(database: &dyn Database, worker: &str, now: i64) -> Vec<Claim> {
    let claim = checks::claim(database, Drive::Aliyun, worker, now, now + LEASE).await;
    claim.unwrap().into_iter().collect()
}

pub async fn claim_one(database: &dyn Database, now: i64) -> Claim {
    let mut claims = claim_as(database, "w", now).await;
    assert_eq!(claims.len(), 1, "{claims:?}");
    claims.remove(0)
}

pub async fn found(fixture: &Fixture, published: &Published) -> Resource {
    let found = resources::find(&*fixture.database, &published.resource_id).await;
    found.unwrap().expect("it is there")
}

pub async fn bad(fixture: &Fixture, claim: &Claim, now: i64) -> Option<i64> {
    checks::record_bad(&*fixture.database, claim, "w", INTERVAL, now)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_publication_is_checked_by_one_worker_at_a_time() {
    for fixture in both().await {
        let database = &*fixture.database;
        let published = approved(database).await;
        assert!(found(&fixture, &published).await.is_check_pending);
        let other = checks::claim(database, Drive::Baidu, "w", NOW, NOW).await;
        assert!(other.unwrap().is_none(), "another drive's loop");
        let (a, b) = tokio::join!(claim_as(database, "a", NOW), claim_as(database, "b", NOW));
        assert_eq!(a.len() + b.len(), 1, "{}: {a:?} {b:?}", fixture.name);
        assert!(claim_as(database, "c", NOW + LEASE - 1).await.is_empty());
        // The worker died; another one takes over, and the first one's answer is void.
        let late = a.into_iter().chain(b).next().unwrap();
        let next = claim_as(database, "c", NOW + LEASE).await;
        assert_eq!((next.len(), next[0].attempt), (1, 2), "{}", fixture.name);
        for worker in ["a", "b"] {
            let ok = checks::record_ok(database, &late, worker, Listing::Broken, NOW).await;
            assert!(!ok.unwrap());
            assert!(!checks::finish(database, &late, worker).await.unwrap());
            let held = checks::extend(database, &late, worker, NOW + LEASE).await;
            assert!(!held.unwrap());
        }
        assert!(
            checks::extend(database, &next[0], "c", NOW + 9 * LEASE)
                .await
                .unwrap()
        );
        assert!(claim_as(database, "d", NOW + 8 * LEASE).await.is_empty());
    }
}

#[tokio::test]
async fn one_check_of_a_publisher_is_under_way_at_a_time() {
    for fixture in both().await {
        let database = &*fixture.database;
        let busy = publish(database, "first").await;
        for title in ["second", "third"] {
            publish_as(database, busy.publisher_id.clone(), title).await;
        }
        let other = publish(database, "another's").await;
        let claim = async |now: i64| claim_as(database, "w", now).await.pop();
        let first = claim(NOW).await.expect("one is due");
        let second = claim(NOW).await.expect("another one is due");
        let mut claimed = [&first, &second].map(|claim| claim.resource_id.as_str());
        claimed.sort_unstable();
        assert!(claimed.contains(&&*other.resource_id), "{}", fixture.name);
        assert_eq!(claim(NOW).await, None, "{}", fixture.name);
        let of_busy = if first.resource_id == other.resource_id {
            &second
        } else {
            &first
        };
        assert!(checks::finish(database, of_busy, "w").await.unwrap());
        assert!(claim(NOW).await.is_some(), "{}: the next one", fixture.name);
        assert_eq!(claim(NOW).await, None);
        assert!(claim(NOW + LEASE).await.is_some(), "its worker died");
    }
}

#[tokio::test]
async fn what_a_publisher_says_of_files_counts_until_it_is_approved_or_the_drive_has_listed_them() {
    for fixture in both().await {
        let database = &*fixture.database;
        let published = publish(database, "waits").await;
        let say = async |of: &Published, directory_id: &str, link: Option<(String, Drive)>| {
            let change = Change {
                directory: Some((directory_id.to_owned(), 1)),
                link,
                review_id: id(),
                now: NOW + 1,
                ..Change::default()
            };
            resources::change(database, &of.resource_id, &of.publisher_id, &change)
                .await
                .unwrap()
        };
        let claim = claim_one(database, NOW).await;
        assert!(say(&published, "said", None).await, "{}", fixture.name);
        // The drive holds what stood when it was asked; by now another tree stands.
        let same = checks::record_ok(database, &claim, "w", Listing::Same, NOW + 2).await;
        assert!(!same.unwrap(), "{}", fixture.name);
        let resource = found(&fixture, &published).await;
        assert_eq!((resource.listed_at, resource.verdict), (None, None));
        let listed = Listing::Other {
            directory_id: "listed",
            total_size: 9,
        };
        let done = checks::record_ok(database, &claim, "w", listed, NOW + 3).await;
        assert!(done.unwrap());
        assert!(!say(&published, "said again", None).await);
        let resource = found(&fixture, &published).await;
        assert_eq!(
            (resource.directory_id.as_str(), resource.listed_at),
            ("listed", Some(NOW + 3))
        );
        // Of another link the drive has said nothing yet.
        let another = link(database).await;
        let another = Some((another, Drive::Aliyun));
        assert!(say(&published, "of another", another).await);
        let resource = found(&fixture, &published).await;
        assert_eq!(
            (resource.directory_id.as_str(), resource.listed_at),
            ("of another", None)
        );
        let seen = approved(database).await;
        assert!(!say(&seen, "unseen", None).await, "{}", fixture.name);
    }
}

#[tokio::test]
async fn what_was_said_of_death_is_void_when_the_share_opens() {
    for fixture in both().await {
        let database = &*fixture.database;
        let published = approved(database).await;
        let claim = claim_one(database, NOW).await;
        assert_eq!(bad(&fixture, &claim, NOW).await, Some(NOW));
        let opened = checks::record_opened(database, &claim, "w").await;
        assert!(opened.unwrap(), "{}", fixture.name);
        let later = NOW + 2 * INTERVAL;
        assert_eq!(bad(&fixture, &claim, later).await, Some(later));
        assert_eq!(found(&fixture, &published).await.state, State::Ok);
    }
}

#[tokio::test]
async fn a_link_that_buyers_have_and_a_tree_that_a_report_is_about_stay() {
    for fixture in both().await {
        let database = &*fixture.database;
        let published = approved(database).await;
        let (resource_id, publisher_id) = (&published.resource_id, &published.publisher_id);
        let purge = async || {
            let links = links::purge(database, NOW + 1).await.unwrap();
            (links, directories::purge(database, NOW + 1).await.unwrap())
        };
        let tree = Directory::default();
        directories::insert(database, "tree", &tree, NOW)
            .await
            .unwrap();
        let change = Change {
            link: Some((link(database).await, Drive::Aliyun)),
            directory: Some(("tree".to_owned(), 0)),
            review_id: id(),
            now: NOW,
            ..Change::default()
        };
        let changed = resources::change(database, resource_id, publisher_id, &change).await;
        assert!(changed.unwrap());
        link(database).await;
        assert_eq!(purge().await, (1, 0), "{}: nobody's link", fixture.name);
        let former = found(&fixture, &published).await.former_link_id;
        assert_eq!(former.as_deref(), Some(&*published.link_id));

        let approve = reviews::State::Approved;
        let decided = reviews::decide(database, &change.review_id, approve, None, "r", NOW).await;
        assert!(decided.unwrap());
        let (reporter, report_id) = (user(database).await, id());
        let report = reviews::report(database, &report_id, resource_id, &reporter, "?", NOW).await;
        assert_eq!(report.unwrap().as_ref(), Some(&report_id));
        let deleted = resources::delete(database, resource_id, publisher_id, NOW).await;
        assert!(deleted.unwrap());
        assert_eq!(purge().await, (0, 0), "{}: a report waits", fixture.name);
        let reject = reviews::State::Rejected;
        let decided = reviews::decide(database, &report_id, reject, None, "r", NOW).await;
        assert!(decided.unwrap());
        assert_eq!(
            purge().await,
            (0, 1),
            "{}: nobody looks at it",
            fixture.name
        );
    }
}

#[tokio::test]
async fn a_worker_that_stops_gives_its_checks_back_without_a_try() {
    for fixture in both().await {
        let database = &*fixture.database;
        approved(database).await;
        claim_one(database, NOW).await;
        let released = checks::release(database, Drive::Aliyun, "w").await.unwrap();
        assert_eq!(released, 1, "{}", fixture.name);
        assert_eq!(claim_one(database, NOW).await.attempt, 1);
    }
}

#[tokio::test]
async fn ok_notes_the_check_and_points_to_the_new_tree() {
    for fixture in both().await {
        let database = &*fixture.database;
        let published = approved(database).await;
        let version = version(database, &published).await;
        let claim = claim_one(database, NOW).await;
        let directory = Directory::new(vec![Node {
            name: "课程.mp4".to_owned(),
            kind: NodeType::File,
            size: Some(7),
            children: Vec::new(),
        }])
        .unwrap();
        directories::insert(database, "tree", &directory, NOW)
            .await
            .unwrap();
        let tree = Listing::Other {
            directory_id: "tree",
            total_size: 7,
        };
        let done = checks::record_ok(database, &claim, "w", tree, NOW + 5).await;
        assert!(done.unwrap(), "{}", fixture.name);
        assert!(checks::finish(database, &claim, "w").await.unwrap());
        let resource = found(&fixture, &published).await;
        assert_eq!(
            (
                resource.directory_id.as_str(),
                resource.total_size,
                resource.last_check_at
            ),
            ("tree", 7, Some(NOW + 5))
        );
        assert_eq!(resource.verdict.as_deref(), Some("ok"));
        assert!(!resource.is_check_pending);
        assert_eq!(self::version(database, &published).await, version + 1);
        // The same tree again changes nothing that the index holds.
        assert!(
            checks::request(database, &published.resource_id, NOW + 6, NOW + 9)
                .await
                .unwrap()
        );
        let claim = claim_one(database, NOW + 9).await;
        let done = checks::record_ok(database, &claim, "w", Listing::Same, NOW + 9).await;
        assert!(done.unwrap());
        assert_eq!(self::version(database, &published).await, version + 1);
        assert_eq!(found(&fixture, &published).await.directory_id, "tree");
    }
}

async fn version(database: &dyn Database, published: &Published) -> i64 {
    let sql = "SELECT version FROM resources WHERE resource_id = $1";
    let rows = database
        .query(sql, &[published.resource_id.as_str().into()])
        .await
        .unwrap();
    rows[0].get("version").unwrap()
}

#[tokio::test]
async fn two_bad_answers_invalidate_when_they_lie_apart() {
    for fixture in both().await {
        let database = &*fixture.database;
        let published = approved(database).await;
        let claim = claim_one(database, NOW).await;
        assert_eq!(
            bad(&fixture, &claim, NOW).await,
            Some(NOW),
            "{}",
            fixture.name
        );
        // Said again too soon, as by a worker that died in between.
        assert_eq!(bad(&fixture, &claim, NOW + INTERVAL - 1).await, Some(NOW));
        let resource = found(&fixture, &published).await;
        assert_eq!(resource.state, State::Ok);
        assert_eq!(resource.verdict.as_deref(), Some("bad"));
        assert!(
            checks::postpone(database, &claim, "w", 0, NOW + INTERVAL)
                .await
                .unwrap()
        );
        assert!(claim_as(database, "w", NOW + INTERVAL - 1).await.is_empty());

        let claim = claim_one(database, NOW + INTERVAL).await;
        assert_eq!(claim.attempt, 1, "its tries count anew");
        assert_eq!(bad(&fixture, &claim, NOW + INTERVAL).await, Some(NOW));
        assert!(checks::finish(database, &claim, "w").await.unwrap());
        assert_eq!(found(&fixture, &published).await.state, State::Invalidated);

        // Somebody looks, and it opens again.
        let at = NOW + 2 * INTERVAL;
        assert!(
            checks::request(database, &published.resource_id, at, at)
                .await
                .unwrap()
        );
        let claim = claim_one(database, at).await;
        assert!(
            checks::record_ok(database, &claim, "w", Listing::Broken, at)
                .await
                .unwrap()
        );
        assert_eq!(found(&fixture, &published).await.state, State::Ok);
        // And what was bad before does not count any more.
        assert_eq!(
            bad(&fixture, &claim, at + INTERVAL).await,
            Some(at + INTERVAL)
        );
        assert_eq!(found(&fixture, &published).await.state, State::Ok);
    }
}

#[tokio::test]
async fn what_is_not_for_sale_is_not_invalidated() {
    for fixture in both().await {
        let published = publish(&*fixture.database, "a title").await;
        let claim = claim_one(&*fixture.database, NOW).await;
        for now in [NOW, NOW + INTERVAL] {
            assert!(bad(&fixture, &claim, now).await.is_some());
        }
        let resource = found(&fixture, &published).await;
        assert_eq!(resource.state, State::Pending, "{}", fixture.name);
        assert_eq!(
            resource.verdict.as_deref(),
            Some("bad"),
            "its reviewer sees it"
        );
    }
}

#[tokio::test]
async fn an_answer_that_says_nothing_changes_no_state() {
    for fixture in both().await {
        let database = &*fixture.database;
        let published = approved(database).await;
        let claim = claim_one(database, NOW).await;
        assert_eq!(bad(&fixture, &claim, NOW).await, Some(NOW));
        for (verdict, checked_at) in [
            (Verdict::Uncertain, NOW),
            (Verdict::Locked, NOW + 2 * INTERVAL),
            (Verdict::Uncertain, NOW + 2 * INTERVAL),
        ] {
            let at = NOW + 2 * INTERVAL;
            let done = checks::record_unknown(database, &claim, "w", verdict, at).await;
            assert!(done.unwrap(), "{}", fixture.name);
            let resource = found(&fixture, &published).await;
            assert_eq!(resource.state, State::Ok);
            assert_eq!(resource.verdict.as_deref(), Some(verdict.as_str()));
            assert_eq!(resource.last_check_at, Some(checked_at), "{verdict:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_about_another_link_is_void() {
    for fixture in both().await {
        let database = &*fixture.database;
        let published = approved(database).await;
        let claim = claim_one(database, NOW).await;
        let change = Change {
            link: Some((link(database).await, Drive::Aliyun)),
            review_id: id(),
            now: NOW + 1,
            ..Change::default()
        };
        let (resource_id, publisher_id) = (&published.resource_id, &published.publisher_id);
        let changed = resources::change(database, resource_id, publisher_id, &change).await;
        assert!(changed.unwrap());
        // The same worker claims the check of the new link: but for that the claims look alike.
        let again = claim_one(database, NOW + 1).await;
        assert_eq!(again.attempt, claim.attempt, "{}", fixture.name);
        assert_ne!(again.link_id, claim.link_id);
        for now in [NOW, NOW + INTERVAL] {
            assert_eq!(bad(&fixture, &claim, now).await, None);
        }
        assert_eq!(found(&fixture, &published).await.verdict, None);
        // Nor does the end of the old check end the new one.
        let held = checks::extend(database, &claim, "w", NOW + LEASE).await;
        assert!(!held.unwrap());
        let back = checks::postpone(database, &claim, "w", 1, NOW + LEASE).await;
        assert!(!back.unwrap());
        assert!(!checks::finish(database, &claim, "w").await.unwrap());
        let done = checks::record_ok(database, &again, "w", Listing::Broken, NOW + 2).await;
        assert!(done.unwrap());
        assert!(checks::finish(database, &again, "w").await.unwrap());
    }
}

#[tokio::test]
async fn a_check_is_asked_for_when_the_last_one_is_old_and_none_is_pending() {
    for fixture in both().await {
        let database = &*fixture.database;
        let published = approved(database).await;
        let request = async |stale_before| {
            checks::request(database, &published.resource_id, stale_before, NOW)
                .await
                .unwrap()
        };
        assert!(!request(NOW + 1).await, "{}: one is pending", fixture.name);
        let claim = claim_one(database, NOW).await;
        checks::record_ok(database, &claim, "w", Listing::Broken, NOW)
            .await
            .unwrap();
        checks::finish(database, &claim, "w").await.unwrap();
        assert!(!request(NOW).await, "it was checked a moment ago");
        let asked = futures_util::future::join_all((0..8).map(|_| request(NOW + 1))).await;
        assert_eq!(asked.iter().filter(|done| **done).count(), 1);
        let pending = checks::pending(database).await.unwrap();
        assert_eq!(pending, [(Drive::Aliyun, 1)]);

        let (resource_id, publisher_id) = (&published.resource_id, &published.publisher_id);
        assert!(
            resources::delete(database, resource_id, publisher_id, NOW)
                .await
                .unwrap()
        );
        assert!(checks::pending(database).await.unwrap().is_empty());
        assert!(!request(NOW + 1).await, "it is deleted");
        assert!(
            !checks::request(database, "unknown", NOW, NOW)
                .await
                .unwrap()
        );
    }
}
