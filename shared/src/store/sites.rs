//! Sites, the shops' servers: their codes, their credentials, what was last heard of them (DS-13, ID-4).

use super::projects::end_tokens;
use super::{Database, Row, Value};
use crate::domain::page::Page;
use crate::domain::record::group_realm;
use crate::domain::site::{Beat, Name, Pulse, Verdict};
use crate::error::{Code, Error, Result};
use crate::limits::{HEARTBEAT_TRIES, SITE_TOUCH_MS};

/// For the copy that a backup is: one heartbeat less, of the site that this is and of those that call here. So both sides
/// notice that time went back although no heartbeat lies between backup and loss.
pub const COUNT_BACK: &str = "\
    UPDATE site_state SET value = CAST(CAST(value AS BIGINT) - 1 AS TEXT) WHERE name = 'tick' AND CAST(value AS BIGINT) > 0; \
    UPDATE sites SET tick = tick - 1 WHERE tick > 0;";

#[derive(Clone, Debug)]
pub struct Site {
    pub site_id: String,
    pub name: String,
    pub group: String,
    /// Whose rows it sees: [`group_realm`] of its group.
    pub realm: String,
    /// Until when its code is good; `None`: it has none that is unused.
    pub code_expires_at: Option<i64>,
    /// Tokens issued before do not count; a whole second.
    pub tokens_from: i64,
    pub registered_at: Option<i64>,
    pub revoked_at: Option<i64>,
    pub pulse: Pulse,
    /// Its initial load goes on behind this record; `None`: it is complete.
    pub load_after: Option<i64>,
    pub last_contact_at: Option<i64>,
    pub version: Option<String>,
    /// What it last reported of itself, JSON.
    pub report: Option<String>,
    pub created_at: i64,
    /// The admin's address, or what stands for the command line.
    pub created_by: String,
}

const COLUMNS: &str = "site_id, name, site_group, realm, \
     CASE WHEN code_used_at IS NULL THEN code_expires_at END AS open_code_expires_at, tokens_from, \
     registered_at, revoked_at, epoch, tick, beat_id, load_after, last_contact_at, version, report, \
     created_at, created_by";

fn site_from(row: &Row) -> Result<Site> {
    Ok(Site {
        site_id: row.get("site_id")?,
        name: row.get("name")?,
        group: row.get("site_group")?,
        realm: row.get("realm")?,
        code_expires_at: row.get("open_code_expires_at")?,
        tokens_from: row.get("tokens_from")?,
        registered_at: row.get("registered_at")?,
        revoked_at: row.get("revoked_at")?,
        pulse: Pulse {
            epoch: row.get("epoch")?,
            tick: row.get("tick")?,
            beat_id: row.get("beat_id")?,
        },
        load_after: row.get("load_after")?,
        last_contact_at: row.get("last_contact_at")?,
        version: row.get("version")?,
        report: row.get("report")?,
        created_at: row.get("created_at")?,
        created_by: row.get("created_by")?,
    })
}

async fn one(database: &dyn Database, sql: &str, parameters: &[Value]) -> Result<Option<Site>> {
    let rows = database.query(sql, parameters).await?;
    rows.first().map(site_from).transpose()
}

/// What a code is made of.
#[derive(Clone, Debug)]
pub struct NewCode {
    /// Of the site, when there is none of this name yet.
    pub site_id: String,
    pub name: Name,
    /// `None`: the site's own, or `default` for a new one.
    pub group: Option<Name>,
    /// SHA-256 of the code's digits.
    pub code_hash: String,
    pub expires_at: i64,
    pub created_by: String,
    pub now: i64,
}

