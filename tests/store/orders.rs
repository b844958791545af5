//! Orders on both databases (SH-2 to SH-5): what a purchase moves, what stands in its way, and who comes first.

use crate::accounts::user;
use crate::{NOW, both, id};
use futures_util::future::join_all;
use serde_json::json;
use shared::domain::account::Role;
use shared::domain::audit::Difference;
use shared::domain::coins::Coins;
use shared::domain::page::Page;
use shared::limits::{IDEMPOTENCY_S, REFRESH_TOKEN_S};
use shared::store::orders::{self, NewOrder, Order, Side};
use shared::store::users::{self, Change};
use shared::store::{Database, accounts, audit, sessions};
use shared::{Code, Error};
use tests::market::{give_coins, resource_of, set_row};

const WINDOW_MS: i64 = 24 * 3600 * 1000;
const FIRST: Page = Page {
    number: 1,
    size: 100,
};

pub fn coins(hundredths: i64) -> Coins {
    Coins::from_hundredths(hundredths)
}

/// A user with so many coins, bought with money.
pub async fn member(database: &dyn Database, hundredths: i64) -> String {
    let member = user(&format!("{}@a.test", id()), Role::User);
    users::insert(database, &member).await.unwrap();
    if hundredths > 0 {
        give_coins(database, &member.user_id, hundredths, NOW).await;
    }
    member.user_id
}

/// A resource of this price that was approved.
pub async fn resource(database: &dyn Database, publisher_id: &str, price: i64) -> String {
    resource_of(database, publisher_id, price, NOW).await
}

pub fn order(resource_id: &str, buyer_id: &str, price: i64) -> NewOrder {
    NewOrder {
        order_id: id(),
        resource_id: resource_id.to_owned(),
        buyer_id: buyer_id.to_owned(),
        expected_price: coins(price),
        idempotency_key: None,
        request_hash: format!("{resource_id} {price}"),
        refund_until: NOW + WINDOW_MS,
        now: NOW,
    }
}

fn keyed(order: NewOrder, key: &str) -> NewOrder {
    NewOrder {
        idempotency_key: Some(key.to_owned()),
        ..order
    }
}

async fn buy(database: &dyn Database, resource_id: &str, buyer_id: &str, price: i64) -> Order {
    let new = order(resource_id, buyer_id, price);
    orders::buy(database, &new).await.unwrap()
}

/// Available and frozen, hundredths.
async fn balance(database: &dyn Database, user_id: &str) -> (i64, i64) {
    let account = accounts::find(database, user_id, NOW).await.unwrap();
    let account = account.unwrap();
    (account.available.hundredths(), account.frozen.hundredths())
}

/// Everything that the audit finds.
pub async fn differences(database: &dyn Database) -> Vec<String> {
    let mut all = Vec::new();
    let mut found = |it: Difference| all.push(format!("{} {} {}", it.subject, it.id, it.what));
    let summary = audit::run(database, &mut found).await.unwrap();
    assert_eq!(summary.sum, coins(0));
    assert_eq!(summary.differences, all.len() as u64);
    all
}

fn refused<T: std::fmt::Debug>(outcome: Result<T, Error>, code: Code) -> serde_json::Value {
    let error = outcome.unwrap_err();
    assert_eq!(error.code, code, "{error}");
    error.data.unwrap_or_default()
}

#[tokio::test]
async fn a_purchase_costs_and_earns_by_the_factors_of_its_two_sides() {
    for fixture in both().await {
        let database = &*fixture.database;
        // Counts of the buyer, counts of the seller, price, cost, earnings.
        for (bought, returned, sold, taken_back, price, cost, earn) in [
            (32, 4, 20, 3, 1000, 1250, 850),
            (0, 0, 0, 0, 1000, 1000, 1000),
            (1, 1, 1, 1, 10_000, 20_000, 5000),
            (40, 1, 40, 0, 1, 1, 1),
            (32, 4, 20, 3, 2, 3, 2),
        ] {
            let (buyer, seller) = (member(database, 50_000).await, member(database, 0).await);
            let counts = format!("buy_count = {bought}, buy_return_count = {returned}");
            set_row(database, "accounts", "user_id", &buyer, &counts).await;
            let counts = format!("sale_count = {sold}, sale_return_count = {taken_back}");
            set_row(database, "accounts", "user_id", &seller, &counts).await;
            let item = resource(database, &seller, price).await;
            let order = buy(database, &item, &buyer, price).await;
            let moved = (order.buy_cost, order.sale_earn);
            assert_eq!(
                moved,
                (coins(cost), coins(earn)),
                "{price} on {}",
                fixture.name
            );
            assert_eq!(balance(database, &buyer).await, (50_000 - cost, 0));
            assert_eq!(balance(database, &seller).await, (0, earn));
            let account = accounts::find(database, &buyer, NOW).await.unwrap();
            assert_eq!(account.unwrap().buy_count, bought + 1);
        }
    }
}

