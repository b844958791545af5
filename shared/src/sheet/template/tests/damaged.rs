//! Whatever is uploaded, nothing panics.

use super::opening::zipped;
use super::*;
use proptest::prelude::*;

const PAGE: &str = r#"[{"name":"a","no":1,"amount":"2024-01-01","customer":{"x":[1]}},{}]"#;
const LISTS: &str = r#"{"in":[{"name":"a"}],"out":[{},{}],"h":null}"#;

/// One change of a text.
#[derive(Clone, Debug)]
enum Change {
    Remove(usize),
    Repeat(usize),
    Put(String),
    /// Another number instead of the next one.
    Number(u64),
}

fn change() -> impl Strategy<Value = Change> {
    let numbers = [0, 1, 5, 1_048_576, 1_048_577, 4_294_967_295, u64::MAX];
    prop_oneof![
        (1_usize..60).prop_map(Change::Remove),
        (1_usize..60).prop_map(Change::Repeat),
        "[{}.<>/\"'$A-C1-9:!= \\[\\]一]{1,6}".prop_map(Change::Put),
        proptest::sample::select(numbers.to_vec()).prop_map(Change::Number),
    ]
}

fn changed(text: &str, at: f64, change: &Change) -> String {
    let characters: Vec<char> = text.chars().collect();
    let at = (at * characters.len() as f64) as usize;
    let (before, after) = characters.split_at(at.min(characters.len()));
    let (mut before, after): (String, String) = (before.iter().collect(), after.iter().collect());
    let skipped = |count: usize| after.chars().skip(count).collect::<String>();
    match change {
        Change::Remove(count) => before + &skipped(*count),
        Change::Repeat(count) => {
            before.extend(after.chars().take(*count));
            before + &after
        }
        Change::Put(put) => before + put + &after,
        Change::Number(number) => {
            let Some(from) = after.find(|c: char| c.is_ascii_digit()) else {
                return before + &after;
            };
            let rest = after[from..].trim_start_matches(|c: char| c.is_ascii_digit());
            before + &after[..from] + &number.to_string() + rest
        }
    }
}

fn use_all(bytes: &[u8]) {
    let Ok(template) = Template::open(bytes) else {
        return;
    };
    let _ = check(&template);
    for page in [PAGE, LISTS] {
        let input = Input {
            pages: &[page],
            expected_rows: Some(2),
            ..Input::default()
        };
        let _ = try_fill(template.clone(), input);
    }
    if let Ok(mut fill) = Fill::begin(template, &Start::default()) {
        let _ = fill.limit_rows(8);
        let mut parts = MemoryParts::new();
        for _ in 0..4 {
            let _ = fill.page(0, &Page::of_rows(&raw(PAGE)), &mut parts);
        }
        let _ = fill.finish(&mut parts, &mut Vec::new());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_workbook_is_filled_or_refused(
        name in proptest::sample::select(vec!["orders", "lists", "cards", "table", "rich", "long", "broken"]),
        part in 0_usize..40,
        changes in proptest::collection::vec((0.0..1.0, change()), 1..4),
    ) {
        let template = Filled(fixture_bytes(name));
        let names = template.names();
        let damaged = &names[part % names.len()];
        let texts: Vec<String> = names.iter().map(|name| {
            let text = template.part(name);
            if name != damaged {
                return text;
            }
            changes.iter().fold(text, |text, (at, change)| changed(&text, *at, change))
        }).collect();
        let files: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
        use_all(&zipped(&files));
    }

    #[test]
    fn a_damaged_file_is_opened_or_refused(at in 0.0..1.0, bytes in proptest::collection::vec(any::<u8>(), 1..9)) {
        let mut file = fixture_bytes("long");
        let at = (at * (file.len() - bytes.len()) as f64) as usize;
        file[at..at + bytes.len()].copy_from_slice(&bytes);
        use_all(&file);
    }
}
