//! The letters that tell people what became of their resources and reports (SH-10, SH-14).

/// What a letter is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    ResourceRejected,
    ResourceTakenDown,
    ReportConfirmed,
}

/// A letter without its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// One line.
    pub subject: String,
    pub text: String,
    pub html: String,
}

impl Kind {
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "resource_rejected" => Self::ResourceRejected,
            "resource_taken_down" => Self::ResourceTakenDown,
            "report_confirmed" => Self::ReportConfirmed,
            _ => return None,
        })
    }

    /// The letter about the resource of this title, as somebody wrote it, for the reviewer's reason.
    pub fn letter(self, title: &str, reason: Option<&str>) -> Letter {
        let title = one_line(title);
        let reason = reason.map(one_line).filter(|reason| !reason.is_empty());
        let (subject, said, then) = match self {
            Self::ResourceRejected => (
                "Not approved",
                "Our reviewers did not approve your resource",
                "Change it and it is reviewed again.",
            ),
            Self::ResourceTakenDown => (
                "Taken down",
                "After a report, our reviewers took down your resource",
                "It can no longer be found or bought. Orders that were placed before stay as they are.",
            ),
            Self::ReportConfirmed => (
                "Report confirmed",
                "Our reviewers confirmed your report and took down the resource",
                "Thank you for telling us.",
            ),
        };
        let mut text = format!("Hello,\n\n{said}:\n\n    {title}\n\n");
        let mut html = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{subject}</title></head>\
             <body>\n<p>Hello,</p>\n<p>{said}:</p>\n<blockquote>{}</blockquote>\n",
            escaped(&title)
        );
        if let Some(reason) = reason {
            text += &format!("Reason: {reason}\n\n");
            html += &format!("<p>Reason: {}</p>\n", escaped(&reason));
        }
        text += &format!("{then}\n");
        html += &format!("<p>{then}</p>\n</body></html>\n");
        Letter {
            subject: format!("{subject}: {title}"),
            text,
            html,
        }
    }
}

/// Line breaks and other control characters as single spaces: what somebody wrote begins no header and no
/// paragraph.
fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_control() || c.is_whitespace());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_says_what_happened_and_why() {
        let letter = Kind::ResourceTakenDown.letter("考研数学 2026", Some("侵权"));
        assert_eq!(letter.subject, "Taken down: 考研数学 2026");
        for text in [&letter.text, &letter.html] {
            assert!(text.contains("考研数学 2026") && text.contains("Reason: 侵权"));
        }
        let letter = Kind::ReportConfirmed.letter("a", None);
        assert!(!letter.text.contains("Reason") && !letter.html.contains("Reason"));
    }

    #[test]
    fn a_title_is_neither_header_nor_markup() {
        let title = "a\r\nBcc: everybody@example.com\r\n\r\n<script>\"x\"</script>";
        for kind in [
            Kind::ResourceRejected,
            Kind::ResourceTakenDown,
            Kind::ReportConfirmed,
        ] {
            let letter = kind.letter(title, Some("<b>\n&"));
            assert!(!letter.subject.contains(char::is_control), "{letter:?}");
            assert!(!letter.html.contains("<script>") && !letter.html.contains("<b>"));
            assert!(letter.html.contains("&lt;script&gt;&quot;x&quot;"));
            assert!(letter.html.contains("Reason: &lt;b&gt; &amp;"));
        }
    }

    #[test]
    fn every_kind_is_read_again() {
        for kind in [
            "resource_rejected",
            "resource_taken_down",
            "report_confirmed",
        ] {
            assert!(Kind::parse(kind).is_some(), "{kind}");
        }
        assert_eq!(Kind::parse("newsletter"), None);
    }
}
