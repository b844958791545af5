//! Who gets the places of a busy worker (VA-4).

use crate::sqlite;
use tests::{PATIENCE, eventually, media};

#[tokio::test]
async fn one_users_many_tasks_do_not_starve_anothers_one() {
    let app = sqlite()
        .config("media = { concurrency = 2 }")
        .config("quota = { user = 100 }")
        .start();
    let shelf = media().shelf();
    let many = app.user().await;
    let mut waiting = Vec::new();
    for n in 0..12 {
        waiting.push(many.submit(&shelf.url(&format!("{n}.clip.mp4"))).await.0);
    }
    let one = app.user().await;
    let (single, _) = one.submit(&shelf.url("single.clip.mp4")).await;
    one.succeeded(&single).await;
    let mut still = 0;
    for task_id in &waiting {
        let task = many.task(task_id).await.ok();
        still += usize::from(task["status"] == "queued");
    }
    assert!(
        still >= 4,
        "the single task waited until only {still} of the others were left"
    );
}

#[tokio::test]
async fn a_user_who_holds_every_place_gives_one_of_the_next_two_to_another() {
    let app = sqlite().config("media = { concurrency = 2 }").start();
    let shelf = media().shelf();
    let greedy = app.user().await;
    let mut tasks = Vec::new();
    for _ in 0..6 {
        tasks.push(greedy.submit(&shelf.url("stall.mp4")).await.0);
    }
    let running = async || greedy.get("/api/v1/tasks?status=running").await.ok();
    eventually("every place is held", PATIENCE, async || {
        (running().await["total"] == 2).then_some(())
    })
    .await;
    let other = app.user().await;
    let (task_id, _) = other.submit(&shelf.url("clip.mp4")).await;
    for task in running().await["items"].as_array().expect("a list") {
        let task_id = task["task_id"].as_str().expect("an id");
        greedy.cancel(task_id).await.ok();
    }
    // One place goes to what waited beside it and stands still; were the other's not next, it would wait for ever.
    other.succeeded(&task_id).await;
    shelf.release();
}

#[tokio::test]
async fn no_user_takes_more_places_than_one_may() {
    let app = sqlite()
        .config("media = { concurrency = 3, user_concurrency = 2 }")
        .start();
    let shelf = media().shelf();
    let greedy = app.user().await;
    for _ in 0..3 {
        greedy.submit(&shelf.url("stall.mp4")).await;
    }
    // The greedy one's downloads stand still; the third place is for others.
    let other = app.user().await;
    let (task_id, _) = other.submit(&shelf.url("clip.mp4")).await;
    other.succeeded(&task_id).await;
    let running = greedy.get("/api/v1/tasks?status=running").await.ok();
    assert_eq!(running["total"], 2, "{running:#}");
    shelf.release();
}

#[tokio::test]
async fn no_site_is_asked_for_more_at_once_than_it_may_be() {
    let app = sqlite()
        .config("media = { concurrency = 8, site_concurrency = 2 }")
        .start();
    let shelf = media().shelf();
    let user = app.user().await;
    let mut tasks = Vec::new();
    for _ in 0..4 {
        tasks.push(user.submit(&shelf.url("slow.mp4")).await.0);
    }
    eventually("two run", PATIENCE, async || {
        let running = user.get("/api/v1/tasks?status=running").await.ok();
        (running["total"] == 2).then_some(())
    })
    .await;
    // The resetting listener is another site; its turn comes although the first site's tasks wait.
    let (other, _) = user.submit(&shelf.url("reset.mp4")).await;
    eventually("the other site is asked", PATIENCE, async || {
        (!shelf.seen_of("reset.mp4").is_empty()).then_some(())
    })
    .await;
    let running = user.get("/api/v1/tasks?status=running").await.ok();
    let of_site = running["items"].as_array().expect("a list").iter();
    let of_site = of_site
        .filter(|task| task["task_id"] != other.as_str())
        .count();
    assert_eq!(of_site, 2, "{running:#}");
    user.cancel(&other).await;
    shelf.release();
    for task_id in tasks {
        user.succeeded(&task_id).await;
    }
}

#[tokio::test]
async fn a_site_that_asks_to_slow_down_is_left_alone_for_a_while() {
    let app = sqlite().config("media = { site_cooldown_s = 10 }").start();
    let shelf = media().shelf();
    shelf.refuse(429, 1);
    let user = app.user().await;
    let (refused, _) = user.submit(&shelf.url("picky.mp4")).await;
    eventually("the site has refused", PATIENCE, async || {
        app.log().contains("the site cools down").then_some(())
    })
    .await;
    let asked = shelf.seen().len();
    let (next, _) = user.submit(&shelf.url("clip.mp4")).await;
    let task = user.task(&next).await.ok();
    assert_eq!(task["status"], "queued", "{task:#}");
    assert_eq!(
        shelf.seen().len(),
        asked,
        "the site was asked while it cools"
    );
    user.succeeded(&next).await;
    user.succeeded(&refused).await;
}
