//! Projects as admins see, make and change them (DC-1). Secrets stand in the answer to a creation and to a
//! rotation, and nowhere else.

use super::time::rfc3339;
use crate::auth::callback::CallbackKey;
use crate::auth::secret;
use crate::domain::client::{CLIENT_DIGITS, ClientId};
use crate::domain::project::{AllowedHosts, DEFAULT_GROUP, Limits, Name};
use crate::domain::short_json::ShortJson;
use crate::error::{Error, Result};
use crate::limits::{SECRET_OVERLAP_S_DEFAULT, SECRET_OVERLAP_S_MAX};
use crate::store::projects::{Change, NewProject, Project};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// One project.
#[derive(Clone, Debug, Serialize)]
pub struct ProjectItem {
    pub project_id: String,
    pub name: String,
    pub group: String,
    pub client_id: String,
    pub hosts: Vec<String>,
    /// Exports at once; `None`, here and below: what the settings give everyone.
    pub max_tasks: Option<i64>,
    /// Rows of one export.
    pub max_rows: Option<i64>,
    /// Bytes of a finished file.
    pub max_bytes: Option<i64>,
    pub disabled: bool,
    pub secret_created_at: String,
    /// Until when the former secret is good too; `None`: it is not.
    pub old_secret_expires_at: Option<String>,
    pub created_at: String,
    pub updated_at: String,
    /// The admin's address, or `command line`.
    pub created_by: String,
}

impl ProjectItem {
    pub fn new(project: Project, now: i64) -> Self {
        let old_secret_ends = project.old_secret_expires_at.filter(|end| *end > now);
        Self {
            project_id: project.project_id,
            name: project.name,
            group: project.group,
            client_id: project.client_id,
            hosts: project.hosts.to_texts(),
            max_tasks: project.limits.max_tasks,
            max_rows: project.limits.max_rows,
            max_bytes: project.limits.max_bytes,
            disabled: project.disabled_at.is_some(),
            secret_created_at: rfc3339(project.secret_created_at),
            old_secret_expires_at: old_secret_ends.map(rfc3339),
            created_at: rfc3339(project.created_at),
            updated_at: rfc3339(project.updated_at),
            created_by: project.created_by,
        }
    }
}

/// `POST /admin/api/v1/projects`.
#[derive(Debug, Default, Deserialize)]
pub struct ProjectRequest {
    pub name: String,
    #[serde(default)]
    pub group: Option<String>,
    #[serde(default)]
    pub hosts: Vec<String>,
    #[serde(default)]
    pub max_tasks: Option<ShortJson>,
    #[serde(default)]
    pub max_rows: Option<ShortJson>,
    #[serde(default)]
    pub max_bytes: Option<ShortJson>,
}

/// What is no whole number is out of bounds.
fn number(value: &ShortJson) -> i64 {
    value.0.as_i64().unwrap_or(-1)
}

impl ProjectRequest {
    /// The project with this id, and its first secret. Errors: 40001 naming the field.
    pub fn project(
        &self,
        project_id: String,
        created_by: &str,
        now: i64,
    ) -> Result<(NewProject, String)> {
        let client_secret = secret::random()?;
        let project = NewProject {
            project_id,
            name: Name::parse("name", &self.name)?,
            group: Name::parse("group", self.group.as_deref().unwrap_or(DEFAULT_GROUP))?,
            client_id: ClientId::of_project(&secret::random()?[..CLIENT_DIGITS])
                .as_str()
                .to_owned(),
            secret_hash: secret::sha256(&client_secret),
            hosts: AllowedHosts::parse(&self.hosts)?,
            limits: Limits::new(
                self.max_tasks.as_ref().map(number),
                self.max_rows.as_ref().map(number),
                self.max_bytes.as_ref().map(number),
            )?,
            created_by: created_by.to_owned(),
            now,
        };
        Ok((project, client_secret))
    }
}

/// The answer to a creation: the project, with its secrets for the only time.
#[derive(Serialize)]
pub struct CreatedProject {
    #[serde(flatten)]
    pub project: ProjectItem,
    pub client_secret: String,
    pub callback_secret: String,
}

