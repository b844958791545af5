//! The data folder: there, ours alone, writable, with room.

use super::Report;
use crate::settings::Settings;
use crate::worker::disk;
use nix::unistd::{AccessFlags, access, geteuid};
use shared::limits::{DISK_RELIEF_PERCENT, DISK_WAIT_PERCENT, DISK_WARNING_PERCENT};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

const CHECK: &str = "data folder";
const DISK: &str = "disk";
const GIB: f64 = (1_u64 << 30) as f64;

pub(super) fn check(settings: &Settings, report: &mut Report) {
    let folder = &settings.data_dir;
    let shown = folder.display();
    match std::fs::metadata(folder) {
        Ok(found) if !found.is_dir() => {
            let advice = "set data_dir (or --data) to a folder";
            report.problem(CHECK, format!("{shown} is no folder"), advice);
        }
        Ok(found) => {
            existing(folder, &found, report);
            room(folder, report);
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => missing(folder, report),
        Err(error) => {
            let advice = "run this as the account that Wharf runs as";
            report.problem(CHECK, format!("{shown}: {error}"), advice);
        }
    }
}

fn existing(folder: &Path, found: &std::fs::Metadata, report: &mut Report) {
    let shown = folder.display();
    let before = report.lines.len();
    let (owner, me) = (found.uid(), geteuid().as_raw());
    if owner != me {
        let found = format!("{shown} belongs to user {owner}, and this is user {me}");
        let advice = "run this, and every command of Wharf, as the account that Wharf runs as; what another one makes \
                      there Wharf may not be able to read";
        report.warning(CHECK, found, advice);
    }
    if access(folder, AccessFlags::W_OK | AccessFlags::X_OK).is_err() {
        let advice =
            format!("make it writable for the account that Wharf runs as: chown -R wharf {shown}");
        report.problem(CHECK, format!("{shown} cannot be written to"), advice);
    }
    if found.mode() & 0o077 != 0 {
        let found = format!(
            "others may look into {shown}: its mode is {:o}",
            found.mode() & 0o777
        );
        report.warning(CHECK, found, format!("chmod 700 {shown}"));
    }
    if report.lines.len() == before {
        report.ok(CHECK, format!("{shown} is there and writable"));
    }
}

/// The first start makes it, if it may.
fn missing(folder: &Path, report: &mut Report) {
    let shown = folder.display();
    let above = folder.ancestors().skip(1).find(|above| above.exists());
    let may =
        above.is_some_and(|above| access(above, AccessFlags::W_OK | AccessFlags::X_OK).is_ok());
    match may {
        true => report.ok(
            CHECK,
            format!("{shown} is not there yet; the first start makes it"),
        ),
        false => report.problem(
            CHECK,
            format!("{shown} is not there, and the folder above cannot be written to"),
            format!(
                "make it for the account that Wharf runs as: install -d -m 700 -o wharf {shown}"
            ),
        ),
    }
}

fn room(folder: &Path, report: &mut Report) {
    let usage = match disk::measure(folder) {
        Ok(usage) => usage,
        Err(error) => {
            let advice = "see whether the file system is mounted and well";
            return report.problem(DISK, format!("its usage cannot be read: {error}"), advice);
        }
    };
    let percent = usage.percent();
    let found = format!(
        "{:.0} % used, {:.1} GiB free",
        percent.floor(),
        usage.free_bytes as f64 / GIB
    );
    let advice = "make room or give the data folder a larger disk";
    if percent >= DISK_WAIT_PERCENT {
        report.problem(DISK, format!("{found}: new tasks wait"), advice);
    } else if percent >= DISK_RELIEF_PERCENT {
        let found = format!("{found}: quick downloads go before their time");
        report.warning(DISK, found, advice);
    } else if percent >= DISK_WARNING_PERCENT {
        report.warning(DISK, format!("{found}: it is filling up"), advice);
    } else {
        report.ok(DISK, found);
    }
}
