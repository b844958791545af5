//! yt-dlp's lines of ours, typed, and the merged progress they add up to.

use super::options::{MOVED, PLANNED, PROGRESS, SEEN, STEP};
use serde::Deserialize;
use shared::domain::progress::{Position, StreamReport};
use shared::wire::task::Progress;

/// One line that our options make yt-dlp print.
#[derive(Debug, PartialEq)]
pub(super) enum Line {
    /// The page is read; what is there is live or not.
    Seen { is_live: bool },
    /// The streams about to be downloaded, each with its size where the site says it *exactly*, and with
    /// an estimate otherwise.
    Planned(Vec<Planned>),
    /// A stream moved on.
    Stream {
        id: String,
        report: StreamReport,
        total_is_exact: bool,
    },
    /// A post-processing step began or ended.
    Step,
    /// The file is in its place.
    Moved { title: Option<String>, path: String },
}

#[derive(Debug, PartialEq)]
pub(super) struct Planned {
    pub id: String,
    pub exact_bytes: Option<u64>,
    pub estimated_bytes: Option<u64>,
}

#[derive(Deserialize)]
struct RawSeen {
    #[serde(default)]
    live_status: Option<String>,
    #[serde(default)]
    is_live: Option<bool>,
}

#[derive(Deserialize)]
struct RawPlanned {
    #[serde(default)]
    format_id: Option<String>,
    #[serde(default)]
    filesize: Option<f64>,
    #[serde(default)]
    filesize_approx: Option<f64>,
}

#[derive(Deserialize)]
struct RawProgress {
    #[serde(default)]
    status: String,
    #[serde(default)]
    downloaded_bytes: Option<f64>,
    #[serde(default)]
    total_bytes: Option<f64>,
    #[serde(default)]
    total_bytes_estimate: Option<f64>,
    #[serde(default)]
    speed: Option<f64>,
    #[serde(default)]
    fragment_index: Option<u64>,
    #[serde(default)]
    fragment_count: Option<u64>,
}

#[derive(Deserialize)]
struct RawMoved {
    #[serde(default)]
    title: Option<String>,
    filepath: String,
}

/// None for a line that is not ours or does not parse.
pub(super) fn parse(line: &str) -> Option<Line> {
    if let Some(json) = line.strip_prefix(PROGRESS) {
        let (raw, id): (RawProgress, Option<String>) = two(json)?;
        let fragments = raw.fragment_index.zip(raw.fragment_count);
        let report = StreamReport {
            downloaded_bytes: bytes(raw.downloaded_bytes).unwrap_or(0),
            total_bytes: bytes(raw.total_bytes).or(bytes(raw.total_bytes_estimate)),
            fragments,
            speed: raw.speed,
            finished: raw.status == "finished",
        };
        let total_is_exact = raw.total_bytes.is_some();
        return Some(Line::Stream {
            id: id.unwrap_or_default(),
            report,
            total_is_exact,
        });
    }
    if line.starts_with(STEP) {
        return Some(Line::Step);
    }
    if let Some(json) = line.strip_prefix(SEEN) {
        let raw: RawSeen = serde_json::from_str(json).ok()?;
        let status = raw.live_status.as_deref();
        let is_live =
            raw.is_live == Some(true) || matches!(status, Some("is_live" | "is_upcoming"));
        return Some(Line::Seen { is_live });
    }
    if let Some(json) = line.strip_prefix(PLANNED) {
        let (whole, parts): (RawPlanned, Vec<RawPlanned>) = two(json)?;
        let streams = if parts.is_empty() { vec![whole] } else { parts };
        return Some(Line::Planned(streams.into_iter().map(planned).collect()));
    }
    let raw: RawMoved = serde_json::from_str(line.strip_prefix(MOVED)?).ok()?;
    Some(Line::Moved {
        title: raw.title,
        path: raw.filepath,
    })
}

fn planned(raw: RawPlanned) -> Planned {
    Planned {
        id: raw.format_id.unwrap_or_default(),
        exact_bytes: bytes(raw.filesize),
        estimated_bytes: bytes(raw.filesize_approx),
    }
}

/// Two JSON values behind each other.
fn two<'a, A: Deserialize<'a>, B: Deserialize<'a>>(text: &'a str) -> Option<(A, B)> {
    let mut values = serde_json::Deserializer::from_str(text);
    let first = A::deserialize(&mut values).ok()?;
    let second = B::deserialize(&mut values).ok()?;
    Some((first, second))
}

fn bytes(number: Option<f64>) -> Option<u64> {
    // `as` saturates, and nothing negative is a size.
    number
        .filter(|number| *number >= 0.0)
        .map(|number| number as u64)
}

/// The wire form.
pub(super) fn on_the_wire(position: Position) -> Progress {
    let whole = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    Progress {
        percent: position.percent,
        stage: position.stage.to_owned(),
        downloaded_bytes: position.downloaded_bytes.map(whole),
        total_bytes: position.total_bytes.map(whole),
        speed: position.speed,
        eta: position.eta,
        rows: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_lines_are_understood() {
        let line = r#"wharf-progress {"status": "downloading", "downloaded_bytes": 3072, "total_bytes_estimate": 203376.0, "speed": 0, "fragment_index": 0, "fragment_count": 4} "0""#;
        let Some(Line::Stream {
            id,
            report,
            total_is_exact,
        }) = parse(line)
        else {
            panic!()
        };
        assert_eq!(
            (id.as_str(), report.downloaded_bytes, report.total_bytes),
            ("0", 3072, Some(203_376))
        );
        assert_eq!(
            (report.fragments, report.finished, total_is_exact),
            (Some((0, 4)), false, false)
        );
        let line = r#"wharf-seen {"live_status": "is_live", "is_live": true}"#;
        assert_eq!(parse(line), Some(Line::Seen { is_live: true }));
        assert_eq!(parse("wharf-seen {}"), Some(Line::Seen { is_live: false }));
        let line = r#"wharf-planned {"format_id": "137+140"} [{"format_id": "137", "filesize": 900}, {"format_id": "140", "filesize_approx": 100.5}]"#;
        let Some(Line::Planned(streams)) = parse(line) else {
            panic!()
        };
        assert_eq!(
            streams[0],
            Planned {
                id: "137".into(),
                exact_bytes: Some(900),
                estimated_bytes: None
            }
        );
        assert_eq!(streams[1].estimated_bytes, Some(100));
        assert_eq!(parse("[download] 10%"), None);
        assert_eq!(parse("wharf-moved {"), None);
    }
}
