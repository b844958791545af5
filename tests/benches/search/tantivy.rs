//! tantivy with its n-gram tokenizer, one and two characters, on the same normal forms.

use crate::{Queries, chunk, chunks, say};
use shared::domain::search::normal::normal;
use std::time::{Duration, Instant};
use tantivy::collector::TopDocs;
use tantivy::query::{BooleanQuery, BoostQuery, Occur, Query, TermQuery};
use tantivy::schema::{Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::NgramTokenizer;
use tantivy::{Index, TantivyDocument, Term};

/// As DESIGN weighs title, names and bio.
const WEIGHTS: [(&str, f32); 3] = [("title", 10.0), ("names", 5.0), ("bio", 1.0)];
const HEAP_BYTES: usize = 256 << 20;

pub fn measure(count: i64, queries: &Queries) {
    let folder = tempfile::tempdir_in(tests::target_dir()).expect("a folder");
    let mut schema = Schema::builder();
    let indexing = TextFieldIndexing::default()
        .set_tokenizer("grams")
        .set_index_option(IndexRecordOption::WithFreqs);
    let options = TextOptions::default().set_indexing_options(indexing);
    let fields =
        WEIGHTS.map(|(name, weight)| (schema.add_text_field(name, options.clone()), weight));
    let index = Index::create_in_dir(folder.path(), schema.build()).expect("an index");
    let grams = NgramTokenizer::new(1, 2, false).expect("a tokenizer");
    index.tokenizers().register("grams", grams);
    let mut writer = index
        .writer_with_num_threads(1, HEAP_BYTES)
        .expect("a writer");
    let mut building = Duration::ZERO;
    for from in chunks(count) {
        let entries = chunk(from, count, &[String::new()]);
        let ((), took) = timed(|| {
            for entry in &entries {
                let names: Vec<String> = entry.names.iter().map(|name| normal(name)).collect();
                let mut document = TantivyDocument::default();
                let texts = [normal(&entry.title), names.join(" "), normal(&entry.bio)];
                for ((field, _), text) in fields.iter().zip(&texts) {
                    document.add_text(*field, text);
                }
                writer.add_document(document).expect("it is taken");
            }
        });
        building += took;
    }
    let (_, took) = timed(|| writer.commit().expect("it is written"));
    writer.wait_merging_threads().expect("it is merged");
    let bytes: u64 = tests::files_under(folder.path())
        .iter()
        .filter_map(|file| file.metadata().ok())
        .map(|found| found.len())
        .sum();
    println!(
        "{:<12} indexed in {:.1} s, {} MiB",
        "tantivy",
        (building + took).as_secs_f64(),
        bytes >> 20
    );
    let searcher = index.reader().expect("a reader").searcher();
    let search = |text: &str| {
        let best = TopDocs::with_limit(20).order_by_score();
        searcher
            .search(&query(text, &fields), &best)
            .expect("it runs")
    };
    for text in &queries.warm {
        search(text);
    }
    for (characters, texts) in &queries.parts {
        let (mut samples, mut found) = (Vec::new(), 0);
        for text in texts {
            let (hits, took) = timed(|| search(text));
            found += hits.len();
            samples.push(took);
        }
        say(
            "tantivy",
            &format!("{characters} characters"),
            "",
            &mut samples,
            found,
        );
    }
}

/// In one of the fields all pairs of neighbours, or the one character.
fn query(text: &str, fields: &[(Field, f32)]) -> BooleanQuery {
    let characters: Vec<char> = text.chars().collect();
    let grams: Vec<String> = match characters.as_slice() {
        [one] => vec![one.to_string()],
        many => many.windows(2).map(|pair| pair.iter().collect()).collect(),
    };
    let in_field = |(field, weight): &(Field, f32)| {
        let terms = grams.iter().map(|gram| {
            let term = Term::from_field_text(*field, gram);
            let query: Box<dyn Query> =
                Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs));
            (Occur::Must, query)
        });
        let all = BooleanQuery::new(terms.collect());
        let boosted: Box<dyn Query> = Box::new(BoostQuery::new(Box::new(all), *weight));
        (Occur::Should, boosted)
    };
    BooleanQuery::new(fields.iter().map(in_field).collect())
}

/// What it gives, and how long it took.
fn timed<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    let done = run();
    (done, begun.elapsed())
}
