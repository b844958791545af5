//! `wharf migrate`: applies the migrations that are missing.

use super::parts;
use crate::database::Handle;
use crate::settings::Flags;
use anyhow::Context;
use shared::store::migrations;
use std::time::Duration;

pub async fn run(flags: &Flags) -> anyhow::Result<()> {
    let settings = parts::settings(flags)?;
    let handle = Handle::open(&settings.database_url, &settings.data_dir)?;
    let count = apply(&handle).await?;
    println!("{count} migrations applied; the database is up to date.");
    Ok(())
}

/// Tries before a migration that always fails is given up; each is followed by a short pause.
const TRIES: usize = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// Applies what is missing, in order, and returns how many that were. Two starts at once are fine: of two
/// that write the same number one is refused, looks again, and finds it applied.
pub async fn apply(handle: &Handle) -> anyhow::Result<usize> {
    let mut count = 0;
    let mut refused = 0;
    loop {
        match apply_next(handle).await {
            Ok(true) => count += 1,
            Ok(false) => break,
            Err(cause) if refused < TRIES => {
                refused += 1;
                tracing::debug!(%cause, "another start may be migrating; looking again");
                tokio::time::sleep(PAUSE).await;
            }
            Err(cause) => return Err(cause),
        }
    }
    if let Some(script) = migrations::without_jit(&*handle.database()).await?
        && let Err(cause) = handle.run_script(script).await
    {
        // Another start may have done the same just now; otherwise searches stay slow.
        tracing::warn!(%cause, "jit could not be turned off for this role in the database");
    }
    Ok(count)
}

/// Applies the first missing migration. False: there is none.
async fn apply_next(handle: &Handle) -> anyhow::Result<bool> {
    let database = handle.database();
    let pending = migrations::pending(&*database).await?;
    let Some(migration) = pending.first() else {
        return Ok(false);
    };
    let script = migration.script(database.dialect());
    handle
        .run_script(&script)
        .await
        .with_context(|| format!("migration {} ({})", migration.number, migration.name))?;
    tracing::info!(number = migration.number, name = migration.name, "migrated");
    Ok(true)
}