#[tokio::test]
async fn a_vip_pays_nothing_and_the_platform_pays_the_seller() {
    for fixture in both().await {
        let database = &*fixture.database;
        let seller = member(database, 0).await;
        let item = resource(database, &seller, 1000).await;
        let (by_role, by_payment, ended) = (
            member(database, 0).await,
            member(database, 0).await,
            member(database, 0).await,
        );
        set_row(database, "users", "user_id", &by_role, "role = 'vip'").await;
        let expires = |at: i64| format!("vip_expires_at = {at}");
        set_row(
            database,
            "accounts",
            "user_id",
            &by_payment,
            &expires(NOW + 1),
        )
        .await;
        set_row(database, "accounts", "user_id", &ended, &expires(NOW)).await;
        for buyer in [&by_role, &by_payment] {
            let order = buy(database, &item, buyer, 1000).await;
            assert_eq!(order.buy_cost, coins(0), "{}", fixture.name);
            assert_eq!(order.sale_earn, coins(1000));
        }
        let poor = orders::buy(database, &order(&item, &ended, 1000)).await;
        let data = refused(poor, Code::NotEnoughCoins);
        assert_eq!(data, json!({ "needed": "10.00", "available": "0.00" }));
        assert_eq!(balance(database, &seller).await, (0, 2000));
        assert_eq!(differences(database).await, [""; 0], "{}", fixture.name);
    }
}

#[tokio::test]
async fn a_level_that_was_paid_for_counts_until_it_ends() {
    for fixture in both().await {
        let database = &*fixture.database;
        let ada = user("ada@a.test", Role::User);
        users::insert(database, &ada).await.unwrap();
        let session = id();
        let later = NOW + REFRESH_TOKEN_S * 1000;
        let opened = sessions::open(database, &session, &ada, NOW, later).await;
        assert!(opened.unwrap());
        let role = async |now: i64| {
            let user = sessions::user_of(database, &session, now).await.unwrap();
            let account = accounts::find(database, &ada.user_id, now).await.unwrap();
            let role = user.unwrap().role;
            assert_eq!(account.unwrap().role, role, "{}", fixture.name);
            role
        };
        assert_eq!(role(NOW).await, Role::User);
        let expires = format!("vip_expires_at = {}", NOW + 1000);
        set_row(database, "accounts", "user_id", &ada.user_id, &expires).await;
        assert_eq!(role(NOW).await, Role::Vip);
        assert_eq!(role(NOW + 1000).await, Role::User);
    }
}

#[tokio::test]
async fn a_free_resource_is_a_record_that_moves_and_counts_nothing() {
    for fixture in both().await {
        let database = &*fixture.database;
        let (buyer, seller) = (member(database, 0).await, member(database, 0).await);
        let item = resource(database, &seller, 0).await;
        let bought = buy(database, &item, &buyer, 0).await;
        let key = Some("key");
        orders::refund(database, &bought.order_id, &buyer, key, NOW + 1)
            .await
            .unwrap();
        buy(database, &item, &buyer, 0).await;
        let released = orders::release(database, &seller, NOW + WINDOW_MS, 9).await;
        assert_eq!(released.unwrap(), 1, "{}", fixture.name);
        let account = accounts::find(database, &buyer, NOW)
            .await
            .unwrap()
            .unwrap();
        assert_eq!((account.buy_count, account.buy_return_count), (0, 0));
        assert_eq!(differences(database).await, [""; 0], "{}", fixture.name);
    }
}

