//! Search (SH-11): as what texts and queries are compared, what the index holds of them, and what an answer shows.
//!
//! A text is compared in its normal form ([`normal`]), which is a list of runs. A query is its runs too, and a
//! resource matches when each of them is a part of a run of its title, of a file's or a folder's name, or of its bio.

pub mod filter;
pub mod fragment;
pub mod grams;
pub mod normal;
pub mod query;
mod simplified;
pub mod typo;

/// Where a text of a resource stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Title,
    /// Of files and folders.
    Names,
    Bio,
}

impl Field {
    pub const ALL: [Field; 3] = [Self::Title, Self::Names, Self::Bio];
}

/// How good a match is: the fields in which every run of the query was found, best first.
pub const TIERS: [&[Field]; 3] = [&[Field::Title], &[Field::Title, Field::Names], &Field::ALL];
