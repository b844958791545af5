//! Components that trap at any statement, before or after it has run, while users trade over HTTP: whoever asks again
//! under his key has what he asked for, once, and the ledger's sums stay (SH-2 to SH-6, SH-13).

use futures_util::future::join_all;
use serde_json::{Value, json};
use shared::domain::coins::Coins;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use tests::{Answer, Builder, Caller, Chance, PATIENCE, TestApp, publication, unique};

const SECRET: &str = "a secret of thirty-two characters";
/// A request makes a handful of statements, so that about every second one meets a trap.
const TRAP_ONE_IN: &str = "8";
const TRADERS: usize = 3;
const STEPS: usize = 30;
const GIVEN: i64 = 100_000;
/// The prices that sellers change between, hundredths.
const PRICES: [i64; 3] = [0, 100, 333];

#[tokio::test]
async fn a_trap_at_any_statement_loses_and_doubles_nothing_on_sqlite() {
    trade_among_traps(TestApp::sqlite()).await;
}

#[tokio::test]
async fn a_trap_at_any_statement_loses_and_doubles_nothing_on_postgresql() {
    if let Some(builder) = TestApp::postgres() {
        trade_among_traps(builder).await;
    }
}

/// Who buys from the others, sells to them, and keeps books.
struct Trader<'a> {
    caller: Caller<'a>,
    /// Own resources.
    sells: &'a [String],
    books: Books,
    traps: &'a AtomicUsize,
}

/// What a trader was told.
#[derive(Default)]
struct Books {
    orders: BTreeSet<String>,
    refunded: BTreeSet<String>,
    /// Hundredths.
    recharged: i64,
    /// Resources.
    published: BTreeSet<String>,
}

async fn trade_among_traps(builder: Builder) {
    let seed = Chance::seed();
    let mut app = builder
        .config(&format!("[payments]\nsandbox_secret = {SECRET:?}\n"))
        .start();
    let mut people = Vec::new();
    for _ in 0..TRADERS {
        let user = app.user().await;
        let (user_id, token) = (user.user_id.clone(), user.token().to_owned());
        app.give_coins(&user_id, GIVEN).await;
        let mut sells = Vec::new();
        for _ in 0..2 {
            sells.push(app.resource_of(&user_id, PRICES[1]).await);
        }
        people.push((user_id, token, sells));
    }
    assert!(app.stop().success());
    app.restart_with(&[("WHARF_TRAP_ONE_IN", TRAP_ONE_IN)]);

    let traps = AtomicUsize::new(0);
    let all: Vec<String> = people
        .iter()
        .flat_map(|(_, _, sells)| sells.clone())
        .collect();
    let traders = people.iter().enumerate().map(|(part, (_, token, sells))| {
        let chance = Chance::new(seed).apart(part as u64);
        let trader = Trader {
            caller: app.caller(token),
            sells,
            books: Books::default(),
            traps: &traps,
        };
        trader.trade(&all, chance)
    });
    let books: Vec<Books> = join_all(traders).await;
    let traps = traps.into_inner();
    println!("{traps} traps");
    assert!(traps > TRADERS * STEPS / 4, "{traps} traps");

    assert!(app.stop().success());
    app.restart_with(&[]);
    for ((user_id, token, _), books) in people.iter().zip(&books) {
        books.compare(&app, &app.caller(token), user_id).await;
    }
    let audit = app.run(&["admin", "audit", "--json"], "");
    assert!(audit.status.success(), "{audit:?}");
}

