//! What a yt-dlp can do beyond plain requests, as it says itself.

use super::search::{Search, in_path};
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// yt-dlp's names of the JavaScript runtimes, and the programs.
const RUNTIMES: [(&str, &str); 4] = [
    ("deno", "deno"),
    ("node", "node"),
    ("quickjs", "qjs"),
    ("bun", "bun"),
];

/// What this yt-dlp can use here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Abilities {
    /// The runtimes for sites' JavaScript challenges that it found and supports, as `--js-runtimes` takes
    /// them: `name:path`.
    pub javascript: Vec<String>,
    /// The scripts that solve the challenges (`yt-dlp-ejs`).
    pub has_solver: bool,
    /// Decrypting HLS streams itself (`pycryptodomex`).
    pub can_decrypt: bool,
    /// Looking like a browser (`curl_cffi`).
    pub can_impersonate: bool,
    /// The runtimes in yt-dlp's own words, versions and all.
    seen: String,
}

impl Search {
    /// Asks a yt-dlp what it can use of what is in `PATH` and in its Python.
    pub(super) async fn abilities(&self, command: &[OsString]) -> Abilities {
        let mut arguments = vec![
            "--ignore-config",
            "--no-plugin-dirs",
            "--verbose",
            "--color",
            "no_color",
            "--no-js-runtimes",
        ];
        let mut found = Vec::new();
        for (name, program) in RUNTIMES {
            if let Some(path) = in_path(program).await {
                found.push((name, path));
            }
        }
        let enabled: Vec<String> = found.iter().map(named).collect();
        for runtime in &enabled {
            arguments.extend(["--js-runtimes", runtime]);
        }
        arguments.push("--list-impersonate-targets");
        let Some(captured) = self.look(command, &arguments).await else {
            return Abilities::default();
        };
        let targets = captured.stdout.unwrap_or_default();
        let targets = String::from_utf8_lossy(&targets);
        Abilities::read(&captured.stderr, &targets, &found)
    }
}

fn named((name, path): &(&str, PathBuf)) -> String {
    format!("{name}:{}", path.display())
}

impl Abilities {
    /// From yt-dlp's debug lines and its table of targets.
    fn read(debug: &str, targets: &str, found: &[(&'static str, PathBuf)]) -> Self {
        let said = |what: &str| {
            let text = debug
                .lines()
                .find_map(|line| line.strip_prefix("[debug] ")?.strip_prefix(what));
            text.unwrap_or_default().trim()
        };
        let seen = said("JS runtimes:");
        let supports = |name: &str| {
            seen.split(", ").any(|runtime| {
                !runtime.contains("(unsupported)")
                    && runtime
                        .strip_prefix(name)
                        .is_some_and(|rest| rest.starts_with('-'))
            })
        };
        let supported = found.iter().filter(|(name, _)| supports(name));
        let libraries = said("Optional libraries:");
        Self {
            javascript: supported.map(named).collect(),
            has_solver: libraries.contains("yt_dlp_ejs"),
            can_decrypt: libraries.contains("Crypto"),
            can_impersonate: targets
                .lines()
                .any(|line| line.contains("curl_cffi") && !line.contains("(unavailable)")),
            seen: match seen {
                "" => "none".to_owned(),
                seen => seen.to_owned(),
            },
        }
    }
}

/// One line for the log: what is there, and what an operator may add.
impl fmt::Display for Abilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "yt-dlp sees the JavaScript runtimes: {}", self.seen)?;
        let missing: Vec<&str> = [
            (
                !self.javascript.is_empty(),
                "a JavaScript runtime (deno, or a newer node)",
            ),
            (self.has_solver, "yt-dlp-ejs"),
            (self.can_decrypt, "pycryptodomex"),
            (self.can_impersonate, "curl_cffi"),
        ]
        .into_iter()
        .filter_map(|(is_there, name)| (!is_there).then_some(name))
        .collect();
        match missing.as_slice() {
            [] => f.write_str("; it lacks nothing."),
            missing => write!(
                f,
                "; for the sites that need them it lacks {}.",
                missing.join(", ")
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of yt-dlp 2026.10.26.
    const DEBUG: &str = "[debug] yt-dlp version stable@2026.10.26 from yt-dlp/yt-dlp [c91f8de0b] (pip)\n\
        [debug] Optional libraries: Cryptodome-3.24.1, sqlite3-3.40.1, yt_dlp_ejs-0.8.0\n\
        [debug] JS runtimes: deno-2.9.8, node-20.20.2 (unsupported), quickjs-ng-0.10.1\n";
    const NO_TARGETS: &str = "Client    OS   Source\n---\nChrome    -    curl_cffi (unavailable)\n";
    const TARGETS: &str = "Client    OS   Source\n---\nChrome-150  Macos-26  curl_cffi\n";

    #[test]
    fn only_what_yt_dlp_supports_counts() {
        let found = [
            ("deno", PathBuf::from("/opt/deno")),
            ("node", PathBuf::from("/usr/bin/node")),
            ("quickjs", PathBuf::from("/usr/bin/qjs")),
        ];
        let abilities = Abilities::read(DEBUG, NO_TARGETS, &found);
        assert_eq!(
            abilities.javascript,
            ["deno:/opt/deno", "quickjs:/usr/bin/qjs"]
        );
        assert!(abilities.has_solver && abilities.can_decrypt && !abilities.can_impersonate);
        let text = abilities.to_string();
        assert!(
            text.contains("node-20.20.2 (unsupported)") && text.ends_with("lacks curl_cffi."),
            "{text}"
        );
        assert!(Abilities::read("", TARGETS, &found).can_impersonate);
        assert_eq!(Abilities::read("", "", &found).javascript, [] as [&str; 0]);
    }
}
