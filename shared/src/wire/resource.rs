//! Resources as their publishers write them and others see them (SH-7).

use super::time::rfc3339;
use crate::domain::coins::Coins;
use crate::domain::directory::Directory;
use crate::domain::drive::ShareLink;
use crate::domain::resource::{bio, title};
use crate::error::{Error, Result};
use crate::store::accounts::Account;
use crate::store::resources::Resource;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// `POST /api/v1/resources`, and with every field optional `PUT /api/v1/resources/{id}`.
#[derive(Debug, Deserialize, Serialize)]
pub struct ResourceRequest {
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    bio: Option<String>,
    #[serde(default)]
    price: Option<String>,
    #[serde(default)]
    directory: Option<Box<RawValue>>,
}

/// A publication as it was asked for.
#[derive(Debug)]
pub struct Publication {
    pub link: ShareLink,
    pub title: String,
    pub bio: String,
    pub price: Coins,
    /// Empty where the publisher leaves it to the first check.
    pub directory: Directory,
}

/// What a change leaves is `None`.
#[derive(Debug)]
pub struct ResourceChange {
    pub title: Option<String>,
    pub bio: Option<String>,
    pub price: Option<Coins>,
    pub directory: Option<Directory>,
}

impl ResourceRequest {
    /// Errors: 40001 naming the field.
    pub fn publication(&self) -> Result<Publication> {
        let required = |field: &str, value: &Option<String>| {
            value
                .clone()
                .ok_or_else(|| Error::invalid(field, format!("The field {field} is missing.")))
        };
        let change = self.change()?;
        let link = ShareLink::parse(
            &required("url", &self.url)?,
            self.code.as_deref().unwrap_or_default(),
        )?;
        let missing = |field: &str| Error::invalid(field, format!("The field {field} is missing."));
        Ok(Publication {
            link,
            title: change.title.ok_or_else(|| missing("title"))?,
            bio: change.bio.unwrap_or_default(),
            price: change.price.ok_or_else(|| missing("price"))?,
            directory: change.directory.unwrap_or_default(),
        })
    }

    /// Errors: 40001 naming the field.
    pub fn change(&self) -> Result<ResourceChange> {
        let price = |text: &String| Coins::price("price", text);
        Ok(ResourceChange {
            title: self.title.as_deref().map(title).transpose()?,
            bio: self.bio.as_deref().map(bio).transpose()?,
            price: self.price.as_ref().map(price).transpose()?,
            directory: self
                .directory
                .as_deref()
                .map(|tree| Directory::from_json(tree.get()))
                .transpose()?,
        })
    }

    /// The link after the change, where it is another one than before. Errors: 40001 naming the field.
    pub fn link(&self, before: &ShareLink) -> Result<Option<ShareLink>> {
        if self.url.is_none() && self.code.is_none() {
            return Ok(None);
        }
        let before_url = before.url();
        let url = self.url.as_deref().unwrap_or(&before_url);
        // The old code is no code of a new link.
        let old_code = if self.url.is_none() {
            &*before.code
        } else {
            ""
        };
        let link = ShareLink::parse(url, self.code.as_deref().unwrap_or(old_code))?;
        let is_same_share = (link.drive, &link.share_id) == (before.drive, &before.share_id);
        // A link without a code leaves the one that it had.
        let is_same = is_same_share
            && (link.code == before.code || (self.code.is_none() && link.code.is_empty()));
        Ok((!is_same).then_some(link))
    }
}

/// Who a person is to others.
#[derive(Clone, Debug, Serialize)]
pub struct Person {
    pub user_id: String,
    pub nickname: String,
}

/// Who somebody is to other users: what they write of themselves, and how often what they sold came back.
#[derive(Debug, Serialize)]
pub struct PublicProfile {
    pub user_id: String,
    pub nickname: String,
    pub bio: String,
    pub buy_count: i64,
    pub buy_return_count: i64,
    pub sale_count: i64,
    pub sale_return_count: i64,
}

impl PublicProfile {
    pub fn new(account: Account) -> Self {
        Self {
            user_id: account.user_id,
            nickname: account.nickname,
            bio: account.bio,
            buy_count: account.buy_count,
            buy_return_count: account.buy_return_count,
            sale_count: account.sale_count,
            sale_return_count: account.sale_return_count,
        }
    }
}

