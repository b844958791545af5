//! Two runners and three workers behind nginx while any of them may be killed at any moment (PF-5, PF-10): nothing
//! that was accepted is lost, nothing happens twice, and who watches sees all of it, whichever he is connected to.
//!
//! `WHARF_TEST_FLEET_S` makes it longer.

mod desk;
mod exports;
mod market;
mod media;
mod outages;
mod rows;

use crate::processes_in;
use desk::{Ask, LastWords, Run};
use exports::Backend;
use market::{Books, Buyer};
use media::{Accepted, Person, Told, Wanted, outcome, watch};
use outages::{Outages, disturb};
use rows::Counts;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tests::{
    Business, Chance, PATIENCE, Role, Shape, TestApp, eventually, files_under, media as servers,
};
use tokio::task::JoinHandle;

/// How long members are killed, seconds, unless `WHARF_TEST_FLEET_S` says more.
const SECONDS: u64 = 30;
/// Problems that a failure shows.
const SHOWN: usize = 12;
/// Of each of two sellers.
const RESOURCES: usize = 10;
const PEOPLE: usize = 3;
const BUYERS: usize = 2;

fn duration() -> Duration {
    let asked = std::env::var("WHARF_TEST_FLEET_S").ok();
    let seconds = asked.and_then(|text| text.parse().ok()).unwrap_or(SECONDS);
    Duration::from_secs(seconds)
}

