//! Cookie jars of sites (VA-16): sealed in their rows, open only for the attempt that needs one.

use super::Worker;
use shared::Result;
use shared::auth::seal::SealKey;
use shared::domain::cookies::{Jar, Site};
use shared::domain::media::MediaUrl;
use shared::store::cookies;

impl Worker {
    /// The jar of the URL's site, or of the nearest domain above it that has one. A jar that cannot be
    /// opened is as good as none: the site will say what it lacks.
    pub(super) async fn cookies_for(&self, url: &MediaUrl) -> Option<Jar> {
        match self.find_jar(url).await {
            Ok(jar) => jar,
            Err(error) => {
                tracing::error!(%error, site = url.site(), "the cookie jar cannot be opened");
                None
            }
        }
    }

    async fn find_jar(&self, url: &MediaUrl) -> Result<Option<Jar>> {
        let sites = Site::of(url);
        let names: Vec<&str> = sites.iter().map(Site::as_str).collect();
        let Some((site, sealed)) = cookies::find(&*self.database, &names).await? else {
            return Ok(None);
        };
        let key = SealKey::from_setting(&self.settings.keys.cookies)?;
        key.open(&Site::parse(&site)?, &sealed).map(Some)
    }
}
