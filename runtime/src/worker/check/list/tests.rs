//! Shares of all shapes, without a drive.

use super::*;
use crate::worker::check::api::Page;
use async_trait::async_trait;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const PAGE: usize = 100;

/// How a made-up share answers.
enum Shape {
    /// So many files in it.
    Files(usize),
    /// A folder in a folder, without end.
    Endless,
    /// So many empty folders.
    Folders(usize),
    /// The same page again and again.
    Repeats,
    /// One folder, which is not shown.
    Shy,
    /// Names that no tree may hold, in no order.
    Odd,
}

struct Made {
    shape: Shape,
    calls: AtomicUsize,
}

fn file(name: String) -> Entry {
    Entry {
        name,
        folder: None,
        size: Some(1),
    }
}

fn folder(name: &str) -> Entry {
    Entry {
        name: name.to_owned(),
        folder: Some(name.to_owned()),
        size: None,
    }
}

fn paged(all: usize, marker: &str, entry: impl Fn(usize) -> Entry) -> Page {
    let from: usize = marker.parse().unwrap_or(0);
    let to = (from + PAGE).min(all);
    Page {
        entries: (from..to).map(entry).collect(),
        marker: (to < all).then(|| to.to_string()),
    }
}

#[async_trait]
impl Shares for Made {
    async fn open(&self, _: &ShareLink) -> Result<String, Refusal> {
        Ok(String::new())
    }

    async fn page(
        &self,
        _: &ShareLink,
        _: &str,
        folder_id: &str,
        marker: &str,
    ) -> Result<Page, Refusal> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let is_share = folder_id.is_empty();
        Ok(match self.shape {
            Shape::Files(count) => paged(count, marker, |n| file(format!("{n:05}"))),
            Shape::Folders(_) | Shape::Shy if !is_share => match self.shape {
                Shape::Shy => return Err(Refusal::uncertain("429")),
                _ => Page::default(),
            },
            Shape::Folders(count) => paged(count, marker, |n| folder(&format!("{n:05}"))),
            Shape::Shy => paged(1, marker, |_| folder("d")),
            Shape::Endless => paged(1, marker, |_| folder("d")),
            Shape::Repeats => Page {
                entries: vec![file("a".to_owned())],
                marker: Some(call.to_string()),
            },
            Shape::Odd => Page {
                entries: vec![
                    file("b\n".to_owned()),
                    file("a".repeat(300)),
                    file(String::new()),
                    folder("z"),
                ]
                .into_iter()
                .filter(|_| is_share)
                .collect(),
                marker: None,
            },
        })
    }
}

async fn listed(shape: Shape) -> (Result<Directory, Broken>, usize) {
    listed_within(shape, Duration::from_secs(60)).await
}

async fn listed_within(shape: Shape, time: Duration) -> (Result<Directory, Broken>, usize) {
    let made = Made {
        shape,
        calls: AtomicUsize::new(0),
    };
    let link = ShareLink::parse("https://www.alipan.com/s/abcdef", "").unwrap();
    let listed = list(&made, &link, "", Instant::now() + time).await;
    (listed, made.calls.into_inner())
}

#[tokio::test]
async fn markers_are_followed_to_the_end() {
    let (directory, calls) = listed(Shape::Files(250)).await;
    let directory = directory.unwrap();
    assert_eq!((directory.nodes().count(), calls), (250, 3));
    assert_eq!(directory.total_size(), 250);
}

#[tokio::test]
async fn a_tree_ends_at_twenty_thousand_nodes() {
    let (directory, calls) = listed(Shape::Files(20_001)).await;
    assert_eq!(directory.unwrap().nodes().count(), DIRECTORY_NODES_MAX);
    assert_eq!(calls, 201);
}

#[tokio::test]
async fn a_tree_ends_at_thirty_two_levels() {
    let (directory, calls) = listed(Shape::Endless).await;
    assert_eq!(directory.unwrap().nodes().count(), DIRECTORY_DEPTH_MAX);
    assert_eq!(calls, DIRECTORY_DEPTH_MAX);
}

#[tokio::test]
async fn a_share_of_many_folders_ends_at_the_calls() {
    let (directory, calls) = listed(Shape::Folders(5_000)).await;
    assert_eq!(directory.unwrap().nodes().count(), 5_000);
    assert_eq!(calls, CHECK_CALLS_MAX);
}

#[tokio::test]
async fn what_is_not_listed_in_time_is_left_out() {
    let (directory, calls) = listed_within(Shape::Files(250), Duration::ZERO).await;
    assert_eq!(directory.unwrap().nodes().count(), PAGE);
    assert_eq!(calls, 1);
}

#[tokio::test]
async fn a_drive_that_repeats_itself_is_not_listened_to() {
    let (directory, calls) = listed(Shape::Repeats).await;
    let broken = directory.unwrap_err();
    assert!(!broken.is_share && calls == 2, "{broken:?} {calls}");
}

#[tokio::test]
async fn a_folder_that_is_not_shown_breaks_the_listing_and_not_the_share() {
    let (directory, _) = listed(Shape::Shy).await;
    assert!(!directory.unwrap_err().is_share);
}

#[tokio::test]
async fn names_are_made_to_fit_and_put_in_order() {
    let (directory, _) = listed(Shape::Odd).await;
    let directory = directory.unwrap();
    let names: Vec<&str> = directory.nodes().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["z", "?", &"a".repeat(255), "b"]);
}
