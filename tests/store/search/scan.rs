//! A search finds what a scan of every text finds, in the same order.

use super::{LENGTHS, filters, publisher, with};
use crate::{NOW, both};
use shared::domain::page::Page;
use shared::domain::search::filter::Filter;
use shared::domain::search::normal::normal;
use shared::domain::search::query::Query;
use shared::limits::{SEARCH_COUNTED_MIN, SEARCH_MATCHES_MAX};
use shared::store::search;
use tests::Chance;
use tests::catalogue::{self, Entry};

/// The normal forms of an entry's texts, made once.
struct Scanned {
    entry: Entry,
    title: String,
    names: String,
    bio: String,
}

impl Scanned {
    fn new(entry: Entry) -> Self {
        let names: Vec<String> = entry.names.iter().map(|name| normal(name)).collect();
        Self {
            title: normal(&entry.title),
            names: names.join(" "),
            bio: normal(&entry.bio),
            entry,
        }
    }

    /// The tier in which it matches.
    fn tier(&self, runs: &[&str]) -> Option<usize> {
        let tiers: [&[&String]; 3] = [
            &[&self.title],
            &[&self.title, &self.names],
            &[&self.title, &self.names, &self.bio],
        ];
        tiers.iter().position(|texts| {
            runs.iter()
                .all(|run| texts.iter().any(|text| text.contains(run)))
        })
    }

    fn passes(&self, filter: &Filter) -> bool {
        let entry = &self.entry;
        filter
            .drive
            .is_none_or(|drive| drive.as_str() == entry.drive)
            && filter.min_size.is_none_or(|min| entry.total_size >= min)
            && filter.max_size.is_none_or(|max| entry.total_size <= max)
            && filter
                .since
                .is_none_or(|since| entry.published_at >= since.at)
    }
}

/// Ids of what has the query, in their order.
fn scan(all: &[Scanned], q: &str, filter: &Filter) -> Vec<String> {
    let form = normal(q);
    let runs: Vec<&str> = form.split_whitespace().collect();
    let mut hits: Vec<(usize, i64, &str)> = all
        .iter()
        .filter(|scanned| scanned.passes(filter))
        .filter_map(|scanned| {
            let entry = &scanned.entry;
            Some((
                scanned.tier(&runs)?,
                -entry.number,
                entry.resource_id.as_str(),
            ))
        })
        .collect();
    hits.sort_unstable();
    hits.into_iter().map(|(.., id)| id.to_owned()).collect()
}

/// 1 to 8 characters: parts of texts that exist, some with a character changed, and texts of their own.
fn queries(chance: &mut Chance, all: &[Scanned], count: usize) -> Vec<String> {
    let one = |chance: &mut Chance| {
        // A filter alone.
        if chance.one_in(15) {
            return String::new();
        }
        let length = 1 + chance.index(8);
        if chance.one_in(5) {
            let text = catalogue::text(chance, 3);
            return text.chars().take(length).collect();
        }
        let entry = &all[chance.index(all.len())].entry;
        let text = match chance.below(3) {
            0 => entry.names.first().unwrap_or(&entry.title),
            1 => &entry.bio,
            _ => &entry.title,
        };
        let characters: Vec<char> = text.chars().collect();
        let from = chance.index(characters.len().max(1));
        let mut part: Vec<char> = characters.into_iter().skip(from).take(length).collect();
        if chance.one_in(6) && !part.is_empty() {
            let at = chance.index(part.len());
            part[at] = catalogue::character(chance);
        }
        part.into_iter().collect::<String>()
    };
    (0..count).map(|_| one(chance)).collect()
}

/// Numbers and sizes of the pages that are asked for; the last one stands at the end of what is found.
const PAGES: [(u32, u32); 5] = [(1, 20), (1, 100), (2, 100), (9, 40), (20, 100)];

#[tokio::test]
async fn a_search_equals_a_scan_of_ten_thousand_resources() {
    let seed = Chance::seed();
    for fixture in both().await {
        let mut chance = Chance::new(seed);
        let database = &*fixture.database;
        let publishers = [
            publisher(database, "ada@example.com").await,
            publisher(database, "bob@example.com").await,
        ];
        let entries = catalogue::entries(&mut chance, 1..10_001, &publishers, LENGTHS, NOW);
        with(&fixture, &entries).await;
        let all: Vec<Scanned> = entries.into_iter().map(Scanned::new).collect();
        let filters = filters();
        let (mut hits, mut cuts) = (0, 0);
        for (at, q) in queries(&mut chance, &all, 300).iter().enumerate() {
            // Every other one without a filter.
            let filter = if at % 2 == 0 {
                &filters[0]
            } else {
                &filters[at / 2 % filters.len()]
            };
            let wanted = scan(&all, q, filter);
            let query = Query::parse(q).unwrap();
            let (number, size) = PAGES[at % PAGES.len()];
            let page = Page { number, size };
            let found = search::find(database, &query, filter, page).await.unwrap();
            let name = fixture.name;
            if wanted.is_empty() {
                assert!(
                    found.total() == 0 || found.is_fuzzy(),
                    "{name} {q:?} {filter:?}"
                );
                continue;
            }
            assert!(!found.is_fuzzy(), "{name} {q:?} {filter:?}");
            let depth = i64::from(number * size + 1).clamp(SEARCH_COUNTED_MIN, SEARCH_MATCHES_MAX);
            let is_cut = wanted.len() as i64 >= depth;
            assert_eq!(found.is_cut, is_cut, "{name} {q:?} {filter:?} {page:?}");
            assert_eq!(
                found.total(),
                depth.min(wanted.len() as i64),
                "{name} {q:?} {filter:?} {page:?}"
            );
            let items = search::items(database, &found, &query, page).await.unwrap();
            let got: Vec<&String> = items.iter().map(|item| &item.resource_id).collect();
            let wanted: Vec<&String> = wanted
                .iter()
                .skip(page.offset() as usize)
                .take(size as usize)
                .collect();
            assert_eq!(got, wanted, "{name} {q:?} {filter:?} {page:?}");
            hits += 1;
            cuts += usize::from(is_cut);
        }
        assert!(hits > 150, "most queries find something: {hits}");
        assert!(cuts > 3, "some find more than is counted: {cuts}");
    }
}
