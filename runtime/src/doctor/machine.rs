//! What the system lets a process have.

use super::Report;
use nix::sys::resource::{Resource, getrlimit};
use shared::limits::FILES_OPEN_MIN;

const CHECK: &str = "open files";

pub(super) fn check(report: &mut Report) {
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((limit, _)) if limit < FILES_OPEN_MIN => {
            let found = format!(
                "a process that is started from here may open {limit} files and connections"
            );
            let advice = format!(
                "ulimit -n {FILES_OPEN_MIN}, LimitNOFILE= in a unit, --ulimit for a container"
            );
            report.warning(CHECK, found, advice);
        }
        Ok((limit, _)) => report.ok(
            CHECK,
            format!("a process that is started from here may open {limit}"),
        ),
        Err(error) => report.warning(
            CHECK,
            format!("their limit cannot be read: {error}"),
            "see ulimit -n",
        ),
    }
}
