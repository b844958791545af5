//! yt-dlp and ffmpeg.

use super::Report;
use crate::settings::Settings;
use crate::tools::{Looked, Tools};

pub(super) async fn check(settings: &Settings, report: &mut Report) {
    let media = &settings.media;
    let looked = Tools::look(
        media.ytdlp.clone(),
        media.ffmpeg.clone(),
        &settings.data_dir,
    )
    .await;
    for (check, tool) in ["yt-dlp", "ffmpeg"].into_iter().zip(looked) {
        match tool {
            Looked::Found(text) => report.ok(check, text),
            Looked::WouldBeSetUp(text) => {
                let advice = "the next start sets one up in the data folder, from the Python index that pip is set to";
                report.warning(check, text, advice);
            }
            Looked::Missing(text) => {
                let advice = format!(
                    "install yt-dlp {} or newer and ffmpeg, or name them with media.ytdlp and media.ffmpeg",
                    shared::domain::ytdlp::OLDEST
                );
                report.problem(check, text, advice);
            }
        }
    }
}
