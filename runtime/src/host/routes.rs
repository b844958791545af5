//! Which component answers a path: Spin's rules through Spin's own matcher. Exact segments come before
//! `:param`, that before a trailing `/...`; a trailing slash does not matter.

use super::manifest::{Problems, Trigger};
use std::collections::BTreeMap;

/// All routes of the application.
#[derive(Debug)]
pub struct Routes<T> {
    router: routefinder::Router<Route<T>>,
}

/// One route and what it leads to.
#[derive(Debug)]
pub struct Route<T> {
    /// As in the manifest.
    pub raw: String,
    pub component: String,
    pub target: T,
}

/// A path that found its route.
#[derive(Debug)]
pub struct RouteMatch<'a, T> {
    pub route: &'a Route<T>,
    /// What `/...` stands for, with its leading slash; empty without a wildcard.
    pub trailing: String,
    /// The values of `:param`.
    pub named: Vec<(String, String)>,
}

impl<T> Route<T> {
    /// The route without its trailing wildcard.
    pub fn prefix(&self) -> &str {
        self.raw.strip_suffix("/...").unwrap_or(&self.raw)
    }
}

impl<T> Routes<T> {
    /// Builds the table; routes that are malformed or given twice are reported.
    pub fn build(
        triggers: &[Trigger],
        problems: &mut Problems,
        mut target: impl FnMut(&str) -> Option<T>,
    ) -> Self {
        let mut router = routefinder::Router::new();
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        for trigger in triggers {
            let spec = specification(&trigger.route);
            // Two routes that differ in the names of their parameters alone match the same paths.
            if let Some(other) = seen.insert(shape(&spec), &trigger.component) {
                problems.add(format!(
                    "route {}: both {other} and {} claim it; remove one of the two",
                    trigger.route, trigger.component
                ));
                continue;
            }
            let Some(target) = target(&trigger.component) else {
                continue;
            };
            let route = Route {
                raw: trigger.route.clone(),
                component: trigger.component.clone(),
                target,
            };
            if let Err(error) = router.add(spec, route) {
                problems.add(format!(
                    "route {} of component {}: {error}",
                    trigger.route, trigger.component
                ));
            }
        }
        Self { router }
    }

    pub fn find<'a>(&'a self, path: &str) -> Option<RouteMatch<'a, T>> {
        let found = self.router.best_match(path)?;
        let captures = found.captures();
        let trailing = captures.wildcard().map(|rest| {
            // The matcher drops trailing slashes, Spin hands them on.
            match (rest.is_empty(), path.ends_with('/')) {
                (true, false) => String::new(),
                (true, true) => "/".to_owned(),
                (false, false) => format!("/{rest}"),
                (false, true) => format!("/{rest}/"),
            }
        });
        let named = captures
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Some(RouteMatch {
            trailing: trailing.unwrap_or_default(),
            named,
            route: found.handler(),
        })
    }

    pub fn iter(&self) -> impl Iterator<Item = &Route<T>> {
        self.router.iter().map(|(_, route)| route)
    }
}

/// The matcher's spelling of a route of the manifest.
fn specification(route: &str) -> String {
    let route = route.strip_suffix('/').unwrap_or(route);
    let route = match route.strip_suffix("/...") {
        Some(prefix) => format!("{prefix}/*"),
        None => route.to_owned(),
    };
    if route.starts_with('/') {
        route
    } else {
        format!("/{route}")
    }
}

fn shape(specification: &str) -> String {
    specification
        .split('/')
        .map(|segment| {
            if segment.starts_with(':') {
                ":"
            } else {
                segment
            }
        })
        .collect::<Vec<_>>()
        .join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(list: &[(&str, &str)]) -> (Routes<()>, Problems) {
        let triggers: Vec<_> = list
            .iter()
            .map(|(route, component)| Trigger {
                route: (*route).to_owned(),
                component: (*component).to_owned(),
            })
            .collect();
        let mut problems = Problems::default();
        let routes = Routes::build(&triggers, &mut problems, |_| Some(()));
        (routes, problems)
    }

    fn component<'a>(routes: &'a Routes<()>, path: &str) -> Option<&'a str> {
        routes
            .find(path)
            .map(|found| found.route.component.as_str())
    }

    #[test]
    fn the_more_exact_route_wins() {
        let (routes, _) = routes(&[
            ("/...", "all"),
            ("/api/v1/tasks", "list"),
            ("/api/v1/tasks/:id", "one"),
            ("/api/v1/tasks/:id/cancel", "cancel"),
            ("/api/v1/tasks/special", "special"),
            ("/api/v1/auth/...", "auth"),
            ("/api/v1/openapi.json", "openapi"),
        ]);
        for (path, expected) in [
            ("/", "all"),
            ("/other/path", "all"),
            ("/api/v1/tasks", "list"),
            ("/api/v1/tasks/", "list"),
            ("/api/v1/tasks/7", "one"),
            ("/api/v1/tasks/special", "special"),
            ("/api/v1/tasks/7/cancel", "cancel"),
            ("/api/v1/tasks/7/other", "all"),
            ("/api/v1/auth", "auth"),
            ("/api/v1/auth/a/b", "auth"),
            ("/api/v1/openapi.json", "openapi"),
        ] {
            assert_eq!(component(&routes, path), Some(expected), "{path}");
        }
    }

    #[test]
    fn the_rest_and_the_parameters_are_captured() {
        let (routes, _) = routes(&[("/u/:id/...", "a"), ("/exact", "b")]);
        let found = routes.find("/u/7/x/y/").expect("a match");
        assert_eq!(found.trailing, "/x/y/");
        assert_eq!(found.named, [("id".to_owned(), "7".to_owned())]);
        assert_eq!(found.route.prefix(), "/u/:id");
        assert_eq!(routes.find("/u/7").expect("a match").trailing, "");
        assert_eq!(routes.find("/u/7/").expect("a match").trailing, "/");
        assert_eq!(routes.find("/exact").expect("a match").trailing, "");
        assert!(routes.find("/nothing").is_none());
    }

    #[test]
    fn strange_paths_find_nothing_and_do_no_harm() {
        let (routes, _) = routes(&[("/a/:b", "a"), ("/f/:name.json", "f")]);
        for path in [
            "",
            "*",
            "//",
            "/a/%zz/%",
            "/f/é.jso",
            "/\u{1F600}",
            "////a////",
        ] {
            let _ = routes.find(path);
        }
        assert_eq!(component(&routes, "/a/%ff"), Some("a"));
    }

    #[test]
    fn a_route_given_twice_is_reported() {
        let (_, problems) = routes(&[("/a/:x", "one"), ("/a/:y", "two")]);
        let report = problems
            .into_result(std::path::Path::new("spin.toml"))
            .expect_err("a problem")
            .to_string();
        assert!(report.contains("one") && report.contains("two"), "{report}");
    }
}
