//! What must hold of accounts, orders, payments and movements (SH-6), told from the rows as they are.

use super::coins::Coins;
use super::ledger::{Factor, Leg, Sale, recharge, vip};

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// account | order | payment | movement
    pub subject: &'static str,
    pub id: String,
    pub what: String,
}

/// A number of an account, as the account says and as other rows say.
#[derive(Clone, Copy, Debug)]
pub struct Claimed {
    pub name: &'static str,
    pub said: i64,
    pub found: i64,
}

/// Balances against entries, in coins; counts against orders.
pub fn check_account(user_id: &str, balances: &[Claimed], counts: &[Claimed]) -> Vec<Difference> {
    let coins = Coins::from_hundredths;
    let balances = balances
        .iter()
        .filter(|claimed| claimed.said != claimed.found)
        .map(|claimed| {
            let (said, found) = (coins(claimed.said), coins(claimed.found));
            format!("{} is {said}, its entries sum to {found}", claimed.name)
        });
    let counts = counts
        .iter()
        .filter(|claimed| claimed.said != claimed.found)
        .map(|claimed| {
            let (said, found) = (claimed.said, claimed.found);
            format!("{} is {said}, there are {found}", claimed.name)
        });
    balances
        .chain(counts)
        .map(|what| difference("account", user_id, what))
        .collect()
}

/// The factors that an account shows against those that its counts give.
pub fn check_factors(user_id: &str, shown: [Factor; 2], counts: [i64; 4]) -> Vec<Difference> {
    let [buys, buy_returns, sales, sale_returns] = counts;
    let due = [
        Factor::of_buyer(buys, buy_returns),
        Factor::of_seller(sales, sale_returns),
    ];
    let names = ["buy_factor", "sale_factor"].into_iter();
    names
        .zip(shown.into_iter().zip(due))
        .filter(|(_, (shown, due))| shown != due)
        .map(|(name, (shown, due))| {
            let what = format!(
                "{name} is {} hundredths, its counts give {}",
                shown.hundredths(),
                due.hundredths()
            );
            difference("account", user_id, what)
        })
        .collect()
}

/// An entry of a movement: its kind, and what it does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Posted {
    pub kind: String,
    pub holder: String,
    pub part: String,
    /// Hundredths.
    pub amount: i64,
}

impl Posted {
    fn due(kind: &str, leg: &Leg<'_>) -> Self {
        Self {
            kind: kind.to_owned(),
            holder: leg.holder.to_owned(),
            part: leg.part.as_str().to_owned(),
            amount: leg.amount,
        }
    }
}

impl std::fmt::Display for Posted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let amount = Coins::from_hundredths(self.amount);
        write!(f, "{} {amount} {} {}", self.kind, self.holder, self.part)
    }
}

/// An order is in one state, and has the entries of that state and no others.
pub fn check_order(
    order_id: &str,
    sale: &Sale<'_>,
    is_refunded: bool,
    is_released: bool,
    posted: Vec<Posted>,
) -> Vec<Difference> {
    let mut due: Vec<Posted> = Vec::new();
    let mut owe = |kind: &str, legs: Vec<Leg<'_>>| {
        due.extend(legs.iter().map(|leg| Posted::due(kind, leg)));
    };
    owe("buy", sale.buy());
    if is_refunded {
        owe("refund", sale.refund());
    }
    if is_released {
        owe("release", sale.release());
    }
    let mut differences = compare("order", order_id, due, posted);
    if is_refunded && is_released {
        let what = "is refunded and released".to_owned();
        differences.push(difference("order", order_id, what));
    }
    differences
}

/// A payment has entries once it is paid.
pub fn check_payment(
    payment_id: &str,
    kind: &str,
    user_id: &str,
    coins: Coins,
    is_paid: bool,
    posted: Vec<Posted>,
) -> Vec<Difference> {
    let legs = match kind {
        _ if !is_paid => Vec::new(),
        "vip" => vip(coins),
        _ => recharge(user_id, coins),
    };
    let due = legs.iter().map(|leg| Posted::due(kind, leg)).collect();
    compare("payment", payment_id, due, posted)
}

