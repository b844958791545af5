//! What an answer shows of a text that was found.

use super::normal::traced;
use crate::limits::{FRAGMENT_BEFORE_CHARS, FRAGMENT_CHARS_MAX};
use std::ops::Range;

/// The part of the text around the first hit, HTML-escaped, hits in `<em>`; `None` where no run is found.
pub fn fragment(text: &str, runs: &[String]) -> Option<String> {
    let hits = hits(text, runs);
    let first = hits.first()?;
    let shown = around(text, first);
    let mut fragment = String::new();
    if shown.start > 0 {
        fragment.push('…');
    }
    let mut at = shown.start;
    for hit in hits {
        let hit = hit.start..hit.end.min(shown.end);
        if hit.start >= shown.end {
            break;
        }
        escape(&text[at..hit.start], &mut fragment);
        fragment.push_str("<em>");
        escape(&text[hit.clone()], &mut fragment);
        fragment.push_str("</em>");
        at = hit.end;
    }
    escape(&text[at..shown.end], &mut fragment);
    if shown.end < text.len() {
        fragment.push('…');
    }
    Some(fragment)
}

/// Where the runs stand, in order, none overlapping another. Bytes.
fn hits(text: &str, runs: &[String]) -> Vec<Range<usize>> {
    let (characters, places) = traced(text);
    let mut hits = Vec::new();
    for run in runs {
        let run: Vec<char> = run.chars().collect();
        let found = characters
            .windows(run.len().max(1))
            .enumerate()
            .filter(|(_, window)| *window == run.as_slice());
        hits.extend(found.map(|(at, _)| places[at].start..places[at + run.len() - 1].end));
    }
    hits.sort_by_key(|hit| hit.start);
    let mut apart: Vec<Range<usize>> = Vec::with_capacity(hits.len());
    for hit in hits {
        match apart.last_mut() {
            Some(last) if hit.start <= last.end => last.end = last.end.max(hit.end),
            _ => apart.push(hit),
        }
    }
    apart
}

/// What is shown: a few characters before the hit, and as many behind it as there is room for.
fn around(text: &str, hit: &Range<usize>) -> Range<usize> {
    let before = text[..hit.start].char_indices().rev();
    let start = before
        .take(FRAGMENT_BEFORE_CHARS)
        .last()
        .map_or(hit.start, |(at, _)| at);
    let rest = &text[start..];
    let end = rest
        .char_indices()
        .nth(FRAGMENT_CHARS_MAX)
        .map_or(text.len(), |(at, _)| start + at);
    start..end
}

fn escape(text: &str, escaped: &mut String) {
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            character => escaped.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, runs: &[&str]) -> Option<String> {
        let runs: Vec<String> = runs.iter().map(|run| (*run).to_owned()).collect();
        fragment(text, &runs)
    }

    #[test]
    fn a_fragment_is_the_original_text_with_its_hits() {
        for (text, runs, wanted) in [
            (
                "《機器學習》入門",
                &["学习"][..],
                Some("《機器<em>學習</em>》入門"),
            ),
            (
                "Rust & <b>Go</b>",
                &["b", "rust"],
                Some("<em>Rust</em> &amp; &lt;<em>b</em>&gt;Go&lt;/<em>b</em>&gt;"),
            ),
            ("ＡＢＣ abc", &["bc"], Some("Ａ<em>ＢＣ</em> a<em>bc</em>")),
            ("aaaa", &["aa"], Some("<em>aaaa</em>")),
            ("ﬁle", &["i"], Some("<em>ﬁ</em>le")),
            ("👨\u{200D}👩 x", &["👩"], Some("👨\u{200D}<em>👩</em> x")),
            ("abc", &["x"], None),
            ("", &["x"], None),
        ] {
            assert_eq!(shown(text, runs).as_deref(), wanted, "{text}");
        }
    }

    #[test]
    fn a_fragment_is_bounded() {
        let text = format!("{}针{}", "前".repeat(5_000), "后".repeat(5_000));
        let fragment = shown(&text, &["针"]).unwrap();
        assert!(fragment.contains("<em>针</em>"));
        assert!(fragment.starts_with('…') && fragment.ends_with('…'));
        assert!(fragment.chars().count() <= FRAGMENT_CHARS_MAX + "……<em></em>".chars().count());
        let long = "x".repeat(5_000);
        let fragment = shown(&long, &[&long]).unwrap();
        assert!(fragment.chars().count() <= FRAGMENT_CHARS_MAX + "…<em></em>".chars().count());
    }
}
