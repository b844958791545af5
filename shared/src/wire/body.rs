//! Reading the JSON object that a request carries.

use crate::error::{Code, Error, Result};
use crate::limits::JSON_DEPTH_MAX;
use serde::de::{DeserializeOwned, IgnoredAny};

/// The object in `body` as `T`. Errors: 40002 for what is no well-formed JSON or is nested deeper than
/// [`JSON_DEPTH_MAX`], 40001 for JSON that is no object or does not fit.
pub fn read_object<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    let malformed = |message| Error::new(Code::MalformedJson, message);
    // serde_json bounds the depth of what it keeps, but not of the fields that it skips.
    if depth(body) > JSON_DEPTH_MAX {
        return Err(malformed("The body is nested too deeply."));
    }
    // First as a whole, so that a missing field does not hide that the JSON breaks off behind it.
    serde_json::from_slice::<IgnoredAny>(body)
        .map_err(|_| malformed("The body is not well-formed JSON."))?;
    let misfit = |why: String| {
        Error::new(
            Code::InvalidParameter,
            format!("The body does not fit: {why}."),
        )
    };
    // A list would pass for an object with its fields in order.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(misfit("it is not an object".to_owned()));
    }
    serde_json::from_slice(body).map_err(|cause| match cause.classify() {
        serde_json::error::Category::Data => misfit(cause.to_string()),
        _ => malformed("The body is not well-formed JSON."),
    })
}

/// How deep brackets nest, outside of strings.
fn depth(body: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Named {
        name: String,
    }

    fn code(body: &str) -> Option<Code> {
        read_object::<Named>(body.as_bytes())
            .err()
            .map(|error| error.code)
    }

    #[test]
    fn only_a_fitting_object_is_read() {
        assert_eq!(
            read_object::<Named>(br#" {"name":"a","more":[{}]} "#)
                .unwrap()
                .name,
            "a"
        );
        for body in ["", "{", "{} {}", r#"{"name":"a",}"#, r#"{"more":1"#] {
            assert_eq!(code(body), Some(Code::MalformedJson), "{body}");
        }
        for body in [
            "{}",
            "[]",
            r#"["a"]"#,
            "null",
            r#""a""#,
            r#"{"name":1}"#,
            r#"{"name":"a","name":"b"}"#,
        ] {
            assert_eq!(code(body), Some(Code::InvalidParameter), "{body}");
        }
        assert_eq!(
            read_object::<Named>(b"{\"name\":\"\xff\"}")
                .unwrap_err()
                .code,
            Code::MalformedJson
        );
    }

    #[test]
    fn nesting_is_bounded_in_every_field() {
        let nested = |field: &str, depth: usize| {
            format!(
                r#"{{"name":"[\"[","{field}":{}{}}}"#,
                "[".repeat(depth),
                "]".repeat(depth)
            )
        };
        assert_eq!(code(&nested("more", JSON_DEPTH_MAX - 1)), None);
        assert_eq!(
            code(&nested("more", JSON_DEPTH_MAX)),
            Some(Code::MalformedJson)
        );
        assert_eq!(code(&nested("more", 100_000)), Some(Code::MalformedJson));
    }
}
