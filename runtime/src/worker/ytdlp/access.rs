//! What one attempt goes out with: its tools, its ticket for the forward proxy, its cookies, its guise.

use super::scratch::CookieFile;
use super::{Failure, Ytdlp, failure};
use crate::egress::{ProxyTicket, Upstream};
use crate::tools::{Abilities, Toolset, YtdlpProgram};
use shared::domain::cookies::Jar;
use shared::domain::media::MediaUrl;
use shared::domain::task::Lack;
use shared::limits::EXTRACT_BYTES_MAX;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

/// Dropping it revokes the ticket and removes the cookies.
pub(super) struct Access {
    tools: Arc<Toolset>,
    pub(super) ticket: ProxyTicket,
    cookies: Option<CookieFile>,
    has_upstream: bool,
    /// Whether every request looks like a browser's.
    pub(super) impersonates: bool,
}

impl Ytdlp {
    /// Looks at the URL's literal host, then gives the attempt its credentials and a budget for pages.
    pub(super) async fn admit(
        &self,
        task_id: &str,
        url: &MediaUrl,
        upstream: Option<Upstream>,
        jar: Option<&Jar>,
    ) -> Result<Access, Failure> {
        shared::domain::egress::check_literal(url.as_url(), self.proxy.allow_list())?;
        let tools = self.tools.now();
        if tools.ytdlp.is_none() {
            return Err(failure::tool_missing("yt-dlp"));
        }
        let has_upstream = upstream.is_some();
        let ticket = self
            .proxy
            .admit(task_id, upstream)
            .map_err(failure::internal)?;
        ticket.limit_bytes(EXTRACT_BYTES_MAX);
        let cookies = match jar {
            Some(jar) => Some(self.scratch.cookies(jar).await.map_err(failure::internal)?),
            None => None,
        };
        Ok(Access {
            tools,
            ticket,
            cookies,
            has_upstream,
            impersonates: false,
        })
    }
}

impl Access {
    fn program(&self) -> Result<&YtdlpProgram, Failure> {
        let program = self.tools.ytdlp.as_ref();
        program.ok_or_else(|| failure::tool_missing("yt-dlp"))
    }

    pub(super) fn abilities(&self) -> Result<&Abilities, Failure> {
        Ok(&self.program()?.abilities)
    }

    pub(super) fn ffmpeg(&self) -> Result<&Path, Failure> {
        let ffmpeg = self.tools.ffmpeg.as_deref();
        ffmpeg.ok_or_else(|| failure::tool_missing("ffmpeg"))
    }

    pub(super) fn cookies(&self) -> Option<&Path> {
        self.cookies.as_ref().map(CookieFile::path)
    }

    /// The whole command line. Everything else, the URL too, goes to yt-dlp's input, where no other user of
    /// this machine sees it.
    pub(super) fn argv(&self) -> Result<Vec<OsString>, Failure> {
        let mut argv = self.program()?.command.clone();
        argv.extend(["--ignore-config", "--config-locations", "-"].map(OsString::from));
        Ok(argv)
    }

    /// ffmpeg, should it open a URL that a file names, has only this way out.
    pub(super) fn environment(&self) -> Vec<(OsString, OsString)> {
        let mut environment = vec![
            // A static ffmpeg dies when it loads the machine's own character set modules, which reading
            // MPEG-TS makes it do; with a path that is not there it goes without.
            ("GCONV_PATH".into(), "/nonexistent".into()),
        ];
        let proxy = self.ticket.url();
        environment.extend(["http_proxy", "https_proxy"].map(|name| (name.into(), proxy.into())));
        environment
    }

    /// Whether to try again as a browser: the site asked for one, and this yt-dlp can pass for one. Not from
    /// the start, because some sites refuse exactly that.
    pub(super) fn should_impersonate(&self, failure: &Failure) -> bool {
        !self.impersonates
            && failure.lacks.contains(&Lack::Impersonation)
            && self
                .abilities()
                .is_ok_and(|abilities| abilities.can_impersonate)
    }

    /// Leaves of what a site wanted what this attempt did not have.
    pub(super) fn settle(&self, mut failure: Failure) -> Failure {
        let Ok(abilities) = self.abilities() else {
            return failure;
        };
        failure.lacks.retain(|lack| match lack {
            Lack::JavascriptRuntime => abilities.javascript.is_empty(),
            Lack::ChallengeSolver => !abilities.has_solver,
            Lack::Impersonation => !abilities.can_impersonate,
            Lack::Cookies => self.cookies.is_none(),
            Lack::Proxy => !self.has_upstream,
        });
        failure
    }
}
