//! The ZIP container of an Excel file. Entries are put together from pieces whose size and checksum are known
//! beforehand, so the local headers hold exact values and the file can be written to a stream. All entries bear
//! the same time, so the same pieces give the same bytes. ZIP64 where a size or an offset needs it (APPNOTE 6.3.10).

use super::parts::{DEFLATE_END, Mark, Parts, deflate};
use std::io::{self, Write};

const LOCAL_HEADER: u32 = 0x0403_4b50;
const CENTRAL_HEADER: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const END64: u32 = 0x0606_4b50;
const END64_LOCATOR: u32 = 0x0706_4b50;
/// 1980-01-01, the first day that the format knows; the time is midnight.
const DATE: u16 = 0x0021;
/// Names are UTF-8.
const FLAGS: u16 = 1 << 11;
const DEFLATE: u16 = 8;
/// A size or an offset that stands in the ZIP64 field instead.
const IN_ZIP64: u32 = u32::MAX;

/// What an entry consists of, one behind the other.
#[derive(Clone, Copy)]
pub enum Piece<'a> {
    Text(&'a [u8]),
    /// A part whose form is [`super::parts::Form::Deflated`].
    Part(u32),
}

struct Entry {
    name: String,
    mark: Mark,
    offset: u64,
}

/// A ZIP file that is being written.
pub struct Archive<'a> {
    out: &'a mut dyn Write,
    written_bytes: u64,
    entries: Vec<Entry>,
    /// Sizes and offsets from here on stand in ZIP64 fields.
    zip64_from: u64,
}

impl<'a> Archive<'a> {
    pub fn new(out: &'a mut dyn Write) -> Self {
        Self {
            out,
            written_bytes: 0,
            entries: Vec::new(),
            zip64_from: u64::from(IN_ZIP64),
        }
    }

    /// Adds an entry of one text.
    pub fn text(&mut self, name: &str, text: &[u8]) -> io::Result<()> {
        let stored = deflate(text);
        let mark = Mark::default().after(text, stored.len() as u64);
        self.begin(name, mark)?;
        self.write(&stored)?;
        self.write(&DEFLATE_END)
    }

    /// Adds an entry of several pieces.
    pub fn entry(
        &mut self,
        name: &str,
        pieces: &[Piece<'_>],
        parts: &mut dyn Parts,
    ) -> io::Result<()> {
        let mut whole = Mark::default();
        let mut texts = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => {
                    let stored = deflate(text);
                    whole = whole.after(text, stored.len() as u64);
                    texts.push(stored);
                }
                Piece::Part(part) => whole = joined(whole, parts.mark(*part)?),
            }
        }
        self.begin(name, whole)?;
        let mut texts = texts.into_iter();
        for piece in pieces {
            match piece {
                Piece::Text(_) => self.write(&texts.next().unwrap_or_default())?,
                Piece::Part(part) => {
                    parts.copy(*part, self.out)?;
                    self.written_bytes += parts.mark(*part)?.stored_bytes;
                }
            }
        }
        self.write(&DEFLATE_END)
    }

    /// Writes the directory, which ends the file. Returns its size in bytes.
    pub fn finish(mut self) -> io::Result<u64> {
        let offset = self.written_bytes;
        let entries = std::mem::take(&mut self.entries);
        for entry in &entries {
            let header = self.central_header(entry);
            self.write(&header)?;
        }
        let size = self.written_bytes - offset;
        let end = self.end(entries.len() as u64, size, offset);
        self.write(&end)?;
        Ok(self.written_bytes)
    }

    /// Writes the local header of an entry whose pieces have this mark.
    fn begin(&mut self, name: &str, mut mark: Mark) -> io::Result<()> {
        mark.stored_bytes += DEFLATE_END.len() as u64;
        let is_large = mark.stored_bytes.max(mark.text_bytes) >= self.zip64_from;
        let mut header = Vec::with_capacity(64 + name.len());
        put32(&mut header, LOCAL_HEADER);
        put16(&mut header, if is_large { 45 } else { 20 });
        self.put_common(&mut header, name, mark, is_large);
        put16(&mut header, if is_large { 20 } else { 0 });
        header.extend(name.as_bytes());
        if is_large {
            put16(&mut header, 1);
            put16(&mut header, 16);
            put64(&mut header, mark.text_bytes);
            put64(&mut header, mark.stored_bytes);
        }
        self.entries.push(Entry {
            name: name.to_owned(),
            mark,
            offset: self.written_bytes,
        });
        self.write(&header)
    }

    /// What both headers of an entry have, from the flags to the length of the name.
    fn put_common(&self, header: &mut Vec<u8>, name: &str, mark: Mark, is_large: bool) {
        put16(header, FLAGS);
        put16(header, DEFLATE);
        put16(header, 0);
        put16(header, DATE);
        put32(header, mark.crc32);
        for size in [mark.stored_bytes, mark.text_bytes] {
            put32(header, if is_large { IN_ZIP64 } else { size as u32 });
        }
        put16(header, name.len() as u16);
    }

    fn central_header(&self, entry: &Entry) -> Vec<u8> {
        let mark = entry.mark;
        let is_large = mark.stored_bytes.max(mark.text_bytes) >= self.zip64_from;
        let is_far = entry.offset >= self.zip64_from;
        let mut zip64 = Vec::new();
        if is_large {
            put64(&mut zip64, mark.text_bytes);
            put64(&mut zip64, mark.stored_bytes);
        }
        if is_far {
            put64(&mut zip64, entry.offset);
        }
        let version = if zip64.is_empty() { 20 } else { 45 };
        let mut header = Vec::with_capacity(96 + entry.name.len());
        put32(&mut header, CENTRAL_HEADER);
        put16(&mut header, version);
        put16(&mut header, version);
        self.put_common(&mut header, &entry.name, mark, is_large);
        let extra = if zip64.is_empty() { 0 } else { zip64.len() + 4 };
        put16(&mut header, extra as u16);
        // No comment, first disk, no attributes.
        header.extend([0; 10]);
        put32(
            &mut header,
            if is_far {
                IN_ZIP64
            } else {
                entry.offset as u32
            },
        );
        header.extend(entry.name.as_bytes());
        if !zip64.is_empty() {
            put16(&mut header, 1);
            put16(&mut header, zip64.len() as u16);
            header.extend(zip64);
        }
        header
    }

    fn end(&self, entries: u64, size: u64, offset: u64) -> Vec<u8> {
        let is_large = size.max(offset) >= self.zip64_from || entries >= u64::from(u16::MAX);
        let mut end = Vec::with_capacity(98);
        if is_large {
            put32(&mut end, END64);
            put64(&mut end, 44);
            put16(&mut end, 45);
            put16(&mut end, 45);
            put64(&mut end, 0);
            put64(&mut end, entries);
            put64(&mut end, entries);
            put64(&mut end, size);
            put64(&mut end, offset);
            put32(&mut end, END64_LOCATOR);
            put32(&mut end, 0);
            put64(&mut end, offset + size);
            put32(&mut end, 1);
        }
        put32(&mut end, END);
        put32(&mut end, 0);
        let count = if is_large { u16::MAX } else { entries as u16 };
        put16(&mut end, count);
        put16(&mut end, count);
        for value in [size, offset] {
            put32(&mut end, if is_large { IN_ZIP64 } else { value as u32 });
        }
        put16(&mut end, 0);
        end
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written_bytes += bytes.len() as u64;
        self.out.write_all(bytes)
    }
}

