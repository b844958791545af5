use super::*;

const FORM: Option<&str> = Some("application/x-www-form-urlencoded; charset=UTF-8");
const JSON: Option<&str> = Some("application/json");

fn header(credentials: &str) -> String {
    format!("Basic {}", STANDARD.encode(credentials))
}

fn read(
    authorization: Option<&str>,
    content_type: Option<&str>,
    body: &str,
) -> Result<(String, String)> {
    TokenRequest::read(authorization, content_type, body.as_bytes())
        .map(|request| (request.client_id, request.client_secret))
}

fn word(error: &Error) -> String {
    let body: serde_json::Value = serde_json::from_slice(&refusal(error).unwrap()).unwrap();
    assert_eq!(body["error_description"], body["message"]);
    assert_eq!(body["code"], error.code.number());
    body["error"].as_str().unwrap().to_owned()
}

#[test]
fn a_client_names_itself_by_form_json_or_basic() {
    let named = ("c".to_owned(), "s +%".to_owned());
    let form = "grant_type=client_credentials&client_id=c&client_secret=s+%2B%25&scope=x";
    assert_eq!(read(None, FORM, form).unwrap(), named);
    assert_eq!(read(None, None, form).unwrap(), named);
    let json =
        r#"{"grant_type":"client_credentials","client_id":"c","client_secret":"s +%","x":[]}"#;
    assert_eq!(read(None, JSON, json).unwrap(), named);
    let basic = header("c:s+%2B%25");
    for (kind, body) in [
        (FORM, "grant_type=client_credentials"),
        (
            FORM,
            "grant_type=client_credentials&client_id=c&client_secret=",
        ),
        (JSON, r#"{"grant_type":"client_credentials"}"#),
    ] {
        assert_eq!(read(Some(&basic), kind, body).unwrap(), named, "{body}");
    }
    // Another scheme names no client.
    assert_eq!(read(Some("Bearer x"), FORM, form).unwrap(), named);
}

#[test]
fn a_request_that_cannot_be_understood_is_invalid() {
    let basic = header("c:s");
    for (authorization, kind, body) in [
        (None, FORM, ""),
        (None, FORM, "grant_type="),
        (None, FORM, "client_id=c&client_secret=s"),
        (
            None,
            FORM,
            "grant_type=client_credentials&client_id=a&client_id=b",
        ),
        (None, JSON, "grant_type=client_credentials"),
        (None, JSON, "[]"),
        (
            None,
            JSON,
            r#"{"grant_type":"client_credentials","client_id":1}"#,
        ),
        (
            None,
            JSON,
            r#"{"grant_type":"a","grant_type":"client_credentials"}"#,
        ),
        (None, Some("text/plain"), "grant_type=client_credentials"),
        (
            Some(basic.as_str()),
            FORM,
            "grant_type=client_credentials&client_secret=s",
        ),
        (
            Some(basic.as_str()),
            FORM,
            "grant_type=client_credentials&client_id=d",
        ),
    ] {
        let error = read(authorization, kind, body).unwrap_err();
        assert_eq!(error.code.status(), 400, "{body}");
        assert_eq!(word(&error), "invalid_request", "{body}");
    }
    let password = "grant_type=password&username=a&password=b";
    assert_eq!(
        word(&read(None, FORM, password).unwrap_err()),
        "unsupported_grant_type"
    );
}

#[test]
fn who_is_not_named_is_no_client() {
    let grant = "grant_type=client_credentials";
    for authorization in ["Basic", "Basic ", "Basic !", "basic Yzpz!", "Basic Yw=="] {
        let error = read(Some(authorization), FORM, grant).unwrap_err();
        assert_eq!(word(&error), "invalid_client", "{authorization}");
    }
    for body in ["&client_id=c", "&client_secret=s", ""] {
        let error = read(None, FORM, &format!("{grant}{body}")).unwrap_err();
        assert_eq!(word(&error), "invalid_client", "{body}");
    }
    assert!(is_basic(Some("basic x")) && !is_basic(Some("Bearer x")) && !is_basic(None));
}
