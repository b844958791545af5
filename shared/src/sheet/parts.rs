//! Parts: bodies that only grow, which a file is put together from at the end.

use flate2::{Compress, Compression, FlushCompress};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;

/// How a part is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it is.
    Plain,
    /// As deflated segments; see [`deflate`].
    Deflated,
}

/// How far a part has grown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// As it is kept, which is less than its text where it is deflated.
    pub stored_bytes: u64,
    pub text_bytes: u64,
    /// Of the text.
    pub crc32: u32,
}

impl Mark {
    /// The mark after one more segment of this text, which is kept in so many bytes.
    pub fn after(self, text: &[u8], stored_bytes: u64) -> Self {
        let mut segment = crc32fast::Hasher::new();
        segment.update(text);
        let mut whole = crc32fast::Hasher::new_with_initial_len(self.crc32, self.text_bytes);
        whole.combine(&segment);
        Self {
            stored_bytes: self.stored_bytes + stored_bytes,
            text_bytes: self.text_bytes + text.len() as u64,
            crc32: whole.finalize(),
        }
    }
}

/// Bodies that only grow, each named by a number that the writer chooses. The segments of a part keep the
/// order in which they are appended; a part keeps the form of its first segment.
pub trait Parts {
    /// Adds a piece of text as one segment. An implementation may compress it on another thread.
    fn append(&mut self, part: u32, form: Form, text: Vec<u8>) -> io::Result<()>;

    /// How far a part has grown; all zero where nothing was appended.
    fn mark(&mut self, part: u32) -> io::Result<Mark>;

    /// Writes the stored bytes of a part.
    fn copy(&mut self, part: u32, out: &mut dyn io::Write) -> io::Result<()>;
}

/// Deflates one piece so that pieces can be put one behind the other: raw deflate, level 1, a dictionary of
/// its own, a sync flush at the end. The bytes depend on this text alone. The stream has no end until
/// [`DEFLATE_END`] follows.
pub fn deflate(text: &[u8]) -> Vec<u8> {
    let mut compress = Compress::new(Compression::new(1), false);
    // Room for the worst case of level 1, so that one call does it all and the flush is written once.
    let mut stored = Vec::with_capacity(text.len() + text.len() / 8 + 64);
    while compress.total_in() < text.len() as u64 || stored.len() == stored.capacity() {
        let from = compress.total_in() as usize;
        stored.reserve(64);
        // Only wrong arguments make it fail; there is nothing that input could change about them.
        if compress
            .compress_vec(&text[from..], &mut stored, FlushCompress::Sync)
            .is_err()
        {
            break;
        }
    }
    stored.shrink_to_fit();
    stored
}

/// Ends a stream of deflated pieces: a final block with nothing in it.
pub const DEFLATE_END: [u8; 2] = [3, 0];

/// Parts in memory, for small files.
#[derive(Clone, Debug, Default)]
pub struct MemoryParts(BTreeMap<u32, (Mark, Vec<u8>)>);

impl MemoryParts {
    pub fn new() -> Self {
        Self::default()
    }
}

impl Parts for MemoryParts {
    fn append(&mut self, part: u32, form: Form, text: Vec<u8>) -> io::Result<()> {
        let (mark, body) = self.0.entry(part).or_default();
        let from = body.len();
        match form {
            Form::Plain => body.extend_from_slice(&text),
            Form::Deflated => body.append(&mut deflate(&text)),
        }
        *mark = mark.after(&text, (body.len() - from) as u64);
        Ok(())
    }

    fn mark(&mut self, part: u32) -> io::Result<Mark> {
        Ok(self.0.get(&part).map(|(mark, _)| *mark).unwrap_or_default())
    }

    fn copy(&mut self, part: u32, out: &mut dyn io::Write) -> io::Result<()> {
        match self.0.get(&part) {
            Some((_, body)) => out.write_all(body),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Read;

    fn inflate(stored: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        flate2::read::DeflateDecoder::new(stored)
            .read_to_end(&mut text)
            .unwrap();
        text
    }

    #[test]
    fn deflated_pieces_stand_one_behind_the_other() {
        let pieces = ["<row/>".repeat(9000), String::new(), "x".to_owned()];
        let mut stored: Vec<u8> = pieces
            .iter()
            .flat_map(|piece| deflate(piece.as_bytes()))
            .collect();
        stored.extend(DEFLATE_END);
        assert_eq!(inflate(&stored), pieces.concat().into_bytes());
    }

    #[test]
    fn a_mark_is_that_of_the_whole_text() {
        let mut parts = MemoryParts::new();
        assert_eq!(parts.mark(3).unwrap(), Mark::default());
        for text in ["one", "", " and two"] {
            parts.append(3, Form::Deflated, text.into()).unwrap();
        }
        let mark = parts.mark(3).unwrap();
        assert_eq!(mark.text_bytes, 11);
        assert_eq!(mark.crc32, crc32fast::hash(b"one and two"));
        let mut stored = Vec::new();
        parts.copy(3, &mut stored).unwrap();
        assert_eq!(mark.stored_bytes, stored.len() as u64);
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in proptest::collection::vec(any::<u8>(), 0..20_000)) {
            let mut stored = deflate(&text);
            prop_assert_eq!(&stored, &deflate(&text));
            stored.extend(DEFLATE_END);
            prop_assert_eq!(inflate(&stored), text);
        }
    }
}
