//! The same logic without components: what `functions/task-status` does, in one `axum` handler.

use axum::extract::{Path, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt as _;
use runtime::clock::now_ms;
use runtime::database::Handle;
use shared::auth::token::{self, Purpose};
use shared::domain::account::Audience;
use shared::store::{Database, sessions, tasks};
use shared::wire::envelope;
use shared::wire::task::TaskAnswer;
use shared::{Error, Result};
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

/// Makes the benchmark's program be this server; behind it the data folder and the users' key.
pub const ARGUMENT: &str = "serve-natively";

/// The server as a process; it ends with this.
pub struct Server {
    process: Child,
    base: String,
}

struct Native {
    database: Arc<dyn Database>,
    key: String,
}

impl Server {
    pub fn start(data: &std::path::Path, key: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("a path"))
            .arg(ARGUMENT)
            .arg(data)
            .arg(key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut base = String::new();
        let stdout = process.stdout.take().expect("a pipe");
        BufReader::new(stdout)
            .read_line(&mut base)
            .expect("a line with the address");
        Self {
            process,
            base: base.trim().to_owned(),
        }
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The end of its stdin ends it.
        drop(self.process.stdin.take());
        let _ended = self.process.wait();
    }
}

/// Serves until stdin ends; says its address on stdout.
pub fn serve(data: &str, key: &str) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let handle = Handle::open("", data.as_ref()).expect("the database opens");
    let native = Arc::new(Native {
        database: handle.database(),
        key: key.to_owned(),
    });
    let router = axum::Router::new()
        .route("/api/v1/tasks/{id}", get(task))
        .route("/hello", get(async || "hello\n"))
        .with_state(native);
    runtime.spawn(async move {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port");
        println!("http://{}", listener.local_addr().expect("an address"));
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        axum::serve(listener, router).await
    });
    let _ended = std::io::stdin().read_to_end(&mut Vec::new());
}

async fn task(
    State(native): State<Arc<Native>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    match answer(&native, &id, &headers).await {
        Ok(body) => {
            let headers = [
                (CONTENT_TYPE.as_str(), "application/json"),
                ("x-request-id", &uuid::Uuid::now_v7().to_string()),
                ("x-content-type-options", "nosniff"),
            ];
            (headers, body).into_response()
        }
        Err(error) => {
            let status = axum::http::StatusCode::from_u16(error.code.status());
            (status.unwrap_or_default(), envelope::failure(&error)).into_response()
        }
    }
}

async fn answer(native: &Native, id: &str, headers: &HeaderMap) -> Result<Vec<u8>> {
    let now = now_ms();
    let bearer = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
        .ok_or_else(token::bad_token)?;
    let audience = Audience::Users;
    let claims = token::verify(&native.key, bearer, audience, Purpose::Access, now / 1000)?;
    let user = sessions::user_of(&*native.database, &claims.sid, now)
        .await?
        .filter(|user| user.user_id == claims.sub && user.audience == audience)
        .ok_or_else(token::bad_token)?;
    let id = uuid::Uuid::try_parse(id).map_err(|_| Error::invalid("task_id", "not an id"))?;
    let task = tasks::find(&*native.database, &id.to_string())
        .await?
        .ok_or_else(|| Error::not_found("task"))?;
    if task.owner_id != user.user_id {
        return Err(Error::forbidden("task"));
    }
    envelope::success(&TaskAnswer::from_task(&task)?).map_err(Error::internal)
}