#[tokio::test]
async fn what_stands_in_the_way_of_a_purchase_is_said() {
    for fixture in both().await {
        let database = &*fixture.database;
        let (buyer, seller) = (member(database, 500).await, member(database, 9000).await);
        let item = resource(database, &seller, 1000).await;
        let attempt =
            async |who: &str, price: i64| orders::buy(database, &order(&item, who, price)).await;
        let state = async |what: &str| {
            set_row(database, "resources", "resource_id", &item, what).await;
        };
        refused(attempt(&seller, 1000).await, Code::Forbidden);
        let data = refused(attempt(&buyer, 900).await, Code::Conflict);
        assert_eq!(data, json!({ "field": "expected_price", "price": "10.00" }));
        let data = refused(attempt(&buyer, 1000).await, Code::NotEnoughCoins);
        assert_eq!(data, json!({ "needed": "10.00", "available": "5.00" }));
        for hidden in [
            "state = 'pending'",
            "state = 'rejected'",
            "state = 'taken_down'",
            "state = 'ok', deleted_at = 1",
        ] {
            state(hidden).await;
            refused(attempt(&buyer, 1000).await, Code::NotFound);
        }
        state("state = 'invalidated', deleted_at = NULL").await;
        let data = refused(attempt(&buyer, 1000).await, Code::Unprocessable);
        assert_eq!(data, json!({ "reason": "invalidated" }));
        state("state = 'ok'").await;
        let unknown = orders::buy(database, &order(&id(), &buyer, 1000)).await;
        refused(unknown, Code::NotFound);
        let block = async |is_blocked: bool| {
            let change = Change {
                is_blocked: Some(is_blocked),
                ..Change::default()
            };
            users::change(database, &seller, change, NOW)
                .await
                .unwrap()
                .unwrap();
        };
        block(true).await;
        refused(attempt(&buyer, 1000).await, Code::NotFound);
        block(false).await;
        give_coins(database, &buyer, 500, NOW).await;
        let bought = attempt(&buyer, 1000).await.unwrap();
        let data = refused(attempt(&buyer, 1000).await, Code::Conflict);
        assert_eq!(
            data,
            json!({ "order_id": bought.order_id }),
            "{}",
            fixture.name
        );
        assert_eq!(balance(database, &buyer).await, (0, 0));
        assert_eq!(differences(database).await, [""; 0], "{}", fixture.name);
    }
}

#[tokio::test]
async fn sixty_four_buys_at_once_make_one_order_with_a_key_and_without() {
    for fixture in both().await {
        let database = &*fixture.database;
        let (buyer, seller) = (member(database, 9000).await, member(database, 0).await);
        let item = resource(database, &seller, 1000).await;
        let same = keyed(order(&item, &buyer, 1000), "key");
        let at_once = join_all((0..64).map(|_| async {
            let new = NewOrder {
                order_id: id(),
                ..same.clone()
            };
            orders::buy(database, &new).await.unwrap().order_id
        }))
        .await;
        assert!(
            at_once.iter().all(|id| *id == at_once[0]),
            "{}",
            fixture.name
        );
        assert_eq!(balance(database, &buyer).await, (8000, 0));

        let other = resource(database, &seller, 1000).await;
        let at_once = join_all(
            (0..64).map(|_| async { orders::buy(database, &order(&other, &buyer, 1000)).await }),
        )
        .await;
        let bought = at_once.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(bought, 1, "{}", fixture.name);
        for error in at_once.into_iter().filter_map(Result::err) {
            assert_eq!(error.code, Code::Conflict, "{error}");
        }
        assert_eq!(balance(database, &buyer).await, (7000, 0));
        assert_eq!(differences(database).await, [""; 0], "{}", fixture.name);
    }
}

#[tokio::test]
async fn coins_are_spent_once_however_many_buys_there_are_at_once() {
    for fixture in both().await {
        let database = &*fixture.database;
        let (buyer, seller) = (member(database, 3000).await, member(database, 0).await);
        let mut items = Vec::new();
        for _ in 0..16 {
            items.push(resource(database, &seller, 1000).await);
        }
        let at_once = items
            .iter()
            .map(|item| async { orders::buy(database, &order(item, &buyer, 1000)).await });
        let outcomes = join_all(at_once).await;
        let bought = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(bought, 3, "{}", fixture.name);
        for error in outcomes.into_iter().filter_map(Result::err) {
            assert_eq!(error.code, Code::NotEnoughCoins, "{error}");
        }
        assert_eq!(balance(database, &buyer).await, (0, 0));
    }
}

#[tokio::test]
async fn a_key_stands_for_one_purchase_for_a_day() {
    for fixture in both().await {
        let database = &*fixture.database;
        let (buyer, seller) = (member(database, 9000).await, member(database, 0).await);
        let (item, other) = (
            resource(database, &seller, 1000).await,
            resource(database, &seller, 1000).await,
        );
        let first = keyed(order(&item, &buyer, 1000), "key");
        let bought = orders::buy(database, &first).await.unwrap();
        let reused = keyed(order(&other, &buyer, 1000), "key");
        refused(
            orders::buy(database, &reused).await,
            Code::IdempotencyKeyReused,
        );
        let another = keyed(order(&other, &seller, 900), "key");
        refused(orders::buy(database, &another).await, Code::Forbidden);
        orders::refund(database, &bought.order_id, &buyer, None, NOW + 1)
            .await
            .unwrap();
        // The key still stands for the order that was refunded; nothing is bought a second time by a repeat.
        let again = orders::buy(database, &first).await.unwrap();
        assert_eq!(again.order_id, bought.order_id, "{}", fixture.name);
        let tomorrow = NewOrder {
            order_id: id(),
            now: NOW + IDEMPOTENCY_S * 1000,
            ..reused
        };
        let anew = orders::buy(database, &tomorrow).await.unwrap();
        assert_eq!(anew.resource_id, other);
        assert_eq!(differences(database).await, [""; 0], "{}", fixture.name);
    }
}

