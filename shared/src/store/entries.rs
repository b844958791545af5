//! The entries of the ledger (SH-6), as their holders see them. Only triggers write them.

use super::Database;
use crate::domain::coins::Coins;
use crate::domain::page::Page;
use crate::error::Result;

#[derive(Clone, Debug)]
pub struct Entry {
    pub entry_id: i64,
    /// buy | refund | release | recharge | vip
    pub kind: String,
    /// available | frozen | own
    pub part: String,
    pub amount: Coins,
    /// The order; of a recharge and of VIP the payment.
    pub subject_id: String,
    pub created_at: i64,
}

/// The entries of a holder, newest first, and how many there are.
pub async fn list(database: &dyn Database, holder: &str, page: Page) -> Result<(Vec<Entry>, i64)> {
    let sql = "SELECT COUNT(*) AS total FROM entries WHERE holder = $1";
    let rows = database.query(sql, &[holder.into()]).await?;
    let total = rows.first().map_or(Ok(0), |row| row.get("total"))?;
    let rows = database
        .query(
            "SELECT entry_id, kind, part, amount, subject_id, created_at FROM entries WHERE holder = $1 \
             ORDER BY entry_id DESC LIMIT $2 OFFSET $3",
            &[holder.into(), page.limit().into(), page.offset().into()],
        )
        .await?;
    let entries = rows.iter().map(|row| {
        Ok(Entry {
            entry_id: row.get("entry_id")?,
            kind: row.get("kind")?,
            part: row.get("part")?,
            amount: Coins::from_hundredths(row.get("amount")?),
            subject_id: row.get("subject_id")?,
            created_at: row.get("created_at")?,
        })
    });
    Ok((entries.collect::<Result<_>>()?, total))
}
