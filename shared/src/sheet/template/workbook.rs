//! The parts that hold the workbook together.

use super::follow::Follower;
use super::shift::Shifts;
use super::xml::{Source, attribute, attributes, local_name, put_attribute};
use crate::sheet::Result;
use quick_xml::events::{BytesStart, Event};

/// The workbook's main part: names follow the rows, and everything is calculated when the file is opened.
pub fn workbook(text: &str, shifts: &Shifts) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() + 256);
    let mut source = Source::new(text);
    let mut follower = Follower::new(shifts, 0);
    let mut prefix = String::new();
    // Where the settings of calculation belong when the template has none.
    let mut before_settings = None;
    let mut has_settings = false;
    while let Some((event, raw)) = source.next()? {
        match &event {
            Event::Start(tag) | Event::Empty(tag)
                if local_name(tag.name().as_ref()) == "calcPr" =>
            {
                put_settings(tag, raw, &mut out)?;
                has_settings = true;
                continue;
            }
            Event::Start(tag) if local_name(tag.name().as_ref()) == "workbook" => {
                prefix = super::styles::prefix_of(tag.name().as_ref()).to_owned();
            }
            _ => {}
        }
        follower.event(&mut source, &event, raw, &mut out)?;
        let ended = match &event {
            Event::End(tag) => tag.name().as_ref().to_owned(),
            Event::Empty(tag) => tag.name().as_ref().to_owned(),
            _ => continue,
        };
        if matches!(
            local_name(&ended),
            "sheets" | "functionGroups" | "definedNames"
        ) {
            before_settings = Some(out.len());
        }
    }
    if let Some(at) = before_settings.filter(|_| !has_settings) {
        let settings = format!("<{prefix}calcPr fullCalcOnLoad=\"1\"/>");
        out.splice(at..at, settings.into_bytes());
    }
    Ok(out)
}

fn put_settings(tag: &BytesStart<'_>, raw: &str, out: &mut Vec<u8>) -> Result<()> {
    out.push(b'<');
    out.extend_from_slice(tag.name().as_ref().as_bytes());
    for (key, value) in attributes(tag)? {
        if key != "fullCalcOnLoad" {
            put_attribute(&key, &value, out);
        }
    }
    put_attribute("fullCalcOnLoad", "1", out);
    out.extend_from_slice(if raw.ends_with("/>") { b"/>" } else { b">" });
    Ok(())
}

/// A list of parts or of relationships without the entries for which `is_dropped` holds; it is given an attribute's
/// value.
pub fn without(text: &str, key: &str, is_dropped: impl Fn(&str) -> bool) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut source = Source::new(text);
    while let Some((event, raw)) = source.next()? {
        if let Event::Start(tag) | Event::Empty(tag) = &event
            && attribute(tag, key)?.is_some_and(|value| is_dropped(&value))
        {
            if let Event::Start(_) = event {
                source.inside()?;
            }
            continue;
        }
        out.extend_from_slice(raw.as_bytes());
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(text: &str) -> String {
        let shifts = Shifts {
            sheets: vec![Default::default()],
        };
        String::from_utf8(workbook(text, &shifts).unwrap()).unwrap()
    }

    #[test]
    fn everything_is_calculated_when_the_file_is_opened() {
        for (text, expected) in [
            (
                "<workbook><sheets><sheet/></sheets><calcPr calcId=\"1\" fullCalcOnLoad=\"0\"/></workbook>",
                "<workbook><sheets><sheet/></sheets><calcPr calcId=\"1\" fullCalcOnLoad=\"1\"/></workbook>",
            ),
            (
                "<x:workbook><x:sheets/><x:definedNames/><x:oleSize/></x:workbook>",
                "<x:workbook><x:sheets/><x:definedNames/><x:calcPr fullCalcOnLoad=\"1\"/><x:oleSize/></x:workbook>",
            ),
        ] {
            assert_eq!(rewritten(text), expected);
        }
    }

    #[test]
    fn an_entry_is_dropped() {
        let text = "<T><O P=\"/a\"/><O P=\"/b\"></O><D E=\"/a\"/></T>";
        let out = without(text, "P", |name| name != "/c").unwrap();
        assert_eq!(out, b"<T><D E=\"/a\"/></T>");
    }
}
