//! From `spin.toml` to something that can answer: grants resolved, components compiled and linked.

use super::allowed::AllowedHosts;
use super::capability::{Grants, outbound_http::Application, postgres::Pools};
use super::instance::{ComponentHandler, InstanceLimits, InstanceState};
use super::manifest::{self, Component, Manifest, Problems, Variable};
use super::routes::Routes;
use super::{Target, engine, template};
use crate::database::SqlitePool;
use crate::metrics::requests::Requests;
use anyhow::{Context, Result};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use wasmtime::component::InstancePre;
use wasmtime_wasi_http::handler::{ProxyHandler, ProxyPre};
use wasmtime_wasi_http::p3::bindings::ServicePre;

/// What the runner needs beside the manifest; the same that Spin's runtime configuration holds.
pub struct HostOptions {
    /// The path of `spin.toml`.
    pub manifest: PathBuf,
    /// Values of the application's variables; those of the manifest are the defaults.
    pub variables: BTreeMap<String, String>,
    /// SQLite databases by label.
    pub sqlite: BTreeMap<String, Arc<SqlitePool>>,
    /// Where compiled components are kept.
    pub cache_dir: PathBuf,
    /// Where requests are counted.
    pub requests: Requests,
}

/// Loads everything or reports everything that is wrong.
pub async fn load(
    options: HostOptions,
    limits: InstanceLimits,
    application: &Application,
    postgres: &Arc<Pools>,
) -> Result<Routes<Target>> {
    let mut problems = Problems::default();
    let manifest = manifest::read(&options.manifest, &mut problems)?;
    let variables = variables(&manifest.variables, &options.variables, &mut problems);
    let mut grants = HashMap::new();
    for (id, component) in &manifest.components {
        let mut resolver = Resolver {
            id,
            variables: &variables,
            problems: &mut problems,
        };
        let granted = Grants {
            component: id.as_str().into(),
            variables: resolver.all(&component.variables),
            databases: resolver.databases(component, &options.sqlite),
            allowed_hosts: resolver.allowed_hosts(component),
            environment: component.environment.clone(),
            postgres: postgres.clone(),
            application: application.clone(),
        };
        grants.insert(id.clone(), Arc::new(granted));
    }

    let engine = engine::new_engine(&options.cache_dir)?;
    let linked = link(&engine, &manifest, &mut problems).await?;
    let limits = Arc::new(limits);
    let mut targets: HashMap<String, Target> = HashMap::new();
    for (id, pre) in linked {
        match ServicePre::new(pre) {
            Ok(pre) => {
                let handler = ComponentHandler {
                    engine: engine.clone(),
                    pre: ProxyPre::P3(pre),
                    grants: grants[&id].clone(),
                    limits: limits.clone(),
                };
                let target = Target {
                    handler: ProxyHandler::new(handler),
                    requests: Arc::new(options.requests.of(&id)),
                };
                targets.insert(id, target);
            }
            Err(error) => problems.add(format!(
                "component {id}: it has no `wasi:http/handler@0.3.0`; build it with spin-sdk 7 ({error:#})"
            )),
        }
    }
    let routes = Routes::build(&manifest.routes, &mut problems, |id| {
        targets.get(id).cloned()
    });
    problems.into_result(&options.manifest)?;
    Ok(routes)
}

/// Compiles all components at once, on threads of their own.
async fn link(
    engine: &wasmtime::Engine,
    manifest: &Manifest,
    problems: &mut Problems,
) -> Result<Vec<(String, InstancePre<InstanceState>)>> {
    let linker = Arc::new(engine::new_linker(engine)?);
    let mut jobs = Vec::new();
    for (id, component) in &manifest.components {
        let (engine, linker) = (engine.clone(), linker.clone());
        let wasm = component.source.clone();
        let job = tokio::task::spawn_blocking(move || engine::prepare(&engine, &linker, &wasm));
        jobs.push((id.clone(), job));
    }
    let mut linked = Vec::new();
    for (id, job) in jobs {
        match job.await.context("a compiler thread panicked")? {
            Ok(pre) => linked.push((id, pre)),
            Err(error) => problems.add(format!("component {id}: {error:#}")),
        }
    }
    Ok(linked)
}

fn variables(
    declared: &BTreeMap<String, Variable>,
    given: &BTreeMap<String, String>,
    problems: &mut Problems,
) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    for (name, variable) in declared {
        match given.get(name).or(variable.default.as_ref()) {
            Some(value) => {
                variables.insert(name.clone(), value.clone());
            }
            None => problems.add(format!(
                "variable {name}: it is required; give it a value in the configuration"
            )),
        }
    }
    variables
}

/// Resolves what one component is granted.
struct Resolver<'a> {
    id: &'a str,
    variables: &'a BTreeMap<String, String>,
    problems: &'a mut Problems,
}

impl Resolver<'_> {
    fn resolve(&mut self, template: &str) -> Option<String> {
        template::resolve(template, self.variables)
            .map_err(|problem| self.problem(&problem))
            .ok()
    }

    fn problem(&mut self, problem: &str) {
        self.problems
            .add(format!("component {}: {problem}", self.id));
    }

    fn all(&mut self, templates: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        templates
            .iter()
            .filter_map(|(name, template)| Some((name.clone(), self.resolve(template)?)))
            .collect()
    }

    fn allowed_hosts(&mut self, component: &Component) -> AllowedHosts {
        let mut allowed = AllowedHosts::default();
        for template in &component.allowed_outbound_hosts {
            if let Some(rule) = self.resolve(template)
                && let Err(problem) = allowed.add(&rule)
            {
                self.problem(&format!("`allowed_outbound_hosts`: {problem}"));
            }
        }
        allowed
    }

    fn databases(
        &mut self,
        component: &Component,
        offered: &BTreeMap<String, Arc<SqlitePool>>,
    ) -> BTreeMap<String, Arc<SqlitePool>> {
        let mut databases = BTreeMap::new();
        for label in &component.sqlite_databases {
            match offered.get(label) {
                Some(pool) => {
                    databases.insert(label.clone(), pool.clone());
                }
                None => self.problem(&format!(
                    "there is no SQLite database \"{label}\"; the configuration offers {:?}",
                    offered.keys().collect::<Vec<_>>()
                )),
            }
        }
        databases
    }
}