/// Makes a code: for a new site, or for the one that has this name, whose former code is good no more. A site
/// stays as it is until it registers with the new one. Errors: 40901 when a registered site of this name is
/// in another group, for what it was sent belongs to that one.
pub async fn make_code(database: &dyn Database, code: &NewCode) -> Result<Site> {
    let (keeps_group, group) = match &code.group {
        Some(group) => ("sites.site_group = excluded.site_group", group.clone()),
        None => (
            "1 = 1",
            Name::parse("group", crate::domain::site::DEFAULT_GROUP)?,
        ),
    };
    let moved = match code.group {
        Some(_) => "site_group = excluded.site_group, realm = excluded.realm, ",
        None => "",
    };
    let sql = format!(
        "INSERT INTO sites (site_id, name, site_group, realm, code_hash, code_expires_at, tokens_from, \
           created_at, updated_at, created_by) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9) \
         ON CONFLICT (name) DO UPDATE SET {moved}code_hash = excluded.code_hash, \
           code_expires_at = excluded.code_expires_at, code_used_at = NULL, updated_at = excluded.updated_at \
         WHERE sites.registered_at IS NULL OR {keeps_group} \
         RETURNING {COLUMNS}"
    );
    let parameters: [Value; 9] = [
        code.site_id.as_str().into(),
        code.name.as_str().into(),
        group.as_str().into(),
        group_realm(group.as_str()).into(),
        code.code_hash.as_str().into(),
        code.expires_at.into(),
        (code.now - code.now % 1000).into(),
        code.now.into(),
        code.created_by.as_str().into(),
    ];
    let made = one(database, &sql, &parameters).await?;
    made.ok_or_else(|| {
        Error::new(
            Code::Conflict,
            "A site of this name is registered in another group.",
        )
        .with_data(serde_json::json!({ "field": "group" }))
    })
}

/// The last record that a load holds which begins now.
const JOURNAL_ENDS: &str = "(SELECT COALESCE(MAX(record_id), 0) FROM records)";

/// What a site registers with.
#[derive(Clone, Debug)]
pub struct Registration {
    /// SHA-256 of the code's digits.
    pub code_hash: String,
    /// What the site calls itself from now on; `None`: as it is called.
    pub name: Option<Name>,
    pub client_id: String,
    pub secret_hash: String,
    pub now: i64,
}

/// What became of a registration.
#[derive(Clone, Debug)]
pub enum Registered {
    /// The site with the name that it obtains tokens under.
    Done { site: Box<Site>, client_id: String },
    /// The code was used before or its time is over.
    CodeOver,
    /// Nobody made this code.
    UnknownCode,
}

/// Uses up a code. Who repeats a registration with the secret that it set is answered as before. A site that
/// registers anew, on another computer, begins a new epoch: its former secret and tokens are good no more.
/// Whoever registers is sent from the beginning what it may see. Errors: 40901 when another site has the name.
pub async fn register(database: &dyn Database, registration: &Registration) -> Result<Registered> {
    let mut parameters: Vec<Value> = vec![
        registration.code_hash.as_str().into(),
        registration.now.into(),
        registration.client_id.as_str().into(),
        registration.secret_hash.as_str().into(),
    ];
    let tokens_from = end_tokens(&mut parameters, registration.now);
    let mut named = String::new();
    if let Some(name) = &registration.name {
        parameters.push(name.as_str().into());
        named = format!("name = ${}, ", parameters.len());
    }
    let sql = format!(
        "UPDATE sites SET {named}code_used_at = $2, client_id = $3, secret_hash = $4, tokens_from = {tokens_from}, \
           epoch = CASE WHEN registered_at IS NULL THEN epoch ELSE epoch + 1 END, tick = 0, beat_id = NULL, \
           load_epoch = CASE WHEN registered_at IS NULL THEN epoch ELSE epoch + 1 END, \
           registered_at = $2, revoked_at = NULL, load_after = 0, load_until = {JOURNAL_ENDS}, last_contact_at = $2, version = NULL, \
           report = NULL, updated_at = $2 \
         WHERE code_hash = $1 AND code_used_at IS NULL AND code_expires_at > $2 RETURNING {COLUMNS}"
    );
    let registered = one(database, &sql, &parameters).await.map_err(name_taken)?;
    match registered {
        Some(site) => Ok(Registered::Done {
            site: Box::new(site),
            client_id: registration.client_id.clone(),
        }),
        None => repeated(database, registration).await,
    }
}

