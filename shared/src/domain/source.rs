//! Where an export's rows come from (DC-2): the URL, and what one page after another may say. A source that
//! contradicts itself ends the export with a named failure instead of a file that is quietly wrong (DC-10).

use super::task::Failure;
use super::web_url;
use crate::error::Result;
use crate::limits::{CURSOR_BYTES_MAX, SOURCE_EMPTY_PAGES_MAX};
use serde::{Deserialize, Serialize};
use url::Url;

/// An absolute `http` or `https` URL with a host and without user name, password or fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceUrl(Url);

impl SourceUrl {
    /// Errors: 40001 for `field`.
    pub fn parse(field: &str, text: &str) -> Result<Self> {
        web_url::parse(field, text).map(Self)
    }

    pub fn as_url(&self) -> &Url {
        &self.0
    }

    /// The URL of one page: what the caller wrote, with these parameters behind.
    pub fn with_query(&self, parameters: &[(&str, String)]) -> Url {
        let mut url = self.0.clone();
        url.query_pairs_mut().extend_pairs(parameters);
        url
    }

    /// Scheme, host and path, for logs (PF-8).
    pub fn redacted(&self) -> String {
        let mut url = self.0.clone();
        url.set_query(None);
        url.into()
    }
}

/// What one page said of itself and of the whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageFacts {
    pub rows: u64,
    pub total: Option<u64>,
    /// Of the rows' text, to notice a page that comes twice.
    pub digest: u64,
    /// `None` or empty: there is no further page.
    pub next_cursor: Option<String>,
}

/// How far a source has been read; kept beside the file, so that a crash resumes here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The page to ask for next, from 0.
    pub page: u64,
    /// What stands for it, once the source has sent one.
    pub cursor: Option<String>,
    pub rows: u64,
    /// The last `total` that the source sent.
    pub total: Option<u64>,
    pub ended: bool,
    digest: Option<u64>,
    empty_pages: u32,
}

/// What a task may pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Rows of a page that is asked for.
    pub step: u64,
    /// Rows in all.
    pub rows_max: u64,
}

impl Position {
    /// The parameters of the next page. `_table` stands there where one source has several tables.
    pub fn query(
        &self,
        step: u64,
        task_id: &str,
        table: Option<usize>,
    ) -> Vec<(&'static str, String)> {
        let mut query = vec![
            ("page", self.page.to_string()),
            ("page_size", step.to_string()),
            ("_task_id", task_id.to_owned()),
        ];
        query.extend(table.map(|table| ("_table", table.to_string())));
        query.extend(self.cursor.clone().map(|cursor| ("cursor", cursor)));
        query
    }

    /// Moves behind a page. Errors: permanent failures `page_repeats`, `total_shrinks`, `too_many_rows`,
    /// `rows_missing`, `rows_surplus`, `never_ends`, `bad_cursor`.
    pub fn accept(&mut self, facts: &PageFacts, bounds: Bounds) -> Result<(), Failure> {
        let page = self.page;
        if facts.rows > 0 && self.digest == Some(facts.digest) {
            return Err(repeats(page));
        }
        if let (Some(before), Some(now)) = (self.total, facts.total)
            && now < before
        {
            let message = format!(
                "The source's total shrank from {before} to {now} on page {page}; was something deleted meanwhile?"
            );
            return Err(Failure::permanent("total_shrinks", message));
        }
        self.total = facts.total.or(self.total);
        self.rows += facts.rows;
        if self.rows > bounds.rows_max || self.total.is_some_and(|total| total > bounds.rows_max) {
            let message = format!("The source has more than {} rows.", bounds.rows_max);
            return Err(Failure::permanent("too_many_rows", message));
        }
        self.digest = Some(facts.digest);
        self.page += 1;
        let next = facts
            .next_cursor
            .clone()
            .filter(|cursor| !cursor.is_empty());
        self.empty_pages = match facts.rows {
            0 => self.empty_pages + 1,
            _ => 0,
        };
        if next.is_some() || self.cursor.is_some() {
            self.follow_cursor(next, page)?;
        } else {
            self.ended = match self.total {
                // A page without rows ends it too: what is missing is said below.
                Some(total) => self.rows >= total || facts.rows == 0,
                None => facts.rows < bounds.step,
            };
        }
        if self.ended {
            self.check_total()
        } else {
            Ok(())
        }
    }

    fn follow_cursor(&mut self, next: Option<String>, page: u64) -> Result<(), Failure> {
        if next.is_some() && next == self.cursor {
            return Err(repeats(page));
        }
        if next
            .as_ref()
            .is_some_and(|cursor| cursor.len() > CURSOR_BYTES_MAX)
        {
            let message =
                format!("The source sent a cursor of more than {CURSOR_BYTES_MAX} bytes.");
            return Err(Failure::permanent("bad_cursor", message));
        }
        if self.empty_pages > SOURCE_EMPTY_PAGES_MAX {
            let message = format!(
                "The source sent {SOURCE_EMPTY_PAGES_MAX} pages without rows one after another and still names a next one."
            );
            return Err(Failure::permanent("never_ends", message));
        }
        self.ended = next.is_none();
        self.cursor = next;
        Ok(())
    }

