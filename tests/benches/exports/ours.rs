//! Our own writers, as the worker drives them: pages are checked, written into parts on the disk, and put
//! together into a file that is hashed on the way.

use super::rows::KEYS;
use runtime::worker::export::hash::HashedFile;
use runtime::worker::export::parts::{FileParts, Marks};
use rust_xlsxwriter::{Format, Workbook};
use serde_json::{Value, json};
use shared::sheet::{self, Page};
use shared::wire::export::Export;
use shared::wire::source::SourcePage;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// What is asked for, beside the source.
pub fn request(kind: &str) -> Value {
    let mut request = json!({ "name": "orders", "step": super::rows::STEP });
    match kind {
        "csv" => request["type"] = "csv".into(),
        "head tree" => {
            request["type"] = "excel".into();
            request["title"] = "订单".into();
            request["template"] = heads();
        }
        _ => request["template_id"] = "0".into(),
    }
    request
}

fn heads() -> Value {
    let leaf = |key: &str| json!({ "name": key, "title": key, "width": 90 });
    let mut heads = vec![leaf("id")];
    heads.push(json!({ "title": "客户", "children": KEYS[1..4].iter().map(|key| leaf(key)).collect::<Vec<_>>() }));
    heads.extend(KEYS[4..].iter().map(|key| leaf(key)));
    heads.into()
}

/// A workbook with a title, a line of heads and one line of placeholders.
pub fn template() -> Vec<u8> {
    let mut book = Workbook::new();
    let bold = Format::new().set_bold();
    let day = Format::new().set_num_format("yyyy-mm-dd");
    let sheet = book.add_worksheet();
    let mut put = |row, column, text: &str, format: &Format| {
        sheet
            .write_string_with_format(row, column, text, format)
            .expect("a cell");
    };
    put(0, 0, "订单", &bold);
    for (column, key) in (0_u16..).zip(KEYS) {
        put(1, column, key, &bold);
        let plain = Format::new();
        let format = if key == "day" { &day } else { &plain };
        put(2, column, &format!("{{.{key}}}"), format);
    }
    book.save_to_buffer().expect("a workbook")
}

/// The time from the first page to the finished file. As in the worker, a page is read and checked while the
/// one before is being written.
pub fn run(kind: &str, pages: &Path, folder: &Path, out: &Path) -> Duration {
    let mut asked = request(kind);
    asked["source_url"] = "http://127.0.0.1/".into();
    let export = Export::parse(asked.to_string().as_bytes()).expect("a request");
    let template = (kind == "template").then(template);
    let pages = BufReader::new(File::open(pages).expect("the pages"));
    let start = Instant::now();
    let (sender, received) = sync_channel(1);
    let reader = std::thread::spawn(move || read(pages, &sender));
    let mut parts = FileParts::open(folder, Marks::new()).expect("parts");
    let mut writer = None;
    let mut rows = 0;
    for page in received {
        let page = parse(&page);
        let writer = writer.get_or_insert_with(|| {
            sheet::export::writer(&export, template.as_deref(), page.facts.total).expect("a writer")
        });
        let page = Page::of_rows(page.rows);
        rows += writer.page(0, &page, &mut parts).expect("it is written");
    }
    reader.join().expect("all pages are read");
    let mut file = HashedFile::create(out, u64::MAX, Default::default()).expect("a file");
    let finished = writer
        .expect("a page")
        .finish(&mut parts, &mut file)
        .expect("a file");
    file.finish().expect("it is on the disk");
    assert_eq!(finished.rows, rows);
    start.elapsed()
}

fn read(mut pages: impl BufRead, sender: &SyncSender<Vec<u8>>) {
    let mut line = Vec::new();
    while pages.read_until(b'\n', &mut line).expect("a page") > 0 {
        // The worker's fetcher looks at each page too, before the writer does.
        parse(&line);
        if sender.send(std::mem::take(&mut line)).is_err() {
            return;
        }
    }
}

fn parse(page: &[u8]) -> SourcePage<'_> {
    SourcePage::parse(page).unwrap_or_else(|failure| panic!("{}", failure.message))
}
