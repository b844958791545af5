//! Requests made from the document: mostly as it describes them, here and there not at all.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value, json};

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "DELETE", "PATCH"];
/// How deep schemas are followed.
const DEPTH_MAX: u32 = 5;

/// One request to send.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub method: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub body: Option<(&'static str, Vec<u8>)>,
    pub idempotency_key: Option<String>,
    /// Whose token: 0 nobody's, 1 nonsense, 2 an admin's, else the fitting one.
    pub caller: u8,
}

/// An endless, reproducible row of requests.
pub struct Generator {
    runner: TestRunner,
    operations: Vec<BoxedStrategy<Wanted>>,
}

impl Generator {
    /// `known_id` is the id of a task that exists; `media_url` is fetched now and then.
    pub fn new(document: &Value, seed: u64, known_id: &str, media_url: &str) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let maker = Maker {
            document,
            known_id: known_id.to_owned(),
            media_url: media_url.to_owned(),
        };
        Self {
            runner: TestRunner::new_with_rng(Config::default(), rng),
            operations: maker.operations(),
        }
    }

    pub fn next(&mut self) -> Wanted {
        let which = (0..self.operations.len())
            .new_tree(&mut self.runner)
            .expect("an index");
        let operation = &self.operations[which.current()];
        operation
            .new_tree(&mut self.runner)
            .expect("a request")
            .current()
    }
}

struct Maker<'a> {
    document: &'a Value,
    known_id: String,
    media_url: String,
}

