//! Data sync over bad lines between nodes that are killed (DS-2 to DS-9): in the end every business has what it may
//! have, once and in order, and nothing else.

mod model;
mod world;

use model::{Model, Origin, Receiver, disagreements};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tests::{Chance, Fate, Key, Shop, eventually};
use world::World;

/// The longest that a row of a site whose line fails now and then may take.
const ARRIVES_WITHIN: Duration = Duration::from_secs(60);

/// One in so many calls of an apply hook goes wrong.
const TROUBLE_ONE_IN: u64 = 12;
/// Problems that a failure shows.
const SHOWN: usize = 12;

/// A number of the environment; 0 is none.
fn asked(name: &str) -> Option<usize> {
    std::env::var(name).ok()?.parse().ok().filter(|it| *it > 0)
}

/// `WHARF_TEST_SYNC_SITES` and `WHARF_TEST_SYNC_ROWS`.
fn effort() -> (usize, usize) {
    let sites = asked("WHARF_TEST_SYNC_SITES").unwrap_or(3);
    (sites, asked("WHARF_TEST_SYNC_ROWS").unwrap_or(1500))
}

/// Some entities are refused or put off a few times, and some until they are dead.
fn disturb(model: &Model, receiver: Receiver, shop: &Shop, chance: &mut Chance) {
    shop.disturb(chance.draw(), TROUBLE_ONE_IN);
    let mut entities: Vec<&str> = model
        .rows
        .iter()
        .filter(|(origin, _)| **origin != receiver)
        .flat_map(|(_, rows)| rows.iter().map(|row| row.entity.as_str()))
        .collect();
    entities.sort_unstable();
    entities.dedup();
    for entity in entities {
        match chance.below(24) {
            0 => shop.refuse(entity, 2),
            1 => shop.put_off(entity, 5),
            2 => shop.refuse(entity, u32::MAX),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rows_survive_bad_lines_and_kills_once_and_in_order() {
    let mut chance = Chance::new(Chance::seed());
    let (sites, rows) = effort();
    let groups: Vec<usize> = (0..sites)
        .map(|site| usize::from(site > sites / 2))
        .collect();
    let mut world = World::start(&mut chance, sites, &groups).await;
    let model = Model::draw(&chance.apart(1), &world.ids, &groups, rows);
    for (receiver, shop) in world.shops() {
        disturb(&model, receiver, shop, &mut chance);
    }
    let writers = world.write(&model, &mut chance);
    // The moments follow from how far the run has come, so that each kill hits it at work.
    let kills = (rows / 250).clamp(6, 200);
    let patience = Duration::from_secs(120 + rows as u64 / 20);
    for kill in 1..=kills {
        let moment = model.count() * kill / (kills + 1);
        let written = world.written.clone();
        eventually("more rows are handed in", patience, async || {
            (written.load(Ordering::SeqCst) >= moment).then_some(())
        })
        .await;
        let victim = match chance.one_in(3) {
            true => Origin::Cloud,
            false => Origin::Site(chance.index(sites)),
        };
        world.kill(victim);
    }
    for writer in writers {
        writer
            .await
            .expect("a writer panics only where a row is refused");
    }
    world.calm().await;
    world.drain(patience).await;
    report(&world);
    let problems = problems(&world, &model);
    assert!(
        problems.is_empty(),
        "{} problems: {:#?}",
        problems.len(),
        &problems[..problems.len().min(SHOWN)]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_line_that_fails_now_and_then_holds_no_row_up_for_long() {
    let mut chance = Chance::new(Chance::seed());
    let world = World::start(&mut chance, 1, &[0]).await;
    let site = &world.nodes[&Origin::Site(0)];
    let line = site.proxy.as_ref().expect("a line");
    line.set_rates([(Fate::LosesAnswer, 150)].into());
    for number in 0..40 {
        let row = serde_json::json!({ "syn_id": number, "business_type": "order",
            "entity": format!("order:{number}"), "data_detail": {} });
        site.door.hand_in(&[&row]).await;
        eventually("the row arrives", ARRIVES_WITHIN, async || {
            (world.cloud().shop.applied_count() > number).then_some(())
        })
        .await;
    }
}

fn problems(world: &World, model: &Model) -> Vec<String> {
    let names = world.names();
    let mut problems = Vec::new();
    for (receiver, shop) in world.shops() {
        let found = model.problems(receiver, shop, &names);
        problems.extend(found.into_iter().map(|it| format!("{receiver:?}: {it}")));
    }
    // Whatever the order of an entity that several write, it is the same for all who got it.
    let entities: HashMap<Key, String> = model
        .rows
        .values()
        .flatten()
        .map(|row| {
            let key = (names[&row.origin].clone(), row.syn_id.clone());
            (key, row.entity.clone())
        })
        .collect();
    let cloud = &world.cloud().shop;
    for (receiver, shop) in world.shops() {
        let found = disagreements(shop, cloud, &entities);
        problems.extend(
            found
                .into_iter()
                .map(|it| format!("{receiver:?} and the cloud: {it}")),
        );
    }
    problems
}

/// What the run went through.
fn report(world: &World) {
    let mut fates = BTreeMap::new();
    for node in world.nodes.values() {
        for (fate, times) in node.proxy.iter().flat_map(|proxy| proxy.done()) {
            *fates.entry(fate).or_insert(0) += times;
        }
    }
    println!("requests: {fates:?}");
    println!("kills: {:?}", world.kills);
    for (receiver, shop) in world.shops() {
        println!(
            "{receiver:?}: {} calls, {} rows applied, {} came again",
            shop.calls(),
            shop.applied_count(),
            shop.repeats()
        );
    }
}