/// SQLite names the columns of the unique index, PostgreSQL the index.
fn name_taken(error: Error) -> Error {
    let cause = error.cause.as_deref().unwrap_or_default();
    match cause.contains("sites.name") || cause.contains("sites_by_name") {
        true => Error::new(Code::Conflict, "A site of this name exists already.")
            .with_data(serde_json::json!({ "field": "name" })),
        false => error,
    }
}

async fn repeated(database: &dyn Database, again: &Registration) -> Result<Registered> {
    let sql = format!(
        "SELECT {COLUMNS}, client_id, code_used_at, secret_hash FROM sites WHERE code_hash = $1"
    );
    let rows = database
        .query(&sql, &[again.code_hash.as_str().into()])
        .await?;
    let Some(row) = rows.first() else {
        return Ok(Registered::UnknownCode);
    };
    let is_used = row.get::<Option<i64>>("code_used_at")?.is_some();
    let secret_hash: Option<String> = row.get("secret_hash")?;
    match row.get("client_id")? {
        Some(client_id) if is_used && secret_hash.as_ref() == Some(&again.secret_hash) => {
            let site = Box::new(site_from(row)?);
            Ok(Registered::Done { site, client_id })
        }
        _ => Ok(Registered::CodeOver),
    }
}

/// The site of this id, also one that is not registered or revoked.
pub async fn find(database: &dyn Database, site_id: &str) -> Result<Option<Site>> {
    let sql = format!("SELECT {COLUMNS} FROM sites WHERE site_id = $1");
    one(database, &sql, &[site_id.into()]).await
}

/// The site of a token that was issued at `issued_at`; `None` when it does not count (any more).
pub async fn of_token(
    database: &dyn Database,
    site_id: &str,
    issued_at: i64,
) -> Result<Option<Site>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM sites WHERE site_id = $1 AND registered_at IS NOT NULL \
           AND revoked_at IS NULL AND tokens_from <= $2"
    );
    one(database, &sql, &[site_id.into(), issued_at.into()]).await
}

/// The site that obtains tokens under this name, also a revoked one, and SHA-256 of its secret.
pub async fn find_by_client(
    database: &dyn Database,
    client_id: &str,
) -> Result<Option<(Site, String)>> {
    let sql = format!("SELECT {COLUMNS}, secret_hash FROM sites WHERE client_id = $1");
    let rows = database.query(&sql, &[client_id.into()]).await?;
    let found = rows.first();
    found
        .map(|row| Ok((site_from(row)?, row.get("secret_hash")?)))
        .transpose()
}

/// Notes that a site was heard of, unless that was noted just before.
pub async fn touch(database: &dyn Database, site: &Site, now: i64) -> Result<()> {
    let before = now - SITE_TOUCH_MS;
    if site.last_contact_at.is_some_and(|at| at > before) {
        return Ok(());
    }
    database
        .execute(
            "UPDATE sites SET last_contact_at = $2 \
             WHERE site_id = $1 AND (last_contact_at IS NULL OR last_contact_at <= $3)",
            &[site.site_id.as_str().into(), now.into(), before.into()],
        )
        .await?;
    Ok(())
}

/// A heartbeat: how the site is, and what it says of its past.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    pub beat: Beat,
    pub version: Option<String>,
    /// JSON.
    pub report: String,
    pub now: i64,
}

/// A heartbeat that was noted.
#[derive(Clone, Debug)]
pub struct Noted {
    /// The site as it is then.
    pub site: Site,
    pub verdict: Verdict,
    /// The tick that was kept before: a site that has had an answer to a later one learns from it that the cloud
    /// has gone back in time.
    pub last_tick: i64,
}

