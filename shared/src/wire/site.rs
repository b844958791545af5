//! Sites: how they register and say that they are there, and as admins see them (DS-13). Code and secret
//! stand in the answers that make them, and nowhere else.

use super::time::rfc3339;
use crate::auth::secret;
use crate::domain::client::{CLIENT_DIGITS, ClientId};
use crate::domain::site::{Beat, CODE_DIGITS, Name, OneTimeCode, Verdict, proposed_secret, word};
use crate::error::{Code, Error, Result};
use crate::limits::SITE_CODE_S;
use crate::store::deliveries::Counts;
use crate::store::sites::{Heartbeat, NewCode, Noted, Registration, Site};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `POST /api/v1/sync/register`.
#[derive(Deserialize)]
pub struct RegisterRequest {
    pub code: String,
    /// What the site calls itself.
    #[serde(default)]
    name: Option<String>,
    /// A secret of the site's own making, so that it can repeat a registration whose answer was lost.
    #[serde(default)]
    client_secret: Option<String>,
}

impl RegisterRequest {
    /// What is to be registered, and the secret. Errors: 40001 naming the field, 40103 for what is no code.
    pub fn registration(&self, now: i64) -> Result<(Registration, String)> {
        let name = self.name.as_deref().map(|text| Name::parse("name", text));
        let client_secret = match &self.client_secret {
            Some(text) => proposed_secret(text)?,
            None => secret::random()?,
        };
        let name = name.transpose()?;
        let code = OneTimeCode::parse(&self.code).ok_or_else(wrong_code)?;
        let registration = Registration {
            code_hash: secret::sha256(code.digits()),
            name,
            client_id: ClientId::of_site(&secret::random()?[..CLIENT_DIGITS])
                .as_str()
                .to_owned(),
            secret_hash: secret::sha256(&client_secret),
            now,
        };
        Ok((registration, client_secret))
    }
}

/// 40103, one wording for every code that nobody made.
pub fn wrong_code() -> Error {
    Error::new(Code::WrongCredentials, "The code is wrong.")
}

/// 41001.
pub fn code_over() -> Error {
    let message = "The code was used before or its time is over; ask for a new one.";
    Error::new(Code::Gone, message)
}

/// The answer to a registration.
#[derive(Serialize)]
pub struct RegisterAnswer {
    pub site_id: String,
    pub client_id: String,
    pub client_secret: String,
    /// The epoch that the site begins with.
    pub epoch: i64,
}

/// `POST /api/v1/sync/heartbeat`. A client that counts nothing leaves `epoch`, `tick` and `beat_id` out.
#[derive(Debug, Default, Deserialize)]
pub struct HeartbeatRequest {
    #[serde(default)]
    backlog: Option<i64>,
    #[serde(default)]
    dead: Option<i64>,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    epoch: Option<i64>,
    #[serde(default)]
    tick: Option<i64>,
    #[serde(default)]
    beat_id: Option<String>,
    #[serde(default)]
    restored: bool,
}

/// What a site says of its own rows.
#[derive(Serialize)]
struct Report {
    backlog: Option<i64>,
    dead: Option<i64>,
}

impl HeartbeatRequest {
    /// Errors: 40001 naming the field.
    pub fn heartbeat(self, now: i64) -> Result<Heartbeat> {
        for (field, number) in [("backlog", self.backlog), ("dead", self.dead)] {
            if number.is_some_and(|number| number < 0) {
                let message = format!("{field} is a whole number from 0.");
                return Err(Error::invalid(field, message));
            }
        }
        let version = self.version.as_deref().map(|text| word("version", text));
        let report = Report {
            backlog: self.backlog,
            dead: self.dead,
        };
        let beat = Beat {
            epoch: self.epoch,
            tick: self.tick,
            beat_id: self.beat_id,
            is_restart: self.restored,
        };
        Ok(Heartbeat {
            beat: beat.check()?,
            version: version.transpose()?,
            report: serde_json::to_string(&report).map_err(Error::internal)?,
            now,
        })
    }
}

/// What holds for a site's batches, and what it is called.
#[derive(Serialize)]
pub struct SiteConfig {
    pub site_id: String,
    pub max_rows: i64,
    pub max_bytes: i64,
    pub group: String,
    pub name: String,
}

/// The answer to a heartbeat.
#[derive(Serialize)]
pub struct HeartbeatAnswer {
    pub server_time: String,
    pub config: SiteConfig,
    /// The site's epoch, as it is here.
    pub epoch: i64,
    /// The last heartbeat of it that counts, and the one before.
    pub tick: i64,
    pub last_tick: i64,
    /// The site has gone back in time: it begins the epoch behind this one.
    pub restored: bool,
}

impl HeartbeatAnswer {
    /// With `max_rows` and `max_bytes` of the settings.
    pub fn new(noted: Noted, limits: (i64, i64), now: i64) -> Self {
        let site = noted.site;
        Self {
            last_tick: noted.last_tick,
            server_time: rfc3339(now),
            epoch: site.pulse.epoch,
            tick: site.pulse.tick,
            restored: noted.verdict == Verdict::Restored,
            config: SiteConfig {
                site_id: site.site_id,
                max_rows: limits.0,
                max_bytes: limits.1,
                group: site.group,
                name: site.name,
            },
        }
    }
}

/// `POST /admin/api/v1/sites`.
#[derive(Debug, Default, Deserialize)]
pub struct CodeRequest {
    pub name: String,
    #[serde(default)]
    pub group: Option<String>,
}