#[tokio::test]
async fn a_refund_is_the_mirror_of_the_purchase_and_happens_once_and_in_time() {
    for fixture in both().await {
        let database = &*fixture.database;
        let (buyer, seller) = (member(database, 2000).await, member(database, 0).await);
        let item = resource(database, &seller, 1000).await;
        let bought = buy(database, &item, &buyer, 1000).await;
        let refund = async |who: &str, key: Option<&str>, now: i64| {
            orders::refund(database, &bought.order_id, who, key, now).await
        };
        refused(refund(&seller, None, NOW).await, Code::Forbidden);
        let late = refund(&buyer, None, NOW + WINDOW_MS).await;
        let data = refused(late, Code::Unprocessable);
        assert_eq!(data, json!({ "reason": "refund_window_over" }));
        let unknown = orders::refund(database, &id(), &buyer, None, NOW).await;
        refused(unknown, Code::NotFound);
        // What the resource costs or is by now does not matter.
        let price = "price = 5000, state = 'taken_down'";
        set_row(database, "resources", "resource_id", &item, price).await;
        let at = NOW + WINDOW_MS - 1;
        let refunded = refund(&buyer, Some("key"), at).await.unwrap();
        assert_eq!(refunded.refunded_at, Some(at));
        assert_eq!(balance(database, &buyer).await, (2000, 0));
        assert_eq!(balance(database, &seller).await, (0, 0));
        assert_eq!(
            refund(&buyer, Some("key"), at).await.unwrap().refunded_at,
            Some(at)
        );
        for key in [None, Some("other")] {
            refused(refund(&buyer, key, at).await, Code::Conflict);
        }
        let expired = at + IDEMPOTENCY_S * 1000;
        refused(refund(&buyer, Some("key"), expired).await, Code::Conflict);
        let account = accounts::find(database, &buyer, NOW)
            .await
            .unwrap()
            .unwrap();
        assert_eq!((account.buy_count, account.buy_return_count), (1, 1));
        assert_eq!(account.buy_factor.hundredths(), 200);
        let account = accounts::find(database, &seller, NOW)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(account.sale_factor.hundredths(), 50);
        assert_eq!(differences(database).await, [""; 0], "{}", fixture.name);
    }
}

#[tokio::test]
async fn of_a_refund_and_a_release_at_the_deadline_one_happens() {
    for fixture in both().await {
        let database = &*fixture.database;
        let seller = member(database, 0).await;
        let mut bought = Vec::new();
        for _ in 0..16 {
            let buyer = member(database, 1000).await;
            let item = resource(database, &seller, 1000).await;
            bought.push((buy(database, &item, &buyer, 1000).await, buyer));
        }
        let deadline = NOW + WINDOW_MS;
        // Their clocks disagree by a millisecond, so that both think that they may.
        let refunds = join_all(bought.iter().map(|(order, buyer)| async {
            orders::refund(database, &order.order_id, buyer, None, deadline - 1)
                .await
                .is_ok()
        }));
        let releases = join_all((0..16).map(|_| async {
            orders::release(database, &seller, deadline, 1)
                .await
                .unwrap()
        }));
        let (refunds, releases) = tokio::join!(refunds, releases);
        let refunds = refunds.into_iter().filter(|refunded| *refunded).count() as u64;
        let rest = orders::release(database, &seller, deadline, 99)
            .await
            .unwrap();
        let released = releases.iter().sum::<u64>() + rest;
        assert_eq!(refunds + released, 16, "{}", fixture.name);
        let available = 1000 * i64::try_from(released).unwrap();
        assert_eq!(balance(database, &seller).await, (available, 0));
        assert_eq!(differences(database).await, [""; 0], "{}", fixture.name);
        let due = orders::due_sellers(database, deadline, 99).await.unwrap();
        assert!(due.is_empty(), "{}", fixture.name);
    }
}

