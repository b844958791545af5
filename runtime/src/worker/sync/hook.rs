//! The apply hook: a business takes rows by HTTP (DS-12), a result a row.

use super::row::{Row, Said};
use crate::clock::now_ms;
use crate::egress::Client;
use crate::egress::client::Bounds;
use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use shared::auth::callback::sign;
use shared::limits::{SYNC_HOOK_ANSWER_BYTES_MAX, SYNC_HOOK_S_MAX};
use shared::wire::record::RowResult;
use std::collections::HashMap;
use std::time::Duration;

pub struct Hook {
    url: String,
    /// Empty: nothing is signed.
    secret: String,
    client: Client,
}

#[derive(Serialize)]
struct Body<'a> {
    batch_id: &'a str,
    rows: Vec<&'a RawValue>,
}

/// The results, bare or in an envelope of the contract.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Bare { results: Vec<RowResult> },
    Enveloped { data: Results },
}

#[derive(Deserialize)]
struct Results {
    results: Vec<RowResult>,
}

impl Hook {
    pub fn new(url: &str, secret: &str, client: Client) -> Self {
        Self {
            url: url.to_owned(),
            secret: secret.to_owned(),
            client,
        }
    }

    /// Hands rows of different entities over. What is not answered, whole or in part, is to be sent again.
    pub async fn apply(&self, batch_id: &str, rows: &[&Row]) -> Vec<Said> {
        let results = match self.ask(batch_id, rows).await {
            Ok(results) => results,
            Err(why) => {
                tracing::warn!(why, rows = rows.len(), "the apply hook took nothing");
                return vec![Said::Retry; rows.len()];
            }
        };
        let said: HashMap<_, _> = results
            .iter()
            .map(|it| {
                (
                    (it.syn_id.as_deref(), it.data_from_server_id.as_deref()),
                    it,
                )
            })
            .collect();
        let found = rows.iter().map(|row| {
            let syn_id = Some(row.syn_id.as_str());
            let result = said
                .get(&(syn_id, Some(row.origin.as_str())))
                .or_else(|| said.get(&(syn_id, None)));
            match result.map(|result| (result.status.as_str(), result)) {
                Some(("ok" | "dup", _)) => Said::Ok,
                Some(("reject", result)) => Said::Reject(result.reason()),
                _ => Said::Retry,
            }
        });
        found.collect()
    }

    async fn ask(&self, batch_id: &str, rows: &[&Row]) -> Result<Vec<RowResult>, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let body = Body {
            batch_id,
            rows: rows.iter().map(|row| &*row.json).collect(),
        };
        let body = serde_json::to_vec(&body).map_err(|error| text(&error))?;
        let mut request = Request::post(&self.url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(
                header::USER_AGENT,
                concat!("wharf/", env!("CARGO_PKG_VERSION")),
            );
        if !self.secret.is_empty() {
            let timestamp = now_ms() / 1000;
            let signature = sign(&self.secret, timestamp, &body).map_err(|error| text(&error))?;
            request = request
                .header("x-wharf-timestamp", timestamp)
                .header("x-wharf-signature", signature);
        }
        let request = request
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| text(&error))?;
        let bounds = Bounds {
            time: Duration::from_secs(SYNC_HOOK_S_MAX),
            body_bytes: SYNC_HOOK_ANSWER_BYTES_MAX,
        };
        let answer = self.client.send(request, bounds).await;
        let answer = answer.map_err(|error| text(&error))?;
        if !answer.status().is_success() {
            return Err(format!("it answered {}", answer.status().as_u16()));
        }
        match serde_json::from_slice(answer.body()) {
            Ok(
                Answer::Bare { results }
                | Answer::Enveloped {
                    data: Results { results },
                },
            ) => Ok(results),
            Err(_) => Err("its answer is no list of results".to_owned()),
        }
    }
}
