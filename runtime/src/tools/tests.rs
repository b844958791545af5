//! Real set-ups from the Python index.

use super::*;
use std::path::Path;

/// Older than what is set up by default, and new enough for us.
const OLDER: &str = "2026.7.4";

fn release(text: &str) -> Release {
    Release::parse(text).unwrap()
}

async fn found(data: &Path) -> ToolsReport {
    Tools::find_or_set_up(None, None, data).await
}

fn version(tools: &Tools) -> String {
    tools.now().ytdlp.as_ref().unwrap().version.to_string()
}

#[tokio::test]
async fn a_wrong_setting_is_one_clear_line_and_no_tool() {
    let data = tempfile::tempdir().unwrap();
    let wrong = Some(PathBuf::from("/bin/false"));
    let report = Tools::find_or_set_up(wrong.clone(), wrong, data.path()).await;
    let toolset = report.tools.now();
    assert!(toolset.ytdlp.is_none() && toolset.ffmpeg.is_none());
    let problems: Vec<&Note> = report.notes.iter().filter(|it| it.is_problem).collect();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].text.contains("media.ytdlp"), "{problems:?}");
    let refused = report
        .tools
        .update_ytdlp(Release::Latest)
        .await
        .unwrap_err();
    assert!(refused.contains("media.ytdlp"), "{refused}");
}

#[tokio::test]
async fn yt_dlp_is_replaced_while_it_is_used_and_stays_replaced() {
    let data = tempfile::tempdir().unwrap();
    let report = found(data.path()).await;
    let (tools, seen_by_another) = (report.tools.clone(), report.tools);
    let before = version(&tools);
    let in_use = tools.now();
    assert_eq!(
        tools
            .update_ytdlp(release(OLDER))
            .await
            .unwrap()
            .to_string(),
        OLDER
    );
    assert_eq!(version(&seen_by_another), OLDER);
    // An attempt that runs goes on with what it started with.
    assert_eq!(in_use.ytdlp.as_ref().unwrap().version.to_string(), before);
    let abilities = &tools.now().ytdlp.as_ref().unwrap().abilities.clone();
    assert!(abilities.has_solver && abilities.can_decrypt, "{abilities}");
    assert_eq!(version(&found(data.path()).await.tools), OLDER);

    let missing = tools.update_ytdlp(release("2099.1.1")).await.unwrap_err();
    assert!(missing.contains("2099.1.1"), "{missing}");
    assert_eq!(version(&tools), OLDER);
    let folders: Vec<String> = std::fs::read_dir(data.path().join("tools"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.contains("2099"))
        .collect();
    assert_eq!(folders, [] as [&str; 0]);

    // Broken on disk, as by a full one: the next start says so and uses the one that worked.
    let entry = data
        .path()
        .join(format!("tools/yt-dlp-{OLDER}/yt_dlp/__init__.py"));
    std::fs::write(entry, "raise SystemExit(1)").unwrap();
    let report = found(data.path()).await;
    assert_eq!(version(&report.tools), before);
    assert!(
        report
            .notes
            .iter()
            .any(|it| it.is_problem && it.text.contains(OLDER)),
        "{:?}",
        report.notes
    );
    // Asked for again, it is set up afresh.
    report.tools.update_ytdlp(release(OLDER)).await.unwrap();
    assert_eq!(version(&report.tools), OLDER);
}
