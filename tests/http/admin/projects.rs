//! `/admin/api/v1/projects/…` and `wharf admin project …`: made, listed, changed, disabled, their secrets
//! rotated (DC-1, ID-4).

use super::is_logged;
use crate::{UNKNOWN_ID, reaching, shared, sqlite};
use serde_json::{Value, json};
use tests::{Builder, Caller, TestApp, unique};

const PROJECTS: &str = "/admin/api/v1/projects";

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    match value[field].as_str() {
        Some(text) => text,
        None => panic!("no {field} in {value:#}"),
    }
}

fn path(project: &Value) -> String {
    format!("{PROJECTS}/{}", text(project, "project_id"))
}

async fn create(admin: &Caller<'_>, more: Value) -> Value {
    let mut request = json!({ "name": unique() });
    let fields = more.as_object().expect("an object").clone();
    request.as_object_mut().expect("an object").extend(fields);
    admin.post(PROJECTS, &request).await.ok_with(201)
}

/// What the answer to a creation shows beyond the project.
fn without_secrets(created: &Value) -> Value {
    let mut project = created.clone();
    let fields = project.as_object_mut().expect("an object");
    for secret in ["client_secret", "callback_secret"] {
        let shown = fields.remove(secret).expect("it is shown");
        assert_eq!(shown.as_str().map(str::len), Some(64));
    }
    project
}

async fn a_projects_life(builder: Builder) {
    let app = reaching(builder).start();
    let (admin, anonymous) = (app.admin().await, app.anonymous());
    let name = unique();
    let request = json!({
        "name": format!(" {name} "), "group": "east", "max_rows": 500,
        "hosts": ["ERP.example.com", "*.shop.example.com:8443", "erp.example.com"],
    });
    let answer = admin.post(PROJECTS, &request).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let created = answer.ok_with(201);
    assert_eq!(text(&created, "name"), name);
    assert_eq!(
        created["hosts"],
        json!(["erp.example.com", "*.shop.example.com:8443"])
    );
    assert_eq!(
        (
            &created["max_rows"],
            &created["max_bytes"],
            &created["disabled"]
        ),
        (&json!(500), &Value::Null, &json!(false))
    );
    assert!(text(&created, "created_by").contains('@'));
    let project = without_secrets(&created);
    assert_eq!(admin.get(&path(&project)).await.ok(), project);
    admin.post(PROJECTS, &request).await.refused(40901);

    let (client_id, client_secret) = (text(&created, "client_id"), text(&created, "client_secret"));
    let caller = app.caller(&app.token(client_id, client_secret).await);
    caller.tasks("").await.ok();
    let change = json!({ "group": "west", "max_rows": null, "max_tasks": 3, "hosts": [] });
    let changed = admin.put(&path(&project), &change).await.ok();
    assert_eq!(
        (
            &changed["name"],
            &changed["group"],
            &changed["max_rows"],
            &changed["max_tasks"],
            &changed["hosts"]
        ),
        (
            &json!(name),
            &json!("west"),
            &Value::Null,
            &json!(3),
            &json!([])
        )
    );
    caller.tasks("").await.ok();

    let disabled = admin.delete(&path(&project)).await.ok();
    assert_eq!(disabled["disabled"], true);
    caller.tasks("").await.refused(40101);
    anonymous
        .grant(client_id, client_secret)
        .await
        .refused(40103);
    let again = admin.delete(&path(&project)).await.ok();
    assert_eq!(again["disabled"], true);
    let enabled = json!({ "disabled": false });
    admin.put(&path(&project), &enabled).await.ok();
    caller.tasks("").await.refused(40101);
    let caller = app.caller(&app.token(client_id, client_secret).await);
    caller.tasks("").await.ok();

    let project_id = text(&project, "project_id");
    for action in ["create_project", "change_project"] {
        assert!(is_logged(&app.log(), action, project_id), "{action}");
    }
}

#[tokio::test]
async fn a_project_is_made_changed_disabled_and_enabled_on_sqlite() {
    a_projects_life(TestApp::sqlite()).await;
}

#[tokio::test]
async fn a_project_is_made_changed_disabled_and_enabled_on_postgresql() {
    if let Some(builder) = TestApp::postgres() {
        a_projects_life(builder).await;
    }
}

