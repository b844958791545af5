//! Aliyun's share API, as its own pages use it without an account: `get_share_by_anonymous` says whether the share
//! is there, `get_share_token` takes the code, `list_by_share` lists a folder by pages with a marker.

use super::api::{Answer, Api, Entry, Page, Refusal, Shares};
use async_trait::async_trait;
use http::{Request, header};
use serde_json::{Value, json};
use shared::domain::check::{self, Verdict};
use shared::domain::drive::ShareLink;
use shared::limits::DRIVE_PAGE_ENTRIES;

/// The folder that holds what is shared.
const ROOT: &str = "root";

pub struct Aliyun(pub Api);

#[async_trait]
impl Shares for Aliyun {
    async fn open(&self, link: &ShareLink) -> Result<String, Refusal> {
        let share = json!({ "share_id": link.share_id });
        self.post("/adrive/v3/share_link/get_share_by_anonymous", &share, "")
            .await?;
        let opening = json!({ "share_id": link.share_id, "share_pwd": link.code });
        let answer = self
            .post("/v2/share_link/get_share_token", &opening, "")
            .await?;
        let token = answer.body["share_token"].as_str();
        token
            .filter(|token| !token.is_empty())
            .map(str::to_owned)
            .ok_or_else(|| Refusal::uncertain("no share_token"))
    }

    async fn page(
        &self,
        link: &ShareLink,
        key: &str,
        folder: &str,
        marker: &str,
    ) -> Result<Page, Refusal> {
        let folder = if folder.is_empty() { ROOT } else { folder };
        let body = json!({
            "share_id": link.share_id,
            "parent_file_id": folder,
            "limit": DRIVE_PAGE_ENTRIES,
            "order_by": "name",
            "order_direction": "ASC",
            "marker": marker,
        });
        let answer = self
            .post("/adrive/v2/file/list_by_share", &body, key)
            .await?;
        let items = answer.body["items"]
            .as_array()
            .ok_or_else(|| Refusal::uncertain("no items"))?;
        let marker = answer.body["next_marker"].as_str().unwrap_or_default();
        Ok(Page {
            entries: items.iter().map(entry).collect::<Result<_, _>>()?,
            marker: (!marker.is_empty()).then(|| marker.to_owned()),
        })
    }
}

impl Aliyun {
    async fn post(&self, path: &str, body: &Value, token: &str) -> Result<Answer, Refusal> {
        let mut request =
            Request::post(self.0.url(path)).header(header::CONTENT_TYPE, "application/json");
        if !token.is_empty() {
            request = request.header("x-share-token", token);
        }
        let answer = self.0.call(request, body.to_string()).await?;
        let code = answer.body["code"].as_str();
        match check::aliyun(answer.status, code) {
            Verdict::Ok => Ok(answer),
            verdict => Err(Refusal {
                verdict,
                why: format!("{} {}", answer.status, code.unwrap_or("without a code")),
            }),
        }
    }
}

fn entry(item: &Value) -> Result<Entry, Refusal> {
    let text = |name: &str| {
        let text = item[name].as_str();
        text.ok_or_else(|| Refusal::uncertain(format!("an item without {name}")))
    };
    let is_folder = text("type")? == "folder";
    Ok(Entry {
        name: text("name")?.to_owned(),
        folder: match is_folder {
            true => Some(text("file_id")?.to_owned()),
            false => None,
        },
        size: item["size"].as_u64(),
    })
}
