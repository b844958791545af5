//! What somebody may have meant: texts that have a query but for one mistake, or two in a long word.

use super::query::Query;
use crate::limits::{SEARCH_TYPO_CHARS_MAX, SEARCH_VARIANTS_MAX};

/// Characters from which a run may have one mistake, and from which two.
const ONE_MISTAKE_FROM: usize = 3;
const TWO_MISTAKES_FROM: usize = 8;

/// How many characters of a run may be wrong, missing, too many, or swapped with the next one.
fn mistakes_max(length: usize) -> usize {
    match length {
        ..ONE_MISTAKE_FROM => 0,
        ONE_MISTAKE_FROM..TWO_MISTAKES_FROM => 1,
        _ => 2,
    }
}

/// Queries of which at least one finds whatever has no more mistakes in one of its runs than that run may have:
/// what stands before and behind the mistake, or, of three parts, the one without.
pub fn variants(query: &Query) -> Vec<Query> {
    let runs = query.runs();
    let mut pieces: Vec<_> = runs.iter().map(|run| pieces(run).into_iter()).collect();
    let mut variants = Vec::new();
    // One of each run in turn, so that the last of many has its share of the few.
    loop {
        let mut is_over = true;
        for (at, pieces) in pieces.iter_mut().enumerate() {
            let Some(pieces) = pieces.next() else {
                continue;
            };
            is_over = false;
            let others = runs.iter().enumerate().filter(|(other, _)| *other != at);
            let runs = others.map(|(_, run)| run.clone()).chain(pieces).collect();
            let variant = Query::new(runs);
            if !variants.contains(&variant) {
                variants.push(variant);
            }
        }
        if is_over || variants.len() >= SEARCH_VARIANTS_MAX {
            break;
        }
    }
    variants.truncate(SEARCH_VARIANTS_MAX);
    variants
}

fn pieces(run: &str) -> Vec<Vec<String>> {
    let characters: Vec<char> = run.chars().collect();
    let length = characters.len();
    let piece = |from: usize, to: usize| characters[from..to].iter().collect::<String>();
    match mistakes_max(length) {
        0 => Vec::new(),
        1 => {
            // Without two, so that two that were swapped are both out; of three, one would be left then.
            let left_out = if length < 5 { 1 } else { 2 };
            let split = |at: usize| {
                let mut both = vec![piece(0, at), piece(at + left_out, length)];
                both.retain(|piece| !piece.is_empty());
                both
            };
            (0..=length - left_out).map(split).collect()
        }
        mistakes => {
            let parts = mistakes + 1;
            (0..parts)
                .map(|part| vec![piece(part * length / parts, (part + 1) * length / parts)])
                .collect()
        }
    }
}

/// How many mistakes the query has, seen from these normal forms; `None` when a run has more than it may.
pub fn mistakes(query: &Query, fields: &[&str]) -> Option<usize> {
    let mut sum = 0;
    for run in query.runs() {
        let run: Vec<char> = run.chars().collect();
        let best = fields.iter().map(|text| distance(&run, text)).min()?;
        if best > mistakes_max(run.len()) {
            return None;
        }
        sum += best;
    }
    Some(sum)
}

/// The smallest distance between the run and any part of the text: Sellers' algorithm, with swapped neighbours as
/// one mistake.
fn distance(run: &[char], text: &str) -> usize {
    let length = run.len();
    let mut before_last: Vec<usize> = vec![0; length + 1];
    let mut last: Vec<usize> = (0..=length).collect();
    let mut best = length;
    let mut previous = None;
    for character in text.chars().take(SEARCH_TYPO_CHARS_MAX) {
        let mut row = vec![0; length + 1];
        for at in 1..=length {
            let replaced = last[at - 1] + usize::from(run[at - 1] != character);
            row[at] = replaced.min(last[at] + 1).min(row[at - 1] + 1);
            let is_swapped = at > 1 && run[at - 2] == character && Some(run[at - 1]) == previous;
            if is_swapped {
                row[at] = row[at].min(before_last[at - 2] + 1);
            }
        }
        best = best.min(row[length]);
        before_last = std::mem::replace(&mut last, row);
        previous = Some(character);
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query::parse(text).unwrap()
    }

    #[test]
    fn a_mistake_is_a_character_wrong_missing_too_many_or_swapped() {
        for (text, wanted) in [
            ("机器雪习", Some(1)),
            ("机器习", Some(1)),
            ("机器大学习", Some(1)),
            ("器机学习", Some(1)),
            ("机器学习", Some(0)),
            ("机雪器习", None),
            ("乐器", None),
            ("入门", Some(0)),
            ("人们", None),
        ] {
            assert_eq!(
                mistakes(&query(text), &["机器学习 入门", "x"]),
                wanted,
                "{text}"
            );
        }
        assert_eq!(
            mistakes(&query("programing langauge"), &["a programming language"]),
            Some(2)
        );
        assert_eq!(mistakes(&query("progrmaing"), &["programming"]), Some(2));
    }

    #[test]
    fn some_variant_is_in_every_text_with_that_mistake() {
        let has = |variant: &Query, text: &str| {
            variant.runs().iter().all(|run| text.contains(run.as_str()))
        };
        for (typed, text) in [
            ("机器雪习", "机器学习"),
            ("机习", "机器学习"),
            ("helol", "hello world"),
            ("hllo", "hello"),
            ("helllo", "hello"),
            ("ehllo", "hello"),
            ("hellp", "hello"),
            ("porgramming", "programming"),
            ("prograaming", "programming"),
            ("rust progarmming", "programming in rust"),
        ] {
            let query = query(typed);
            let is_found = variants(&query).iter().any(|variant| has(variant, text));
            assert_eq!(is_found, mistakes(&query, &[text]).is_some(), "{typed}");
        }
    }

    #[test]
    fn the_last_of_many_runs_may_have_the_mistake() {
        let query = query("season episode subtitle english chinsee");
        let text = "season episode subtitle english chinese";
        let has = |variant: &Query| variant.runs().iter().all(|run| text.contains(run.as_str()));
        let variants = variants(&query);
        assert_eq!(variants.len(), SEARCH_VARIANTS_MAX);
        assert!(variants.iter().any(has), "{variants:?}");
    }

    #[test]
    fn variants_are_few() {
        let long: Vec<String> = (0..16).map(|n| format!("{n:05}")).collect();
        assert_eq!(variants(&query(&long.join(" "))).len(), SEARCH_VARIANTS_MAX);
        assert!(variants(&query("ab")).is_empty());
    }
}
