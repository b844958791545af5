//! Which lines the interactive shell remembers for another day.

/// Words in a line that make it one to forget. What is a password is asked for and is never in a line; this is for
/// what somebody writes into one nevertheless, and for the access codes of links.
const SECRETS: [&str; 7] = [
    "password", "passwd", "secret", "token", "--code", "pwd=", "密码",
];

/// Whether a line is kept. One that begins with a blank is not, as other shells have it.
pub fn is_kept(line: &str) -> bool {
    let lower = line.to_lowercase();
    !line.starts_with([' ', '\u{3000}'])
        && !line.trim().is_empty()
        && !SECRETS.iter().any(|word| lower.contains(word))
}

#[cfg(test)]
mod tests {
    use super::is_kept;

    #[test]
    fn a_line_with_something_secret_is_forgotten() {
        assert!(is_kept("search 三体 --drive aliyun"));
        for forgotten in [
            "",
            " search quietly",
            "login ada@example.com --Password letters4numbers",
            "publish https://pan.baidu.com/s/1?pwd=q1w2",
            "publish https://pan.baidu.com/s/1 --code q1w2",
        ] {
            assert!(!is_kept(forgotten), "{forgotten}");
        }
    }
}
