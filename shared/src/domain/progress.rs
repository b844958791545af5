//! One merged, monotonic progress over all streams and post-processing (VA-6).
//!
//! A video is often two streams and a merge. The streams share the first 95 percent by size, the steps
//! after them creep towards 99, and 100 is said once, when the file is there.

/// Where the downloads end, percent.
const DOWNLOADED: f64 = 95.0;
/// Where post-processing ends, percent.
const PROCESSED: f64 = 99.0;
/// A stream of unknown size counts as half done after so many bytes.
const UNKNOWN_HALF_BYTES: f64 = 64.0 * 1024.0 * 1024.0;
/// The most that a stream of unknown size counts before it ends.
const UNKNOWN_MAX: f64 = 0.9;
/// Streams that are told apart; a site that sends more is merged into the last.
const STREAMS_MAX: usize = 16;

/// How far an attempt is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Position {
    /// 0 to 100, never falling, one decimal.
    pub percent: f64,
    /// `reading`, `downloading`, `processing`, `finishing`, `done`.
    pub stage: &'static str,
    /// Bytes of all streams.
    pub downloaded_bytes: Option<u64>,
    /// Bytes of all streams; None as long as one is unknown.
    pub total_bytes: Option<u64>,
    /// Bytes per second.
    pub speed: Option<f64>,
    /// Seconds.
    pub eta: Option<f64>,
}

/// What yt-dlp reports of one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StreamReport {
    pub downloaded_bytes: u64,
    /// Exact or estimated.
    pub total_bytes: Option<u64>,
    /// Fragments done and in all.
    pub fragments: Option<(u64, u64)>,
    /// Bytes per second.
    pub speed: Option<f64>,
    pub finished: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct Stream {
    id: String,
    report: StreamReport,
}

/// Folds the reports of all streams of one attempt into a value that never falls.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MergedProgress {
    streams: Vec<Stream>,
    percent: f64,
}

impl MergedProgress {
    pub fn new() -> Self {
        Self::default()
    }

    /// The page is being read; nothing is known yet.
    pub fn reading(&self) -> Position {
        self.stage("reading")
    }

    /// Announces the streams that will be downloaded, with their sizes in bytes where known, so that the
    /// first of two does not count for the whole.
    pub fn plan(&mut self, streams: impl IntoIterator<Item = (String, Option<u64>)>) {
        for (id, total_bytes) in streams {
            let stream = self.stream(&id);
            stream.report.total_bytes = total_bytes.or(stream.report.total_bytes);
        }
    }

    /// Takes one report of stream `id` and returns the merged state.
    pub fn advance(&mut self, id: &str, report: StreamReport) -> Position {
        let stream = self.stream(id);
        let planned = stream.report.total_bytes;
        stream.report = report;
        stream.report.total_bytes = report.total_bytes.or(planned);
        if report.finished {
            stream.report.total_bytes = Some(report.downloaded_bytes);
        }
        self.raise(self.downloaded_share() * DOWNLOADED);
        let downloaded = self.downloaded_bytes();
        let total = self.total_bytes().map(|total| total.max(downloaded));
        let speed = report
            .speed
            .filter(|speed| speed.is_finite() && *speed > 0.0);
        Position {
            downloaded_bytes: Some(downloaded),
            total_bytes: total,
            speed,
            eta: total
                .zip(speed)
                .map(|(total, speed)| (total - downloaded) as f64 / speed),
            ..self.stage("downloading")
        }
    }

    /// A post-processing step began or ended.
    pub fn processing(&mut self) -> Position {
        // The number of steps is not known, so each one covers a third of what is left.
        let from = self.percent.max(DOWNLOADED);
        self.raise(from + (PROCESSED - from) / 3.0);
        self.stage("processing")
    }

    /// The file is there; it is checked and put away.
    pub fn finishing(&mut self) -> Position {
        self.raise(PROCESSED);
        self.stage("finishing")
    }

    /// The task is over.
    pub fn done(&mut self) -> Position {
        self.percent = 100.0;
        self.stage("done")
    }

    /// Bytes of all streams so far.
    pub fn downloaded_bytes(&self) -> u64 {
        self.streams.iter().fold(0, |sum, stream| {
            sum.saturating_add(stream.report.downloaded_bytes)
        })
    }

    /// Bytes of all streams; None as long as one is unknown.
    pub fn total_bytes(&self) -> Option<u64> {
        self.streams.iter().try_fold(0u64, |sum, stream| {
            Some(sum.saturating_add(stream.report.total_bytes?))
        })
    }

    fn stage(&self, stage: &'static str) -> Position {
        let downloaded = self.downloaded_bytes();
        Position {
            percent: (self.percent * 10.0).floor() / 10.0,
            stage,
            downloaded_bytes: (downloaded > 0).then_some(downloaded),
            ..Position::default()
        }
    }

    fn raise(&mut self, percent: f64) {
        self.percent = self.percent.max(percent.clamp(0.0, PROCESSED));
    }

