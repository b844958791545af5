//! The parts of a file on the disk, each in a file of its own. A thread deflates and writes what is appended,
//! while the rows of the next page are being laid out.

use shared::sheet::parts::{Form, Mark, Parts, deflate};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Segments that wait for the thread.
const SEGMENTS_AHEAD: usize = 2;
const COPY_BYTES: usize = 256 * 1024;
const PREFIX: &str = "part-";

pub type Marks = BTreeMap<u32, Mark>;

enum Order {
    Append {
        part: u32,
        form: Form,
        text: Vec<u8>,
    },
    /// Answers with the marks once everything before is written, and on the disk if so asked.
    Settle {
        sync: bool,
        reply: SyncSender<io::Result<Marks>>,
    },
}

pub struct FileParts {
    folder: PathBuf,
    orders: Option<SyncSender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl FileParts {
    /// Goes on behind `marks`: longer files are cut. Errors: `UnexpectedEof` when a file is shorter than its
    /// mark, as after a power cut.
    pub fn open(folder: &Path, marks: Marks) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        for (part, mark) in &marks {
            let file = OpenOptions::new().append(true).open(path(folder, *part))?;
            if file.metadata()?.len() < mark.stored_bytes {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            file.set_len(mark.stored_bytes)?;
            files.insert(*part, file);
        }
        remove_all(folder, |part| !marks.contains_key(&part))?;
        let (orders, received) = sync_channel(SEGMENTS_AHEAD);
        let shelf = Shelf {
            folder: folder.to_owned(),
            files,
            marks,
        };
        Ok(Self {
            folder: folder.to_owned(),
            orders: Some(orders),
            thread: Some(
                std::thread::Builder::new()
                    .name("parts".into())
                    .spawn(move || shelf.run(received))?,
            ),
        })
    }

    /// The marks of everything that was appended.
    pub fn settle(&mut self, sync: bool) -> io::Result<Marks> {
        let (reply, answer) = sync_channel(1);
        self.send(Order::Settle { sync, reply })?;
        answer.recv().unwrap_or_else(|_| Err(gone()))
    }

    fn send(&self, order: Order) -> io::Result<()> {
        let orders = self.orders.as_ref().ok_or_else(gone)?;
        orders.send(order).map_err(|_| gone())
    }
}

impl Drop for FileParts {
    /// Nobody else may open the files before the thread has let go of them.
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Parts for FileParts {
    /// An error of the thread is told by the next call that settles.
    fn append(&mut self, part: u32, form: Form, text: Vec<u8>) -> io::Result<()> {
        self.send(Order::Append { part, form, text })
    }

    fn mark(&mut self, part: u32) -> io::Result<Mark> {
        Ok(self.settle(false)?.get(&part).copied().unwrap_or_default())
    }

    fn copy(&mut self, part: u32, out: &mut dyn Write) -> io::Result<()> {
        let stored_bytes = self.mark(part)?.stored_bytes;
        if stored_bytes == 0 {
            return Ok(());
        }
        let mut file = File::open(path(&self.folder, part))?.take(stored_bytes);
        let mut buffer = vec![0; COPY_BYTES];
        let mut copied = 0;
        loop {
            let count = file.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            out.write_all(&buffer[..count])?;
            copied += count as u64;
        }
        match copied == stored_bytes {
            true => Ok(()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// What the thread owns.
struct Shelf {
    folder: PathBuf,
    files: BTreeMap<u32, File>,
    marks: Marks,
}

impl Shelf {
    fn run(mut self, orders: Receiver<Order>) {
        let mut failed: Option<io::Error> = None;
        for order in orders {
            match order {
                Order::Append { part, form, text } if failed.is_none() => {
                    failed = self.append(part, form, &text).err();
                }
                Order::Append { .. } => {}
                Order::Settle { sync, reply } => {
                    let settled = match failed.take() {
                        Some(error) => {
                            failed = Some(error.kind().into());
                            Err(error)
                        }
                        None if sync => self.sync().map(|()| self.marks.clone()),
                        None => Ok(self.marks.clone()),
                    };
                    let _ = reply.send(settled);
                }
            }
        }
    }

    fn append(&mut self, part: u32, form: Form, text: &[u8]) -> io::Result<()> {
        if !self.files.contains_key(&part) {
            let path = path(&self.folder, part);
            let file = OpenOptions::new().create(true).append(true).open(path)?;
            file.set_len(0)?;
            self.files.insert(part, file);
        }
        let file = self.files.get_mut(&part).ok_or_else(gone)?;
        let stored_bytes = match form {
            Form::Plain => {
                file.write_all(text)?;
                text.len()
            }
            Form::Deflated => {
                let stored = deflate(text);
                file.write_all(&stored)?;
                stored.len()
            }
        };
        let mark = self.marks.entry(part).or_default();
        *mark = mark.after(text, stored_bytes as u64);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.files.values().try_for_each(File::sync_data)
    }
}

fn path(folder: &Path, part: u32) -> PathBuf {
    folder.join(format!("{PREFIX}{part}"))
}

/// Removes the files of those parts.
fn remove_all(folder: &Path, which: impl Fn(u32) -> bool) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let part = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX)?.parse().ok());
        if part.is_some_and(&which) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn gone() -> io::Error {
    io::Error::other("the thread that writes parts is gone")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_go_on_behind_their_marks_and_forget_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let mut parts = FileParts::open(folder.path(), Marks::new()).unwrap();
        parts.append(0, Form::Plain, b"one".to_vec()).unwrap();
        parts
            .append(4, Form::Deflated, b"two".repeat(1000))
            .unwrap();
        let marks = parts.settle(true).unwrap();
        parts.append(0, Form::Plain, b"lost".to_vec()).unwrap();
        parts.append(7, Form::Plain, b"lost".to_vec()).unwrap();
        assert_eq!(parts.mark(0).unwrap().stored_bytes, 7);
        drop(parts);
        let mut parts = FileParts::open(folder.path(), marks.clone()).unwrap();
        assert_eq!(parts.settle(false).unwrap(), marks);
        parts.append(0, Form::Plain, b" more".to_vec()).unwrap();
        let mut text = Vec::new();
        parts.copy(0, &mut text).unwrap();
        assert_eq!(text, b"one more");
        assert!(!folder.path().join("part-7").exists());
        drop(parts);
        fs::write(folder.path().join("part-0"), "o").unwrap();
        let error = FileParts::open(folder.path(), marks).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
