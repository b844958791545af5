//! `{{ name }}` in the strings of `spin.toml`.

use std::collections::BTreeMap;

/// The text with every `{{ name }}` replaced; the error names what is wrong.
pub fn resolve(template: &str, variables: &BTreeMap<String, String>) -> Result<String, String> {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after
            .split_once("}}")
            .ok_or_else(|| format!("\"{template}\" lacks a closing `}}}}`"))?;
        let name = name.trim();
        let value = variables
            .get(name)
            .ok_or_else(|| format!("there is no variable \"{name}\"; add it to `[variables]`"))?;
        text.push_str(before);
        text.push_str(value);
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in() {
        let variables = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
        assert_eq!(resolve("x{{ a }}y{{a}}", &variables), Ok("x1y1".into()));
        assert_eq!(resolve("plain", &variables), Ok("plain".into()));
        assert!(resolve("{{ b }}", &variables).is_err());
        assert!(resolve("{{ a", &variables).is_err());
    }
}