    fn stream(&mut self, id: &str) -> &mut Stream {
        let last = self.streams.len().saturating_sub(1);
        let index = match self.streams.iter().position(|stream| stream.id == id) {
            Some(index) => index,
            None if self.streams.len() == STREAMS_MAX => last,
            None => {
                self.streams.push(Stream {
                    id: id.to_owned(),
                    report: StreamReport::default(),
                });
                self.streams.len() - 1
            }
        };
        &mut self.streams[index]
    }

    /// 0 to 1: every stream's fraction weighted by its size; a stream of unknown size weighs as much as
    /// the mean of the known ones.
    fn downloaded_share(&self) -> f64 {
        let known: Vec<f64> = self
            .streams
            .iter()
            .filter_map(|stream| stream.report.total_bytes)
            .map(|total| total as f64)
            .collect();
        let sum: f64 = known.iter().sum();
        let mean = if sum > 0.0 {
            sum / known.len() as f64
        } else {
            1.0
        };
        let weight = |report: &StreamReport| match report.total_bytes {
            Some(total) if sum > 0.0 => total as f64,
            _ => mean,
        };
        let weights: f64 = self
            .streams
            .iter()
            .map(|stream| weight(&stream.report))
            .sum();
        let done: f64 = self
            .streams
            .iter()
            .map(|stream| weight(&stream.report) * fraction(&stream.report))
            .sum();
        if weights > 0.0 { done / weights } else { 0.0 }
    }
}

/// How much of one stream is there, 0 to 1.
fn fraction(report: &StreamReport) -> f64 {
    if report.finished {
        return 1.0;
    }
    let downloaded = report.downloaded_bytes as f64;
    match (report.fragments, report.total_bytes) {
        // Sizes of fragmented streams are estimates that wander; the count does not.
        (Some((done, all)), _) if all > 0 => (done as f64 / all as f64).min(1.0),
        (_, Some(total)) if total > 0 => (downloaded / total as f64).min(1.0),
        _ => (downloaded / (downloaded + UNKNOWN_HALF_BYTES)).min(UNKNOWN_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn report(downloaded_bytes: u64, total_bytes: Option<u64>) -> StreamReport {
        StreamReport {
            downloaded_bytes,
            total_bytes,
            ..StreamReport::default()
        }
    }

    #[test]
    fn two_streams_share_the_percent_by_size() {
        let mut merged = MergedProgress::new();
        merged.plan([("137".to_owned(), Some(900)), ("140".to_owned(), Some(100))]);
        assert_eq!(merged.reading().percent, 0.0);
        let half = merged.advance("137", report(450, Some(900)));
        assert_eq!(
            (half.percent, half.downloaded_bytes, half.total_bytes),
            (42.7, Some(450), Some(1000))
        );
        merged.advance(
            "137",
            StreamReport {
                finished: true,
                ..report(900, Some(900))
            },
        );
        assert_eq!(merged.advance("140", report(0, Some(100))).percent, 85.5);
        let all = merged.advance(
            "140",
            StreamReport {
                finished: true,
                ..report(100, None)
            },
        );
        assert_eq!((all.percent, all.stage), (95.0, "downloading"));
        let merging = merged.processing();
        assert!(merging.percent > 95.0 && merging.percent < 99.0);
        assert_eq!(merged.finishing().percent, 99.0);
        assert_eq!(merged.done().percent, 100.0);
    }

    #[test]
    fn a_stream_of_unknown_size_moves_and_does_not_arrive_early() {
        let mut merged = MergedProgress::new();
        let first = merged.advance("0", report(1 << 20, None)).percent;
        let later = merged.advance("0", report(1 << 40, None)).percent;
        assert!(first > 0.0 && later > first && later < 95.0);
    }

    #[test]
    fn an_estimate_that_grows_does_not_turn_the_bar_back() {
        let mut merged = MergedProgress::new();
        let before = merged.advance("0", report(500, Some(1000))).percent;
        assert_eq!(
            merged.advance("0", report(510, Some(100_000))).percent,
            before
        );
    }

    proptest! {
        #[test]
        fn it_never_falls_and_says_100_only_when_done(
            steps in prop::collection::vec((0..5u8, any::<u64>(), any::<Option<u64>>(), any::<Option<(u64, u64)>>(), any::<bool>(), any::<Option<f64>>()), 0..60)
        ) {
            let mut merged = MergedProgress::new();
            let mut last = 0.0;
            for (kind, downloaded_bytes, total_bytes, fragments, finished, speed) in steps {
                let now = match kind {
                    0 => merged.processing(),
                    1 => { merged.plan([("p".to_owned(), total_bytes)]); merged.reading() }
                    id => merged.advance(&id.to_string(), StreamReport { downloaded_bytes, total_bytes, fragments, speed, finished }),
                };
                prop_assert!(now.percent >= last && now.percent <= 99.0, "{last} → {}", now.percent);
                prop_assert!(now.eta.is_none_or(|eta| eta >= 0.0));
                last = now.percent;
            }
            prop_assert_eq!(merged.done().percent, 100.0);
        }
    }
}
