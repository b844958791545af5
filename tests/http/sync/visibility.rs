//! Who sees what (DS-8): whatever sites, groups, types and claims there are, no row reaches a site that may not see
//! it, and each reaches all that may.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tests::{Caller, Chance, PATIENCE, Site, TestApp, eventually, unique};

const GROUPS: [&str; 3] = ["east", "west", "north"];
const SITES: usize = 6;
/// What happens, one thing after the other.
const STEPS: usize = 160;
const ROWS_MAX: u64 = 6;

/// Who may see a row.
#[derive(Clone, Debug, PartialEq)]
enum Audience {
    Group(String),
    Site(String),
    Cloud,
}

/// A row that the cloud took.
#[derive(Debug)]
struct Taken {
    /// The sender's site id, or `cloud`.
    origin: String,
    audience: Audience,
}

impl Taken {
    /// Whether a site may have it; its own only when it needs them again.
    fn may_reach(&self, site: &Site<'_>, is_reload: bool) -> bool {
        let is_own = self.origin == site.site_id;
        let is_visible = match &self.audience {
            Audience::Group(group) => *group == site.group,
            Audience::Site(site_id) => *site_id == site.site_id,
            Audience::Cloud => false,
        };
        is_visible && (is_reload || !is_own)
    }
}

/// A type and its scope.
fn draw_type(chance: &mut Chance) -> (&'static str, &'static str) {
    let types = [
        ("member", "group"),
        ("member_private", "origin"),
        ("order", "origin"),
        ("price", "group"),
        ("diary", "origin"),
        ("stock", "cloud"),
    ];
    types[chance.index(types.len())]
}

struct Run<'a> {
    sites: Vec<Site<'a>>,
    admin: Caller<'a>,
    chance: Chance,
    /// By syn_id, which is no other row's in this run.
    taken: BTreeMap<String, Taken>,
    /// Of each site, what it was handed.
    seen: Vec<BTreeSet<String>>,
    number: usize,
}

impl<'a> Run<'a> {
    fn site(&mut self) -> usize {
        self.chance.index(self.sites.len())
    }

    /// A new row, which claims what its sender likes.
    fn row(&mut self, business_type: &str) -> (String, Value) {
        self.number += 1;
        let syn_id = format!("r{}", self.number);
        let mut row = json!({
            "syn_id": syn_id, "business_type": business_type, "data_detail": { "n": self.number },
            "entity": format!("{business_type}:{}", self.chance.below(30)),
        });
        if self.chance.one_in(3) {
            let other = self.site();
            row["data_to_server_id"] = self.sites[other].site_id.as_str().into();
        }
        if self.chance.one_in(3) {
            row["group"] = GROUPS[self.chance.index(GROUPS.len())].into();
        }
        (syn_id, row)
    }

    /// A site sends rows, some of them in another's name.
    async fn push(&mut self) {
        let at = self.site();
        let mut rows = Vec::new();
        let mut expected = Vec::new();
        for _ in 0..=self.chance.below(ROWS_MAX) {
            let (business_type, scope) = draw_type(&mut self.chance);
            let (syn_id, mut row) = self.row(business_type);
            let is_foreign = self.chance.one_in(8);
            let named = match is_foreign {
                true => (at + 1) % self.sites.len(),
                false => at,
            };
            if is_foreign || self.chance.one_in(2) {
                row["data_from_server_id"] = self.sites[named].site_id.as_str().into();
            }
            let site = &self.sites[at];
            let audience = match scope {
                "group" => Audience::Group(site.group.clone()),
                "origin" => Audience::Site(site.site_id.clone()),
                _ => Audience::Cloud,
            };
            let origin = site.site_id.clone();
            expected.push((syn_id, Taken { origin, audience }));
            rows.push(row);
        }
        let answer = self.sites[at].push(&unique(), &rows).await.ok();
        for ((syn_id, taken), result) in expected.into_iter().zip(list(&answer, "results")) {
            match result["status"].as_str() {
                Some("ok") => {
                    self.taken.insert(syn_id, taken);
                }
                Some("reject" | "held") => {}
                _ => panic!("{syn_id}: {result}"),
            }
        }
    }

    /// The cloud's business hands rows in, as an admin for anybody.
    async fn hand_in(&mut self) {
        let mut rows = Vec::new();
        for _ in 0..=self.chance.below(ROWS_MAX) {
            let (business_type, scope) = draw_type(&mut self.chance);
            let (syn_id, row) = self.row(business_type);
            let text = |field: &str| row[field].as_str().map(str::to_owned);
            let audience = match (text("data_to_server_id"), text("group"), scope) {
                (Some(site_id), _, _) => Audience::Site(site_id),
                (None, Some(group), "group") => Audience::Group(group),
                (None, None, "group") => Audience::Group("default".to_owned()),
                _ => Audience::Cloud,
            };
            let origin = "cloud".to_owned();
            self.taken.insert(syn_id, Taken { origin, audience });
            rows.push(row);
        }
        let answer = self.admin.hand_in(&rows).await.ok();
        assert_eq!(answer["accepted"], rows.len(), "{answer}");
    }