/// Notes a heartbeat and says what it meant. A new epoch begins the initial load anew. `None` when the site is
/// revoked meanwhile.
pub async fn heartbeat(
    database: &dyn Database,
    site_id: &str,
    heartbeat: &Heartbeat,
) -> Result<Option<Noted>> {
    for _ in 0..HEARTBEAT_TRIES {
        let Some(site) = find(database, site_id).await? else {
            return Ok(None);
        };
        if site.revoked_at.is_some() {
            return Ok(None);
        }
        let verdict = heartbeat.beat.judge(&site.pulse);
        let last_tick = site.pulse.tick;
        if let Some(site) = note(database, &site, heartbeat, &verdict).await? {
            return Ok(Some(Noted {
                site,
                verdict,
                last_tick,
            }));
        }
    }
    Err(Error::busy(1, "heartbeats of one site met again and again"))
}

/// Writes it, unless the pulse that it was judged by is another by now.
async fn note(
    database: &dyn Database,
    site: &Site,
    heartbeat: &Heartbeat,
    verdict: &Verdict,
) -> Result<Option<Site>> {
    let begin = format!("load_after = 0, load_until = {JOURNAL_ENDS}, load_epoch = $2, ");
    let (pulse, load) = match verdict {
        Verdict::GoesOn(pulse) => (pulse, ""),
        Verdict::Restored => (&site.pulse, ""),
        Verdict::Restarts(pulse) => (pulse, begin.as_str()),
    };
    let sql = format!(
        "UPDATE sites SET {load}epoch = $2, tick = $3, beat_id = $4, version = COALESCE($5, version), report = $6, \
           last_contact_at = $7, updated_at = $7 \
         WHERE site_id = $1 AND revoked_at IS NULL AND epoch = $8 AND tick = $9 \
           AND coalesce(beat_id, '') = $10 RETURNING {COLUMNS}"
    );
    let parameters: [Value; 10] = [
        site.site_id.as_str().into(),
        pulse.epoch.into(),
        pulse.tick.into(),
        pulse.beat_id.clone().into(),
        heartbeat.version.clone().into(),
        heartbeat.report.as_str().into(),
        heartbeat.now.into(),
        site.pulse.epoch.into(),
        site.pulse.tick.into(),
        site.pulse.beat_id.clone().unwrap_or_default().into(),
    ];
    one(database, &sql, &parameters).await
}

/// Sites by group and name, and how many there are.
pub async fn list(database: &dyn Database, page: Page) -> Result<(Vec<Site>, i64)> {
    let total = database
        .query("SELECT COUNT(*) AS total FROM sites", &[])
        .await?
        .first()
        .map_or(Ok(0), |row| row.get("total"))?;
    let sql = format!("SELECT {COLUMNS} FROM sites ORDER BY site_group, name LIMIT $1 OFFSET $2");
    let parameters = [page.limit().into(), page.offset().into()];
    let rows = database.query(&sql, &parameters).await?;
    Ok((rows.iter().map(site_from).collect::<Result<_>>()?, total))
}

/// Ends a site's credentials, tokens and code at once; what waits for it is taken back (trigger
/// `sites_revoke`). `None` when there is no such site.
pub async fn revoke(database: &dyn Database, site_id: &str, now: i64) -> Result<Option<Site>> {
    let mut parameters: Vec<Value> = vec![site_id.into(), now.into()];
    let tokens_from = end_tokens(&mut parameters, now);
    let sql = format!(
        "UPDATE sites SET revoked_at = COALESCE(revoked_at, $2), tokens_from = {tokens_from}, \
           code_hash = NULL, code_expires_at = NULL, code_used_at = NULL, load_after = NULL, updated_at = $2 \
         WHERE site_id = $1 RETURNING {COLUMNS}"
    );
    one(database, &sql, &parameters).await
}

/// Begins a site's initial load anew, its own rows too: an operator asks for it when the shop's business has lost
/// some. `None` when there is no such site that is registered and not revoked.
pub async fn reload(database: &dyn Database, site_id: &str, now: i64) -> Result<Option<Site>> {
    let sql = format!(
        "UPDATE sites SET load_after = 0, load_until = {JOURNAL_ENDS}, load_epoch = epoch + 1, updated_at = $2 \
         WHERE site_id = $1 AND registered_at IS NOT NULL AND revoked_at IS NULL RETURNING {COLUMNS}"
    );
    one(database, &sql, &[site_id.into(), now.into()]).await
}