impl CreatedProject {
    pub fn new(
        project: Project,
        client_secret: String,
        key: &CallbackKey,
        now: i64,
    ) -> Result<Self> {
        Ok(Self {
            callback_secret: key.secret(&project.project_id, project.callback_generation)?,
            project: ProjectItem::new(project, now),
            client_secret,
        })
    }
}

/// `PUT /admin/api/v1/projects/{project_id}`; a field that is left out stays as it is, a limit of null is
/// what the settings give everyone.
#[derive(Debug, Deserialize)]
pub struct ProjectChangeRequest {
    #[serde(default, deserialize_with = "present")]
    name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    group: Option<String>,
    #[serde(default, deserialize_with = "present")]
    hosts: Option<Vec<String>>,
    #[serde(default, deserialize_with = "present")]
    max_tasks: Option<ShortJson>,
    #[serde(default, deserialize_with = "present")]
    max_rows: Option<ShortJson>,
    #[serde(default, deserialize_with = "present")]
    max_bytes: Option<ShortJson>,
    #[serde(default, deserialize_with = "present")]
    disabled: Option<bool>,
}

/// Tells `null` from what is left out.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl ProjectChangeRequest {
    /// Errors: 40001 naming the field.
    pub fn change(&self) -> Result<Change> {
        let name = |field, text: &Option<String>| {
            let name = text.as_deref().map(|text| Name::parse(field, text));
            name.transpose()
        };
        let limit = |value: &Option<ShortJson>, check: fn(i64) -> Result<i64>| {
            let limit = value.as_ref().map(|value| match value.0 {
                Value::Null => Ok(None),
                _ => check(number(value)).map(Some),
            });
            limit.transpose()
        };
        let hosts = self.hosts.as_deref().map(AllowedHosts::parse);
        Ok(Change {
            name: name("name", &self.name)?,
            group: name("group", &self.group)?,
            hosts: hosts.transpose()?,
            max_tasks: limit(&self.max_tasks, Limits::max_tasks)?,
            max_rows: limit(&self.max_rows, Limits::max_rows)?,
            max_bytes: limit(&self.max_bytes, Limits::max_bytes)?,
            is_disabled: self.disabled,
        })
    }

    /// The fields that it names, for the log.
    pub fn fields(&self) -> Vec<&'static str> {
        let fields = [
            ("name", self.name.is_some()),
            ("group", self.group.is_some()),
            ("hosts", self.hosts.is_some()),
            ("max_tasks", self.max_tasks.is_some()),
            ("max_rows", self.max_rows.is_some()),
            ("max_bytes", self.max_bytes.is_some()),
            ("disabled", self.disabled.is_some()),
        ];
        let named = fields.into_iter().filter(|(_, is_named)| *is_named);
        named.map(|(field, _)| field).collect()
    }
}

/// `POST /admin/api/v1/projects/{project_id}/secret`.
#[derive(Debug, Default, Deserialize)]
pub struct SecretRequest {
    #[serde(default)]
    overlap_s: Option<ShortJson>,
    #[serde(default)]
    callback: bool,
}

/// Which secret is to be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// The client's; the former one stays good for so long, seconds.
    Client { overlap_s: i64 },
    /// That which signs callbacks.
    Callback,
}

impl SecretRequest {
    pub fn new(overlap_s: Option<i64>, callback: bool) -> Self {
        Self {
            overlap_s: overlap_s.map(ShortJson::from),
            callback,
        }
    }

    /// Errors: 40001 for field `overlap_s`.
    pub fn replaced(&self) -> Result<Replaced> {
        let invalid = |message: String| Err(Error::invalid("overlap_s", message));
        match &self.overlap_s {
            Some(_) if self.callback => {
                invalid("A callback secret has no overlap: each callback has one signature.".into())
            }
            _ if self.callback => Ok(Replaced::Callback),
            None => Ok(Replaced::Client {
                overlap_s: SECRET_OVERLAP_S_DEFAULT,
            }),
            Some(value) => match number(value) {
                overlap_s @ 0..=SECRET_OVERLAP_S_MAX => Ok(Replaced::Client { overlap_s }),
                _ => invalid(format!(
                    "overlap_s is a whole number of seconds from 0 to {SECRET_OVERLAP_S_MAX}."
                )),
            },
        }
    }
}

