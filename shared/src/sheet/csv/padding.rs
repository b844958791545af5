//! Rows that were written before a table had all its columns get empty fields at their end.

use serde::{Deserialize, Serialize};
use std::io::{self, Write};

/// From this byte of a part on, rows have so many columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Growth {
    pub from: u64,
    pub columns: usize,
}

/// Passes CSV on and pads its records to the last width.
pub struct Padding<'a> {
    out: &'a mut dyn Write,
    growth: &'a [Growth],
    commas: Vec<u8>,
    /// Bytes that have come.
    seen: u64,
    is_quoted: bool,
}

impl<'a> Padding<'a> {
    /// `growth` rises in both its fields.
    pub fn new(out: &'a mut dyn Write, growth: &'a [Growth]) -> Self {
        let width = growth.last().map_or(0, |growth| growth.columns);
        Self {
            out,
            growth,
            commas: vec![b','; width],
            seen: 0,
            is_quoted: false,
        }
    }

    /// Empty fields that a record needs which ends here.
    fn missing(&mut self) -> usize {
        while let [_, next, ..] = self.growth
            && next.from <= self.seen
        {
            self.growth = &self.growth[1..];
        }
        let width = self.growth.first().map_or(0, |growth| growth.columns);
        self.commas.len() - width.min(self.commas.len())
    }
}

impl Write for Padding<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The last width needs no padding, hence no look at each byte.
        if self.missing() == 0 && self.growth.len() == 1 {
            self.out.write_all(bytes)?;
            self.seen += bytes.len() as u64;
            return Ok(bytes.len());
        }
        let mut from = 0;
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                b'"' => self.is_quoted = !self.is_quoted,
                b'\r' if !self.is_quoted => {
                    self.out.write_all(&bytes[from..at])?;
                    let missing = self.missing();
                    self.out.write_all(&self.commas[..missing])?;
                    from = at;
                }
                _ => {}
            }
            self.seen += 1;
        }
        self.out.write_all(&bytes[from..])?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
