//! Baidu's share API, as its own pages use it without an account: `share/verify` takes the code and gives a cookie,
//! `share/list` lists a folder by numbered pages.

use super::api::{Answer, Api, Entry, Page, Refusal, Shares};
use async_trait::async_trait;
use http::{HeaderMap, Request, header, request};
use serde_json::Value;
use shared::domain::check::{self, Verdict};
use shared::domain::drive::ShareLink;
use shared::limits::DRIVE_PAGE_ENTRIES;
use url::form_urlencoded::Serializer;

/// The cookie that says that the code was right.
const COOKIE: &str = "BDCLND";
/// The number of the web pages' own application, which every call names.
const APPLICATION: &str = "250528";

pub struct Baidu(pub Api);

#[async_trait]
impl Shares for Baidu {
    /// A share without a code is opened by its first page.
    async fn open(&self, link: &ShareLink) -> Result<String, Refusal> {
        if link.code.is_empty() {
            return Ok(String::new());
        }
        let query = Serializer::new(String::new())
            .append_pair("surl", &link.share_id)
            .extend_pairs(everywhere())
            .finish();
        let request = self.referred(
            Request::post(self.0.url(&format!("/share/verify?{query}"))),
            link,
        );
        let request = request.header(
            header::CONTENT_TYPE,
            "application/x-www-form-urlencoded; charset=UTF-8",
        );
        let form = Serializer::new(String::new())
            .append_pair("pwd", &link.code)
            .append_pair("vcode", "")
            .append_pair("vcode_str", "")
            .finish();
        let answer = read(self.0.call(request, form).await?)?;
        let in_body = answer.body["randsk"].as_str().map(str::to_owned);
        in_body
            .or_else(|| cookie_of(&answer.headers))
            .filter(|value| !value.is_empty())
            .map(|value| format!("{COOKIE}={value}"))
            .ok_or_else(|| Refusal::uncertain("no cookie"))
    }

    async fn page(
        &self,
        link: &ShareLink,
        key: &str,
        folder: &str,
        marker: &str,
    ) -> Result<Page, Refusal> {
        let number: usize = marker.parse().unwrap_or(1);
        let folder = if folder.is_empty() { "root=1" } else { folder };
        let query = Serializer::new(format!("{folder}&"))
            .append_pair("shorturl", &link.share_id)
            .append_pair("page", &number.to_string())
            .append_pair("num", &DRIVE_PAGE_ENTRIES.to_string())
            .extend_pairs([("order", "name"), ("desc", "0"), ("showempty", "0")])
            .extend_pairs(everywhere())
            .finish();
        let request = self.referred(
            Request::get(self.0.url(&format!("/share/list?{query}"))),
            link,
        );
        let request = match key {
            "" => request,
            cookie => request.header(header::COOKIE, cookie),
        };
        let answer = read(self.0.call(request, String::new()).await?)?;
        let list = answer.body["list"]
            .as_array()
            .ok_or_else(|| Refusal::uncertain("no list"))?;
        let share = [
            ("uk", &answer.body["uk"]),
            ("shareid", &answer.body["share_id"]),
        ];
        Ok(Page {
            entries: list
                .iter()
                .map(|item| entry(item, &share))
                .collect::<Result<_, _>>()?,
            // A page that is not full is the last one.
            marker: (list.len() >= DRIVE_PAGE_ENTRIES).then(|| (number + 1).to_string()),
        })
    }
}

impl Baidu {
    /// Baidu answers its own pages alone.
    fn referred(&self, request: request::Builder, link: &ShareLink) -> request::Builder {
        let page = format!("/share/init?surl={}", link.share_id);
        request.header(header::REFERER, self.0.url(&page))
    }
}

fn everywhere() -> [(&'static str, &'static str); 4] {
    [
        ("app_id", APPLICATION),
        ("channel", "chunlei"),
        ("clienttype", "0"),
        ("web", "1"),
    ]
}

fn read(answer: Answer) -> Result<Answer, Refusal> {
    let errno = answer.body["errno"].as_i64();
    match check::baidu(answer.status, errno) {
        Verdict::Ok => Ok(answer),
        verdict => Err(Refusal {
            verdict,
            why: match errno {
                Some(errno) => format!("{} errno {errno}", answer.status),
                None => format!("{} without errno", answer.status),
            },
        }),
    }
}

fn cookie_of(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(header::SET_COOKIE).iter();
    let pairs =
        cookies.filter_map(|cookie| cookie.to_str().ok()?.split(';').next()?.split_once('='));
    pairs
        .filter(|(name, _)| name.trim() == COOKIE)
        .map(|(_, value)| value.to_owned())
        .next()
}

/// Numbers come as numbers or as text.
fn number(value: &Value) -> Option<u64> {
    value
        .as_u64()
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
}

/// A folder is named by the query that lists it.
fn entry(item: &Value, share: &[(&str, &Value)]) -> Result<Entry, Refusal> {
    let text = |name: &str| {
        let text = item[name].as_str();
        text.ok_or_else(|| Refusal::uncertain(format!("an entry without {name}")))
    };
    let is_folder =
        number(&item["isdir"]).ok_or_else(|| Refusal::uncertain("an entry without isdir"))? == 1;
    let folder = match is_folder {
        true => {
            let mut query = Serializer::new(String::new());
            query.append_pair("dir", text("path")?);
            for (name, value) in share {
                if let Some(id) = number(value) {
                    query.append_pair(name, &id.to_string());
                }
            }
            Some(query.finish())
        }
        false => None,
    };
    Ok(Entry {
        name: text("server_filename")?.to_owned(),
        folder,
        size: number(&item["size"]).filter(|_| !is_folder),
    })
}
