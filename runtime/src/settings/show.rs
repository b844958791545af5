//! The settings as they may be shown: with their origins and without secrets.

use super::{Origin, Origins, SECTIONS, Settings, TOP};
use serde_json::Value;

/// What stands in the place of a secret.
const HIDDEN: &str = "***";
/// What the names of secrets end in, beside everything in the section `keys`.
const SECRET: [&str; 5] = ["secret", "token", "api_key", "code", "kids"];
/// What may be a secret where a URL has a name without a password.
const WEB: [&str; 2] = ["http://", "https://"];

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// Such as `media.quick_ttl_s`.
    pub key: String,
    /// Null where there is no value; without what is secret in it.
    pub value: Value,
    pub origin: Origin,
}

impl Settings {
    /// Every value, in the order of the documentation; what follows from others where it is not set itself.
    pub fn shown(&self, origins: &Origins) -> Vec<Shown> {
        let mut effective = self.clone();
        effective.public_url = self.public_url();
        effective.worker.url = self.worker_url();
        // Texts, numbers, lists and maps by name always serialise.
        let all = serde_json::to_value(effective).unwrap_or_default();
        let mut shown = Vec::new();
        for name in TOP.into_iter().chain(SECTIONS) {
            flatten(name, &all[name], origins, &mut shown);
        }
        shown
    }
}

fn flatten(key: &str, value: &Value, origins: &Origins, shown: &mut Vec<Shown>) {
    if let Value::Object(inner) = value {
        for (name, value) in inner {
            flatten(&format!("{key}.{name}"), value, origins, shown);
        }
        return;
    }
    shown.push(Shown {
        key: key.to_owned(),
        value: masked(key, value),
        origin: origins.of(key),
    });
}

fn masked(key: &str, value: &Value) -> Value {
    let Value::String(text) = value else {
        return value.clone();
    };
    let is_secret = key.starts_with("keys.") || SECRET.iter().any(|end| key.ends_with(end));
    match text.is_empty() {
        false if is_secret => HIDDEN.into(),
        _ => masked_url(text).into(),
    }
}

/// A URL without its password and its query; what is no URL as it is. Where it is malformed rather too much is
/// hidden than too little.
pub fn masked_url(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let (rest, query) = match rest.rsplit_once('@') {
        // A question mark before the last @ belongs to a password.
        Some((_, behind)) => match behind.find('?') {
            Some(at) => rest.split_at(rest.len() - behind.len() + at),
            None => (rest, ""),
        },
        None => rest.split_at(rest.find('?').unwrap_or(rest.len())),
    };
    let shown = match rest.rsplit_once('@') {
        None => rest.to_owned(),
        Some((user, host)) => match user.split_once(':') {
            Some((name, _)) => format!("{name}:{HIDDEN}@{host}"),
            None if WEB.contains(&&*format!("{scheme}://")) => format!("{HIDDEN}@{host}"),
            None => rest.to_owned(),
        },
    };
    let query = if query.is_empty() { "" } else { "?***" };
    format!("{scheme}://{shown}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_password_and_query() {
        for (url, shown) in [
            (
                "postgres://wharf:very@secret@db/wharf",
                "postgres://wharf:***@db/wharf",
            ),
            (
                "postgres://wharf:a?b/c@db:5432/wharf",
                "postgres://wharf:***@db:5432/wharf",
            ),
            (
                "postgres://wharf@h1,h2/wharf?password=x&y=z",
                "postgres://wharf@h1,h2/wharf?***",
            ),
            (
                "smtps://u%40x:p@mail.example",
                "smtps://u%40x:***@mail.example",
            ),
            (
                "https://token@proxies.example/get?key=k",
                "https://***@proxies.example/get?***",
            ),
            ("https://proxies.example/get?user=a@b", "https://***@b"),
            ("https://wharf.example.com", "https://wharf.example.com"),
            ("127.0.0.1:3000", "127.0.0.1:3000"),
        ] {
            assert_eq!(masked_url(url), shown, "{url}");
        }
    }
}