/// The answer to a rotation: the new secret, for the only time.
#[derive(Serialize)]
pub struct SecretAnswer {
    pub project_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// Until when the former client secret is good too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_secret_expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback_secret: Option<String>,
}

impl SecretAnswer {
    pub fn of_client(project: Project, client_secret: String) -> Self {
        Self {
            project_id: project.project_id,
            client_id: Some(project.client_id),
            client_secret: Some(client_secret),
            old_secret_expires_at: project.old_secret_expires_at.map(rfc3339),
            callback_secret: None,
        }
    }

    pub fn of_callback(project: Project, key: &CallbackKey) -> Result<Self> {
        let callback_secret = key.secret(&project.project_id, project.callback_generation)?;
        Ok(Self {
            project_id: project.project_id,
            client_id: None,
            client_secret: None,
            old_secret_expires_at: None,
            callback_secret: Some(callback_secret),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::body::read_object;

    #[test]
    fn a_field_that_does_not_fit_is_named() {
        for (field, body) in [
            ("name", r#"{"name":""}"#),
            ("group", r#"{"name":"a","group":" "}"#),
            ("hosts", r#"{"name":"a","hosts":["http://a/"]}"#),
            ("max_tasks", r#"{"name":"a","max_tasks":0}"#),
            ("max_rows", r#"{"name":"a","max_rows":"5"}"#),
            ("max_bytes", r#"{"name":"a","max_bytes":1.5}"#),
        ] {
            let request: ProjectRequest = read_object(body.as_bytes()).unwrap();
            let error = request.project("id".to_owned(), "ada", 0).unwrap_err();
            assert_eq!(error.data.unwrap()["field"], field, "{body}");
            let request: ProjectChangeRequest = read_object(body.as_bytes()).unwrap();
            let error = request.change().unwrap_err();
            assert_eq!(error.data.unwrap()["field"], field, "{body}");
        }
    }

    #[test]
    fn a_limit_of_null_is_everyones_and_no_other_field_is_null() {
        let read = |body: &str| read_object::<ProjectChangeRequest>(body.as_bytes());
        let request = read(r#"{"max_rows":null,"max_bytes":9,"disabled":true}"#).unwrap();
        let change = request.change().unwrap();
        assert_eq!(
            (change.max_tasks, change.max_rows, change.max_bytes),
            (None, Some(None), Some(Some(9)))
        );
        assert_eq!((change.is_disabled, change.name), (Some(true), None));
        assert_eq!(request.fields(), ["max_rows", "max_bytes", "disabled"]);
        for field in ["name", "group", "hosts", "disabled"] {
            assert!(read(&format!(r#"{{"{field}":null}}"#)).is_err(), "{field}");
        }
    }

    #[test]
    fn a_new_project_has_a_secret_that_its_hash_knows() {
        let request = ProjectRequest {
            name: "财务".to_owned(),
            ..ProjectRequest::default()
        };
        let (project, client_secret) = request.project("id".to_owned(), "ada", 5).unwrap();
        assert_eq!(project.group.as_str(), DEFAULT_GROUP);
        assert!(ClientId::parse(&project.client_id).is_some());
        assert!(secret::is_one_of(&client_secret, &[project.secret_hash]));
    }

    #[test]
    fn an_overlap_is_bounded_and_the_client_secrets_alone() {
        let replaced = |body: &str| {
            let request: SecretRequest = read_object(body.as_bytes()).unwrap();
            request.replaced().ok()
        };
        let client = |overlap_s| Some(Replaced::Client { overlap_s });
        assert_eq!(replaced("{}"), client(SECRET_OVERLAP_S_DEFAULT));
        assert_eq!(replaced(r#"{"overlap_s":0}"#), client(0));
        assert_eq!(replaced(r#"{"overlap_s":604800}"#), client(604_800));
        assert_eq!(replaced(r#"{"callback":true}"#), Some(Replaced::Callback));
        for body in [
            r#"{"overlap_s":-1}"#,
            r#"{"overlap_s":604801}"#,
            r#"{"overlap_s":"1"}"#,
            r#"{"overlap_s":1,"callback":true}"#,
        ] {
            assert_eq!(replaced(body), None, "{body}");
        }
    }
}
