//! Many at once, stopped here and there: no model can say who comes first, but the sums stay.

use super::trap::{Trap, Trapping, trapped};
use super::{STATES, block, set_item, times};
use crate::orders::{differences, member, order, resource};
use crate::{NOW, both};
use futures_util::future::join_all;
use shared::store::orders::{self, NewOrder};
use shared::store::{Database, audit};
use shared::{Code, Error};
use tests::Chance;
use tests::market::give_coins;

const ACTORS: u64 = 12;
const STEPS: u32 = 30;
const WINDOW_MS: i64 = 20;

struct Market<'a> {
    database: &'a dyn Database,
    users: Vec<String>,
    /// With the prices at which they began.
    items: Vec<(String, i64)>,
}

/// What may be refused to somebody who is not alone; a deadlock is no such thing.
fn check<T>(outcome: Result<T, Error>) -> Option<T> {
    let allowed = [
        Code::NotFound,
        Code::Forbidden,
        Code::Conflict,
        Code::IdempotencyKeyReused,
        Code::Unprocessable,
        Code::NotEnoughCoins,
        Code::BadToken,
    ];
    match outcome {
        Ok(value) => Some(value),
        Err(error) => {
            // What was in the way of a purchase may be gone when it is looked for.
            let is_gone = error.code == Code::Busy
                && error
                    .cause
                    .as_deref()
                    .is_some_and(|cause| cause.contains("in the way"));
            assert!(
                trapped(&error) || is_gone || allowed.contains(&error.code),
                "{error}"
            );
            None
        }
    }
}

impl Market<'_> {
    async fn act(&self, mut chance: Chance) -> i64 {
        let mut recharged = 0;
        let mut bought: Vec<(String, String)> = Vec::new();
        for n in 0..STEPS {
            // Time is the same for all, more or less.
            let now = NOW + i64::from(n) + chance.below(5) as i64;
            let trap = chance.one_in(4).then(|| Trap {
                call: 1 + chance.below(3) as u32,
                is_late: chance.one_in(2),
            });
            let database = Trapping::new(self.database, trap);
            let user = &self.users[chance.index(self.users.len())];
            let (item, price) = &self.items[chance.index(self.items.len())];
            match chance.below(20) {
                0..9 => {
                    let key = chance.one_in(2).then(|| format!("key {}", chance.below(4)));
                    let new = NewOrder {
                        idempotency_key: key,
                        now,
                        refund_until: now + WINDOW_MS,
                        ..order(item, user, *price)
                    };
                    if let Some(order) = check(orders::buy(&database, &new).await) {
                        bought.push((order.order_id, user.clone()));
                    }
                }
                9..14 if !bought.is_empty() => {
                    let (order_id, buyer) = &bought[chance.index(bought.len())];
                    check(orders::refund(&database, order_id, buyer, None, now).await);
                }
                14..16 => {
                    let sellers = check(orders::due_sellers(&database, now, 9).await);
                    for seller in sellers.unwrap_or_default() {
                        check(orders::release(&database, &seller, now, 2).await);
                    }
                }
                16 => {
                    give_coins(self.database, user, 500, now).await;
                    recharged += 500;
                }
                17 => {
                    let state = STATES[chance.index(STATES.len())];
                    set_item(self.database, item, &format!("state = '{state}'")).await;
                }
                18 => {
                    let price = [*price, *price, price + 1][chance.index(3)];
                    set_item(self.database, item, &format!("price = {price}")).await;
                }
                _ => block(self.database, user, chance.one_in(4)).await,
            }
        }
        recharged
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_first_no_coin_is_made_or_lost() {
    let chance = Chance::new(Chance::seed());
    for fixture in both().await {
        let database = &*fixture.database;
        let mut all_recharged = 0;
        for round in 0..times("WHARF_TEST_ROUNDS", 3) {
            let mut users = Vec::new();
            for _ in 0..4 {
                users.push(member(database, 2000).await);
            }
            all_recharged += 4 * 2000;
            let mut items = Vec::new();
            for (n, price) in [0, 1, 333, 500, 1000, 700].into_iter().enumerate() {
                let publisher = &users[n % users.len()];
                items.push((resource(database, publisher, price).await, price));
            }
            let market = Market {
                database,
                users,
                items,
            };
            let round = chance.apart(round.into());
            let actors = (0..ACTORS).map(|actor| market.act(round.apart(actor)));
            all_recharged += join_all(actors).await.iter().sum::<i64>();
        }
        assert_eq!(differences(database).await, [""; 0], "{}", fixture.name);
        let summary = audit::run(database, &mut |_| {}).await.unwrap();
        assert_eq!(summary.recharge.hundredths(), -all_recharged);
        let held = "SELECT CAST(SUM(available + frozen) AS BIGINT) AS held, MIN(available) AS least FROM accounts";
        let rows = database.query(held, &[]).await.unwrap();
        let held: i64 = rows[0].get("held").unwrap();
        assert_eq!(
            held + summary.platform.hundredths(),
            all_recharged,
            "{}",
            fixture.name
        );
        assert!(
            rows[0].get::<i64>("least").unwrap() >= 0,
            "{}",
            fixture.name
        );
        let two = "SELECT COUNT(*) AS two FROM orders WHERE refunded_at IS NOT NULL AND released_at IS NOT NULL";
        let rows = database.query(two, &[]).await.unwrap();
        assert_eq!(rows[0].get::<i64>("two").unwrap(), 0, "{}", fixture.name);
        println!("{}: {summary:?}", fixture.name);
    }
}
