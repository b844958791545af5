//! The rows that are asked for: one user with a session and finished downloads, the same in each database.

use runtime::clock::now_ms;
use runtime::command::migrate;
use runtime::database::Handle;
use shared::auth::token::{self, Subject};
use shared::domain::account::{Audience, Role};
use shared::limits::REFRESH_TOKEN_S;
use shared::store::claims::{self, Room};
use shared::store::queue::{self, Finished, Held};
use shared::store::tasks::{self, NewTask};
use shared::store::users::{self, User};
use shared::store::{Database, sessions};
use std::path::Path;

const TASKS: usize = 1_000;
const RESULT: &str = r#"{"file_name":"A clip of some length.mp4","file_size":73400320,"md5":"9e107d9d372bb6826bd81d3542a419d6","sha256":"d7a8fbb307d7809469ca9abcb0082e4f8d5651e46d3cdb762d02d0bf37c9e592"}"#;

pub struct Rows {
    user: User,
    session_id: String,
    task_ids: Vec<String>,
    now: i64,
    /// The user's access token.
    pub token: String,
}

/// The key that signs users' tokens, from the data folder of a product that has been started.
pub fn users_key(data: &Path) -> String {
    let text = std::fs::read_to_string(data.join("keys.toml")).expect("the product's keys");
    let keys: toml::Table = text.parse().expect("TOML");
    keys["users"].as_str().expect("the users' key").to_owned()
}

impl Rows {
    pub fn new(key: &str) -> Self {
        let id = || uuid::Uuid::now_v7().to_string();
        let now = now_ms();
        let user = User {
            user_id: id(),
            audience: Audience::Users,
            email: "someone@example.com".to_owned(),
            password_hash: "none".to_owned(),
            nickname: "Someone".to_owned(),
            role: Role::User,
            daily_limit: None,
            blocked_at: None,
            created_at: now,
        };
        let session_id = id();
        let subject = Subject {
            audience: Audience::Users,
            user_id: &user.user_id,
            role: Role::User,
            session_id: &session_id,
        };
        let (token, _) = token::issue_pair(key, &subject, 0, now / 1000).expect("tokens");
        Self {
            user,
            session_id,
            task_ids: (0..TASKS).map(|_| id()).collect(),
            now,
            token,
        }
    }

    /// The URL path of each task.
    pub fn paths(&self) -> Vec<String> {
        let ids = self.task_ids.iter();
        ids.map(|id| format!("/api/v1/tasks/{id}")).collect()
    }

    /// Writes all of it into the SQLite database of a data folder.
    pub async fn write(&self, data: &Path) {
        let handle = Handle::open("", data).expect("the database opens");
        migrate::apply(&handle).await.expect("it is up to date");
        let database = handle.database();
        users::insert(&*database, &self.user).await.expect("a user");
        let expires_at = self.now + REFRESH_TOKEN_S * 1000;
        let opened = sessions::open(
            &*database,
            &self.session_id,
            &self.user,
            self.now,
            expires_at,
        )
        .await;
        assert!(opened.expect("a session"));
        self.write_tasks(&*database).await.expect("the tasks");
    }

    async fn write_tasks(&self, database: &dyn Database) -> shared::Result<()> {
        for task_id in &self.task_ids {
            let task = NewTask {
                task_id: task_id.clone(),
                kind: "video",
                owner_id: self.user.user_id.clone(),
                name: "A clip of some length".to_owned(),
                spec: r#"{"url":"https://media.example/clip.mp4","mode":"archive","quality":"best","format":"mp4"}"#.to_owned(),
                idempotency_key: None,
                request_hash: "hash".to_owned(),
                request_id: "request".to_owned(),
                site: "media.example".to_owned(),
                quota: None,
        callback: None,
                now: self.now,
            };
            tasks::submit(database, &task).await?;
        }
        let limit = i64::try_from(TASKS).expect("few");
        for task in claims::claim(
            database,
            &Room::any("bench", "video", limit),
            self.now,
            self.now + 60_000,
        )
        .await?
        {
            let claim = Held {
                task_id: task.task_id,
                fence: task.fence,
            };
            let finished = Finished {
                name: task.name,
                progress: r#"{"percent":100.0,"stage":"done","downloaded_bytes":73400320,"total_bytes":73400320}"#.to_owned(),
                result: RESULT.to_owned(),
                file_path: format!("archive/{}/clip.mp4", claim.task_id),
                file_size: 73_400_320,
                expires_at: None,
            };
            queue::finish(database, &claim, &finished, self.now).await?;
        }
        Ok(())
    }
}
