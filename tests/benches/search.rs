//! Searches (SH-11) among generated resources: by how many characters, with filters and without, on both databases,
//! against `LIKE` on the same texts and tantivy with n-grams of one and two characters; with the time to build each
//! index and its size. Queries are parts of texts that exist, mostly of titles; the same ones for everybody. Ours is
//! also asked for such parts with a mistake in them, which costs a search for each of its repairs.
//!
//! Ours is timed from the query's text to a page of 20 with all that is shown, through the adapters of the binary: the
//! first page, and the hundredth, for which 2,000 matches are looked for. A thousand searches of other texts go before, untimed.
//! `LIKE` and tantivy give 20 numbers; `LIKE` in the same order, tantivy in its own, and of three characters and more
//! what has all their pairs.
//!
//! `cargo bench --package tests --features tantivy --bench search`, without the feature without tantivy;
//! `WHARF_BENCH_RESOURCES` (default 100000) and `WHARF_BENCH_DATABASES` (default `sqlite,postgresql`) say what. Filling takes
//! longest: with `WHARF_BENCH_FOLDER` (of the SQLite database) and `WHARF_BENCH_POSTGRES_URL` the databases are kept, and not
//! filled again.

#[path = "search/like.rs"]
mod like;
#[path = "search/ours.rs"]
mod ours;
#[cfg(feature = "tantivy")]
#[path = "search/tantivy.rs"]
mod tantivy_peer;

use runtime::clock::now_ms;
use runtime::command::migrate;
use runtime::database::Handle;
use shared::domain::search::filter::Filter;
use std::path::PathBuf;
use std::time::Duration;
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

/// What is asked.
struct Queries {
    /// Of all lengths, asked first and untimed, for a machine that has been searched before.
    warm: Vec<String>,
    /// By number of characters.
    parts: Vec<(usize, Vec<String>)>,
    /// Parts of six characters with another one in the middle, which hardly any text has.
    mistaken: Vec<String>,
}

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
    let passing = tempfile::tempdir_in(tests::target_dir()).expect("a folder");
    let folder = std::env::var_os("WHARF_BENCH_FOLDER");
    let folder = folder.map_or_else(|| passing.path().to_owned(), PathBuf::from);
    let mut urls = Vec::new();
    if names.contains("sqlite") {
        urls.push(("SQLite", String::new()));
    }
    let kept = std::env::var("WHARF_BENCH_POSTGRES_URL").ok();
    let is_made = names.contains("postgresql") && kept.is_none();
    let made = is_made.then(TestDatabase::create).flatten();
    if names.contains("postgresql") {
        let url = kept.or_else(|| made.as_ref().map(TestDatabase::url));
        urls.extend(url.map(|url| ("PostgreSQL", url)));
    }
    for (name, url) in urls {
        let handle = Handle::open(&url, &folder).expect("the database opens");
        migrate::apply(&handle).await.expect("it is up to date");
        let database = handle.database();
        if !ours::is_filled(&*database, count).await {
            ours::fill(&*database, count, name).await;
        }
        ours::measure(&*database, name, &queries).await;
        like::measure(&*database, name, &queries).await;
    }
    #[cfg(feature = "tantivy")]
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
        let mut chance_of_rare = Chance::new(SEED).apart(1);
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
        let parts = CHARACTERS.map(|length| (length, (0..QUERIES).map(|_| one(length)).collect()));
        let warm = CHARACTERS
            .into_iter()
            .cycle()
            .take(QUERIES * CHARACTERS.len());
        let warm = warm.map(&mut one).collect();
        let mistaken = (0..QUERIES).map(|_| {
            let wrong = chance_of_rare.draw();
            let mut part: Vec<char> = one(6).chars().collect();
            part[3] = char::from_u32(0x4E00 + (wrong % 0x51A5) as u32).unwrap_or('一');
            part.into_iter().collect()
        });
        Self {
            warm,
            mistaken: mistaken.collect(),
            parts: parts.into(),
        }
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

fn say(who: &str, characters: &str, filter: &str, samples: &mut [Duration], found: usize) {
    println!(
        "{who:<12} {characters:<12} {filter:<9} p50 {:>9.2} ms  p99 {:>9.2} ms  {:>6.1} found",
        percentile_ms(samples, 50.0),
        percentile_ms(samples, 99.0),
        found as f64 / samples.len().max(1) as f64,
    );
}