#[tokio::test]
async fn projects_are_listed_by_group_without_their_secrets() {
    let admin = shared().admin().await;
    let group = unique();
    let mut made = Vec::new();
    for name in ["b", "a", "c"] {
        let name = format!("{group} {name}");
        let created = create(&admin, json!({ "name": name, "group": group })).await;
        made.push(without_secrets(&created));
    }
    let list = admin
        .get(&format!("{PROJECTS}?group={group}&page_size=2"))
        .await;
    assert!(!list.to_string().contains("_secret\":"), "{list}");
    let list = list.ok();
    assert_eq!(list["total"], 3, "{list:#}");
    assert_eq!(list["items"], json!([made[1], made[0]]));
    let rest = format!("{PROJECTS}?group={group}&page_size=2&page=2");
    assert_eq!(admin.get(&rest).await.ok()["items"], json!([made[2]]));
    let all = admin.get(PROJECTS).await.ok();
    assert!(all["total"].as_i64() >= Some(3), "{all:#}");
    let none = admin.get(&format!("{PROJECTS}?group=%25")).await.ok();
    assert_eq!(none["total"], 0, "{none:#}");
    admin
        .get(&format!("{PROJECTS}?group="))
        .await
        .refused_field("group");
    admin
        .get(&format!("{PROJECTS}?page_size=101"))
        .await
        .refused_field("page_size");
}

#[tokio::test]
async fn what_does_not_fit_names_its_field_and_changes_nothing() {
    let admin = shared().admin().await;
    let created = create(&admin, json!({ "hosts": ["a.example"] })).await;
    let other = create(&admin, json!({})).await;
    for (field, value) in [
        ("name", json!("")),
        ("name", json!("a\nb")),
        ("name", json!("x".repeat(101))),
        ("group", json!(" ")),
        ("hosts", json!(["http://a.example/"])),
        ("hosts", json!(["*"])),
        ("hosts", json!(["a.example:0"])),
        ("hosts", json!(vec!["a.example"; 101])),
        ("max_tasks", json!(0)),
        ("max_tasks", json!(1001)),
        ("max_rows", json!("5")),
        ("max_bytes", json!(1.5)),
    ] {
        let mut request = json!({ "name": unique() });
        request[field] = value.clone();
        let answer = admin.post(PROJECTS, &request).await;
        answer.refused_field(field);
        let change = json!({ field: value, "disabled": true });
        admin
            .put(&path(&created), &change)
            .await
            .refused_field(field);
    }
    let taken = json!({ "name": other["name"] });
    let answer = admin.put(&path(&created), &taken).await.refused(40901);
    assert_eq!(answer.data["field"], "name");
    for change in [json!({ "name": null }), json!({ "disabled": 1 }), json!([])] {
        admin.put(&path(&created), &change).await.refused(40001);
    }
    admin.post(PROJECTS, &json!({})).await.refused(40001);
    let rotate = format!("{}/secret", path(&created));
    for overlap_s in [json!(-1), json!(604_801), json!("1"), json!(1.5)] {
        let request = json!({ "overlap_s": overlap_s });
        admin
            .post(&rotate, &request)
            .await
            .refused_field("overlap_s");
    }
    let both = json!({ "overlap_s": 1, "callback": true });
    admin.post(&rotate, &both).await.refused_field("overlap_s");
    assert_eq!(
        admin.get(&path(&created)).await.ok(),
        without_secrets(&created)
    );

    for (id, code) in [(UNKNOWN_ID, 40401), ("x", 40001)] {
        let path = format!("{PROJECTS}/{id}");
        admin.get(&path).await.refused(code);
        admin.put(&path, &json!({})).await.refused(code);
        admin.delete(&path).await.refused(code);
        let rotate = format!("{path}/secret");
        for request in [json!({}), json!({ "callback": true })] {
            admin.post(&rotate, &request).await.refused(code);
        }
    }
}

#[tokio::test]
async fn a_rotated_secret_is_good_beside_the_former_one_until_the_overlap_ends() {
    let app = sqlite().start();
    let admin = app.admin().await;
    let created = create(&admin, json!({})).await;
    let client_id = text(&created, "client_id");
    let anonymous = app.anonymous();
    let rotate = async |request: Value| {
        let path = format!("{}/secret", path(&created));
        let answer = admin.post(&path, &request).await;
        assert_eq!(answer.header("cache-control"), "no-store");
        answer.ok()
    };
    let is_good = async |secret: &str| anonymous.grant(client_id, secret).await.status == 200;
    let first = text(&created, "client_secret").to_owned();
    let caller = app.caller(&app.token(client_id, &first).await);

    let rotated = rotate(json!({})).await;
    assert_eq!(text(&rotated, "client_id"), client_id);
    assert!(rotated["callback_secret"].is_null());
    let second = text(&rotated, "client_secret").to_owned();
    assert!(is_good(&first).await && is_good(&second).await);
    let shown = admin.get(&path(&created)).await.ok();
    assert_eq!(
        shown["old_secret_expires_at"],
        rotated["old_secret_expires_at"]
    );

    let third = rotate(json!({ "overlap_s": 1 })).await;
    let third = text(&third, "client_secret").to_owned();
    assert!(!is_good(&first).await, "three are good at once");
    tests::eventually("the overlap ends", tests::PATIENCE, async || {
        (!is_good(&second).await).then_some(())
    })
    .await;
    assert!(is_good(&third).await);
    caller.tasks("").await.ok();

    let fourth = rotate(json!({ "overlap_s": 0 })).await;
    assert!(fourth["old_secret_expires_at"].is_null());
    assert!(!is_good(&third).await);
    caller.tasks("").await.refused(40101);
    let fourth = text(&fourth, "client_secret").to_owned();
    let caller = app.caller(&app.token(client_id, &fourth).await);
    caller.tasks("").await.ok();
}

