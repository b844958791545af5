//! What other users of the machine can see of a download.

use crate::sqlite;
use tests::media;

/// The command lines of all processes.
fn command_lines() -> Vec<String> {
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    processes
        .filter_map(|process| std::fs::read(process.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .collect()
}

#[tokio::test]
async fn no_command_line_shows_a_query_or_a_password() {
    let app = sqlite().start();
    let shelf = media().shelf();
    let user = app.user().await;
    let url = format!("{}?signature=very-secret-query", shelf.url("slow.mp4"));
    let (task_id, _) = user.submit(&url).await;
    user.wait_for_task(&task_id, "bytes have arrived", |task| {
        task["progress"]["downloaded_bytes"].as_u64() > Some(0)
    })
    .await;
    let lines = command_lines();
    assert!(
        lines.iter().any(|line| line.contains("--ignore-config")),
        "no extractor runs"
    );
    let [address, _] = media().addresses();
    for secret in ["very-secret-query", "wharf:", address.as_str()] {
        let shown: Vec<&String> = lines.iter().filter(|line| line.contains(secret)).collect();
        assert!(shown.is_empty(), "{secret} stands in {shown:?}");
    }
    shelf.release();
    user.succeeded(&task_id).await;
}
