//! Feature `language`: the command language (SH-15), plain ES modules without DOM, as text.

/// The modules: name, as they import each other from the folder `shared/language`, and source.
pub const MODULES: &[(&str, &str)] = &[
    ("blocks.js", include_str!("../language/blocks.js")),
    ("client.js", include_str!("../language/client.js")),
    ("complete.js", include_str!("../language/complete.js")),
    ("failures.js", include_str!("../language/failures.js")),
    ("grammar.js", include_str!("../language/grammar.js")),
    ("help.js", include_str!("../language/help.js")),
    ("index.js", include_str!("../language/index.js")),
    ("progress.js", include_str!("../language/progress.js")),
    ("screen.js", include_str!("../language/screen.js")),
    ("session.js", include_str!("../language/session.js")),
    ("text.js", include_str!("../language/text.js")),
    ("words.js", include_str!("../language/words.js")),
    (
        "commands/account.js",
        include_str!("../language/commands/account.js"),
    ),
    (
        "commands/admin.js",
        include_str!("../language/commands/admin.js"),
    ),
    (
        "commands/exports.js",
        include_str!("../language/commands/exports.js"),
    ),
    (
        "commands/index.js",
        include_str!("../language/commands/index.js"),
    ),
    (
        "commands/market.js",
        include_str!("../language/commands/market.js"),
    ),
    (
        "commands/media.js",
        include_str!("../language/commands/media.js"),
    ),
    (
        "commands/operations.js",
        include_str!("../language/commands/operations.js"),
    ),
    (
        "commands/projects.js",
        include_str!("../language/commands/projects.js"),
    ),
    (
        "commands/review.js",
        include_str!("../language/commands/review.js"),
    ),
    (
        "commands/shell.js",
        include_str!("../language/commands/shell.js"),
    ),
    (
        "commands/sync.js",
        include_str!("../language/commands/sync.js"),
    ),
    (
        "commands/tasks.js",
        include_str!("../language/commands/tasks.js"),
    ),
    (
        "commands/trade.js",
        include_str!("../language/commands/trade.js"),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn every_module_of_the_folder_is_there() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("language");
        let mut found = BTreeSet::new();
        for (below, folder) in [("", folder.clone()), ("commands/", folder.join("commands"))] {
            for entry in std::fs::read_dir(folder).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                if name.ends_with(".js") {
                    found.insert(format!("{below}{name}"));
                }
            }
        }
        let named: BTreeSet<String> = MODULES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(named, found);
    }
}