impl Maker<'_> {
    fn operations(&self) -> Vec<BoxedStrategy<Wanted>> {
        let mut operations = Vec::new();
        let paths = self.document["paths"].as_object().expect("paths");
        for (template, item) in paths {
            // A WebSocket is no request with one answer.
            if template.contains("/ws/progress") {
                continue;
            }
            for method in METHODS {
                let operation = &item[method.to_lowercase()];
                if !operation.is_null() {
                    operations.push(self.operation(template, method, operation, item));
                }
            }
        }
        operations
    }

    fn operation(
        &self,
        template: &str,
        method: &'static str,
        operation: &Value,
        item: &Value,
    ) -> BoxedStrategy<Wanted> {
        let method = prop_oneof![30 => Just(method), 1 => select(&METHODS[..])];
        let declared: Vec<&Value> = [&operation["parameters"], &item["parameters"]]
            .into_iter()
            .filter_map(Value::as_array)
            .flatten()
            .map(|parameter| self.resolved(parameter))
            .collect();
        let query: Vec<BoxedStrategy<Option<(String, String)>>> = declared
            .iter()
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| {
                let name = parameter["name"].as_str().expect("a name").to_owned();
                let value = self.value(&parameter["schema"], &name, DEPTH_MAX);
                prop::option::weighted(
                    0.7,
                    value.prop_map(move |value| (name.clone(), plain(&value))),
                )
                .boxed()
            })
            .collect();
        let schema =
            &self.resolved(&operation["requestBody"])["content"]["application/json"]["schema"];
        let body = if schema.is_null() {
            prop_oneof![9 => Just(None), 1 => garbage().prop_map(Some)].boxed()
        } else {
            let fitting = self
                .value(schema, "", DEPTH_MAX)
                .prop_map(|value| ("application/json", value.to_string().into_bytes()));
            prop_oneof![12 => fitting.prop_map(Some), 2 => garbage().prop_map(Some), 1 => Just(None)].boxed()
        };
        let key = prop::option::weighted(0.2, "[ -~]{0,20}");
        (method, self.path(template), query, body, key, 0..30_u8)
            .prop_map(|(method, path, query, body, key, caller)| Wanted {
                method: method.to_owned(),
                path,
                query: query.into_iter().flatten().collect(),
                body,
                idempotency_key: key.map(|key| key.trim().to_owned()),
                caller,
            })
            .boxed()
    }

    /// The path with every parameter filled in: an id that exists, one that does not, or none at all.
    fn path(&self, template: &str) -> BoxedStrategy<String> {
        let unknown = crate::UNKNOWN_ID.to_owned();
        let segments: Vec<BoxedStrategy<String>> = template
            .split('/')
            .map(|part| match part.starts_with('{') {
                true => prop_oneof![
                    3 => Just(self.known_id.clone()),
                    2 => Just(unknown.clone()),
                    1 => "[a-zA-Z0-9_.~-]{1,40}",
                    1 => "(%[2-7][0-9a-f]){1,8}",
                    1 => "(%[89a-f][0-9a-f]){1,8}",
                ]
                .boxed(),
                false => Just(part.to_owned()).boxed(),
            })
            .collect();
        segments
            .prop_map(|segments| {
                // Clients resolve dot segments, also encoded ones, before they send.
                let dots = |segment: &String| match segment.replace("%2e", ".").trim_matches('.') {
                    "" if !segment.is_empty() => "x".to_owned(),
                    _ => segment.clone(),
                };
                segments.iter().map(dots).collect::<Vec<_>>().join("/")
            })
            .boxed()
    }

    fn resolved<'v>(&'v self, value: &'v Value) -> &'v Value {
        match value["$ref"].as_str() {
            Some(reference) => {
                let pointer = reference.trim_start_matches('#');
                self.document
                    .pointer(pointer)
                    .expect("the reference leads somewhere")
            }
            None => value,
        }
    }

    /// Mostly a value of this schema, sometimes one of none.
    fn value(&self, schema: &Value, name: &str, depth: u32) -> BoxedStrategy<Value> {
        let schema = self.resolved(schema);
        if name == "url" {
            return self.url();
        }
        prop_oneof![15 => self.fitting(schema, name, depth), 1 => junk()].boxed()
    }

    fn fitting(&self, schema: &Value, name: &str, depth: u32) -> BoxedStrategy<Value> {
        if let Some(values) = schema["enum"].as_array() {
            return select(values.clone()).boxed();
        }
        if let Some(value) = schema.get("const") {
            return Just(value.clone()).boxed();
        }
        for union in ["oneOf", "anyOf", "allOf"] {
            if let Some(options) = schema[union].as_array().filter(|_| depth > 0) {
                let options: Vec<_> = options
                    .iter()
                    .map(|option| self.value(option, name, depth - 1))
                    .collect();
                return proptest::strategy::Union::new(options).boxed();
            }
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds.iter().find_map(Value::as_str).unwrap_or_default(),
            kind => kind.as_str().unwrap_or_default(),
        };
        match kind {
            "object" if depth > 0 => self.object(schema, depth),
            "array" if depth > 0 => {
                let item = self.value(&schema["items"], "", depth - 1);
                prop::collection::vec(item, 0..4)
                    .prop_map(Value::from)
                    .boxed()
            }
            "integer" => prop_oneof![5 => 0..5_i64, 3 => 0..200_i64, 1 => any::<i64>()]
                .prop_map(Value::from)
                .boxed(),
            "number" => any::<f64>().prop_map(Value::from).boxed(),
            "boolean" => any::<bool>().prop_map(Value::from).boxed(),
            _ => self.text(schema, name),
        }
    }

    fn object(&self, schema: &Value, depth: u32) -> BoxedStrategy<Value> {
        let none = Map::new();
        let properties = schema["properties"].as_object().unwrap_or(&none);
        let fields: Vec<BoxedStrategy<Option<(String, Value)>>> = properties
            .iter()
            .map(|(name, schema)| {
                let key = name.clone();
                let value = self.value(schema, name, depth - 1);
                prop::option::weighted(0.95, value.prop_map(move |value| (key.clone(), value)))
                    .boxed()
            })
            .collect();
        fields
            .prop_map(|fields| Value::Object(fields.into_iter().flatten().collect()))
            .boxed()
    }

    fn text(&self, schema: &Value, name: &str) -> BoxedStrategy<Value> {
        let text = match (name, schema["format"].as_str()) {
            (_, Some("email")) | ("email", _) => "[a-z]{1,6}[0-9]{0,3}@example\\.(com|org)".boxed(),
            ("history_id" | "task_id", _) | (_, Some("uuid")) => prop_oneof![
                Just(self.known_id.clone()),
                Just(crate::UNKNOWN_ID.to_owned())
            ]
            .boxed(),
            // A good one costs a run of bcrypt.
            (name, _) if name.contains("password") => {
                prop_oneof![1 => "[a-zA-Z]{4,20}[0-9]{4,10}", 4 => "\\PC{0,12}"].boxed()
            }
            _ => "\\PC{0,30}".boxed(),
        };
        text.prop_map(Value::from).boxed()
    }

    /// Nearly always one that is refused at once: what is accepted costs a run of yt-dlp.
    fn url(&self) -> BoxedStrategy<Value> {
        prop_oneof![
            2 => Just(Value::from(self.media_url.as_str())),
            40 => select(vec!["http://127.0.0.1:9/x.mp4", "http://[::1]/", "http://10.0.0.1/", "http://localhost/"])
                .prop_map(Value::from),
            40 => "[a-z]{2,8}:[ -~]{0,30}".prop_map(Value::from),
            20 => "(file|ftp|data|ytsearch|javascript)://\\PC{0,30}".prop_map(Value::from),
            10 => junk().prop_filter("no string", |value| !value.is_string()),
        ]
        .boxed()
    }
}

/// Values that no schema asks for.
fn junk() -> BoxedStrategy<Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[\\x00-\\x1f]{1,5}".prop_map(Value::from),
        "[a-z]{500,6000}".prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..5).prop_map(|numbers| json!(numbers)),
        any::<String>().prop_map(|name| json!({ name: { "$ne": null } })),
    ]
    .boxed()
}

/// Bodies that are no JSON, or JSON under another name.
fn garbage() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    let kind = select(vec![
        "application/json",
        "text/plain",
        "application/x-www-form-urlencoded",
        "x",
    ]);
    (kind, prop::collection::vec(any::<u8>(), 0..200))
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
