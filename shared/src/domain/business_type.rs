//! Business types: who may see their rows and how urgent they are (DS-6, DS-8).

use crate::error::{Error, Result};
use crate::limits::{SYNC_PRIORITY_MAX, SYNC_WORD_BYTES_MAX};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Who may see a row beside the site that sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Every site of the sender's group.
    Group,
    /// No other site: only the one that sent it, when it needs it again.
    Origin,
    /// No site.
    Cloud,
}

/// What holds for the rows of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub scope: Scope,
    /// 0 to 9, 0 first.
    pub priority: u8,
}

/// What holds for types that no setting names.
const OTHER: Rule = Rule {
    scope: Scope::Cloud,
    priority: 5,
};

/// The rules by type: those of the settings over those that are built in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Types(BTreeMap<String, Rule>);

impl Default for Types {
    fn default() -> Self {
        let rule = |scope, priority| Rule { scope, priority };
        let built_in = [
            ("member", rule(Scope::Group, 3)),
            ("member_private", rule(Scope::Origin, 3)),
            ("order", rule(Scope::Origin, 1)),
        ];
        Self(built_in.map(|(name, rule)| (name.to_owned(), rule)).into())
    }
}

impl Types {
    /// From the settings' JSON; types that are built in and not named keep their rules. Errors: 50001, which
    /// settings that were checked do not give.
    pub fn parse(json: &str) -> Result<Self> {
        let named: Self = serde_json::from_str(json).map_err(Error::internal)?;
        Ok(named.completed())
    }

    /// With the types that are built in.
    pub fn completed(self) -> Self {
        let mut types = Self::default();
        types.0.extend(self.0);
        types
    }

    pub fn rule(&self, business_type: &str) -> Rule {
        self.0.get(business_type).copied().unwrap_or(OTHER)
    }

    /// What does not hold, for the operator.
    pub fn problem(&self) -> Option<String> {
        self.0.iter().find_map(|(name, rule)| {
            if name.is_empty() || name.len() > SYNC_WORD_BYTES_MAX {
                Some(format!(
                    "the name of a type has 1 to {SYNC_WORD_BYTES_MAX} bytes"
                ))
            } else if rule.priority > SYNC_PRIORITY_MAX {
                Some(format!(
                    "{name}: the priority is between 0 and {SYNC_PRIORITY_MAX}"
                ))
            } else {
                None
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_in_holds_until_a_setting_says_otherwise() {
        let types = Types::parse(
            r#"{"order":{"scope":"group","priority":0},"7":{"scope":"origin","priority":9}}"#,
        );
        let types = types.unwrap();
        let rule = |scope, priority| Rule { scope, priority };
        for (name, expected) in [
            ("order", rule(Scope::Group, 0)),
            ("7", rule(Scope::Origin, 9)),
            ("member", rule(Scope::Group, 3)),
            ("member_private", rule(Scope::Origin, 3)),
            ("stock", rule(Scope::Cloud, 5)),
        ] {
            assert_eq!(types.rule(name), expected, "{name}");
        }
        assert_eq!(types.problem(), None);
        let text = serde_json::to_string(&types).unwrap();
        assert_eq!(Types::parse(&text).unwrap(), types);
    }

    #[test]
    fn rules_that_do_not_hold_are_named() {
        for (json, word) in [
            (r#"{"a":{"scope":"cloud","priority":10}}"#, "priority"),
            (r#"{"":{"scope":"cloud","priority":1}}"#, "name"),
        ] {
            let problem = Types::parse(json).unwrap().problem().unwrap();
            assert!(problem.contains(word), "{problem}");
        }
        assert!(Types::parse(r#"{"a":{"scope":"all","priority":1}}"#).is_err());
        assert!(Types::parse(r#"{"a":{"scope":"cloud"}}"#).is_err());
    }
}
