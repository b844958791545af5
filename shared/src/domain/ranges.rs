//! Which bytes of a file a `Range` header asks for (RFC 9110, section 14).

use crate::limits::RANGES_MAX;

/// Bytes `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    pub first: u64,
    pub last: u64,
}

/// What of a file is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    Whole,
    /// At least one range; no two overlap or adjoin.
    Parts(Vec<ByteRange>),
    /// None of the ranges has a byte in the file.
    Unsatisfiable,
}

/// One range as it stands in the header.
#[derive(Clone, Copy)]
enum Spec {
    /// From here to the end, or to here.
    From(u64, Option<u64>),
    /// So many at the end.
    Suffix(u64),
}

impl ByteRange {
    /// Bytes.
    pub fn count(self) -> u64 {
        self.last - self.first + 1
    }

    fn touches(self, other: Self) -> bool {
        self.first <= other.last.saturating_add(1) && other.first <= self.last.saturating_add(1)
    }

    fn joined(self, other: Self) -> Self {
        Self {
            first: self.first.min(other.first),
            last: self.last.max(other.last),
        }
    }
}

/// Reads the value of `Range` for a file of `length` bytes. A unit that is not `bytes` and what is malformed
/// count as no range (14.2), and so do more than [`RANGES_MAX`] of them and ranges that add up to more than
/// the file: sending them would cost more than sending the whole. Ranges that overlap or adjoin become one,
/// in the place of the first of them (15.3.7.2).
pub fn select(header: &str, length: u64) -> Selection {
    let Some(specs) = parse(header) else {
        return Selection::Whole;
    };
    // An empty file has no part that `Content-Range` could name; a suffix of it is the whole of it.
    if length == 0 && specs.iter().any(|spec| matches!(spec, Spec::Suffix(1..))) {
        return Selection::Whole;
    }
    let ranges: Vec<ByteRange> = specs
        .into_iter()
        .filter_map(|spec| satisfied(spec, length))
        .collect();
    let total = ranges
        .iter()
        .fold(0_u64, |sum, range| sum.saturating_add(range.count()));
    if ranges.is_empty() {
        Selection::Unsatisfiable
    } else if total > length {
        Selection::Whole
    } else {
        Selection::Parts(coalesced(&ranges))
    }
}

fn parse(header: &str) -> Option<Vec<Spec>> {
    let (unit, set) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let mut specs = Vec::new();
    // A list may have empty elements (5.6.1.2).
    for text in set
        .split(',')
        .map(str::trim)
        .filter(|text| !text.is_empty())
    {
        if specs.len() == RANGES_MAX {
            return None;
        }
        specs.push(parse_one(text)?);
    }
    (!specs.is_empty()).then_some(specs)
}

fn parse_one(text: &str) -> Option<Spec> {
    let (first, last) = text.split_once('-')?;
    match (first, last) {
        ("", last) => number(last).map(Spec::Suffix),
        (first, "") => Some(Spec::From(number(first)?, None)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Spec::From(first, Some(last)))
        }
    }
}

/// A number beyond what we count in is beyond every file, too.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

fn satisfied(spec: Spec, length: u64) -> Option<ByteRange> {
    let end = length.checked_sub(1)?;
    match spec {
        Spec::Suffix(0) => None,
        Spec::Suffix(count) => Some(ByteRange {
            first: length.saturating_sub(count),
            last: end,
        }),
        Spec::From(first, _) if first > end => None,
        Spec::From(first, last) => Some(ByteRange {
            first,
            last: last.map_or(end, |last| last.min(end)),
        }),
    }
}