/// The mark of two texts, one behind the other.
fn joined(first: Mark, second: Mark) -> Mark {
    let mut crc = crc32fast::Hasher::new_with_initial_len(first.crc32, first.text_bytes);
    crc.combine(&crc32fast::Hasher::new_with_initial_len(
        second.crc32,
        second.text_bytes,
    ));
    Mark {
        stored_bytes: first.stored_bytes + second.stored_bytes,
        text_bytes: first.text_bytes + second.text_bytes,
        crc32: crc.finalize(),
    }
}

fn put16(out: &mut Vec<u8>, value: u16) {
    out.extend(value.to_le_bytes());
}

fn put32(out: &mut Vec<u8>, value: u32) {
    out.extend(value.to_le_bytes());
}

fn put64(out: &mut Vec<u8>, value: u64) {
    out.extend(value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::super::parts::{Form, MemoryParts};
    use super::*;
    use std::io::{Cursor, Read};

    fn written(zip64_from: u64) -> Vec<u8> {
        let mut parts = MemoryParts::new();
        for page in 0..3 {
            let text = format!("<row>{page}</row>").repeat(2000);
            parts.append(0, Form::Deflated, text.into()).unwrap();
        }
        let mut out = Vec::new();
        let mut archive = Archive::new(&mut out);
        archive.zip64_from = zip64_from;
        archive.text("xl/名.xml", b"<a/>").unwrap();
        archive.text("empty", b"").unwrap();
        let pieces = [
            Piece::Text(b"<sheet>"),
            Piece::Part(0),
            Piece::Part(9),
            Piece::Text(b"</sheet>"),
        ];
        archive.entry("xl/sheet1.xml", &pieces, &mut parts).unwrap();
        let size = archive.finish().unwrap();
        assert_eq!(size, out.len() as u64);
        out
    }

    fn check(out: Vec<u8>) {
        let mut archive = zip::ZipArchive::new(Cursor::new(out)).unwrap();
        let mut read = |name: &str| {
            let mut text = String::new();
            let mut entry = archive.by_name(name).unwrap();
            entry.read_to_string(&mut text).unwrap();
            text
        };
        assert_eq!(read("xl/名.xml"), "<a/>");
        assert_eq!(read("empty"), "");
        let sheet = read("xl/sheet1.xml");
        assert!(sheet.starts_with("<sheet><row>0</row>"));
        assert!(sheet.ends_with("<row>2</row></sheet>"));
        assert_eq!(sheet.len(), 3 * 2000 * 12 + 15);
    }

    #[test]
    fn other_programs_read_an_archive() {
        check(written(u64::from(IN_ZIP64)));
    }

    #[test]
    fn other_programs_read_a_large_archive() {
        check(written(0));
    }

    #[test]
    fn the_same_pieces_give_the_same_bytes() {
        assert_eq!(written(100), written(100));
    }
}
