//! The components: there, and built from the sources beside them.

use super::Report;
use crate::command::parts;
use crate::host::build::{self, State};

const CHECK: &str = "components";

pub(super) async fn check(report: &mut Report) {
    let manifest = match parts::manifest() {
        Ok(manifest) => manifest,
        Err(error) => {
            let advice = "`wharf up` and `wharf serve` want one; `wharf work` does without";
            return report.warning(CHECK, format!("{error:#}"), advice);
        }
    };
    let state = match build::look(&manifest).await {
        Ok(state) => state,
        Err(error) => {
            let advice = "put the spin.toml of this version there";
            return report.problem(CHECK, format!("{error:#}"), advice);
        }
    };
    let State {
        all,
        missing,
        stale,
        has_sources,
    } = state;
    let how = match has_sources {
        true => "`wharf up` builds them at its start",
        false => {
            "copy target/wasm32-wasip2/release/*.wasm of this version to where spin.toml names them"
        }
    };
    if !missing.is_empty() {
        let found = format!("not built: {}", missing.join(", "));
        match has_sources {
            true => report.warning(CHECK, found, how),
            false => report.problem(CHECK, found, how),
        }
    }
    if !stale.is_empty() {
        report.warning(
            CHECK,
            format!("older than their sources: {}", stale.join(", ")),
            how,
        );
    }
    if missing.is_empty() && stale.is_empty() {
        report.ok(
            CHECK,
            format!("all {all} of {} are there", manifest.display()),
        );
    }
}
