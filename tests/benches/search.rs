//! Searches (SH-11) among generated resources: by how many characters, with filters and without, on both databases,
//! against `LIKE` on the same texts and tantivy with n-grams of one and two characters; with the time to build each
//! index and its size. Queries are parts of texts that exist, mostly of titles; the same ones for everybody.
//!
//! Ours is timed from the query's text to a page of 20 with all that is shown, through the adapters of the binary.
//! `LIKE` and tantivy give 20 numbers; `LIKE` in the same order, tantivy in its own, and of three characters and more
//! what has all their pairs.
//!
//! `cargo bench --package tests --features tantivy --bench search`; `WHARF_BENCH_RESOURCES` (default 100000) and
//! `WHARF_BENCH_DATABASES` (default `sqlite,postgresql`) say what.

#[path = "search/like.rs"]
mod like;
#[path = "search/ours.rs"]
mod ours;
#[path = "search/tantivy.rs"]
mod tantivy_peer;

use runtime::clock::now_ms;
use runtime::command::migrate;
use runtime::database::Handle;
use shared::domain::search::filter::Filter;
use std::time::{Duration, Instant};
use tests::catalogue::{self, Entry, Lengths};
use tests::figures::{percentile_ms, print_machine};
use tests::{Chance, TestDatabase};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SEED: u64 = 20_261_124;
const CHARACTERS: [usize; 5] = [1, 2, 3, 4, 6];
const QUERIES: usize = 200;
/// Of the peer that takes seconds for each.
const LIKE_QUERIES: usize = 10;
const CHUNK: i64 = 10_000;
const LENGTHS: Lengths = Lengths {
    title: 8,
    bio: 20,
    names: 8,
};

/// What is asked, by number of characters.
struct Queries(Vec<(usize, Vec<String>)>);

fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

#[tokio::main]
async fn main() {
    let count: i64 = setting("WHARF_BENCH_RESOURCES", "100000")
        .parse()
        .expect("a number");
    let names = setting("WHARF_BENCH_DATABASES", "sqlite,postgresql");
    print_machine();
    println!("{count} resources, {QUERIES} queries of each kind\n");
    let queries = Queries::of(count);
    let folder = tempfile::tempdir_in(tests::target_dir()).expect("a folder");
    let postgres = names
        .contains("postgresql")
        .then(TestDatabase::create)
        .flatten();
    let mut urls = Vec::new();
    if names.contains("sqlite") {
        urls.push(("SQLite", String::new()));
    }
    urls.extend(postgres.as_ref().map(|made| ("PostgreSQL", made.url())));
    for (name, url) in urls {
        let handle = Handle::open(&url, folder.path()).expect("the database opens");
        migrate::apply(&handle).await.expect("it is up to date");
        let database = handle.database();
        ours::fill(&*database, count, name).await;
        ours::measure(&*database, name, &queries).await;
        like::measure(&*database, name, &queries).await;
    }
    tantivy_peer::measure(count, &queries);
}

/// The resources from this number on; the same for everybody.
fn chunk(from: i64, count: i64, publishers: &[String]) -> Vec<Entry> {
    let mut chance = Chance::new(SEED).apart(from as u64);
    let to = (from + CHUNK).min(count + 1);
    let mut entries = catalogue::entries(&mut chance, from..to, publishers, LENGTHS, now_ms());
    let age = 730 * 24 * 3600 * 1000 / count;
    for entry in &mut entries {
        entry.published_at = now_ms() - (count - entry.number) * age;
    }
    entries
}

fn chunks(count: i64) -> impl Iterator<Item = i64> {
    (1..=count).step_by(CHUNK as usize)
}

impl Queries {
    fn of(count: i64) -> Self {
        let mut chance = Chance::new(SEED);
        let publishers = [String::new()];
        let froms: Vec<i64> = chunks(count).collect();
        let some: Vec<Entry> = (0..10)
            .flat_map(|_| chunk(froms[chance.index(froms.len())], count, &publishers))
            .collect();
        let mut one = |characters: usize| loop {
            let entry = &some[chance.index(some.len())];
            let text = match chance.below(4) {
                0 => &entry.bio,
                1 => entry.names.first().unwrap_or(&entry.title),
                _ => &entry.title,
            };
            let form: Vec<char> = shared::domain::search::normal::normal(text)
                .chars()
                .collect();
            let from = chance.index(form.len().max(1));
            let part: String = form.into_iter().skip(from).take(characters).collect();
            if part.chars().count() == characters && !part.contains(' ') {
                return part;
            }
        };
        Self(
            CHARACTERS
                .map(|length| (length, (0..QUERIES).map(|_| one(length)).collect()))
                .into(),
        )
    }
}

/// Without a filter, and with all of them at once: half a year, from 1 MB on, one of the drives.
fn filters() -> [(&'static str, Filter); 2] {
    let narrow = Filter::parse(
        Some("half_year"),
        Some("1000000"),
        None,
        Some("aliyun"),
        now_ms(),
    );
    [
        ("", Filter::default()),
        ("filtered", narrow.expect("a filter")),
    ]
}

fn say(who: &str, characters: usize, filter: &str, samples: &mut [Duration], found: usize) {
    println!(
        "{who:<12} {characters} characters {filter:<9} p50 {:>9.2} ms  p99 {:>9.2} ms  {:>6.1} found",
        percentile_ms(samples, 50.0),
        percentile_ms(samples, 99.0),
        found as f64 / samples.len().max(1) as f64,
    );
}

/// What it gives, and how long it took.
fn timed<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    let done = run();
    (done, begun.elapsed())
}
