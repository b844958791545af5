//! `wharf migrate`: applies the migrations that are missing.

use super::parts;
use crate::database::Handle;
use crate::settings::Flags;
use anyhow::Context;
use shared::store::migrations;

pub async fn run(flags: &Flags) -> anyhow::Result<()> {
    let settings = parts::settings(flags)?;
    let handle = Handle::open(&settings.database_url, &settings.data_dir)?;
    let count = apply(&handle).await?;
    println!("{count} migrations applied; the database is up to date.");
    Ok(())
}

/// Applies what is missing, in order, and returns how many that were. Two starts at once are fine: the
/// second finds the number taken and looks again.
pub async fn apply(handle: &Handle) -> anyhow::Result<usize> {
    let database = handle.database();
    let mut count = 0;
    let mut taken = 0;
    while let Some(migration) = migrations::pending(&*database).await?.first() {
        match handle
            .run_script(&migration.script(database.dialect()))
            .await
        {
            Ok(()) => {
                tracing::info!(number = migration.number, name = migration.name, "migrated");
                count += 1;
            }
            Err(cause) if taken < 50 => {
                taken += 1;
                tracing::debug!(%cause, "another start migrates; looking again");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
            Err(cause) => {
                return Err(cause).context(format!("migration {} failed", migration.number));
            }
        }
    }
    Ok(count)
}