    fn check_total(&self) -> Result<(), Failure> {
        let rows = self.rows;
        match self.total {
            Some(total) if rows < total => Err(Failure::permanent(
                "rows_missing",
                format!("The source declared {total} rows and delivered {rows}."),
            )),
            Some(total) if rows > total => Err(Failure::permanent(
                "rows_surplus",
                format!("The source declared {total} rows and delivered {rows}."),
            )),
            _ => Ok(()),
        }
    }

    /// What the source said there would be; where it never said, what it delivered.
    pub fn declared(&self) -> u64 {
        self.total.unwrap_or(self.rows)
    }
}

fn repeats(page: u64) -> Failure {
    let message = format!("Page {page} of the source repeats the page before it.");
    Failure::permanent("page_repeats", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        step: 10,
        rows_max: 100,
    };

    /// Pages of `(rows, total, digest, cursor)`; the position behind them, or the word of the failure.
    fn read(pages: &[(u64, Option<u64>, u64, &str)]) -> Result<Position, &'static str> {
        let mut position = Position::default();
        for (rows, total, digest, cursor) in pages {
            assert!(!position.ended, "the source had ended");
            let facts = PageFacts {
                rows: *rows,
                total: *total,
                digest: *digest,
                next_cursor: Some((*cursor).to_owned()),
            };
            position.accept(&facts, BOUNDS).map_err(|it| it.code)?;
        }
        Ok(position)
    }

    #[test]
    fn a_source_ends_with_its_total_a_short_page_or_its_last_cursor() {
        let end = read(&[(10, Some(15), 1, ""), (5, Some(15), 2, "")]).unwrap();
        assert_eq!((end.ended, end.rows, end.page), (true, 15, 2));
        assert!(read(&[(10, None, 1, ""), (3, None, 2, "")]).unwrap().ended);
        assert!(read(&[(10, None, 1, ""), (0, None, 2, "")]).unwrap().ended);
        assert!(read(&[(0, Some(0), 1, "")]).unwrap().ended);
        let end = read(&[(4, None, 1, "b"), (0, None, 2, "c"), (4, None, 3, "")]).unwrap();
        assert_eq!((end.ended, end.declared()), (true, 8));
        assert!(
            !read(&[(10, Some(30), 1, ""), (5, None, 2, "")])
                .unwrap()
                .ended
        );
        // A source that knows no page size gives everything at once.
        assert!(read(&[(40, Some(40), 1, "")]).unwrap().ended);
    }

    #[test]
    fn a_source_that_contradicts_itself_is_named() {
        assert_eq!(
            read(&[(10, Some(30), 1, ""), (10, Some(30), 1, "")]),
            Err("page_repeats")
        );
        assert_eq!(
            read(&[(1, None, 1, "b"), (1, None, 2, "b")]),
            Err("page_repeats")
        );
        assert_eq!(
            read(&[(10, Some(30), 1, ""), (10, Some(29), 2, "")]),
            Err("total_shrinks")
        );
        assert_eq!(
            read(&[(10, Some(30), 1, ""), (0, Some(30), 2, "")]),
            Err("rows_missing")
        );
        assert_eq!(read(&[(10, Some(8), 1, "")]), Err("rows_surplus"));
        assert_eq!(
            read(&[(1, Some(2), 1, "b"), (0, None, 2, "")]),
            Err("rows_missing")
        );
        assert_eq!(read(&[(10, Some(101), 1, "")]), Err("too_many_rows"));
        let pages: Vec<_> = (0..11).map(|page| (10, None, page, "")).collect();
        assert_eq!(read(&pages), Err("too_many_rows"));
        let cursors: Vec<String> = (0..200).map(|page| format!("c{page}")).collect();
        let pages: Vec<_> = (0..200)
            .map(|page| (0, None, 0, cursors[page].as_str()))
            .collect();
        assert_eq!(read(&pages), Err("never_ends"));
    }

    #[test]
    fn a_page_is_asked_for_behind_the_callers_own_query() {
        let url = SourceUrl::parse("source_url", "https://shop.example/orders?day=1#x").unwrap();
        let mut position = Position::default();
        let ask = |position: &Position, table| url.with_query(&position.query(500, "t", table));
        assert_eq!(
            ask(&position, None).as_str(),
            "https://shop.example/orders?day=1&page=0&page_size=500&_task_id=t"
        );
        position.cursor = Some("a&b".to_owned());
        assert_eq!(
            ask(&position, Some(1)).as_str(),
            "https://shop.example/orders?day=1&page=0&page_size=500&_task_id=t&_table=1&cursor=a%26b"
        );
        for text in ["ftp://a/", "http://u:p@a/", "http://a/ b", "a", "http://"] {
            assert!(SourceUrl::parse("source_url", text).is_err(), "{text}");
        }
    }
}
