//! The OpenAPI document, and whether an answer is what it promises.

use crate::Answer;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// The document of one app with its compiled schemas.
pub struct Contract {
    document: Value,
    compiled: Mutex<HashMap<String, Arc<jsonschema::Validator>>>,
}

impl Contract {
    /// Reads `/api/v1/openapi.json`; None where there is none.
    pub async fn fetch(base: &str) -> Option<Self> {
        let request = reqwest::Client::new().get(format!("{base}/api/v1/openapi.json"));
        let response = crate::caller::execute(request).await.ok()?;
        if !response.status().is_success() {
            return None;
        }
        let document = response.json().await.expect("the document is JSON");
        Some(Self::of(document))
    }

    pub fn of(document: Value) -> Self {
        Self {
            document,
            compiled: Mutex::default(),
        }
    }

    pub fn document(&self) -> &Value {
        &self.document
    }

    /// The path template of the document that this request path matches; literal ones first.
    pub fn template(&self, path: &str) -> Option<&str> {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let wanted: Vec<&str> = path.split('/').collect();
        let templates = self.document["paths"].as_object()?;
        templates
            .keys()
            .filter(|template| {
                let parts: Vec<&str> = template.split('/').collect();
                parts.len() == wanted.len()
                    && parts.iter().zip(&wanted).all(|(part, wanted)| {
                        part == wanted || (part.starts_with('{') && !wanted.is_empty())
                    })
            })
            .min_by_key(|template| template.matches('{').count())
            .map(String::as_str)
    }

    /// Panics when the document knows this path and method and the answer is not among what it promises.
    pub fn check(&self, method: &Method, path: &str, answer: &Answer) {
        let Some(template) = self.template(path) else {
            return;
        };
        let method = method.as_str().to_lowercase();
        let operation = &self.document["paths"][template][&method];
        if operation.is_null() {
            return;
        }
        let responses = format!("/paths/{}/{method}/responses", escape(template));
        let Some(pointer) = self.response(&responses, answer.status) else {
            panic!("{answer}: the OpenAPI document does not promise this status");
        };
        let kind = answer
            .header("content-type")
            .split(';')
            .next()
            .unwrap_or("")
            .trim()
            .to_owned();
        let content = format!("{pointer}/content");
        if self.document.pointer(&content).is_none() {
            return;
        }
        let schema = format!("{content}/{}/schema", escape(&kind));
        let Some(promised) = self.document.pointer(&schema) else {
            let any = format!("{content}/{}", escape("*/*"));
            assert!(
                self.document.pointer(&any).is_some()
                    || self
                        .document
                        .pointer(&format!("{content}/{}", escape(&kind)))
                        .is_some(),
                "{answer}: the OpenAPI document does not promise the type {kind:?}"
            );
            return;
        };
        if kind != "application/json" || promised.is_null() {
            return;
        }
        let body: Value = serde_json::from_slice(&answer.body)
            .unwrap_or_else(|error| panic!("{answer} is not JSON: {error}"));
        let errors: Vec<String> = self
            .validator(&schema)
            .iter_errors(&body)
            .map(|error| format!("{} at {}", error, error.instance_path()))
            .collect();
        assert!(
            errors.is_empty(),
            "{answer} is not what the OpenAPI document promises:\n{}",
            errors.join("\n")
        );
    }

    /// The pointer to the promise for this status: its own, its class, or the default; through a `$ref`.
    fn response(&self, responses: &str, status: u16) -> Option<String> {
        let names = [
            status.to_string(),
            format!("{}XX", status / 100),
            "default".to_owned(),
        ];
        let pointer = names
            .iter()
            .map(|name| format!("{responses}/{name}"))
            .find(|pointer| self.document.pointer(pointer).is_some())?;
        let reference = self.document.pointer(&format!("{pointer}/$ref"));
        match reference.and_then(Value::as_str) {
            Some(reference) => Some(reference.trim_start_matches('#').to_owned()),
            None => Some(pointer),
        }
    }

    fn validator(&self, pointer: &str) -> Arc<jsonschema::Validator> {
        let mut compiled = self.compiled.lock().expect("nobody panics in here");
        let make = || {
            // In a URI fragment braces stand percent-encoded.
            let fragment = pointer.replace('{', "%7B").replace('}', "%7D");
            let schema = json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "$ref": format!("#{fragment}"),
                "paths": self.document["paths"],
                "components": self.document["components"],
            });
            Arc::new(jsonschema::validator_for(&schema).expect("the document's schemas are valid"))
        };
        compiled
            .entry(pointer.to_owned())
            .or_insert_with(make)
            .clone()
    }
}

/// A name as one step of a JSON pointer (RFC 6901).
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
