//! The thread that writes: each page into the parts, a checkpoint now and then, the file at the end.

use super::Broken;
use super::checkpoint::Checkpoint;
use super::hash::HashedFile;
use super::parts::{FileParts, Marks};
use super::pull::Reading;
use crate::fault;
use crate::worker::attempt::Reporter;
use crate::worker::finish::{TableFacts, Written};
use bytes::Bytes;
use prometheus_client::metrics::counter::Counter;
use shared::domain::task::Failure;
use shared::sheet::{self, Page, Writer};
use shared::wire::export::Export;
use shared::wire::source::SourcePage;
use shared::wire::task::Progress;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Between two checkpoints.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(250);
/// Between two reports of progress.
const REPORT_EVERY: Duration = Duration::from_millis(100);
/// What the bar shows when every row is written and the file is still to be put together.
const WRITTEN_PERCENT: f64 = 95.0;
const FILE: &str = "file";

/// What comes to be written.
pub enum Piece {
    /// A page, and how far the source has been read with it.
    Pulled { body: Bytes, reading: Reading },
    /// The rows of this table, which came with the request.
    Given(usize),
    /// Nothing is missing any more.
    End,
}

/// What there is to write.
pub struct Job {
    pub export: Arc<Export>,
    pub template: Option<Vec<u8>>,
    /// The work folder.
    pub folder: PathBuf,
    pub bytes_max: u64,
    pub reporter: Reporter,
    pub rows_counter: Counter,
    pub stop: CancellationToken,
}

/// Says through `started` where to go on, writes what comes, and puts the file together behind the last piece.
pub fn run(
    job: Job,
    mut pieces: mpsc::Receiver<Piece>,
    started: oneshot::Sender<Reading>,
) -> Result<Written, Broken> {
    let stop = job.stop.clone();
    let written = Desk::open(job).and_then(|mut desk| {
        let _ = started.send(desk.reading.clone());
        desk.write(&mut pieces)
    });
    // The other side waits for nothing that is still to come.
    stop.cancel();
    written
}

struct Desk {
    job: Job,
    parts: FileParts,
    /// Made for the first page: a template wants to know how many rows are to come.
    writer: Option<Box<dyn Writer>>,
    reading: Reading,
    saved_at: Instant,
    reported_at: Option<Instant>,
}