/// A resource; `url` and `code` stand in the answers to its publisher and its buyers alone, of a free one in everybody's.
#[derive(Debug, Serialize)]
pub struct ResourceAnswer {
    pub resource_id: String,
    pub title: String,
    pub bio: String,
    pub price: Coins,
    pub drive: &'static str,
    /// Bytes.
    pub total_size: i64,
    pub publisher: Person,
    /// `pending`, `ok`, `invalidated`, `rejected`, `taken_down`.
    pub state: &'static str,
    /// Why it was rejected or taken down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub publish_time: Option<String>,
    pub last_check_time: Option<String>,
    pub check_pending: bool,
    /// What the last check found: `ok`, `bad`, `locked`, `uncertain`.
    pub verdict: Option<String>,
    pub sale_count: i64,
    pub refund_count: i64,
    pub created_at: String,
    /// In the list of what one has published, and beside the link that was approved before: absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<Box<RawValue>>,
    /// What the caller would pay now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buy_cost: Option<Coins>,
    /// Whether the caller has bought it and not given it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bought: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl ResourceAnswer {
    pub fn new(resource: Resource) -> Self {
        Self {
            resource_id: resource.resource_id,
            title: resource.title,
            bio: resource.bio,
            price: resource.price,
            drive: resource.drive.as_str(),
            total_size: resource.total_size,
            publisher: Person {
                user_id: resource.publisher_id,
                nickname: resource.publisher_nickname,
            },
            state: resource.state.as_str(),
            reason: resource.reason,
            publish_time: resource.published_at.map(rfc3339),
            last_check_time: resource.last_check_at.map(rfc3339),
            check_pending: resource.is_check_pending,
            verdict: resource.verdict,
            sale_count: resource.sale_count,
            refund_count: resource.refund_count,
            created_at: rfc3339(resource.created_at),
            directory: None,
            buy_cost: None,
            bought: None,
            url: None,
            code: None,
        }
    }

    /// With its files, JSON as the store has them.
    pub fn with_directory(mut self, tree: String) -> Result<Self> {
        self.directory = Some(RawValue::from_string(tree).map_err(Error::internal)?);
        Ok(self)
    }

    /// With the link that was approved before; what is said of the other one's check and files is not of it.
    pub fn with_former_link(self, link: &ShareLink) -> Self {
        Self {
            drive: link.drive.as_str(),
            last_check_time: None,
            check_pending: false,
            verdict: None,
            directory: None,
            ..self.with_link(link)
        }
    }

    pub fn with_link(mut self, link: &ShareLink) -> Self {
        self.url = Some(link.url());
        self.code = Some(link.code.clone());
        self
    }
}

/// `POST /api/v1/resources/{id}/report`.
#[derive(Debug, Deserialize)]
pub struct ReportRequest {
    pub reason: String,
}

#[derive(Debug, Serialize)]
pub struct ReportAnswer {
    pub review_id: String,
}

/// `POST /api/v1/resources/{id}/recheck`.
#[derive(Debug, Serialize)]
pub struct RecheckAnswer {
    /// Whether a check waits or runs now.
    pub check_pending: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(body: &str) -> ResourceRequest {
        crate::wire::body::read_object(body.as_bytes()).unwrap()
    }

    #[test]
    fn a_publication_names_what_it_lacks() {
        let whole =
            r#"{"url":"https://pan.baidu.com/s/1abcdef","code":"q1w2","title":"t","price":"1.00"}"#;
        let publication = request(whole).publication().unwrap();
        assert_eq!(publication.link.code, "q1w2");
        assert_eq!(publication.price.hundredths(), 100);
        for field in ["url", "title", "price"] {
            let mut body: serde_json::Value = serde_json::from_str(whole).unwrap();
            body.as_object_mut().unwrap().remove(field);
            let error = request(&body.to_string()).publication().unwrap_err();
            assert_eq!(error.data.unwrap()["field"], field);
        }
    }

    #[test]
    fn only_another_link_is_another_link() {
        let before = ShareLink::parse("https://pan.baidu.com/s/1abcdef", "q1w2").unwrap();
        for same in [
            r#"{"title":"t"}"#,
            r#"{"url":"https://pan.baidu.com/s/1abcdef?pwd=q1w2"}"#,
            r#"{"url":"https://pan.baidu.com/s/1abcdef"}"#,
            r#"{"code":"q1w2"}"#,
        ] {
            assert!(request(same).link(&before).unwrap().is_none(), "{same}");
        }
        for (other, code) in [
            (r#"{"code":"zzzz"}"#, "zzzz"),
            (
                r#"{"url":"https://pan.baidu.com/s/1abcdef?pwd=zzzz"}"#,
                "zzzz",
            ),
            (r#"{"code":""}"#, ""),
            (r#"{"url":"https://pan.baidu.com/s/1ghijkl"}"#, ""),
            (
                r#"{"url":"https://www.alipan.com/s/abcdef","code":"zzzz"}"#,
                "zzzz",
            ),
        ] {
            assert_eq!(
                request(other).link(&before).unwrap().unwrap().code,
                code,
                "{other}"
            );
        }
    }
}