    /// A site fetches rows and says something of them, or nothing.
    async fn pull(&mut self, at: usize, is_end: bool, is_reload: bool) -> usize {
        let limit = if is_end {
            500
        } else {
            1 + self.chance.below(20)
        };
        let site = self.sites[at].clone();
        let batch = site.pull(&json!({ "limit": limit })).await.ok();
        let rows = list(&batch, "rows");
        for row in &rows {
            let syn_id = row["syn_id"].as_str().expect("an id");
            let taken = &self.taken[syn_id];
            assert!(
                taken.may_reach(&site, is_reload),
                "{} of {} got {row}: {taken:?}",
                site.site_id,
                site.group
            );
            assert_eq!(row["data_from_server_id"], taken.origin.as_str());
            self.seen[at].insert(syn_id.to_owned());
        }
        let Some(batch_id) = batch["batch_id"].as_str() else {
            return 0;
        };
        let other = self.site();
        if self.sites[other].site_id != site.site_id {
            let stolen = self.sites[other].ack(batch_id, &rows, "ok").await;
            stolen.refused(40301);
        }
        let word = match self.chance.below(4) {
            0 if !is_end => "retry",
            1 if !is_end => return rows.len(),
            _ => "ok",
        };
        site.ack(batch_id, &rows, word).await.ok();
        rows.len()
    }

    /// Lets every site fetch until it has what it may have.
    async fn drain(&mut self, is_reload: bool) {
        for at in 0..self.sites.len() {
            let path = format!("/admin/api/v1/sites/{}", self.sites[at].site_id);
            loop {
                self.pull(at, true, is_reload).await;
                let site = self.admin.get(&path).await.ok();
                if site["backlog"] == 0 && site["loading"] == false {
                    break;
                }
            }
        }
    }

    /// A new site, whose initial load is done.
    async fn join(&mut self, app: &'a TestApp) {
        let group = GROUPS[self.chance.index(GROUPS.len())];
        let site = app.site(group).await;
        let path = format!("/admin/api/v1/sites/{}", site.site_id);
        self.sites.push(site);
        self.seen.push(BTreeSet::new());
        eventually("its initial load is done", PATIENCE, async || {
            let site = self.admin.get(&path).await.ok();
            (site["loading"] == false).then_some(())
        })
        .await;
    }
}

fn list(data: &Value, field: &str) -> Vec<Value> {
    match data[field].as_array() {
        Some(list) => list.clone(),
        None => panic!("no {field} in {data}"),
    }
}

#[tokio::test]
async fn no_row_reaches_a_site_that_may_not_see_it() {
    let app = TestApp::sqlite()
        .config("sync = { lease_s = 1, fail_max = 1000 }")
        .config("sync = { types = { price = { scope = \"group\", priority = 0 } } }")
        .config("sync = { types = { diary = { scope = \"origin\", priority = 9 } } }")
        .start();
    let mut run = Run {
        sites: Vec::new(),
        admin: app.admin().await,
        chance: Chance::new(Chance::seed()),
        taken: BTreeMap::new(),
        seen: Vec::new(),
        number: 0,
    };
    for _ in 0..SITES {
        run.join(&app).await;
    }
    for _ in 0..STEPS {
        match run.chance.below(5) {
            0 | 1 => run.push().await,
            2 => run.hand_in().await,
            _ => {
                let at = run.site();
                run.pull(at, false, false).await;
            }
        }
    }
    run.drain(false).await;
    for (site, seen) in run.sites.iter().zip(&run.seen) {
        let due = run.taken.iter();
        let due = due.filter(|(_, taken)| taken.may_reach(site, false));
        let due: BTreeSet<String> = due.map(|(syn_id, _)| syn_id.clone()).collect();
        assert_eq!(*seen, due, "{} of {}", site.site_id, site.group);
    }

    // One that comes later, and all that need everything again, see no more than they may.
    run.join(&app).await;
    for site in &run.sites {
        run.admin.reload_site(&site.site_id).await.ok();
    }
    run.seen.iter_mut().for_each(BTreeSet::clear);
    run.drain(true).await;
    assert!(run.seen.iter().any(|seen| !seen.is_empty()));
    let own = |(site, seen): (&Site<'_>, &BTreeSet<String>)| {
        seen.iter().any(|it| run.taken[it].origin == site.site_id)
    };
    assert!(run.sites.iter().zip(&run.seen).any(own), "its own rows too");
}