impl Desk {
    fn open(job: Job) -> Result<Self, Broken> {
        match resume(&job) {
            Ok(Some((parts, writer, reading))) => {
                return Ok(Self::new(job, parts, Some(writer), reading));
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "a checkpoint cannot be used; the export starts anew")
            }
        }
        Checkpoint::remove(&job.folder);
        let parts = FileParts::open(&job.folder, Marks::new()).map_err(Broken::Disk)?;
        Ok(Self::new(job, parts, None, Reading::default()))
    }

    fn new(job: Job, parts: FileParts, writer: Option<Box<dyn Writer>>, reading: Reading) -> Self {
        Self {
            job,
            parts,
            writer,
            reading,
            saved_at: Instant::now(),
            reported_at: None,
        }
    }

    fn write(&mut self, pieces: &mut mpsc::Receiver<Piece>) -> Result<Written, Broken> {
        while let Some(piece) = pieces.blocking_recv() {
            match piece {
                Piece::End => return self.finish(),
                Piece::Given(table) => self.given(table)?,
                Piece::Pulled { body, reading } => {
                    self.pulled(&body, reading)?;
                    if self.saved_at.elapsed() >= CHECKPOINT_EVERY {
                        self.save()?;
                    }
                }
            }
            self.report();
        }
        // The source failed or the attempt is stopped: the next one goes on from here.
        if self.writer.is_some() {
            self.save()?;
        }
        Err(Broken::Stopped)
    }

    fn pulled(&mut self, body: &Bytes, reading: Reading) -> Result<(), Broken> {
        let page = SourcePage::parse(body)?;
        let table = reading.table;
        let expected = reading.expected;
        let rows = self.page(table, &Page::from(&page), expected)?;
        if rows != page.facts.rows {
            let message = format!(
                "A page has {} rows and {rows} were written.",
                page.facts.rows
            );
            return Err(Failure::permanent("rows_lost", message).into());
        }
        self.reading = reading;
        fault::point("export:page");
        Ok(())
    }

    fn given(&mut self, table: usize) -> Result<(), Broken> {
        let export = self.job.export.clone();
        let given = export
            .given()
            .map_err(|error| Failure::permanent("internal", error.message))?;
        let Some(rows) = given.get(table) else {
            return Err(Failure::permanent("internal", "A table has no rows.").into());
        };
        let count = shared::wire::source::count_rows(rows).unwrap_or(0);
        let mut page = Page::of_rows(rows);
        page.values = export.request.values.as_deref();
        let written = self.page(table, &page, Some(count))?;
        self.reading.rows += written;
        self.reading.declared += count;
        Ok(())
    }

    fn page(
        &mut self,
        table: usize,
        page: &Page<'_>,
        expected: Option<u64>,
    ) -> Result<u64, Broken> {
        if self.job.stop.is_cancelled() {
            return Err(Broken::Stopped);
        }
        if self.writer.is_none() {
            self.writer = Some(writer(&self.job, expected)?);
        }
        let writer = self.writer.as_mut().ok_or(Broken::Stopped)?;
        let rows = writer.page(table, page, &mut self.parts)?;
        self.job.rows_counter.inc_by(rows);
        Ok(rows)
    }

    /// Notes how far it is, once the parts are on the disk.
    fn save(&mut self) -> Result<(), Broken> {
        let marks = self.parts.settle(true).map_err(Broken::Disk)?;
        let stored: u64 = marks.values().map(|mark| mark.stored_bytes).sum();
        if stored > self.job.bytes_max {
            return Err(too_large(self.job.bytes_max));
        }
        let writer = self.writer.as_ref().ok_or(Broken::Stopped)?;
        let checkpoint = Checkpoint {
            reading: self.reading.clone(),
            writer: writer.position()?,
            marks,
        };
        checkpoint.save(&self.job.folder).map_err(Broken::Disk)?;
        self.saved_at = Instant::now();
        fault::point("export:saved");
        Ok(())
    }

    fn report(&mut self) {
        if self
            .reported_at
            .is_some_and(|at| at.elapsed() < REPORT_EVERY)
        {
            return;
        }
        self.reported_at = Some(Instant::now());
        let (rows, declared) = (self.reading.rows(), self.reading.declared());
        let is_known = self.reading.position.total.is_some() || self.reading.table > 0;
        let percent = match declared {
            0 => 0.0,
            declared if is_known => WRITTEN_PERCENT * rows as f64 / declared as f64,
            _ => 0.0,
        };
        self.tell("downloading", percent.min(WRITTEN_PERCENT));
    }

    fn tell(&mut self, stage: &str, percent: f64) {
        self.job.reporter.report(Progress {
            percent,
            stage: stage.to_owned(),
            rows: i64::try_from(self.reading.rows()).ok(),
            ..Progress::default()
        });
    }

    fn finish(&mut self) -> Result<Written, Broken> {
        self.tell("finishing", WRITTEN_PERCENT);
        if self.writer.is_none() {
            self.writer = Some(writer(&self.job, Some(0))?);
        }
        let writer = self.writer.as_mut().ok_or(Broken::Stopped)?;
        let path = self.job.folder.join(FILE);
        let out = HashedFile::create(&path, self.job.bytes_max, self.job.stop.clone());
        let mut out = out.map_err(Broken::Disk)?;
        let put_together = writer.finish(&mut self.parts, &mut out);
        let ended = |error: io::Error| match error.kind() {
            io::ErrorKind::FileTooLarge => too_large(self.job.bytes_max),
            io::ErrorKind::ConnectionAborted => Broken::Stopped,
            _ => Broken::Disk(error),
        };
        let finished = put_together.map_err(|error| match error {
            sheet::SheetError::Io(error) => ended(error),
            refused => refused.into(),
        })?;
        let hashes = out.finish().map_err(ended)?;
        let (rows, declared) = (self.reading.rows(), self.reading.declared());
        if finished.rows != rows || rows != declared {
            let message = format!(
                "{declared} rows were declared, {rows} came and {} were written.",
                finished.rows
            );
            return Err(Failure::permanent("rows_lost", message).into());
        }
        Ok(Written {
            file_name: self.job.export.file_name.clone(),
            path,
            file_size: hashes.bytes,
            md5: hashes.md5,
            sha256: hashes.sha256,
            table: TableFacts {
                rows,
                rows_declared: declared,
                warnings: finished.warnings,
            },
        })
    }
}

fn too_large(bytes_max: u64) -> Broken {
    let message = format!("The file is larger than {bytes_max} bytes.");
    Failure::permanent("file_too_large", message).into()
}

fn writer(job: &Job, expected: Option<u64>) -> Result<Box<dyn Writer>, Broken> {
    let writer = sheet::export::writer(&job.export, job.template.as_deref(), expected);
    writer.map_err(Broken::from)
}

type Resumed = (FileParts, Box<dyn Writer>, Reading);

/// Where an earlier attempt left off.
fn resume(job: &Job) -> io::Result<Option<Resumed>> {
    let Some(checkpoint) = Checkpoint::load(&job.folder) else {
        return Ok(None);
    };
    let parts = FileParts::open(&job.folder, checkpoint.marks)?;
    let made = sheet::export::writer(
        &job.export,
        job.template.as_deref(),
        checkpoint.reading.expected,
    );
    let mut writer = made.map_err(io::Error::other)?;
    writer.resume(checkpoint.writer).map_err(io::Error::other)?;
    Ok(Some((parts, writer, checkpoint.reading)))
}
