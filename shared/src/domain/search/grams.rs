//! What the index holds of a run: every two characters that stand side by side, and the last one alone.
//!
//! SQLite's full-text index takes them in their order, so that a phrase of them is exactly a part of a run, and
//! finds one character as a beginning. PostgreSQL's inverted index takes them as a set of numbers, single
//! characters too; what it finds for three characters and more is compared again. In both, a gram says of which field it is.

use super::Field;
use crate::domain::drive::Drive;
use crate::limits::SEARCH_BLOCK_ROWS;
use std::collections::BTreeSet;

/// Bits of a character in a packed gram; of the field above two of them; the block is above that.
const CHARACTER_BITS: u32 = 21;
const FIELD_BITS: u32 = 2;
const BLOCK_SHIFT: u32 = 2 * CHARACTER_BITS + FIELD_BITS;

/// What can be filtered by, as one more field of SQLite's index. Weeks and months (of 30 days) count from the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Facet {
    Drive(Drive),
    /// A quarter of the scale of sizes: half the bits that the size has, rounded down.
    Size(u32),
    Week(u32),
    Month(u32),
}

impl Facet {
    fn word(self) -> String {
        match self {
            Self::Drive(drive) => format!("f{}", drive.as_str()),
            Self::Size(bits) => format!("fs{bits}"),
            Self::Week(week) => format!("fw{week}"),
            Self::Month(month) => format!("fm{month}"),
        }
    }
}

fn letter(field: Field) -> char {
    match field {
        Field::Title => 't',
        Field::Names => 'n',
        Field::Bio => 'b',
    }
}

fn pack(field: i64, first: u32, second: u32) -> i64 {
    field << (2 * CHARACTER_BITS) | i64::from(first) << CHARACTER_BITS | i64::from(second)
}

fn pack_gram(field: Field, first: char, second: Option<char>) -> i64 {
    let field = match field {
        Field::Title => 0,
        Field::Names => 1,
        Field::Bio => 2,
    };
    pack(field, first.into(), second.map_or(0, u32::from))
}

/// The block of a resource, which PostgreSQL's grams begin with: of each gram of a packed list, this is added.
pub fn block(number: i64) -> i64 {
    (number / SEARCH_BLOCK_ROWS) << BLOCK_SHIFT
}

/// Words for SQLite's index, from a field's normal form: `"tab tbc tc "` for a title `abc`.
pub fn words(field: Field, normal: &str, words: &mut String) {
    for run in normal.split(' ') {
        let mut characters = run.chars().peekable();
        while let Some(character) = characters.next() {
            words.extend([letter(field), character]);
            words.extend(characters.peek());
            words.push(' ');
        }
    }
}

pub fn facet_words(facets: &[Facet], words: &mut String) {
    for facet in facets {
        words.push_str(&facet.word());
        words.push(' ');
    }
}

/// What SQLite's index is asked for a run in a field: a phrase, or a beginning. A run holds no quote and no blank.
pub fn phrase(field: Field, run: &str) -> String {
    let letter = letter(field);
    let characters: Vec<char> = run.chars().collect();
    if let [character] = characters.as_slice() {
        return format!("\"{letter}{character}\" *");
    }
    let words: Vec<String> = characters
        .windows(2)
        .map(|pair| format!("{letter}{}{}", pair[0], pair[1]))
        .collect();
    format!("\"{}\"", words.join(" "))
}

pub fn facet_phrase(facet: Facet) -> String {
    format!("\"{}\"", facet.word())
}

/// Numbers for PostgreSQL's index, from a field's normal form, without their block.
pub fn packed(field: Field, normal: &str, grams: &mut BTreeSet<i64>) {
    for run in normal.split(' ') {
        let mut characters = run.chars().peekable();
        while let Some(character) = characters.next() {
            grams.insert(pack_gram(field, character, None));
            if let Some(next) = characters.peek() {
                grams.insert(pack_gram(field, character, Some(*next)));
            }
        }
    }
}

/// What PostgreSQL's index is asked for a run in a field: all of these.
pub fn packed_run(field: Field, run: &str) -> Vec<i64> {
    let characters: Vec<char> = run.chars().collect();
    match characters.as_slice() {
        [character] => vec![pack_gram(field, *character, None)],
        characters => characters
            .windows(2)
            .map(|pair| pack_gram(field, pair[0], Some(pair[1])))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_becomes_pairs_and_its_last_character() {
        let mut text = String::new();
        words(Field::Title, "机器学 a", &mut text);
        words(Field::Bio, "", &mut text);
        facet_words(&[Facet::Drive(Drive::Baidu), Facet::Size(15)], &mut text);
        assert_eq!(text, "t机器 t器学 t学 ta fbaidu fs15 ");
        assert_eq!(phrase(Field::Title, "机器学"), "\"t机器 t器学\"");
        assert_eq!(phrase(Field::Names, "机"), "\"n机\" *");
    }

    #[test]
    fn packed_grams_are_apart_by_field_characters_and_block() {
        let mut grams = BTreeSet::new();
        packed(Field::Title, "ab a", &mut grams);
        packed(Field::Bio, "ab", &mut grams);
        assert_eq!(grams.len(), 6, "a, ab, b of the title; the same of the bio");
        assert!(grams.is_superset(&packed_run(Field::Bio, "ab").into_iter().collect()));
        assert!(!grams.contains(&packed_run(Field::Title, "ba")[0]));
        let highest = pack(3, 0x10_FFFF, 0x10_FFFF);
        assert!(highest < 1 << BLOCK_SHIFT);
        assert_eq!(block(SEARCH_BLOCK_ROWS - 1), 0);
        assert_eq!(block(SEARCH_BLOCK_ROWS), 1 << BLOCK_SHIFT);
        assert!(block(1_000_000_000) > 0, "a billion resources have blocks");
    }
}