#[tokio::test]
async fn the_callback_secret_is_rotated_apart_from_the_clients() {
    let app = sqlite().start();
    let admin = app.admin().await;
    let (created, other) = (
        create(&admin, json!({})).await,
        create(&admin, json!({})).await,
    );
    let rotate = format!("{}/secret", path(&created));
    let mut secrets = vec![
        text(&created, "callback_secret").to_owned(),
        text(&other, "callback_secret").to_owned(),
    ];
    for _ in 0..2 {
        let rotated = admin.post(&rotate, &json!({ "callback": true })).await.ok();
        assert!(rotated["client_secret"].is_null() && rotated["client_id"].is_null());
        secrets.push(text(&rotated, "callback_secret").to_owned());
    }
    let count = secrets.len();
    secrets.sort();
    secrets.dedup();
    assert_eq!(secrets.len(), count, "a secret came again");
    app.token(text(&created, "client_id"), text(&created, "client_secret"))
        .await;
    let project_id = text(&created, "project_id");
    assert!(is_logged(&app.log(), "rotate_callback_secret", project_id));
}

#[tokio::test]
async fn the_command_line_makes_lists_shows_disables_and_rotates() {
    let app = sqlite().start();
    let create = [
        "admin",
        "project",
        "create",
        "财务",
        "--group",
        "east",
        "--allow",
        "erp.example.com",
        "127.0.0.1:9000",
        "--max-tasks",
        "2",
        "--max-rows",
        "1000",
        "--max-bytes",
        "4096",
    ];
    let made = app.run(&create, "");
    assert!(made.status.success(), "{made:?}");
    let made: Value = serde_json::from_slice(&made.stdout).expect("JSON, also without --json");
    let project = without_secrets(&made);
    assert_eq!(
        (
            &made["hosts"],
            &made["max_tasks"],
            &made["max_rows"],
            &made["max_bytes"]
        ),
        (
            &json!(["erp.example.com", "127.0.0.1:9000"]),
            &json!(2),
            &json!(1000),
            &json!(4096)
        )
    );
    assert_eq!(made["created_by"], "command line");
    let client_id = text(&made, "client_id");
    let caller = app.caller(&app.token(client_id, text(&made, "client_secret")).await);
    caller.tasks("").await.ok();

    let list = app.admin_project(&["list", "--group", "east"]);
    assert_eq!(
        (&list["items"], &list["total"]),
        (&json!([project]), &json!(1))
    );
    assert_eq!(app.admin_project(&["show", "财务"]), project);
    assert_eq!(
        app.admin_project(&["show", text(&made, "project_id")]),
        project
    );
    let plain = app.run(&["admin", "project", "show", "财务"], "");
    let plain = String::from_utf8(plain.stdout).expect("text");
    assert!(plain.contains(client_id) && !plain.contains('{'), "{plain}");

    let rotated = app.admin_project(&["rotate-secret", "财务", "--overlap-s", "60"]);
    for secret in [&rotated, &made] {
        app.token(client_id, text(secret, "client_secret")).await;
    }
    let rotated = app.admin_project(&["rotate-secret", "财务", "--callback"]);
    assert_ne!(rotated["callback_secret"], made["callback_secret"]);
    assert_eq!(app.admin_project(&["disable", "财务"])["disabled"], true);
    caller.tasks("").await.refused(40101);

    for wrong in [
        vec!["create", "财务"],
        vec!["create", "b", "--allow", "http://b/"],
        vec!["create", "b", "--max-rows", "0"],
        vec!["show", "nobody"],
        vec!["disable", UNKNOWN_ID],
        vec!["rotate-secret", "财务", "--overlap-s", "604801"],
        vec!["rotate-secret", "财务", "--overlap-s", "1", "--callback"],
    ] {
        let arguments = [vec!["admin", "project"], wrong].concat();
        let output = app.run(&arguments, "");
        assert!(!output.status.success(), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("panicked") && !said.is_empty(), "{said}");
    }
}
