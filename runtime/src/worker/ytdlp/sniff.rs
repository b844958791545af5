//! What a file is by its content, whatever the site called it.

use super::access::Access;
use super::options::READ_MEDIA;
use super::{Failure, failure};
use crate::process::{Job, capture};
use shared::limits::{SNIFF_BYTES, TOOL_CHECK_S_MAX, TOOL_OUTPUT_BYTES_MAX};
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

/// The packets of a transport stream, bytes.
const TRANSPORT_PACKET_BYTES: usize = 188;

/// Whether the file is a video or sound: by how it begins, and where that says nothing, by whether ffmpeg
/// can read it.
pub(super) async fn is_media(path: &Path, access: &Access) -> Result<bool, Failure> {
    let mut start = Vec::with_capacity(SNIFF_BYTES);
    let read = async {
        let file = tokio::fs::File::open(path).await?;
        file.take(SNIFF_BYTES as u64).read_to_end(&mut start).await
    };
    read.await.map_err(failure::internal)?;
    if has_signature(&start) {
        return Ok(true);
    }
    is_readable(path, access).await
}

/// Whether a file begins as one of the containers does that sites serve.
fn has_signature(start: &[u8]) -> bool {
    let at = |place: usize, signature: &[u8]| {
        start
            .get(place..)
            .is_some_and(|rest| rest.starts_with(signature))
    };
    // ISO base media, with the boxes that old QuickTime files begin with.
    let iso = [b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide"];
    iso.iter().any(|kind| at(4, *kind))
        || at(0, b"\x1A\x45\xDF\xA3") // EBML: Matroska, WebM
        || at(0, b"ID3")
        || at(0, b"OggS")
        || at(0, b"fLaC")
        || at(0, b"FLV\x01")
        || (at(0, b"RIFF") && (at(8, b"AVI ") || at(8, b"WAVE")))
        || at(0, b"\x30\x26\xB2\x75\x8E\x66\xCF\x11") // ASF
        || at(0, b"\x00\x00\x01\xBA") // MPEG program stream
        || (at(0, b"G") && at(TRANSPORT_PACKET_BYTES, b"G"))
}

async fn is_readable(path: &Path, access: &Access) -> Result<bool, Failure> {
    let mut argv: Vec<OsString> = vec![access.ffmpeg()?.as_os_str().to_owned()];
    let before = ["-hide_banner", "-loglevel", "error"];
    argv.extend(before.into_iter().map(OsString::from));
    argv.extend(READ_MEDIA.split(' ').map(OsString::from));
    argv.extend(["-i".into(), path.as_os_str().to_owned()]);
    let after = [
        "-map", "0", "-codec", "copy", "-t", "0.1", "-f", "null", "-",
    ];
    argv.extend(after.into_iter().map(OsString::from));
    let job = Job {
        argv: &argv,
        folder: path.parent().unwrap_or(Path::new("/")),
        environment: access.environment(),
        input: Vec::new(),
    };
    let limit = Duration::from_secs(TOOL_CHECK_S_MAX);
    let captured = timeout(limit, capture(job, TOOL_OUTPUT_BYTES_MAX)).await;
    match captured {
        Ok(captured) => Ok(captured.map_err(failure::internal)?.status.success()),
        // What ffmpeg cannot read in half a minute nobody can play.
        Err(_) => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_known_by_their_signatures_and_text_is_none() {
        let mut transport = vec![0xFF; 400];
        (transport[0], transport[188]) = (b'G', b'G');
        for start in [
            &b"\0\0\0\x20ftypisom"[..],
            b"\x1A\x45\xDF\xA3\x01",
            b"ID3\x04",
            b"RIFF\0\0\0\0WAVEfmt ",
            &transport,
        ] {
            assert!(has_signature(start), "{start:?}");
        }
        for start in [
            &b""[..],
            b"<html>",
            b"#EXTM3U",
            b"Good morning",
            b"RIFF",
            b"G",
        ] {
            assert!(!has_signature(start), "{start:?}");
        }
    }
}
