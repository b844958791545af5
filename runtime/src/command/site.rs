//! `wharf admin site-code`: a code that a shop's server registers with, as the admins' route makes it (DS-13).

use super::parts;
use super::project::CREATED_BY;
use crate::clock::now_ms;
use crate::settings::Flags;
use anyhow::bail;
use shared::store::sites;
use shared::wire::site::{CodeAnswer, CodeRequest};

/// Makes a code and prints it as JSON; the only time that it is shown.
pub async fn make_code(flags: &Flags, name: String, group: Option<String>) -> anyhow::Result<()> {
    let settings = parts::settings(flags)?;
    if settings.site.is_one() {
        bail!("This is a site's own server (site.upstream is set); codes are made in the cloud.");
    }
    let request = CodeRequest { name, group };
    let site_id = uuid::Uuid::now_v7().to_string();
    let (new, code) = request.code(site_id, CREATED_BY, now_ms())?;
    let handle = parts::database(&settings).await?;
    let site = sites::make_code(&*handle.database(), &new).await?;
    let answer = CodeAnswer::new(site, &code, new.expires_at);
    println!("{}", serde_json::to_string(&answer)?);
    Ok(())
}
