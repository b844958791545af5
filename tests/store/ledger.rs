//! The ledger against a model (SH-2 to SH-6): whatever users do, and wherever a component is stopped meanwhile, the
//! sums stay, nobody owes anything, and every order is in one state. Longer with `WHARF_TEST_CASES` and
//! `WHARF_TEST_ROUNDS`.

mod at_once;
mod trap;

use crate::orders::{coins, differences, member, order, resource};
use crate::{NOW, both};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use shared::domain::ledger::Factor;
use shared::limits::IDEMPOTENCY_S;
use shared::store::orders::{self, NewOrder};
use shared::store::users::{self, Change};
use shared::store::{Database, accounts};
use shared::{Code, Error};
use std::collections::HashMap;
use tests::market::{give_coins, set_row};
use trap::{Trap, Trapping, trapped};

const USERS: usize = 3;
const ITEMS: usize = 5;
const WINDOW_MS: i64 = 5_000;
const DAY_MS: i64 = IDEMPOTENCY_S * 1000;

/// How many, unless the environment says otherwise.
fn times(variable: &str, default: u32) -> u32 {
    let asked = std::env::var(variable).ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[derive(Clone, Debug)]
enum Step {
    Buy {
        who: usize,
        item: usize,
        key: Option<u8>,
        /// Shown a price that was never asked.
        stale: bool,
        trap: Option<Trap>,
    },
    Refund {
        order: usize,
        /// The seller tries it.
        foreign: bool,
        key: Option<u8>,
        trap: Option<Trap>,
    },
    Release {
        trap: Option<Trap>,
    },
    Recharge {
        who: usize,
        amount: i64,
    },
    Price {
        item: usize,
        price: i64,
    },
    State {
        item: usize,
        state: usize,
    },
    Block {
        who: usize,
        is_blocked: bool,
    },
    Vip {
        who: usize,
        ms: i64,
    },
    Wait {
        ms: i64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let key = || proptest::option::of(0u8..3);
    let trap = || proptest::option::weighted(0.3, trap::trap());
    let price = prop_oneof![Just(0), Just(1), 1i64..2000];
    prop_oneof![
        8 => (0..USERS, 0..ITEMS, key(), prop::bool::weighted(0.1), trap())
            .prop_map(|(who, item, key, stale, trap)| Step::Buy { who, item, key, stale, trap }),
        5 => (any::<usize>(), prop::bool::weighted(0.1), key(), trap())
            .prop_map(|(order, foreign, key, trap)| Step::Refund { order, foreign, key, trap }),
        2 => trap().prop_map(|trap| Step::Release { trap }),
        2 => (0..USERS, 1i64..300).prop_map(|(who, amount)| Step::Recharge { who, amount: amount * 10 }),
        1 => (0..ITEMS, price).prop_map(|(item, price)| Step::Price { item, price }),
        1 => (0..ITEMS, 0..STATES.len()).prop_map(|(item, state)| Step::State { item, state }),
        1 => (0..USERS, prop::bool::weighted(0.3)).prop_map(|(who, is_blocked)| Step::Block { who, is_blocked }),
        1 => (0..USERS, 0i64..4000).prop_map(|(who, ms)| Step::Vip { who, ms }),
        2 => prop_oneof![8 => 1i64..3000, 1 => Just(DAY_MS)].prop_map(|ms| Step::Wait { ms }),
    ]
}

/// Most of the time a resource is to be bought.
const STATES: [&str; 5] = ["ok", "ok", "ok", "invalidated", "taken_down"];

#[derive(Clone, Debug, Default)]
struct User {
    id: String,
    available: i64,
    frozen: i64,
    bought: i64,
    returned: i64,
    sold: i64,
    taken_back: i64,
    vip_until: i64,
    is_blocked: bool,
}

#[derive(Clone, Debug)]
struct Item {
    id: String,
    publisher: usize,
    price: i64,
    state: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Active,
    Refunded,
    Released,
}

#[derive(Clone, Debug)]
struct Bought {
    id: String,
    buyer: usize,
    seller: usize,
    item: usize,
    price: i64,
    cost: i64,
    earn: i64,
    until: i64,
    state: State,
    refund_key: Option<u8>,
    refunded_at: i64,
}

/// What a purchase must come to.
enum Due {
    Replay(usize),
    New { cost: i64, earn: i64 },
    Refused(Code),
}

struct Run<'a> {
    database: &'a dyn Database,
    now: i64,
    users: Vec<User>,
    items: Vec<Item>,
    orders: Vec<Bought>,
    /// (buyer, key) → when, item, price, order.
    keys: HashMap<(usize, u8), (i64, usize, i64, usize)>,
}

fn times_factor(factor: Factor, price: i64) -> i64 {
    factor.times(coins(price)).hundredths()
}

impl<'a> Run<'a> {
    async fn start(database: &'a dyn Database) -> Self {
        let mut users = Vec::new();
        for _ in 0..USERS {
            users.push(User {
                id: member(database, 3000).await,
                available: 3000,
                ..User::default()
            });
        }
        let mut items = Vec::new();
        for n in 0..ITEMS {
            let (publisher, price) = (n % USERS, [0, 1, 333, 1000, 1000][n]);
            items.push(Item {
                id: resource(database, &users[publisher].id, price).await,
                publisher,
                price,
                state: "ok",
            });
        }
        Self {
            database,
            now: NOW,
            users,
            items,
            orders: Vec::new(),
            keys: HashMap::new(),
        }
    }

    fn due(&self, who: usize, item_at: usize, price: i64, key: Option<u8>) -> Due {
        let item = &self.items[item_at];
        if let Some((at, of, shown, order)) = key.and_then(|key| self.keys.get(&(who, key)))
            && *at > self.now - DAY_MS
        {
            return match (*of, *shown) == (item_at, price) {
                true => Due::Replay(*order),
                false => Due::Refused(Code::IdempotencyKeyReused),
            };
        }
        let (buyer, seller) = (&self.users[who], &self.users[item.publisher]);
        let mut own = self.orders.iter();
        let is_owned = own.any(|order| {
            order.buyer == who && order.item == item_at && order.state != State::Refunded
        });
        let factor = match buyer.vip_until > self.now {
            true => Factor::from_hundredths(0),
            false => Factor::of_buyer(buyer.bought, buyer.returned),
        };
        let cost = times_factor(factor, item.price);
        let earner = Factor::of_seller(seller.sold, seller.taken_back);
        let earn = times_factor(earner, item.price);
        match item.state {
            "taken_down" => Due::Refused(Code::NotFound),
            _ if seller.is_blocked => Due::Refused(Code::NotFound),
            _ if item.publisher == who => Due::Refused(Code::Forbidden),
            _ if is_owned || item.price != price => Due::Refused(Code::Conflict),
            "invalidated" => Due::Refused(Code::Unprocessable),
            _ if buyer.available < cost => Due::Refused(Code::NotEnoughCoins),
            _ => Due::New { cost, earn },
        }
    }

    async fn buy(
        &mut self,
        who: usize,
        at: usize,
        key: Option<u8>,
        stale: bool,
        trap: Option<Trap>,
    ) -> Result<(), TestCaseError> {
        if self.users[who].is_blocked {
            return Ok(());
        }
        let item = self.items[at].clone();
        let price = if stale { 1234 } else { item.price };
        let new = || NewOrder {
            idempotency_key: key.map(|key| format!("key {key}")),
            now: self.now,
            refund_until: self.now + WINDOW_MS,
            ..order(&item.id, &self.users[who].id, price)
        };
        let trapping = Trapping::new(self.database, trap);
        let first = new();
        let mut outcome = orders::buy(&trapping, &first).await;
        if outcome.as_ref().is_err_and(trapped) {
            outcome = orders::buy(self.database, &new()).await;
            // Without a key the client learns of the order that it made.
            if let Err(error) = &outcome
                && let Some(data) = &error.data
                && data["order_id"] == first.order_id.as_str()
            {
                let found = orders::find(self.database, &first.order_id).await;
                outcome = found.map(|order| order.expect("it is told of"));
            }
        }
        match self.due(who, at, price, key) {
            Due::Refused(code) => {
                let error: Error = outcome.expect_err("the model refuses it");
                prop_assert_eq!(error.code, code, "{}", error);
            }
            Due::Replay(order) => {
                let bought = outcome.map_err(|error| TestCaseError::fail(error.to_string()))?;
                prop_assert_eq!(&bought.order_id, &self.orders[order].id);
            }
            Due::New { cost, earn } => {
                let bought = outcome.map_err(|error| TestCaseError::fail(error.to_string()))?;
                let moved = (bought.buy_cost, bought.sale_earn);
                prop_assert_eq!(moved, (coins(cost), coins(earn)));
                if let Some(key) = key {
                    let until = (self.now, at, price, self.orders.len());
                    self.keys.insert((who, key), until);
                }
                self.note(bought.order_id, who, at, cost, earn);
            }
        }
        Ok(())
    }

    fn note(&mut self, id: String, buyer: usize, item: usize, cost: i64, earn: i64) {
        let (seller, price) = (self.items[item].publisher, self.items[item].price);
        let counts = i64::from(price > 0);
        self.users[buyer].available -= cost;
        self.users[buyer].bought += counts;
        self.users[seller].frozen += earn;
        self.users[seller].sold += counts;
        self.orders.push(Bought {
            id,
            buyer,
            seller,
            item,
            price,
            cost,
            earn,
            until: self.now + WINDOW_MS,
            state: State::Active,
            refund_key: None,
            refunded_at: 0,
        });
    }

    async fn refund(
        &mut self,
        index: usize,
        foreign: bool,
        key: Option<u8>,
        trap: Option<Trap>,
    ) -> Result<(), TestCaseError> {
        if self.orders.is_empty() {
            return Ok(());
        }
        let at = index % self.orders.len();
        let order = self.orders[at].clone();
        let who = if foreign { order.seller } else { order.buyer };
        let who = self.users[who].id.clone();
        let name = key.map(|key| format!("key {key}"));
        let trapping = Trapping::new(self.database, trap);
        let mut outcome =
            orders::refund(&trapping, &order.id, &who, name.as_deref(), self.now).await;
        let mut is_again = false;
        if outcome.as_ref().is_err_and(trapped) {
            outcome =
                orders::refund(self.database, &order.id, &who, name.as_deref(), self.now).await;
            is_again = true;
        }
        let is_replay =
            key.is_some() && order.refund_key == key && order.refunded_at > self.now - DAY_MS;
        let is_key_of_another = key.is_some()
            && self.orders.iter().enumerate().any(|(other, refunded)| {
                other != at
                    && refunded.buyer == order.buyer
                    && refunded.refund_key == key
                    && refunded.refunded_at > self.now - DAY_MS
            });
        let due = match order.state {
            _ if foreign => Some(Code::Forbidden),
            State::Refunded if is_replay => None,
            _ if is_key_of_another => Some(Code::IdempotencyKeyReused),
            State::Refunded => Some(Code::Conflict),
            State::Released => Some(Code::Unprocessable),
            State::Active if order.until <= self.now => Some(Code::Unprocessable),
            State::Active => None,
        };
        let code = outcome.err().map(|error| error.code);
        // Who was not answered and has no key is told at the second attempt that it is done.
        let is_told = is_again && due.is_none() && code == Some(Code::Conflict) && key.is_none();
        prop_assert!(code == due || is_told, "{:?} for {:?}", code, due);
        if due.is_none() && order.state == State::Active {
            let counts = i64::from(order.price > 0);
            self.users[order.buyer].available += order.cost;
            self.users[order.buyer].returned += counts;
            self.users[order.seller].frozen -= order.earn;
            self.users[order.seller].taken_back += counts;
            let refunded = &mut self.orders[at];
            refunded.state = State::Refunded;
            refunded.refund_key = key;
            refunded.refunded_at = self.now;
        }
        Ok(())
    }

    async fn release(&mut self, trap: Option<Trap>) -> Result<(), TestCaseError> {
        let trapping = Trapping::new(self.database, trap);
        let outcome = release_all(&trapping, &self.users, self.now).await;
        if outcome.as_ref().is_err_and(trapped) {
            release_all(self.database, &self.users, self.now)
                .await
                .map_err(|error| TestCaseError::fail(error.to_string()))?;
        }
        for order in &mut self.orders {
            if order.state == State::Active && order.until <= self.now {
                order.state = State::Released;
                self.users[order.seller].frozen -= order.earn;
                self.users[order.seller].available += order.earn;
            }
        }
        Ok(())
    }

    async fn apply(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Buy {
                who,
                item,
                key,
                stale,
                trap,
            } => return self.buy(who, item, key, stale, trap).await,
            Step::Refund {
                order,
                foreign,
                key,
                trap,
            } => return self.refund(order, foreign, key, trap).await,
            Step::Release { trap } => return self.release(trap).await,
            Step::Recharge { who, amount } => {
                give_coins(self.database, &self.users[who].id, amount, self.now).await;
                self.users[who].available += amount;
            }
            Step::Price { item, price } => {
                set_item(
                    self.database,
                    &self.items[item].id,
                    &format!("price = {price}"),
                )
                .await;
                self.items[item].price = price;
            }
            Step::State { item, state } => {
                let state = STATES[state];
                set_item(
                    self.database,
                    &self.items[item].id,
                    &format!("state = '{state}'"),
                )
                .await;
                self.items[item].state = state;
            }
            Step::Block { who, is_blocked } => {
                block(self.database, &self.users[who].id, is_blocked).await;
                self.users[who].is_blocked = is_blocked;
            }
            Step::Vip { who, ms } => {
                self.users[who].vip_until = self.now + ms;
                let expires = format!("vip_expires_at = {}", self.now + ms);
                let id = &self.users[who].id;
                set_row(self.database, "accounts", "user_id", id, &expires).await;
            }
            Step::Wait { ms } => self.now += ms,
        }
        Ok(())
    }

    async fn check(&self) -> Result<(), TestCaseError> {
        for user in &self.users {
            let account = accounts::find(self.database, &user.id, self.now).await;
            let account = account.expect("find").expect("an account");
            let coins = (account.available.hundredths(), account.frozen.hundredths());
            prop_assert_eq!(coins, (user.available, user.frozen));
            prop_assert!(user.available >= 0 && user.frozen >= 0);
            let buys = (account.buy_count, account.buy_return_count);
            prop_assert_eq!(buys, (user.bought, user.returned));
            let sales = (account.sale_count, account.sale_return_count);
            prop_assert_eq!(sales, (user.sold, user.taken_back));
        }
        for order in &self.orders {
            let row = orders::find(self.database, &order.id).await.expect("find");
            let row = row.expect("an order");
            let state = match (row.refunded_at, row.released_at) {
                (None, None) => State::Active,
                (Some(_), None) => State::Refunded,
                (None, Some(_)) => State::Released,
                (Some(_), Some(_)) => return Err(TestCaseError::fail("in two states")),
            };
            prop_assert_eq!(state, order.state);
        }
        Ok(())
    }
}

