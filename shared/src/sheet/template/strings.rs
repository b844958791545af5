//! Texts of cells: runs are joined, so that a placeholder may begin in one and end in another.

use super::placeholder::is_marked;
use super::xml::{Source, broken, local_name, push_text};
use crate::sheet::Result;
use quick_xml::events::Event;
use std::collections::HashMap;

/// A cell's text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rich {
    pub text: String,
    /// What stands inside the properties of the first run, as XML; none where the text has no runs.
    pub font: Option<String>,
}

/// The shared strings that may hold placeholders, by their index.
pub fn marked_strings(text: &str) -> Result<HashMap<usize, Rich>> {
    let mut source = Source::new(text);
    let mut strings = HashMap::new();
    let mut index = 0;
    while let Some((event, _)) = source.next()? {
        match event {
            Event::Start(tag) if local_name(tag.name().as_ref()) == "si" => {
                let rich = rich(source.inside()?)?;
                if is_marked(&rich.text) {
                    strings.insert(index, rich);
                }
                index += 1;
            }
            Event::Empty(tag) if local_name(tag.name().as_ref()) == "si" => index += 1,
            _ => {}
        }
    }
    Ok(strings)
}

/// Joins what stands inside a `<si>` or an `<is>`.
pub fn rich(inside: &str) -> Result<Rich> {
    let mut source = Source::new(inside);
    let mut rich = Rich::default();
    let mut runs = 0;
    let mut text = String::new();
    while let Some((event, _)) = source.next()? {
        let Event::Start(tag) = event else {
            continue;
        };
        match local_name(tag.name().as_ref()) {
            "r" => runs += 1,
            "rPr" => {
                let font = source.inside()?;
                if runs == 1 {
                    rich.font = Some(font.to_owned());
                }
            }
            // Phonetic hints, which no longer fit once the text is another.
            "rPh" => {
                source.inside()?;
            }
            "t" => push_all(&mut source, &mut text)?,
            _ => {}
        }
    }
    rich.text = unescaped(&text);
    Ok(rich)
}

fn push_all(source: &mut Source<'_>, text: &mut String) -> Result<()> {
    while let Some((event, _)) = source.next()? {
        if let Event::End(_) = event {
            return Ok(());
        }
        push_text(&event, text)?;
    }
    Err(broken("a text has no end"))
}

/// Resolves `_x000D_` and the like (ECMA-376 part 1, 22.9.2.19).
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("_x") {
        out.push_str(&rest[..at]);
        let character = rest
            .get(at + 2..at + 7)
            .and_then(|code| code.strip_suffix('_'))
            .and_then(|code| u32::from_str_radix(code, 16).ok())
            .and_then(char::from_u32);
        let length = match character {
            Some(character) => {
                out.push(character);
                7
            }
            None => {
                out.push_str("_x");
                2
            }
        };
        rest = &rest[at + length..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_joined_and_the_first_font_is_kept() {
        let text = "<sst><si><t>plain</t></si><si/><si><r><rPr><b/></rPr><t>{na</t></r><r><rPr><i/></rPr>\
                    <t xml:space=\"preserve\">me} &amp; x</t></r><rPh sb=\"0\" eb=\"1\"><t>no</t></rPh></si>\
                    <si><t>a_x007B__x005F_x0041_</t></si></sst>";
        let strings = marked_strings(text).unwrap();
        assert_eq!(strings.len(), 2);
        assert_eq!(strings[&2].text, "{name} & x");
        assert_eq!(strings[&2].font.as_deref(), Some("<b/>"));
        assert_eq!(strings[&3].text, "a{_x0041_");
        assert_eq!(strings[&3].font, None);
    }
}
