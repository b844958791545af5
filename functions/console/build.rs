//! Packs the page and the command language into the component: each file as it is and deflated, with its checksum.

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Folder beside this file, and the path under which its files are served.
const FOLDERS: [(&str, &str); 3] = [
    ("page", "/console/"),
    ("../../shared/language", "/console/language/"),
    (
        "../../shared/language/commands",
        "/console/language/commands/",
    ),
];

fn main() -> Result<()> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut table = String::from("static FILES: &[File] = &[\n");
    for (folder, served) in FOLDERS {
        println!("cargo::rerun-if-changed={folder}");
        let mut paths: Vec<PathBuf> = fs::read_dir(folder)
            .with_context(|| format!("reading {folder}"))?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<_>>()?;
        paths.sort();
        for path in paths {
            if let Some(kind) = kind(&path) {
                pack(&path, served, kind, &out, &mut table)?;
            }
        }
    }
    table.push_str("];\n");
    fs::write(out.join("files.rs"), table)?;
    Ok(())
}

/// What a file is, by its ending; what is none of these stays out.
fn kind(path: &Path) -> Option<&'static str> {
    match path.extension()?.to_str()? {
        "html" => Some("text/html; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}

fn pack(path: &Path, served: &str, kind: &str, out: &Path, table: &mut String) -> Result<()> {
    let name = path.file_name().context("a file name")?.to_string_lossy();
    let bytes = fs::read(path)?;
    let etag = hex::encode(&Sha256::digest(&bytes)[..12]);
    let packed = out.join(format!("{etag}.gz"));
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&bytes)?;
    fs::write(&packed, encoder.finish()?)?;
    let whole = fs::canonicalize(path)?;
    writeln!(
        table,
        "    File {{ path: {:?}, kind: {kind:?}, etag: \"\\\"{etag}\\\"\", whole: include_bytes!({whole:?}), packed: include_bytes!({packed:?}) }},",
        format!("{served}{name}")
    )?;
    Ok(())
}