/// A movement sums to nothing, its holders exist, and so does what it is about.
pub fn check_movement(movement: &str, sum: i64, strangers: i64, orphans: i64) -> Vec<Difference> {
    let mut wrong = Vec::new();
    if sum != 0 {
        wrong.push(format!("sums to {}", Coins::from_hundredths(sum)));
    }
    if strangers > 0 {
        wrong.push("has a holder without an account".to_owned());
    }
    if orphans > 0 {
        wrong.push("is about no order and no payment".to_owned());
    }
    let wrong = wrong.into_iter();
    wrong
        .map(|what| difference("movement", movement, what))
        .collect()
}

fn compare(
    subject: &'static str,
    id: &str,
    mut due: Vec<Posted>,
    mut posted: Vec<Posted>,
) -> Vec<Difference> {
    due.sort();
    posted.sort();
    let lacks = due.iter().filter(|entry| !posted.contains(entry));
    let lacks = lacks.map(|entry| format!("lacks the entry {entry}"));
    let surplus = posted.iter().filter(|entry| !due.contains(entry));
    let surplus = surplus.map(|entry| format!("has the entry {entry}, which is not due"));
    let all = lacks.chain(surplus);
    all.map(|what| difference(subject, id, what)).collect()
}

fn difference(subject: &'static str, id: &str, what: String) -> Difference {
    Difference {
        subject,
        id: id.to_owned(),
        what,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALE: Sale<'static> = Sale {
        buyer: "b",
        seller: "s",
        buy_cost: Coins::from_hundredths(125),
        sale_earn: Coins::from_hundredths(85),
    };

    fn posted(kind: &str, legs: Vec<Leg<'_>>) -> Vec<Posted> {
        legs.iter().map(|leg| Posted::due(kind, leg)).collect()
    }

    #[test]
    fn an_order_has_the_entries_of_its_state_and_no_others() {
        let bought = posted("buy", SALE.buy());
        assert_eq!(check_order("o", &SALE, false, false, bought.clone()), []);
        assert_eq!(
            check_order("o", &SALE, true, false, bought.clone()).len(),
            3
        );
        let mut refunded = bought.clone();
        refunded.extend(posted("refund", SALE.refund()));
        assert_eq!(check_order("o", &SALE, true, false, refunded.clone()), []);
        assert_eq!(check_order("o", &SALE, false, false, refunded).len(), 3);
        let mut both = bought;
        both.extend(posted("release", SALE.release()));
        assert_eq!(check_order("o", &SALE, false, true, both.clone()), []);
        both[0].amount += 1;
        let differences = check_order("o", &SALE, false, true, both);
        assert_eq!(differences[0].what, "lacks the entry buy -1.25 b available");
        assert_eq!(differences.len(), 2);
    }

    #[test]
    fn what_an_account_says_is_held_against_the_other_rows() {
        let claimed = |name, said, found| Claimed { name, said, found };
        let balances = [claimed("available", 100, 100), claimed("frozen", 5, 0)];
        let differences = check_account("u", &balances, &[claimed("buy_count", 1, 2)]);
        let whats: Vec<&str> = differences.iter().map(|it| it.what.as_str()).collect();
        let expected = [
            "frozen is 0.05, its entries sum to 0.00",
            "buy_count is 1, there are 2",
        ];
        assert_eq!(whats, expected);
        let shown = [Factor::of_buyer(32, 4), Factor::of_seller(20, 3)];
        assert_eq!(check_factors("u", shown, [32, 4, 20, 3]), []);
        assert_eq!(check_factors("u", shown, [32, 4, 20, 4]).len(), 1);
    }

    #[test]
    fn a_payment_moves_coins_when_it_is_paid() {
        let coins = Coins::from_hundredths(500);
        let check = |kind, is_paid, posted| check_payment("p", kind, "u", coins, is_paid, posted);
        assert_eq!(check("recharge", false, vec![]), []);
        assert_eq!(check("recharge", true, vec![]).len(), 2);
        let paid = posted("vip", vip(coins));
        assert_eq!(check("vip", true, paid.clone()), []);
        assert_eq!(check("vip", false, paid).len(), 2);
        assert_eq!(check_movement("m", 0, 0, 0), []);
        assert_eq!(check_movement("m", 1, 1, 1).len(), 3);
    }
}