#[tokio::test]
async fn earnings_are_released_when_their_time_is_over_and_may_then_be_spent() {
    for fixture in both().await {
        let database = &*fixture.database;
        let (buyer, seller) = (member(database, 2000).await, member(database, 0).await);
        let (item, wanted) = (
            resource(database, &seller, 1000).await,
            resource(database, &buyer, 1000).await,
        );
        buy(database, &item, &buyer, 1000).await;
        let frozen = orders::buy(database, &order(&wanted, &seller, 1000)).await;
        refused(frozen, Code::NotEnoughCoins);
        let early = NOW + WINDOW_MS - 1;
        assert!(
            orders::due_sellers(database, early, 9)
                .await
                .unwrap()
                .is_empty()
        );
        assert_eq!(
            orders::release(database, &seller, early, 9).await.unwrap(),
            0
        );
        let due = NOW + WINDOW_MS;
        let sellers = orders::due_sellers(database, due, 9).await.unwrap();
        assert_eq!(sellers, [seller.as_str()], "{}", fixture.name);
        assert_eq!(orders::release(database, &seller, due, 9).await.unwrap(), 1);
        assert_eq!(balance(database, &seller).await, (1000, 0));
        buy(database, &wanted, &seller, 1000).await;
        assert_eq!(differences(database).await, [""; 0], "{}", fixture.name);
    }
}

#[tokio::test]
async fn a_record_keeps_what_was_until_it_is_refreshed() {
    for fixture in both().await {
        let database = &*fixture.database;
        let (buyer, seller) = (member(database, 2000).await, member(database, 0).await);
        let item = resource(database, &seller, 1000).await;
        let bought = buy(database, &item, &buyer, 1000).await;
        let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        let was = json!({ "resource_id": item, "title": "Maps", "price": 1000, "drive": "aliyun", "total_size": 4096 });
        assert_eq!(parsed(&bought.resource_snapshot), was, "{}", fixture.name);
        let change = "title = 'Atlas', price = 700";
        set_row(database, "resources", "resource_id", &item, change).await;
        users::set_profile(database, &seller, Some("Bob"), None, NOW)
            .await
            .unwrap();
        let found = orders::find(database, &bought.order_id).await.unwrap();
        assert_eq!(parsed(&found.unwrap().resource_snapshot), was);
        let fresh = orders::refresh(database, &bought.order_id)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(parsed(&fresh.resource_snapshot)["title"], "Atlas");
        assert_eq!(
            parsed(&fresh.seller_snapshot),
            json!({ "user_id": seller, "nickname": "Bob" })
        );
        let money = (fresh.price, fresh.buy_cost, fresh.sale_earn);
        assert_eq!(
            money,
            (coins(1000), coins(1000), coins(1000)),
            "{}",
            fixture.name
        );
        assert!(orders::refresh(database, &id()).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn orders_are_listed_by_side_and_state_newest_first() {
    for fixture in both().await {
        let database = &*fixture.database;
        let (buyer, seller) = (member(database, 9000).await, member(database, 0).await);
        let mut bought = Vec::new();
        for n in 0..3 {
            let item = resource(database, &seller, 100).await;
            let new = NewOrder {
                now: NOW + n,
                ..order(&item, &buyer, 100)
            };
            bought.push(orders::buy(database, &new).await.unwrap().order_id);
        }
        orders::refund(database, &bought[1], &buyer, None, NOW + 9)
            .await
            .unwrap();
        let ids = async |who: &str, side, refunded| {
            let listed = orders::list(database, who, side, refunded, FIRST).await;
            let (orders, total) = listed.unwrap();
            assert_eq!(total, orders.len() as i64);
            orders
                .into_iter()
                .map(|order| order.order_id)
                .collect::<Vec<_>>()
        };
        let newest_first = [&bought[2], &bought[1], &bought[0]];
        for (who, side) in [(&buyer, Side::Buy), (&seller, Side::Sale)] {
            let all = ids(who, side, None).await;
            assert_eq!(
                all.iter().collect::<Vec<_>>(),
                newest_first,
                "{}",
                fixture.name
            );
            let refunded = ids(who, side, Some(true)).await;
            assert_eq!(refunded, [bought[1].as_str()]);
            assert_eq!(ids(who, side, Some(false)).await.len(), 2);
        }
        assert!(ids(&buyer, Side::Sale, None).await.is_empty());
        let link = async |order_id: &str| orders::link(database, order_id).await.unwrap();
        assert_eq!(link(&bought[0]).await.unwrap().code, "a1b2");
        assert_eq!(link(&bought[1]).await, None, "it was refunded");
        let everything = "state = 'taken_down'";
        let order = orders::find(database, &bought[2]).await.unwrap().unwrap();
        set_row(
            database,
            "resources",
            "resource_id",
            &order.resource_id,
            everything,
        )
        .await;
        assert_eq!(link(&bought[2]).await, None, "it was taken down");
    }
}
