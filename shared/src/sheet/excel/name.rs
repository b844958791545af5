//! Names of sheets: at most 31 UTF-16 units, none of `[]:*?/\`, no apostrophe at an end, no two alike.

use std::collections::HashSet;

const UNITS_MAX: usize = 31;

/// Valid names for sheets, each made of what is wanted for it.
pub fn names(wanted: &[Option<String>]) -> Vec<String> {
    let mut taken = HashSet::new();
    let mut names = Vec::with_capacity(wanted.len());
    for (index, wanted) in wanted.iter().enumerate() {
        let base = wanted.as_deref().map(valid).unwrap_or_default();
        let base = match base.as_str() {
            "" => format!("Sheet{}", index + 1),
            _ => base,
        };
        let mut name = base.clone();
        let mut count = 1;
        while !taken.insert(name.to_lowercase()) {
            count += 1;
            let suffix = format!(" ({count})");
            name = cut(&base, UNITS_MAX - suffix.len()) + &suffix;
        }
        names.push(name);
    }
    names
}

fn valid(wanted: &str) -> String {
    let name: String = wanted
        .chars()
        .map(|character| match character {
            '[' => '(',
            ']' => ')',
            ':' | '*' | '?' | '/' | '\\' => '_',
            character if character.is_control() => ' ',
            '\u{fffe}' | '\u{ffff}' => ' ',
            character => character,
        })
        .collect();
    let is_edge = |character: char| character == '\'' || character.is_whitespace();
    let name = cut(name.trim_matches(is_edge), UNITS_MAX);
    let name = name.trim_matches(is_edge);
    // Excel keeps this name for itself.
    if name.eq_ignore_ascii_case("history") {
        return format!("{name}_");
    }
    name.to_owned()
}

/// The beginning of a text, at most so many UTF-16 units.
fn cut(text: &str, units_max: usize) -> String {
    let mut units = 0;
    text.chars()
        .take_while(|character| {
            units += character.len_utf16();
            units <= units_max
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_title_makes_a_valid_name() {
        let wanted = [
            Some("a/b:[c]*?\\"),
            Some("'x'"),
            None,
            Some("A/B:(c)*?_"),
            Some(" \t"),
            Some("History"),
            Some("Sheet3"),
            Some("字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字"),
            Some("字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字"),
        ];
        let names = names(&wanted.map(|name| name.map(str::to_owned)));
        let expected = [
            "a_b_(c)___",
            "x",
            "Sheet3",
            "A_B_(c)___ (2)",
            "Sheet5",
            "History_",
            "Sheet3 (2)",
            "字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字",
            "字字字字字字字字字字字字字字字字字字字字字字字字字字字 (2)",
        ];
        assert_eq!(names, expected);
    }

    proptest! {
        #[test]
        fn any_titles_make_names_that_excel_takes(wanted in proptest::collection::vec(proptest::option::of(".{0,40}"), 1..20)) {
            let names = names(&wanted);
            let distinct: HashSet<String> = names.iter().map(|name| name.to_lowercase()).collect();
            prop_assert_eq!(distinct.len(), wanted.len());
            for name in names {
                prop_assert!(!name.trim().is_empty() && name.encode_utf16().count() <= 31);
                prop_assert!(!name.contains(['[', ']', ':', '*', '?', '/', '\\']) && !name.contains(char::is_control));
                prop_assert!(!name.starts_with('\'') && !name.ends_with('\''));
            }
        }
    }
}