impl CodeRequest {
    /// A code to keep, and as it is shown. `site_id` is for a site that there is not yet. Errors: 40001 naming
    /// the field.
    pub fn code(
        &self,
        site_id: String,
        created_by: &str,
        now: i64,
    ) -> Result<(NewCode, OneTimeCode)> {
        let group = self.group.as_deref().map(|text| Name::parse("group", text));
        let name = Name::parse("name", &self.name)?;
        let code = OneTimeCode::parse(&secret::random()?[..CODE_DIGITS]);
        let code = code.ok_or_else(|| Error::internal("a code of ours is none"))?;
        let new = NewCode {
            site_id,
            name,
            group: group.transpose()?,
            code_hash: secret::sha256(code.digits()),
            expires_at: now + SITE_CODE_S * 1000,
            created_by: created_by.to_owned(),
            now,
        };
        Ok((new, code))
    }
}

/// A new code, shown for the only time.
#[derive(Serialize)]
pub struct CodeAnswer {
    pub site_id: String,
    pub name: String,
    pub group: String,
    pub code: String,
    pub expires_at: String,
}

impl CodeAnswer {
    pub fn new(site: Site, code: &OneTimeCode, expires_at: i64) -> Self {
        Self {
            site_id: site.site_id,
            name: site.name,
            group: site.group,
            code: code.to_string(),
            expires_at: rfc3339(expires_at),
        }
    }
}

/// One site.
#[derive(Clone, Debug, Serialize)]
pub struct SiteItem {
    pub site_id: String,
    pub name: String,
    pub group: String,
    /// When it was last heard of.
    pub last_contact: Option<String>,
    pub version: Option<String>,
    /// Rows on their way to it.
    pub backlog: i64,
    /// Rows that it refused too often.
    pub dead: i64,
    /// Rows behind dead ones.
    pub held: i64,
    /// The age of the oldest row on its way, seconds.
    pub lag_s: i64,
    pub revoked: bool,
    pub registered: bool,
    /// Whether its initial load is under way.
    pub loading: bool,
    /// Until when its code is good; `None`: it has none.
    pub code_expires_at: Option<String>,
    /// What it last said of its own rows, on their way up.
    pub report: Option<Value>,
    pub created_at: String,
    /// The admin's address, or `command line`.
    pub created_by: String,
}

impl SiteItem {
    pub fn new(site: Site, waiting: Counts, now: i64) -> Result<Self> {
        let report = site.report.as_deref().map(serde_json::from_str);
        let code_ends = site.code_expires_at.filter(|end| *end > now);
        Ok(Self {
            site_id: site.site_id,
            name: site.name,
            group: site.group,
            last_contact: site.last_contact_at.map(rfc3339),
            version: site.version,
            backlog: waiting.backlog,
            dead: waiting.dead,
            held: waiting.held,
            lag_s: waiting.lag_s(now),
            revoked: site.revoked_at.is_some(),
            registered: site.registered_at.is_some(),
            loading: site.load_after.is_some(),
            code_expires_at: code_ends.map(rfc3339),
            report: report.transpose().map_err(Error::internal)?,
            created_at: rfc3339(site.created_at),
            created_by: site.created_by,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::body::read_object;

    #[test]
    fn a_code_is_known_by_the_hash_of_what_was_shown() {
        let request = CodeRequest {
            name: "东店".to_owned(),
            ..CodeRequest::default()
        };
        let (new, code) = request.code("id".to_owned(), "ada", 5).unwrap();
        assert_eq!(new.expires_at, 5 + SITE_CODE_S * 1000);
        let body = format!(r#"{{"code":" {} "}}"#, code.to_string().to_uppercase());
        let request: RegisterRequest = read_object(body.as_bytes()).unwrap();
        let (registration, secret) = request.registration(6).unwrap();
        assert_eq!(registration.code_hash, new.code_hash);
        assert_eq!(registration.secret_hash, secret::sha256(&secret));
        assert!(ClientId::parse(&registration.client_id).is_some());
    }

    #[test]
    fn a_field_that_does_not_fit_is_named() {
        for (field, body) in [
            ("name", r#"{"code":"","name":""}"#),
            ("client_secret", r#"{"code":"","client_secret":"short"}"#),
        ] {
            let request: RegisterRequest = read_object(body.as_bytes()).unwrap();
            let error = request.registration(0).unwrap_err();
            assert_eq!(error.data.unwrap()["field"], field, "{body}");
        }
        for (field, body) in [
            ("backlog", r#"{"backlog":-1}"#),
            ("dead", r#"{"dead":-1}"#),
            ("version", r#"{"version":""}"#),
            ("epoch", r#"{"epoch":0}"#),
            ("tick", r#"{"tick":-1}"#),
            ("beat_id", r#"{"beat_id":"\u0000"}"#),
            ("epoch", r#"{"restored":true}"#),
        ] {
            let request: HeartbeatRequest = read_object(body.as_bytes()).unwrap();
            let error = request.heartbeat(0).unwrap_err();
            assert_eq!(error.data.unwrap()["field"], field, "{body}");
        }
        for (field, body) in [
            ("name", r#"{"name":" "}"#),
            ("group", r#"{"name":"a","group":""}"#),
        ] {
            let request: CodeRequest = read_object(body.as_bytes()).unwrap();
            let error = request.code(String::new(), "ada", 0).err().unwrap();
            assert_eq!(error.data.unwrap()["field"], field, "{body}");
        }
    }
}
