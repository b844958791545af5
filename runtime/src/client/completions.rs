//! Completion in the user's own shell: scripts for bash, zsh and fish, and what they ask.

use super::{Flags, Language, host, on_one_thread, with_language};
use std::ffi::OsString;
use std::process::ExitCode;

/// A shell that can complete the client's commands.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

const BASH: &str = r#"_wharf() {
    local IFS=$'\n'
    COMPREPLY=($(wharf complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f 1))
}
complete -o default -F _wharf wharf
"#;

const ZSH: &str = r#"#compdef wharf
_wharf() {
    local -a found
    found=("${(@f)$(wharf complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    found=("${(@)${(@)found//:/\\:}/$'\t'/:}")
    _describe wharf found || _files
}
compdef _wharf wharf
"#;

const FISH: &str = r#"complete --command wharf --arguments '(wharf complete -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
"#;

/// Prints the script that the shell reads.
pub fn script(shell: Shell) {
    let text = match shell {
        Shell::Bash => BASH,
        Shell::Zsh => ZSH,
        Shell::Fish => FISH,
    };
    print!("{text}");
}

/// Prints what could stand for the last of the words, a line each: the text, a tab, a hint. `own` are the binary's own
/// commands with what they do.
pub fn answer(flags: Flags, words: Vec<OsString>, own: Vec<(String, String)>) -> ExitCode {
    on_one_thread(async move {
        let host = host(&flags)?;
        let words: Vec<String> = words
            .iter()
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        let shown = std::rc::Rc::clone(&host);
        with_language(host, Vec::new(), async move |language| {
            for (text, hint) in candidates(&language, &words, own).await? {
                shown.terminal.write(&format!("{text}\t{hint}\n"));
            }
            Ok(0)
        })
        .await
    })
}

async fn candidates(
    language: &Language<'_>,
    words: &[String],
    own: Vec<(String, String)>,
) -> anyhow::Result<Vec<(String, String)>> {
    let quoted: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    let line = quoted.join(" ");
    let mut found = language.complete(&line, line.len()).await?.items;
    if let [begun] = words {
        found.extend(
            own.into_iter()
                .filter(|(name, _)| name.starts_with(begun.as_str()) && name != begun),
        );
    }
    Ok(found)
}

/// A word as the command language reads it back; what is empty is nothing yet.
fn quoted(word: &str) -> String {
    let is_plain =
        !word.contains(|letter: char| letter.is_whitespace() || "\"'“”‘’「」\\".contains(letter));
    match is_plain {
        true => word.to_owned(),
        false => format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}