impl Trader<'_> {
    async fn trade(mut self, all: &[String], mut chance: Chance) -> Books {
        // Orders that stand, by resource.
        let mut held: BTreeMap<String, String> = BTreeMap::new();
        for _ in 0..STEPS {
            let of_others = all.iter().filter(|it| !self.sells.contains(it));
            let of_others: Vec<&String> = of_others.collect();
            match chance.below(10) {
                0 => self.recharge().await,
                1 => self.reprice(&mut chance).await,
                2 => self.publish().await,
                _ => {
                    let resource_id = of_others[chance.index(of_others.len())];
                    match held.remove(resource_id) {
                        Some(order_id) => self.give_back(order_id).await,
                        None => {
                            let bought = self.buy(resource_id).await;
                            held.extend(bought.map(|order_id| (resource_id.clone(), order_id)));
                        }
                    }
                }
            }
        }
        self.books
    }

    /// Asks until no trap is in the way.
    async fn ask(&self, mut send: impl AsyncFnMut(&Caller<'_>) -> Answer) -> Answer {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let answer = send(&self.caller).await;
            if answer.status < 500 {
                return answer;
            }
            self.traps.fetch_add(1, Ordering::Relaxed);
            assert!(
                std::time::Instant::now() < deadline,
                "{answer}, again and again"
            );
        }
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        let key = unique();
        self.ask(async |caller| caller.keyed_post(Some(&key), path, body).await)
            .await
    }

    /// None when the price was another one by then.
    async fn buy(&mut self, resource_id: &str) -> Option<String> {
        let seen = self.ask(async |caller| caller.resource(resource_id).await);
        let price = seen.await.ok()["price"].clone();
        let path = format!("/api/v1/resources/{resource_id}/buy");
        let bought = self.post(&path, &json!({ "expected_price": price })).await;
        if bought.code == 40901 {
            return None;
        }
        let order_id = text(&bought.ok_with(201), "order_id");
        assert!(
            self.books.orders.insert(order_id.clone()),
            "{order_id} twice"
        );
        Some(order_id)
    }

    async fn give_back(&mut self, order_id: String) {
        let path = format!("/api/v1/orders/{order_id}/refund");
        self.post(&path, &json!({})).await.ok();
        self.books.refunded.insert(order_id);
    }

    async fn recharge(&mut self) {
        let wanted = json!({ "kind": "recharge", "amount_yuan": "1.00" });
        let payment = self.post("/api/v1/payments", &wanted).await.ok_with(201);
        let event = json!({
            "event_id": unique(),
            "payment_id": payment["payment_id"],
            "amount_yuan": payment["amount_yuan"],
            "state": "paid",
        });
        let event = event.to_string();
        let signature = shared::auth::payment::sign(SECRET, event.as_bytes());
        let signature = signature.expect("a signature");
        let told =
            self.ask(async |caller| caller.notify("sandbox", &signature, event.clone()).await);
        assert_eq!(told.await.ok()["state"], "paid");
        self.books.recharged += hundredths(&text(&payment, "coins"));
    }

    async fn reprice(&self, chance: &mut Chance) {
        let resource_id = &self.sells[chance.index(self.sells.len())];
        let price = PRICES[chance.index(PRICES.len())];
        let change = json!({ "price": Coins::from_hundredths(price).to_string() });
        self.ask(async |caller| caller.change_resource(resource_id, &change).await)
            .await
            .ok();
    }

    async fn publish(&mut self) {
        let body = publication("Maps", "1.00");
        let resource = self.post("/api/v1/resources", &body).await.ok_with(201);
        self.books.published.insert(text(&resource, "resource_id"));
    }
}

impl Books {
    /// Holds what the product has against the trader's own books.
    async fn compare(&self, app: &TestApp, caller: &Caller<'_>, user_id: &str) {
        let (bought, sold) = (orders(caller, "buy").await, orders(caller, "sale").await);
        let ids = |state: Option<&str>| -> BTreeSet<String> {
            let of_state = bought
                .iter()
                .filter(|it| state.is_none_or(|state| it["state"] == state));
            of_state.map(|it| text(it, "order_id")).collect()
        };
        assert_eq!(
            (bought.len(), ids(None)),
            (self.orders.len(), self.orders.clone())
        );
        assert_eq!(ids(Some("refunded")), self.refunded);
        assert_eq!(ids(Some("active")), &self.orders - &self.refunded);

        let sum = |orders: &[Value], name: &str| -> i64 {
            let standing = orders.iter().filter(|it| it["state"] == "active");
            standing.map(|it| hundredths(&text(it, name))).sum()
        };
        let account = caller.account().await.ok();
        let has = ["coin_available", "coin_frozen"].map(|part| hundredths(&text(&account, part)));
        let spent = sum(&bought, "buy_cost");
        assert_eq!(
            has,
            [GIVEN + self.recharged - spent, sum(&sold, "sale_earn")]
        );

        let sql = "SELECT resource_id FROM resources WHERE publisher_id = $1 AND state = 'pending'";
        let rows = app
            .database()
            .query(sql, &[user_id.into()])
            .await
            .expect("rows");
        let published = rows
            .iter()
            .map(|row| row.get::<String>("resource_id").expect("an id"));
        assert_eq!(published.collect::<BTreeSet<_>>(), self.published);
    }
}

async fn orders(caller: &Caller<'_>, side: &str) -> Vec<Value> {
    let page = caller
        .orders(&format!("?side={side}&page_size=100"))
        .await
        .ok();
    let items = page["items"].as_array().expect("items").clone();
    assert_eq!(page["total"], items.len(), "one page has them all");
    items
}

fn text(of: &Value, name: &str) -> String {
    let text = of[name].as_str();
    text.unwrap_or_else(|| panic!("no {name} in {of:#}"))
        .to_owned()
}

/// `"1.50"` is 150.
fn hundredths(amount: &str) -> i64 {
    let most = Coins::from_hundredths(i64::MAX);
    let coins = Coins::parse("amount", amount, most);
    coins.expect("an amount").hundredths()
}
