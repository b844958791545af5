//! The normal form of a text: NFKC, lower case, simplified characters; in runs, which end at white space, control
//! characters and punctuation. Emoji are characters of runs; what only joins or varies characters is left out.

use super::simplified::simplified;
use std::ops::{Range, RangeInclusive};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Stands between two runs.
const BETWEEN: char = ' ';

/// Punctuation outside ASCII, where all that is neither letter nor digit ends a run.
const PUNCTUATION: [RangeInclusive<char>; 23] = [
    '\u{A1}'..='\u{A1}',
    '\u{A7}'..='\u{A7}',
    '\u{AB}'..='\u{AC}',
    '\u{B6}'..='\u{B7}',
    '\u{BB}'..='\u{BB}',
    '\u{BF}'..='\u{BF}',
    '\u{D7}'..='\u{D7}',
    '\u{F7}'..='\u{F7}',
    '\u{60C}'..='\u{60C}',
    '\u{61B}'..='\u{61F}',
    '\u{66A}'..='\u{66D}',
    '\u{6D4}'..='\u{6D4}',
    '\u{964}'..='\u{965}',
    '\u{2000}'..='\u{206F}',
    '\u{2212}'..='\u{2212}',
    '\u{2500}'..='\u{257F}',
    '\u{2E00}'..='\u{2E7F}',
    '\u{3000}'..='\u{3003}',
    '\u{3008}'..='\u{3020}',
    '\u{3030}'..='\u{3030}',
    '\u{303D}'..='\u{303D}',
    '\u{30FB}'..='\u{30FB}',
    '\u{FE10}'..='\u{FE6F}',
];

/// What has no look of its own: soft hyphen, zero-width characters, variation selectors, tags.
const INVISIBLE: [RangeInclusive<char>; 7] = [
    '\u{AD}'..='\u{AD}',
    '\u{180B}'..='\u{180F}',
    '\u{200B}'..='\u{200D}',
    '\u{2060}'..='\u{2060}',
    '\u{FE00}'..='\u{FE0F}',
    '\u{FEFF}'..='\u{FEFF}',
    '\u{E0000}'..='\u{E01EF}',
];

/// The runs with a blank between two; none at either end.
pub fn normal(text: &str) -> String {
    let mut normal = String::with_capacity(text.len());
    walk(text, |character, _| match character {
        BETWEEN if normal.is_empty() || normal.ends_with(BETWEEN) => {}
        character => normal.push(character),
    });
    if normal.ends_with(BETWEEN) {
        normal.pop();
    }
    normal
}

/// The normal form with the place of each character in the text, bytes.
pub(super) fn traced(text: &str) -> (Vec<char>, Vec<Range<usize>>) {
    let mut characters = Vec::with_capacity(text.len());
    let mut places = Vec::with_capacity(text.len());
    walk(text, |character, place| {
        characters.push(character);
        places.push(place);
    });
    (characters, places)
}

/// Calls `take` with every character of the normal form; [`BETWEEN`] may come often.
fn walk(text: &str, mut take: impl FnMut(char, Range<usize>)) {
    let mut characters = text.char_indices().peekable();
    while let Some((start, first)) = characters.next() {
        let mut end = start + first.len_utf8();
        let mut is_alone = true;
        // What belongs to the character before it is normalised together with it.
        while let Some((at, mark)) = characters.next_if(|(_, next)| continues(*next)) {
            end = at + mark.len_utf8();
            is_alone = false;
        }
        let place = start..end;
        if is_alone && matches!(first, '\u{4E00}'..='\u{9FFF}') {
            take(simplified(first), place);
        } else if is_alone && first.is_ascii() {
            let is_text = first.is_ascii_alphanumeric();
            let character = if is_text {
                first.to_ascii_lowercase()
            } else {
                BETWEEN
            };
            take(character, place);
        } else {
            for character in text[place.clone()].nfkc().flat_map(char::to_lowercase) {
                if !within(&INVISIBLE, character) {
                    take(compared(character), place.clone());
                }
            }
        }
    }
}

/// Combining marks, the vowels and finals of Hangul in pieces, and the half-width voicing marks of Kana.
fn continues(character: char) -> bool {
    !character.is_ascii()
        && (matches!(character, '\u{1160}'..='\u{11FF}' | '\u{FF9E}' | '\u{FF9F}')
            || is_combining_mark(character))
}

fn compared(character: char) -> char {
    let is_between = character.is_whitespace()
        || character.is_control()
        || (character.is_ascii() && !character.is_ascii_alphanumeric())
        || within(&PUNCTUATION, character);
    if is_between {
        BETWEEN
    } else {
        simplified(character)
    }
}

fn within(ranges: &[RangeInclusive<char>], character: char) -> bool {
    ranges.iter().any(|range| range.contains(&character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_the_same_is_the_same() {
        for (text, wanted) in [
            ("Hello, World!", "hello world"),
            ("  《機器學習》(第2版) ", "机器学习 第2版"),
            ("ＡＢＣ１２３", "abc123"),
            ("ﬁle①㍿", "file1株式会社"),
            ("cafe\u{301}", "café"),
            ("İstanbul ΣΑΣ", "i\u{307}stanbul σασ"),
            ("\u{1112}\u{1161}\u{11AB}국", "한국"),
            ("ｶﾞﾝﾀﾞﾑ", "ガンダム"),
            ("❤\u{FE0F}一\u{200B}生", "❤一生"),
            ("👨\u{200D}👩🏽 fun", "👨👩🏽 fun"),
            ("a\u{0}b\tc—d・e", "a b c d e"),
            ("C++ \"x\" -y* title:z", "c x y title z"),
            ("…", ""),
            ("", ""),
        ] {
            assert_eq!(normal(text), wanted, "{text}");
        }
    }

    #[test]
    fn the_normal_form_is_its_own() {
        for text in ["ＡＢＣ 機器", "Éa\u{30A}", "한국 ①", "😀x😀"] {
            assert_eq!(normal(&normal(text)), normal(text));
        }
    }

    #[test]
    fn every_character_knows_its_place() {
        let text = "ﬁ機e\u{301}";
        let (characters, places) = traced(text);
        assert_eq!(characters, ['f', 'i', '机', 'é']);
        let texts: Vec<&str> = places.into_iter().map(|place| &text[place]).collect();
        assert_eq!(texts, ["ﬁ", "ﬁ", "機", "e\u{301}"]);
    }
}
