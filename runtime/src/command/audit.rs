//! `wharf admin audit`: recomputes every balance from the entries and says what differs (SH-6).

use super::parts;
use crate::settings::Flags;
use anyhow::bail;
use shared::domain::audit::Difference;
use shared::limits::AUDIT_DIFFERENCES_MAX;
use shared::store::audit::{self, Summary};

/// Fails when something differs.
pub async fn run(flags: &Flags, json: bool) -> anyhow::Result<()> {
    let settings = parts::settings(flags)?;
    let handle = parts::database(&settings).await?;
    let mut listed: Vec<Difference> = Vec::new();
    let mut keep = |difference| {
        if listed.len() < AUDIT_DIFFERENCES_MAX {
            listed.push(difference);
        }
    };
    let summary = audit::run(&*handle.database(), &mut keep).await?;
    match json {
        true => print_json(&summary, &listed)?,
        false => print(&summary, &listed),
    }
    match summary.differences {
        0 => Ok(()),
        count => bail!("The audit found {count} differences."),
    }
}

fn print_json(summary: &Summary, listed: &[Difference]) -> anyhow::Result<()> {
    let mut answer = serde_json::to_value(summary)?;
    answer["differences"] = serde_json::to_value(listed)?;
    answer["difference_count"] = summary.differences.into();
    println!("{answer}");
    Ok(())
}

fn print(summary: &Summary, listed: &[Difference]) {
    for difference in listed {
        println!(
            "{} {} {}",
            difference.subject, difference.id, difference.what
        );
    }
    let Summary {
        accounts,
        orders,
        payments,
        movements,
        sum,
        platform,
        recharge,
        ..
    } = summary;
    println!(
        "{accounts} accounts, {orders} orders, {payments} payments, {movements} movements; all entries sum to {sum}, \
         the platform's to {platform}, those of recharges to {recharge}."
    );
}
