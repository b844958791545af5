//! Which yt-dlp the workers use, and which one they should.

use crate::workers;
use serde_json::json;
use shared::Result;
use shared::domain::account::Role;
use shared::domain::ytdlp::Release;
use shared::spin::caller::authenticate_admin;
use shared::spin::http::{Answer, Call, log_change};
use shared::spin::now_ms;
use shared::store::tools::{self, ToolRequest};
use shared::wire::tool::{
    InstalledVersion, RequestedVersion, ToolAnswer, ToolVersionRequest, ToolsAnswer,
};
use spin_sdk::http::Method;

const YTDLP: &str = "yt-dlp";

pub async fn show(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::GET])?;
    authenticate_admin(call, Role::Admin).await?;
    let workers = workers::present(call, now_ms()).await?;
    let requested = tools::requested(call.database().await?, YTDLP).await?;
    Answer::ok(&ToolsAnswer {
        ytdlp: ToolAnswer {
            requested: requested.map(RequestedVersion::from),
            workers: workers.into_iter().map(InstalledVersion::from).collect(),
        },
    })
}

/// 202: every worker brings its own up to it in its time.
pub async fn request_ytdlp(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::PUT])?;
    let admin = authenticate_admin(call, Role::Admin).await?;
    let body: ToolVersionRequest = call.json().await?;
    let request = ToolRequest {
        tool: YTDLP.to_owned(),
        version: match Release::parse(&body.version)? {
            Release::Latest => "latest".to_owned(),
            Release::Exactly(version) => version.to_string(),
        },
        requested_at: now_ms(),
        requested_by: admin.email.clone(),
    };
    tools::request(call.database().await?, &request).await?;
    let subject = json!({ "tool": request.tool, "version": request.version });
    log_change(call, &admin, "request_tool", subject);
    Answer::json(202, &RequestedVersion::from(request))
}