fn coalesced(ranges: &[ByteRange]) -> Vec<ByteRange> {
    let mut parts: Vec<ByteRange> = Vec::with_capacity(ranges.len());
    for &range in ranges {
        let mut range = range;
        let mut place = parts.len();
        while let Some(at) = parts.iter().position(|part| part.touches(range)) {
            range = range.joined(parts.remove(at));
            place = place.min(at);
        }
        parts.insert(place.min(parts.len()), range);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(header: &str, length: u64) -> Vec<(u64, u64)> {
        match select(header, length) {
            Selection::Parts(parts) => parts.iter().map(|part| (part.first, part.last)).collect(),
            other => panic!("{header}: {other:?}"),
        }
    }

    #[test]
    fn one_range_is_cut_to_the_file() {
        assert_eq!(parts("bytes=0-9", 100), [(0, 9)]);
        assert_eq!(parts("Bytes=0-0", 100), [(0, 0)]);
        assert_eq!(parts("bytes=90-", 100), [(90, 99)]);
        assert_eq!(parts("bytes=90-1000", 100), [(90, 99)]);
        assert_eq!(parts("bytes=-10", 100), [(90, 99)]);
        assert_eq!(parts("bytes=-1000", 100), [(0, 99)]);
        assert_eq!(parts("bytes=5-99999999999999999999999", 100), [(5, 99)]);
        assert_eq!(
            parts("bytes=4294967296-4294967297", 1 << 33),
            [(1 << 32, (1 << 32) + 1)]
        );
    }

    #[test]
    fn several_ranges_keep_their_order() {
        assert_eq!(parts("bytes=50-59, 0-9", 100), [(50, 59), (0, 9)]);
        assert_eq!(parts("bytes=0-0,-1", 100), [(0, 0), (99, 99)]);
        assert_eq!(parts("bytes=,0-1,, 4-5 ,", 100), [(0, 1), (4, 5)]);
    }

    #[test]
    fn ranges_that_overlap_or_adjoin_become_one() {
        assert_eq!(parts("bytes=0-9,10-19", 100), [(0, 19)]);
        assert_eq!(parts("bytes=0-9,5-19", 100), [(0, 19)]);
        assert_eq!(parts("bytes=0-9,0-9", 100), [(0, 9)]);
        assert_eq!(parts("bytes=20-29,0-9,10-19", 100), [(0, 29)]);
        assert_eq!(
            parts("bytes=80-89,20-29,0-9,10-19", 100),
            [(80, 89), (0, 29)]
        );
    }

    #[test]
    fn what_the_file_does_not_have_is_left_out() {
        assert_eq!(parts("bytes=0-9,100-,-0", 100), [(0, 9)]);
        for header in ["bytes=100-", "bytes=-0", "bytes=100-200,300-"] {
            assert_eq!(select(header, 100), Selection::Unsatisfiable, "{header}");
        }
        assert_eq!(select("bytes=0-", 0), Selection::Unsatisfiable);
        assert_eq!(select("bytes=-5", 0), Selection::Whole);
    }

    #[test]
    fn what_is_no_range_or_too_much_is_the_whole() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=x-y",
            "bytes=1",
            "bytes=9-3",
            "bytes=+1-2",
            "bytes=1 - 2",
            "bytes=0-1,9-3",
            "lines=0-1",
            "0-1",
            "bytes=0-1-2",
            "bytes=0-,0-",
            "bytes=--1",
        ] {
            assert_eq!(select(header, 100), Selection::Whole, "{header}");
        }
        let many = |count: usize| {
            let ranges: Vec<String> = (0..count).map(|n| format!("{0}-{0}", n * 2)).collect();
            select(&format!("bytes={}", ranges.join(",")), 1000)
        };
        assert!(matches!(many(RANGES_MAX), Selection::Parts(parts) if parts.len() == RANGES_MAX));
        assert_eq!(many(RANGES_MAX + 1), Selection::Whole);
    }

    proptest! {
        #[test]
        fn any_text_selects_something(header in "\\PC{0,60}", length in any::<u64>()) {
            let _selection = select(&header, length);
            let _selection = select(&format!("bytes={header}"), length);
        }

        #[test]
        fn the_parts_hold_exactly_what_was_asked_for(
            asked in proptest::collection::vec((0_u64..60, 0_u64..20), 1..8),
            length in 1_u64..60,
        ) {
            let specs: Vec<String> = asked
                .iter()
                .map(|(first, more)| format!("{first}-{}", first + more))
                .collect();
            let wants = |byte: u64| asked.iter().any(|(first, more)| (*first..=first + more).contains(&byte));
            match select(&format!("bytes={}", specs.join(",")), length) {
                Selection::Parts(parts) => {
                    for byte in 0..length {
                        let holding = parts.iter().filter(|part| (part.first..=part.last).contains(&byte));
                        prop_assert_eq!(holding.count(), usize::from(wants(byte)));
                    }
                    prop_assert!(parts.iter().all(|part| part.last < length));
                    for (n, part) in parts.iter().enumerate() {
                        prop_assert!(!parts[n + 1..].iter().any(|other| part.touches(*other)));
                    }
                }
                Selection::Unsatisfiable => prop_assert!(!(0..length).any(wants)),
                Selection::Whole => {
                    let total: u64 = asked
                        .iter()
                        .filter(|(first, _)| *first < length)
                        .map(|(first, more)| (first + more).min(length - 1) - first + 1)
                        .sum();
                    prop_assert!(total > length);
                }
            }
        }
    }
}
