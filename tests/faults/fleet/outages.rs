//! The hands that kill, and what they leave away for how long.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tests::{Chance, Member, Role, TestApp};

/// After its start a member is left out by nginx for a while longer: `fail_timeout` of the configuration, which nginx
/// counts in whole seconds and so up to one more, and the time that a busy machine takes.
const GRACE: Duration = Duration::from_millis(2500);
/// Then it is let one request in as long a time, until one has ended well. At a worker that may be a WebSocket, which does
/// not end, so that another one has to wait as long again.
const GRACE_OF_WORKERS: Duration = Duration::from_millis(4500);
/// Between two blows of one hand, milliseconds.
const PAUSE_MS: std::ops::Range<u64> = 300..2500;
/// For how long a member stays away at the most, milliseconds.
const AWAY_MS_MAX: u64 = 1500;
/// One blow in so many hits all members of a role.
const ALL_ONE_IN: u64 = 8;

/// When which member was away.
pub struct Outages {
    /// By member.
    spans: Mutex<Vec<Vec<Span>>>,
    roles: Vec<Role>,
    blows: Mutex<Blows>,
}

#[derive(Clone, Copy)]
struct Span {
    from: Instant,
    to: Option<Instant>,
}

/// How often what was done.
#[derive(Clone, Debug, Default)]
pub struct Blows {
    pub killed: usize,
    pub terminated: usize,
    /// Of these, those that took a whole role.
    pub all_at_once: usize,
    /// The longest that a member took to end after SIGTERM.
    pub slowest_end: Duration,
}

impl Span {
    fn holds(&self, moment: Instant, grace: Duration) -> bool {
        self.from <= moment && self.to.is_none_or(|to| moment <= to + grace)
    }
}

impl Outages {
    pub fn of(app: &TestApp) -> Arc<Self> {
        let members = app.fleet().members();
        Arc::new(Self {
            spans: Mutex::new(vec![Vec::new(); members.len()]),
            roles: members.iter().map(|member| member.role).collect(),
            blows: Mutex::default(),
        })
    }

    /// Whether one of this role, or with `all` every one of it at the same moment, was away during a request.
    pub fn explain(&self, role: Role, all: bool, began: Instant, ended: Instant) -> bool {
        let spans = self.spans();
        let of_role = || {
            let roles = self.roles.iter().zip(spans.iter());
            roles.filter(|(its, _)| **its == role).map(|(_, its)| its)
        };
        let grace = match role {
            Role::Worker => GRACE_OF_WORKERS,
            Role::Spin | Role::Runner => GRACE,
        };
        let is_away = |its: &Vec<Span>, moment| its.iter().any(|span| span.holds(moment, grace));
        let starts = of_role().flatten().map(|span| span.from);
        let mut moments = starts
            .filter(|from| (began..=ended).contains(from))
            .chain([began]);
        moments.any(|moment| match all {
            true => of_role().all(|its| is_away(its, moment)),
            false => of_role().any(|its| is_away(its, moment)),
        })
    }

    /// For how long each of this role had been back at a moment; none of one that was never away, or still is.
    pub fn back_for(&self, role: Role, moment: Instant) -> Vec<Option<Duration>> {
        let spans = self.spans();
        let of_role = self.roles.iter().zip(spans.iter());
        let last = of_role
            .filter(|(its, _)| **its == role)
            .map(|(_, its)| its.last());
        last.map(|span| Some(moment.duration_since(span?.to?)))
            .collect()
    }

    pub fn blows(&self) -> Blows {
        self.blows.lock().expect("no panic").clone()
    }

    fn leave(&self, member: usize) {
        let span = Span {
            from: Instant::now(),
            to: None,
        };
        self.spans()[member].push(span);
    }

    fn come_back(&self, member: usize) {
        if let Some(span) = self.spans()[member].last_mut() {
            span.to = Some(Instant::now());
        }
    }

    fn spans(&self) -> MutexGuard<'_, Vec<Vec<Span>>> {
        self.spans.lock().expect("no panic")
    }
}

/// Kills and terminates members of a role until then, and starts each again. All are up when it returns.
pub fn disturb(app: &TestApp, outages: &Outages, role: Role, mut chance: Chance, until: Instant) {
    let members: Vec<(usize, &Member)> = app.fleet().members().iter().enumerate().collect();
    let members: Vec<_> = members
        .into_iter()
        .filter(|(_, it)| it.role == role)
        .collect();
    loop {
        let pause = PAUSE_MS.start + chance.below(PAUSE_MS.end - PAUSE_MS.start);
        std::thread::sleep(Duration::from_millis(pause));
        if Instant::now() >= until {
            return;
        }
        let all = chance.one_in(ALL_ONE_IN);
        let one = chance.index(members.len());
        std::thread::scope(|scope| {
            for (number, &(at, member)) in members.iter().enumerate() {
                if !all && number != one {
                    continue;
                }
                let gently = chance.one_in(2);
                let away = Duration::from_millis(chance.below(AWAY_MS_MAX));
                scope.spawn(move || strike(outages, at, member, gently, away));
            }
        });
        let mut blows = outages.blows.lock().expect("no panic");
        blows.all_at_once += usize::from(all);
    }
}

fn strike(outages: &Outages, at: usize, member: &Member, gently: bool, away: Duration) {
    outages.leave(at);
    let begun = Instant::now();
    if gently {
        let status = member.stop().expect("it ends in time after SIGTERM");
        assert!(status.success(), "{:?}: {status}", member.role);
    } else {
        member.kill9();
    }
    let took = begun.elapsed();
    {
        let mut blows = outages.blows.lock().expect("no panic");
        match gently {
            true => {
                blows.terminated += 1;
                blows.slowest_end = blows.slowest_end.max(took);
            }
            false => blows.killed += 1,
        }
    }
    std::thread::sleep(away);
    assert!(member.start(), "{:?} does not start again", member.role);
    outages.come_back(at);
}