async fn release_all(database: &dyn Database, users: &[User], now: i64) -> Result<(), Error> {
    for seller in orders::due_sellers(database, now, 100_000).await? {
        // Those of earlier cases are none of this model's.
        if users.iter().any(|user| user.id == seller) {
            orders::release(database, &seller, now, 99).await?;
        }
    }
    Ok(())
}

async fn set_item(database: &dyn Database, resource_id: &str, what: &str) {
    set_row(database, "resources", "resource_id", resource_id, what).await;
}

async fn block(database: &dyn Database, user_id: &str, is_blocked: bool) {
    let change = Change {
        is_blocked: Some(is_blocked),
        ..Change::default()
    };
    let changed = users::change(database, user_id, change, NOW).await;
    assert!(changed.expect("it is written").is_some());
}

#[test]
fn whatever_users_do_the_ledger_keeps_to_its_model() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let fixtures = runtime.block_on(both());
    for fixture in fixtures {
        let database = &*fixture.database;
        let config = Config {
            cases: times("WHARF_TEST_CASES", 32),
            failure_persistence: None,
            ..Config::default()
        };
        let outcome = TestRunner::new(config).run(&vec(step(), 1..60), |steps| {
            runtime.block_on(async {
                let mut run = Run::start(database).await;
                for step in &steps {
                    run.apply(step).await?;
                }
                run.check().await
            })
        });
        if let Err(error) = outcome {
            panic!("{}: {error}", fixture.name);
        }
        let differences = runtime.block_on(differences(database));
        assert_eq!(differences, [""; 0], "{}", fixture.name);
    }
}
