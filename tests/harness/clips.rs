//! The clips that the media server serves, made by ffmpeg once and kept under the target folder.

use crate::product::{lock, target_dir};
use crate::tools::ffmpeg;
use bytes::Bytes;
use md5::Digest as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// A finished clip in memory with its checksums.
pub struct Clip {
    pub bytes: Bytes,
    pub md5: String,
    pub sha256: String,
}

/// The MP4 clip with one video and one audio stream, about 2 MB, that most routes serve.
pub fn clip() -> &'static Clip {
    static CLIP: OnceLock<Clip> = OnceLock::new();
    CLIP.get_or_init(|| {
        let path = folder().join("clip.mp4");
        let bytes = std::fs::read(path).expect("the clip was made");
        Clip {
            md5: hex::encode(md5::Md5::digest(&bytes)),
            sha256: hex::encode(sha2::Sha256::digest(&bytes)),
            bytes: bytes.into(),
        }
    })
}

/// The clip followed by a `free` box that fills it up to 20 MiB.
pub(crate) fn large_clip() -> Bytes {
    static LARGE: OnceLock<Bytes> = OnceLock::new();
    LARGE
        .get_or_init(|| {
            let mut bytes = clip().bytes.to_vec();
            let padding = LARGE_CLIP_BYTES - bytes.len();
            let length = u32::try_from(padding).expect("a box of less than 4 GiB");
            bytes.extend(length.to_be_bytes());
            bytes.extend(b"free");
            bytes.resize(LARGE_CLIP_BYTES, 0);
            bytes.into()
        })
        .clone()
}

/// The folder with `index.m3u8` and its segments, the same clip as HLS.
pub fn hls_folder() -> PathBuf {
    folder().join("hls")
}

const LARGE_CLIP_BYTES: usize = 20 * 1024 * 1024;
/// The folder with `main.m3u8`, the same clip in three heights with subtitles, and `picture.png`.
pub fn ladder_folder() -> PathBuf {
    folder().join("ladder")
}

/// The heights of the ladder, lines.
const HEIGHTS: [u32; 3] = [180, 360, 720];
/// English subtitles are there; German ones are announced and missing.
const SUBTITLES: &str = "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s\",NAME=\"English\",LANGUAGE=\"en\",URI=\"en.m3u8\"\n\
     #EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s\",NAME=\"Deutsch\",LANGUAGE=\"de\",URI=\"de.m3u8\"\n";

/// Bytes of the clip at the least: small enough to be quick, large enough to act in its middle.
const CLIP_BYTES_MIN: usize = 1024 * 1024;

fn folder() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            let folder = target_dir().join("test-media");
            let _lock = lock("media");
            if !folder.join("complete").exists() {
                make(&folder);
            }
            if !folder.join("ladder/complete").exists() {
                make_ladder(&folder);
            }
            folder
        })
        .clone()
}

fn make(folder: &std::path::Path) {
    std::fs::create_dir_all(folder.join("hls")).expect("the clips' folder");
    let clip = folder.join("clip.mp4");
    let picture = "testsrc2=size=640x360:rate=25:duration=6,noise=alls=20:allf=t";
    let sound = "sine=frequency=440:duration=6";
    run(Command::new(ffmpeg())
        .args(["-y", "-loglevel", "error", "-f", "lavfi", "-i", picture])
        .args(["-f", "lavfi", "-i", sound, "-c:v", "libx264"])
        .args(["-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "50"])
        .args(["-b:v", "2500k", "-c:a", "aac", "-movflags", "+faststart"])
        .arg(&clip));
    run(Command::new(ffmpeg())
        .args(["-y", "-loglevel", "error", "-i"])
        .arg(&clip)
        .args(["-c", "copy", "-f", "hls", "-hls_time", "2"])
        .args(["-hls_list_size", "0", "-hls_segment_filename"])
        .arg(folder.join("hls/segment%d.ts"))
        .arg(folder.join("hls/index.m3u8")));
    let size = std::fs::metadata(&clip).expect("the clip").len() as usize;
    assert!(size >= CLIP_BYTES_MIN, "ffmpeg made a clip of {size} bytes");
    std::fs::write(folder.join("complete"), "").expect("the mark of completeness");
}

fn make_ladder(folder: &std::path::Path) {
    let ladder = folder.join("ladder");
    std::fs::create_dir_all(&ladder).expect("the ladder's folder");
    let write = |name: &str, text: &str| {
        std::fs::write(ladder.join(name), text).expect("a file of the ladder");
    };
    let mut main = format!("#EXTM3U\n{SUBTITLES}");
    for height in HEIGHTS {
        run(Command::new(ffmpeg())
            .args(["-y", "-loglevel", "error", "-i"])
            .arg(folder.join("clip.mp4"))
            .args(["-vf", &format!("scale=-2:{height}"), "-c:v", "libx264"])
            .args([
                "-preset",
                "ultrafast",
                "-g",
                "50",
                "-c:a",
                "copy",
                "-f",
                "hls",
            ])
            .args(["-hls_time", "3", "-hls_list_size", "0"])
            .arg("-hls_segment_filename")
            .arg(ladder.join(format!("{height}-%d.ts")))
            .arg(ladder.join(format!("{height}.m3u8"))));
        let (width, bandwidth) = (height * 16 / 9, height * 1000);
        main += &format!(
            "#EXT-X-STREAM-INF:BANDWIDTH={bandwidth},RESOLUTION={width}x{height},\
             CODECS=\"avc1.42c01e,mp4a.40.2\",SUBTITLES=\"s\"\n{height}.m3u8\n"
        );
    }
    write("main.m3u8", &main);
    write(
        "en.m3u8",
        "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:6,\nen.vtt\n#EXT-X-ENDLIST\n",
    );
    write(
        "en.vtt",
        "WEBVTT\n\n00:00.000 --> 00:03.000\nWind over the sea\n",
    );
    run(Command::new(ffmpeg())
        .args(["-y", "-loglevel", "error", "-i"])
        .arg(folder.join("clip.mp4"))
        .args(["-frames:v", "1"])
        .arg(ladder.join("picture.png")));
    write("complete", "");
}

fn run(command: &mut Command) {
    let status = command.stdin(Stdio::null()).status();
    assert!(
        status.as_ref().is_ok_and(std::process::ExitStatus::success),
        "{command:?}: {status:?}"
    );
}
