//! Resources and decisions about them, written through the store beside a running app.

use serde_json::Value;
use shared::domain::coins::Coins;
use shared::domain::directory::Directory;
use shared::domain::drive::ShareLink;
use shared::store::resources::{self, Change, NewResource, Resource};
use shared::store::reviews::{self, State};
use shared::store::{Database, checks, directories, links};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tests::TestApp;

/// A publisher, and the app's database.
pub struct Market {
    database: Arc<dyn Database>,
    pub publisher_id: String,
    pub publisher_email: String,
}

fn id() -> String {
    uuid::Uuid::now_v7().to_string()
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("a clock").as_millis() as i64
}

impl Market {
    /// With a new publisher.
    pub async fn of(app: &TestApp) -> Self {
        let publisher = app.user().await;
        Self {
            publisher_id: publisher.user_id.clone(),
            publisher_email: publisher.email.clone(),
            ..Self::of_stopped(app)
        }
    }

    /// Without a publisher, while the app does not run.
    pub fn of_stopped(app: &TestApp) -> Self {
        Self {
            database: app.database(),
            publisher_id: String::new(),
            publisher_email: String::new(),
        }
    }

    pub fn database(&self) -> &dyn Database {
        &*self.database
    }

    async fn link(&self, url: &str, code: &str) -> (String, ShareLink) {
        let link = ShareLink::parse(url, code).expect("a link");
        let link_id = id();
        let inserted = links::insert(self.database(), &link_id, &link, now_ms()).await;
        inserted.expect("it is written");
        (link_id, link)
    }

    /// Publishes a share with an empty tree; its id and its review's.
    async fn publish(&self, url: &str, code: &str, title: &str) -> (String, String) {
        let (link_id, link) = self.link(url, code).await;
        let (resource_id, review_id, directory_id) = (id(), id(), id());
        let empty = Directory::default();
        let inserted = directories::insert(self.database(), &directory_id, &empty, now_ms()).await;
        inserted.expect("it is written");
        let new = NewResource {
            resource_id: resource_id.clone(),
            publisher_id: self.publisher_id.clone(),
            drive: link.drive,
            title: title.to_owned(),
            bio: String::new(),
            price: Coins::from_hundredths(0),
            total_size: 0,
            link_id,
            directory_id,
            review_id: review_id.clone(),
            idempotency_key: None,
            request_hash: String::new(),
            now: now_ms(),
        };
        let published = resources::publish(self.database(), &new).await;
        published.expect("it is published");
        (resource_id, review_id)
    }

    async fn decide(&self, review_id: &str, state: State, reason: &str) {
        let (database, now) = (self.database(), now_ms());
        let decided = reviews::decide(database, review_id, state, Some(reason), "reviewer", now);
        assert!(decided.await.expect("it is decided"));
    }

    /// A resource that is for sale, and is being checked.
    pub async fn approved(&self, url: &str, code: &str) -> String {
        let (resource_id, review_id) = self.publish(url, code, "a title").await;
        self.decide(&review_id, State::Approved, "").await;
        resource_id
    }

    /// A resource of this title that a reviewer refuses.
    pub async fn rejected(&self, title: &str, reason: &str) {
        let url = "https://www.alipan.com/s/abcdef";
        let (_, review_id) = self.publish(url, "", title).await;
        self.decide(&review_id, State::Rejected, reason).await;
    }

    /// A resource of this title that this user reports and a reviewer takes down.
    pub async fn taken_down(&self, title: &str, reporter_id: &str, reason: &str) {
        let url = "https://www.alipan.com/s/abcdef";
        let (resource_id, review_id) = self.publish(url, "", title).await;
        self.decide(&review_id, State::Approved, "").await;
        let (database, report_id, now) = (self.database(), id(), now_ms());
        let report = reviews::report(database, &report_id, &resource_id, reporter_id, "?", now);
        assert_eq!(
            report.await.expect("it is reported"),
            Some(report_id.clone())
        );
        self.decide(&report_id, State::Approved, reason).await;
    }

    pub async fn replace_link(&self, resource_id: &str, url: &str, code: &str) {
        let (link_id, link) = self.link(url, code).await;
        let change = Change {
            link: Some((link_id, link.drive)),
            review_id: id(),
            now: now_ms(),
            ..Change::default()
        };
        let publisher = &self.publisher_id;
        let changed = resources::change(self.database(), resource_id, publisher, &change).await;
        assert!(changed.expect("it is changed"));
    }

    pub async fn resource(&self, resource_id: &str) -> Resource {
        let found = resources::find(self.database(), resource_id).await;
        found.expect("an answer").expect("a resource")
    }

    pub async fn tree(&self, directory_id: &str) -> Value {
        let tree = directories::tree(self.database(), directory_id).await;
        let tree = tree.expect("an answer").expect("a tree");
        serde_json::from_str(&tree).expect("it is JSON")
    }

    /// Asks for another check, as if the last one were old.
    pub async fn check_again(&self, resource_id: &str) {
        let now = now_ms();
        let asked = checks::request(self.database(), resource_id, now + 1, now).await;
        assert!(asked.expect("an answer"), "a check is pending");
    }

    /// Ends all leases, as their time would.
    pub async fn end_leases(&self) {
        for table in ["checks", "mails"] {
            let sql =
                format!("UPDATE {table} SET lease_expires_at = 1 WHERE lease_owner IS NOT NULL");
            let ended = self.database().execute(&sql, &[]).await;
            ended.expect("they end");
        }
    }

    pub async fn set_email(&self, email: &str) {
        let parameters = [email.into(), self.publisher_id.as_str().into()];
        let sql = "UPDATE users SET email = $1 WHERE user_id = $2";
        let changed = self.database().execute(sql, &parameters).await;
        assert_eq!(changed.expect("it is changed"), 1);
    }
}
