//! Purchases per second on SQLite and PostgreSQL: the store function `orders::buy` on the adapters of the binary, by 32
//! buyers at once in this process, each committed with its entries. *All different*: every client is a buyer of his own
//! who buys from a seller of his own. *One resource*: every purchase is another buyer's, all of the same resource.
//!
//! `cargo bench --package tests --bench orders`

use runtime::clock::now_ms;
use runtime::command::migrate;
use runtime::database::Handle;
use shared::domain::account::{Audience, Role};
use shared::domain::coins::Coins;
use shared::store::orders::{self, NewOrder};
use shared::store::users::{self, User};
use shared::store::{Database, audit};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tests::TestDatabase;
use tests::figures::{percentile_ms, print_machine};
use tests::market::{give_coins, resource_of};

const CLIENTS: usize = 32;
/// Of each client in each round.
const BUYS: usize = 100;
const ROUNDS: usize = 3;
const PRICE: i64 = 100;

#[derive(Clone, Copy)]
enum Shape {
    AllDifferent,
    OneResource,
}

#[derive(Default)]
struct Result {
    elapsed: Duration,
    buys: Vec<Duration>,
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir_in(tests::target_dir()).expect("a folder");
    let postgres = TestDatabase::create();
    let mut databases = vec![("SQLite", open("", folder.path()).await)];
    if let Some(postgres) = &postgres {
        let opened = open(&postgres.url(), folder.path()).await;
        databases.push(("PostgreSQL", opened));
    }
    print_machine();
    println!(
        "{:<11} {:<14} {:>7} {:>8} {:>8} {:>8}",
        "", "", "clients", "buys/s", "p50 ms", "p99 ms"
    );
    for (shape, what) in [
        (Shape::AllDifferent, "all different"),
        (Shape::OneResource, "one resource"),
    ] {
        let mut results: Vec<Result> = databases.iter().map(|_| Result::default()).collect();
        // In turns, so that whatever else the machine does hits both.
        for _ in 0..ROUNDS {
            for ((_, database), result) in databases.iter().zip(&mut results) {
                let orders = prepare(database, shape).await;
                let round = work(database, orders).await;
                result.elapsed += round.elapsed;
                result.buys.extend(round.buys);
            }
        }
        for ((name, _), result) in databases.iter().zip(&mut results) {
            println!(
                "{name:<11} {what:<14} {CLIENTS:>7} {:>8.0} {:>8.2} {:>8.2}",
                result.buys.len() as f64 / result.elapsed.as_secs_f64(),
                percentile_ms(&mut result.buys, 50.0),
                percentile_ms(&mut result.buys, 99.0),
            );
        }
    }
    for (name, database) in &databases {
        let begun = Instant::now();
        let summary = audit::run(&**database, &mut |it| panic!("{it:?}")).await;
        let summary = summary.expect("an audit");
        let elapsed = begun.elapsed().as_secs_f64();
        println!(
            "{name}: audit of {} orders in {elapsed:.2} s",
            summary.orders
        );
    }
}

async fn open(url: &str, folder: &std::path::Path) -> Arc<dyn Database> {
    let handle = Handle::open(url, folder).expect("the database opens");
    migrate::apply(&handle).await.expect("it is up to date");
    handle.database()
}

fn id() -> String {
    uuid::Uuid::now_v7().to_string()
}

async fn user(database: &dyn Database, hundredths: i64) -> String {
    let user_id = id();
    let user = User {
        user_id: user_id.clone(),
        audience: Audience::Users,
        email: format!("{user_id}@bench.test"),
        password_hash: String::new(),
        nickname: "Ada".to_owned(),
        role: Role::User,
        daily_limit: None,
        blocked_at: None,
        created_at: now_ms(),
    };
    users::insert(database, &user).await.expect("a user");
    if hundredths > 0 {
        give_coins(database, &user_id, hundredths, now_ms()).await;
    }
    user_id
}

/// What each client is going to buy.
async fn prepare(database: &Arc<dyn Database>, shape: Shape) -> Vec<Vec<NewOrder>> {
    let seller = user(&**database, 0).await;
    let hot = resource_of(&**database, &seller, PRICE, now_ms()).await;
    let clients = (0..CLIENTS).map(|_| async {
        let database = &**database;
        let mut orders = Vec::new();
        let (buyer, seller) = match shape {
            Shape::AllDifferent => (
                user(database, PRICE * BUYS as i64).await,
                user(database, 0).await,
            ),
            Shape::OneResource => Default::default(),
        };
        for _ in 0..BUYS {
            orders.push(match shape {
                Shape::AllDifferent => {
                    let item = resource_of(database, &seller, PRICE, now_ms()).await;
                    order(&item, &buyer)
                }
                Shape::OneResource => order(&hot, &user(database, PRICE).await),
            });
        }
        orders
    });
    futures_util::future::join_all(clients).await
}

fn order(resource_id: &str, buyer_id: &str) -> NewOrder {
    let now = now_ms();
    NewOrder {
        order_id: id(),
        resource_id: resource_id.to_owned(),
        buyer_id: buyer_id.to_owned(),
        expected_price: Coins::from_hundredths(PRICE),
        idempotency_key: Some(id()),
        request_hash: "hash".to_owned(),
        refund_until: now + 24 * 3600 * 1000,
        now,
    }
}

async fn work(database: &Arc<dyn Database>, orders: Vec<Vec<NewOrder>>) -> Result {
    let start = Instant::now();
    let clients: Vec<_> = orders
        .into_iter()
        .map(|orders| {
            let database = database.clone();
            tokio::spawn(async move {
                let mut buys = Vec::new();
                for order in &orders {
                    let begun = Instant::now();
                    let bought = orders::buy(&*database, order).await;
                    bought.expect("nothing stands in its way");
                    buys.push(begun.elapsed());
                }
                buys
            })
        })
        .collect();
    let mut result = Result::default();
    for client in clients {
        result.buys.extend(client.await.expect("it ends"));
    }
    result.elapsed = start.elapsed();
    result
}