/// Everybody at work, and what is waited for from each.
struct World {
    run: Arc<Run>,
    people: Vec<(String, JoinHandle<Vec<Accepted>>)>,
    told: Vec<(Arc<Mutex<Told>>, JoinHandle<()>)>,
    backend: Arc<Backend>,
    exports: JoinHandle<Vec<exports::Accepted>>,
    buyers: Vec<(Arc<Buyer>, JoinHandle<Books>)>,
    rows: Arc<Counts>,
    pusher: JoinHandle<()>,
    puller: JoinHandle<()>,
    passers_by: JoinHandle<()>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_killed_nothing_is_lost_or_doubled_and_all_is_seen() {
    let mut chance = Chance::new(Chance::seed());
    let Some(builder) = TestApp::scaled_out(Shape::WHOLE) else {
        return;
    };
    let business = Business::start().await;
    let [good, _] = servers().addresses();
    let app = builder
        .config("queue = { lease_s = 6 }\nquota = { user = 1000000 }\nsync = { lease_s = 5 }")
        // As few at once as two cores can run, and cleaning in the middle of it.
        .config("media = { concurrency = 2, clean_interval_s = 3 }")
        .allow(&good)
        .allow(&business.host())
        .start();
    let app = Arc::new(app);
    let outages = Outages::of(&app);
    let run = Run::new(app.base(), outages.clone());
    let _last_words = LastWords(run.clone());
    let world = begin(&app, &run, business, &mut chance).await;

    let until = Instant::now() + duration();
    let hands = [Role::Runner, Role::Worker].map(|role| {
        let (app, outages) = (app.clone(), outages.clone());
        let chance = Chance::new(chance.draw());
        std::thread::spawn(move || disturb(&app, &outages, role, chance, until))
    });
    for hand in hands {
        let ended = tokio::task::spawn_blocking(move || hand.join()).await;
        assert!(
            ended.is_ok_and(|it| it.is_ok()),
            "a member did not stop or start"
        );
    }
    run.end();
    world.settle(&app).await;
    audit(&app, &run);
    let mut app = Arc::into_inner(app).expect("nobody else has it");
    assert!(app.stop().success());
    assert_eq!(processes_in(&app), [] as [String; 0], "left behind");
    look_at_the_log(&app, &run);
    println!("{:?}\n{:#?}", outages.blows(), run.tally());
    let problems = run.problems();
    let shown = &problems[..problems.len().min(SHOWN)];
    assert!(
        problems.is_empty(),
        "{} problems: {shown:#?}",
        problems.len()
    );
}

/// Makes accounts and everything that they need, and sets them to work.
async fn begin(app: &TestApp, run: &Arc<Run>, business: Business, chance: &mut Chance) -> World {
    let shelf = servers().shelf();
    let (mut people, mut told) = (Vec::new(), Vec::new());
    for number in 0..PEOPLE {
        let token = app.user().await.token().to_owned();
        let heard = Arc::<Mutex<Told>>::default();
        told.push((
            heard.clone(),
            tokio::spawn(watch(run.clone(), token.clone(), heard)),
        ));
        let person = Person {
            run: run.clone(),
            token: token.clone(),
            shelf: shelf.clone(),
            is_fickle: number == 0,
        };
        let chance = Chance::new(chance.draw());
        people.push((token, tokio::spawn(person.download(chance))));
    }
    let project = app.project("fleet", &[&business.host()]).await;
    let backend = Arc::new(Backend {
        run: run.clone(),
        token: project.token().to_owned(),
        shapes: exports::shapes(&project, &business).await,
        business,
    });
    let exports = {
        let (backend, chance) = (backend.clone(), Chance::new(chance.draw()));
        tokio::spawn(async move { backend.export(chance).await })
    };
    let (sender, receiver) = (app.site("g").await, app.site("g").await);
    // A site that is new gets the last row of each entity; of those that are pushed from then on, all.
    let admin = app.admin().await;
    for site in [&sender, &receiver] {
        let path = format!("/admin/api/v1/sites/{}", site.site_id);
        eventually("the site has what it may see", PATIENCE, async || {
            (admin.get(&path).await.ok()["loading"] == false).then_some(())
        })
        .await;
    }
    let rows = Arc::<Counts>::default();
    let sent = rows::push(
        run.clone(),
        sender.token().to_owned(),
        rows.clone(),
        Chance::new(chance.draw()),
    );
    let received = rows::pull(run.clone(), receiver.token().to_owned(), rows.clone());
    World {
        run: run.clone(),
        people,
        told,
        backend,
        exports,
        buyers: buyers(app, run, chance).await,
        rows,
        pusher: tokio::spawn(sent),
        puller: tokio::spawn(received),
        passers_by: tokio::spawn(pass_by(run.clone(), app.user().await.token().to_owned())),
    }
}

async fn buyers(
    app: &TestApp,
    run: &Arc<Run>,
    chance: &mut Chance,
) -> Vec<(Arc<Buyer>, JoinHandle<Books>)> {
    let mut resources = Vec::new();
    for _ in 0..2 {
        let seller = app.user().await;
        for _ in 0..RESOURCES {
            resources.push(app.resource_of(&seller.user_id, 100).await);
        }
    }
    let mut buyers = Vec::new();
    for _ in 0..BUYERS {
        let user = app.user().await;
        app.give_coins(&user.user_id, 100_000_000).await;
        let buyer = Arc::new(Buyer {
            run: run.clone(),
            token: user.token().to_owned(),
            resources: resources.clone(),
        });
        let (own, chance) = (buyer.clone(), Chance::new(chance.draw()));
        let trading = tokio::spawn(async move { own.trade(chance).await });
        buyers.push((buyer, trading));
    }
    buyers
}

/// Looks at this and that.
async fn pass_by(run: Arc<Run>, token: String) {
    while !run.is_over() {
        for path in [
            "/api/v1/auth/profile",
            "/api/v1/tasks?page_size=100",
            "/api/v1/user/quota",
            "/api/v1/search?q=Maps",
            "/health",
        ] {
            let said = run.ask(Ask::get(&token, path)).await;
            if said.status != 200 {
                run.problem(format!("{path}: {said:?}"));
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl World {
    /// Waits for the end of all that was accepted, and compares.
    async fn settle(self, app: &TestApp) {
        let run = &self.run;
        // Twice what anybody waits for anything: a queue of downloads may be left.
        let patience = 2 * PATIENCE;
        self.pusher.await.expect("it ends");
        self.passers_by.await.expect("it ends");
        eventually(
            "every row that was accepted arrives",
            patience,
            async || {
                let [had, accepted] =
                    [&self.rows.had, &self.rows.accepted].map(|it| it.load(Ordering::SeqCst));
                (had == accepted).then_some(())
            },
        )
        .await;
        self.puller.abort();
        for (buyer, trading) in self.buyers {
            buyer.compare(&trading.await.expect("it ends")).await;
        }
        let exports = self.exports.await.expect("it ends");
        for export in &exports {
            eventually("an export ends", patience, async || {
                self.backend.is_done(export).await.then_some(())
            })
            .await;
        }
        eventually("every export is told of", patience, async || {
            self.backend.are_told(&exports).then_some(())
        })
        .await;
        let mut files = [0, 0];
        for ((token, downloads), (told, watching)) in self.people.into_iter().zip(self.told) {
            let accepted = downloads.await.expect("it ends");
            let found = of_one_person(run, &token, &accepted, &told, patience).await;
            watching.abort();
            files = [files[0] + found[0], files[1] + found[1]];
        }
        let [quick, archived] = files;
        // Those that were made before anything went wrong are there too.
        let exported = exports.len() + 3;
        for (folder, count) in [("tmp", quick), ("archive", archived), ("exports", exported)] {
            let what = format!("{folder} holds {count} files");
            let path = app.data().join(folder);
            eventually(&what, PATIENCE, async || {
                let mut files = files_under(&path);
                // The empty mark of whose task it is, which who is killed may leave; it goes with the file.
                files.retain(|file| !file.ends_with(".lock"));
                (files.len() == count).then_some(())
            })
            .await;
        }
        eventually("no extractor runs", PATIENCE, async || {
            processes_in(app).is_empty().then_some(())
        })
        .await;
    }
}

/// Returns how many quick and archived files there must be.
async fn of_one_person(
    run: &Run,
    token: &str,
    accepted: &[Accepted],
    told: &Mutex<Told>,
    patience: Duration,
) -> [usize; 2] {
    let (mut files, mut places, mut left) = ([0, 0], 0, 0);
    for task in accepted {
        let end = eventually("a download ends", patience, async || {
            outcome(run, token, task).await
        })
        .await;
        left += usize::from(end != "deleted");
        if end == "succeeded" {
            files[usize::from(!task.is_quick)] += 1;
            places += 1;
        }
        if end != "deleted" {
            eventually("the watcher has its last word", PATIENCE, async || {
                let told = told.lock().expect("no panic");
                (told.last.get(&task.task_id) == Some(&end)).then_some(())
            })
            .await;
        }
    }
    let list = run.must(Ask::get(token, "/api/v1/tasks?page_size=1")).await;
    if list["total"] != left {
        run.problem(format!(
            "{} tasks, of which {left} are known",
            list["total"]
        ));
    }
    let gives_up = |task: &Accepted| matches!(task.wanted, Wanted::Cancelled | Wanted::Deleted);
    if !accepted.iter().any(gives_up) {
        let quota = run.must(Ask::get(token, "/api/v1/user/quota")).await;
        if quota["daily_used"] != places {
            run.problem(format!("{places} places are taken: {quota}"));
        }
    }
    let told = told.lock().expect("no panic");
    println!(
        "{} WebSockets told {} messages, {} of them between beginning and end",
        told.connections, told.messages, told.between
    );
    if told.between == 0 {
        run.problem("no progress came over WebSockets".to_owned());
    }
    files
}

fn audit(app: &TestApp, run: &Run) {
    let output = app.run(&["admin", "audit", "--json"], "");
    if !output.status.success() {
        run.problem(format!("the audit: {output:?}"));
    }
}

/// What no outage of a neighbour may lead to.
fn look_at_the_log(app: &TestApp, run: &Run) {
    for line in app.log().lines() {
        let is_bad = ["panicked", "the component failed", "request failed"]
            .iter()
            .any(|words| line.contains(words));
        if is_bad {
            run.problem(line.to_owned());
        }
    }
}
