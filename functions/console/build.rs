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

/// Stands in the page where it says which modules it will need, so that a browser fetches them at once and not as
/// it comes upon each.
const MODULES: &str = "<!-- modules -->";

fn main() -> Result<()> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut files: Vec<(String, &str, Vec<u8>)> = Vec::new();
    for (folder, served) in FOLDERS {
        println!("cargo::rerun-if-changed={folder}");
        let mut paths: Vec<PathBuf> = fs::read_dir(folder)
            .with_context(|| format!("reading {folder}"))?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<_>>()?;
        paths.sort();
        for path in paths {
            if let Some(kind) = kind(&path) {
                let name = path.file_name().context("a file name")?.to_string_lossy();
                files.push((format!("{served}{name}"), kind, fs::read(&path)?));
            }
        }
    }
    preload(&mut files)?;
    let mut table = String::from("static FILES: &[File] = &[\n");
    for (served, kind, bytes) in &files {
        pack(served, kind, bytes, &out, &mut table)?;
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

fn preload(files: &mut [(String, &str, Vec<u8>)]) -> Result<()> {
    let links: Vec<String> = files
        .iter()
        .filter(|(path, ..)| path.ends_with(".js"))
        .map(|(path, ..)| format!("<link rel=\"modulepreload\" href=\"{path}\" />"))
        .collect();
    let page = files.iter_mut().find(|(path, ..)| path.ends_with(".html"));
    let (.., page) = page.context("the page")?;
    let text = String::from_utf8(std::mem::take(page))?;
    *page = text.replace(MODULES, &links.join("\n    ")).into_bytes();
    Ok(())
}

fn pack(served: &str, kind: &str, bytes: &[u8], out: &Path, table: &mut String) -> Result<()> {
    let etag = hex::encode(&Sha256::digest(bytes)[..12]);
    let (whole, packed) = (out.join(&etag), out.join(format!("{etag}.gz")));
    fs::write(&whole, bytes)?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    fs::write(&packed, encoder.finish()?)?;
    writeln!(
        table,
        "    File {{ path: {served:?}, kind: {kind:?}, etag: \"\\\"{etag}\\\"\", \
         whole: include_bytes!({whole:?}), packed: include_bytes!({packed:?}) }},"
    )?;
    Ok(())
}
