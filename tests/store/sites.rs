//! Sites: their codes, registration, heartbeats, what waits for them, what revoking one ends (DS-13, ID-4).

use crate::{NOW, both, id};
use shared::Code;
use shared::domain::page::Page;
use shared::domain::site::{Beat, Name, Pulse, Verdict};
use shared::limits::SITE_TOUCH_MS;
use shared::store::Database;
use shared::store::deliveries::{self, Counts};
use shared::store::sites::{self, Heartbeat, NewCode, Registered, Registration, Site};

const DAY: i64 = 24 * 3600 * 1000;

fn name(text: &str) -> Name {
    Name::parse("name", text).unwrap()
}

fn new_code(site: &str, code: &str) -> NewCode {
    NewCode {
        site_id: id(),
        name: name(site),
        group: None,
        code_hash: code.to_owned(),
        expires_at: NOW + DAY,
        created_by: "ada@example.com".to_owned(),
        now: NOW,
    }
}

async fn make_code(database: &dyn Database, site: &str, code: &str) -> Site {
    let made = sites::make_code(database, &new_code(site, code)).await;
    made.unwrap()
}

fn registration(code: &str, secret: &str, now: i64) -> Registration {
    Registration {
        code_hash: code.to_owned(),
        name: None,
        client_id: format!("client {}", id()),
        secret_hash: secret.to_owned(),
        now,
    }
}

/// What a registration comes to: the site with its client's name, or why not.
async fn outcome(
    database: &dyn Database,
    registration: &Registration,
) -> Result<(Site, String), &'static str> {
    match sites::register(database, registration).await.unwrap() {
        Registered::Done { site, client_id } => Ok((*site, client_id)),
        Registered::CodeOver => Err("over"),
        Registered::UnknownCode => Err("unknown"),
    }
}

async fn registered(database: &dyn Database, site: &str) -> Site {
    make_code(database, site, &format!("code of {site}")).await;
    let registration = registration(&format!("code of {site}"), "secret", NOW);
    outcome(database, &registration).await.unwrap().0
}

async fn find(database: &dyn Database, site: &Site) -> Site {
    sites::find(database, &site.site_id).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_code_makes_a_site_and_a_second_one_is_for_the_same_site() {
    for fixture in both().await {
        let database = &*fixture.database;
        let made = make_code(database, "东店", "first").await;
        assert_eq!(
            (&*made.name, &*made.group, &*made.realm),
            ("东店", "default", "group:default"),
            "{}",
            fixture.name
        );
        assert_eq!(
            (made.code_expires_at, made.registered_at, made.load_after),
            (Some(NOW + DAY), None, None)
        );
        let grouped = NewCode {
            group: Some(name("east")),
            ..new_code("东店", "second")
        };
        let again = sites::make_code(database, &grouped).await.unwrap();
        assert_eq!(
            (&again.site_id, &*again.group, &*again.realm),
            (&made.site_id, "east", "group:east")
        );
        let former = registration("first", "s", NOW);
        assert_eq!(outcome(database, &former).await.unwrap_err(), "unknown");
        let (site, _) = outcome(database, &registration("second", "s", NOW))
            .await
            .unwrap();
        assert_eq!(site.site_id, made.site_id);

        let moved = NewCode {
            group: Some(name("west")),
            ..new_code("东店", "third")
        };
        let error = sites::make_code(database, &moved).await.unwrap_err();
        assert_eq!(error.code, Code::Conflict);
        assert_eq!(error.data.unwrap()["field"], "group");
        let kept = NewCode {
            group: Some(name("east")),
            ..new_code("东店", "fourth")
        };
        let kept = sites::make_code(database, &kept).await.unwrap();
        assert_eq!((&kept.site_id, &*kept.group), (&made.site_id, "east"));
        let unnamed = make_code(database, "东店", "fifth").await;
        assert_eq!(unnamed.group, "east");
    }
}

#[tokio::test]
async fn a_code_registers_once_and_only_its_user_may_repeat_it() {
    for fixture in both().await {
        let database = &*fixture.database;
        make_code(database, "a", "code").await;
        let late = registration("code", "mine", NOW + DAY);
        assert_eq!(
            outcome(database, &late).await.unwrap_err(),
            "over",
            "{}",
            fixture.name
        );
        let mine = registration("code", "mine", NOW + 5);
        let (site, client_id) = outcome(database, &mine).await.unwrap();
        assert_eq!(client_id, mine.client_id);
        assert_eq!(
            (site.registered_at, site.load_after, site.code_expires_at),
            (Some(NOW + 5), Some(0), None)
        );
        assert_eq!((site.pulse.epoch, site.pulse.tick), (1, 0));
        let repeat = registration("code", "mine", NOW + 2 * DAY);
        let (again, same_client) = outcome(database, &repeat).await.unwrap();
        assert_eq!(
            (again.site_id, same_client, again.pulse.epoch),
            (site.site_id, client_id, 1)
        );
        let other = registration("code", "other", NOW + 6);
        assert_eq!(outcome(database, &other).await.unwrap_err(), "over");
        let unknown = registration("none", "mine", NOW);
        assert_eq!(outcome(database, &unknown).await.unwrap_err(), "unknown");
    }
}

#[tokio::test]
async fn of_registrations_at_once_with_one_code_one_succeeds() {
    for fixture in both().await {
        let database = &*fixture.database;
        make_code(database, "a", "code").await;
        let tries: Vec<Registration> = (0..8)
            .map(|number| registration("code", &format!("secret {number}"), NOW))
            .collect();
        let outcomes = tries.iter().map(|it| outcome(database, it));
        let outcomes = futures_util::future::join_all(outcomes).await;
        let good = outcomes.iter().filter(|it| it.is_ok()).count();
        assert_eq!(good, 1, "{}", fixture.name);
    }
}

#[tokio::test]
async fn another_computer_gets_new_credentials_a_new_epoch_and_everything_again() {
    for fixture in both().await {
        let database = &*fixture.database;
        make_code(database, "a", "first").await;
        let first = registration("first", "old", NOW);
        let (old, _) = outcome(database, &first).await.unwrap();
        let beat = Heartbeat {
            beat: beat(1, 9, "i"),
            ..heartbeat(NOW)
        };
        sites::heartbeat(database, &old.site_id, &beat)
            .await
            .unwrap();
        let counts = async |site: &Site, issued_at| {
            let found = sites::of_token(database, &site.site_id, issued_at).await;
            found.unwrap().is_some()
        };
        assert!(counts(&old, old.tokens_from).await, "{}", fixture.name);

        make_code(database, "a", "second").await;
        assert!(counts(&old, old.tokens_from).await, "until it registers");
        let second = Registration {
            name: Some(name("new name")),
            ..registration("second", "new", NOW + 5)
        };
        let (new, _) = outcome(database, &second).await.unwrap();
        assert_eq!((&new.site_id, &*new.name), (&old.site_id, "new name"));
        let fresh = Pulse {
            epoch: 2,
            tick: 0,
            beat_id: None,
        };
        assert_eq!((&new.pulse, new.load_after), (&fresh, Some(0)));
        assert!(!counts(&old, old.tokens_from).await);
        assert!(counts(&new, new.tokens_from).await);
        let former = sites::find_by_client(database, &first.client_id).await;
        assert!(former.unwrap().is_none());
        let found = sites::find_by_client(database, &second.client_id).await;
        let (found, secret_hash) = found.unwrap().unwrap();
        assert_eq!((found.site_id, &*secret_hash), (new.site_id, "new"));

        registered(database, "b").await;
        make_code(database, "b", "third").await;
        let taken = Registration {
            name: Some(name("new name")),
            ..registration("third", "s", NOW)
        };
        let error = sites::register(database, &taken).await.unwrap_err();
        assert_eq!(error.code, Code::Conflict, "{error}");
        assert_eq!(error.data.unwrap()["field"], "name");
        let untaken = registration("third", "s", NOW);
        outcome(database, &untaken).await.unwrap();
    }
}

fn beat(epoch: i64, tick: i64, beat_id: &str) -> Beat {
    Beat {
        epoch: Some(epoch),
        tick: Some(tick),
        beat_id: Some(beat_id.to_owned()),
        is_restart: false,
    }
}

fn heartbeat(now: i64) -> Heartbeat {
    Heartbeat {
        beat: Beat::default(),
        version: Some("0.1.0".to_owned()),
        report: r#"{"backlog":3,"dead":0}"#.to_owned(),
        now,
    }
}

#[tokio::test]
async fn a_heartbeat_is_kept_and_a_site_that_went_back_in_time_is_loaded_anew() {
    for fixture in both().await {
        let database = &*fixture.database;
        let site = registered(database, "a").await;
        let last_tick = std::cell::Cell::new(-1);
        let send = async |beat: Beat, now| {
            let heartbeat = Heartbeat {
                beat,
                ..heartbeat(now)
            };
            let noted = sites::heartbeat(database, &site.site_id, &heartbeat).await;
            let noted = noted.unwrap().unwrap();
            last_tick.set(noted.last_tick);
            (noted.site, noted.verdict)
        };
        let (noted, verdict) = send(beat(1, 5, "e"), NOW + 1).await;
        assert_eq!(verdict, Verdict::GoesOn(noted.pulse.clone()));
        assert_eq!(
            (noted.version.as_deref(), noted.last_contact_at),
            (Some("0.1.0"), Some(NOW + 1)),
            "{}",
            fixture.name
        );
        assert_eq!(noted.report.as_deref(), Some(r#"{"backlog":3,"dead":0}"#));
        let loaded = "UPDATE sites SET load_after = NULL WHERE site_id = $1";
        let parameters = [site.site_id.as_str().into()];
        database.execute(loaded, &parameters).await.unwrap();

        let (back, verdict) = send(beat(1, 3, "c"), NOW + 2).await;
        assert_eq!(verdict, Verdict::Restored);
        assert_eq!(last_tick.get(), 5);
        assert_eq!((back.pulse.tick, back.load_after), (5, None));
        let restart = Beat {
            is_restart: true,
            ..beat(2, 4, "d")
        };
        let (restarted, verdict) = send(restart.clone(), NOW + 3).await;
        assert_eq!(verdict, Verdict::Restarts(restarted.pulse.clone()));
        assert_eq!(
            (restarted.pulse.epoch, restarted.pulse.tick),
            (2, 4),
            "the tick may be lower"
        );
        assert_eq!(restarted.load_after, Some(0));
        let (_, verdict) = send(restart, NOW + 4).await;
        assert_eq!(verdict, Verdict::GoesOn(restarted.pulse));

        let unknown = sites::heartbeat(database, &id(), &heartbeat(NOW)).await;
        assert!(unknown.unwrap().is_none());
        sites::revoke(database, &site.site_id, NOW).await.unwrap();
        let revoked = sites::heartbeat(database, &site.site_id, &heartbeat(NOW)).await;
        assert!(revoked.unwrap().is_none());
    }
}

#[tokio::test]
async fn of_heartbeats_at_once_the_highest_tick_is_kept() {
    for fixture in both().await {
        let database = &*fixture.database;
        let site = registered(database, "a").await;
        let beats: Vec<Heartbeat> = (1..=3)
            .map(|tick| Heartbeat {
                beat: beat(1, tick, &tick.to_string()),
                ..heartbeat(NOW)
            })
            .collect();
        let sent = beats
            .iter()
            .map(|it| sites::heartbeat(database, &site.site_id, it));
        for noted in futures_util::future::join_all(sent).await {
            noted.unwrap().unwrap();
        }
        let pulse = find(database, &site).await.pulse;
        assert_eq!((pulse.tick, pulse.beat_id.as_deref()), (3, Some("3")));
    }
}

#[tokio::test]
async fn a_contact_is_noted_once_in_ten_seconds() {
    for fixture in both().await {
        let database = &*fixture.database;
        let site = registered(database, "a").await;
        let touched = async |site: &Site, now| {
            sites::touch(database, site, now).await.unwrap();
            find(database, site).await.last_contact_at
        };
        let before = NOW + SITE_TOUCH_MS - 1;
        assert_eq!(touched(&site, before).await, Some(NOW), "{}", fixture.name);
        let after = NOW + SITE_TOUCH_MS;
        assert_eq!(touched(&site, after).await, Some(after));
        // Who read the site before that does not set it back.
        assert_eq!(touched(&site, after + 1).await, Some(after));
    }
}

/// Something that waits for a receiver.
async fn deliver(database: &dyn Database, receiver: &str, record: i64, state: &str, since: i64) {
    let sql = "INSERT INTO deliveries (receiver, record_id, entity, priority, rank, position, bytes, \
         state, created_at, updated_at) VALUES ($1, $2, 'member:1', 3, $2, $2, 9, $3, $4, $4)";
    let parameters = [receiver.into(), record.into(), state.into(), since.into()];
    database.execute(sql, &parameters).await.unwrap();
}

#[tokio::test]
async fn what_waits_is_counted_by_site_and_a_dead_row_makes_no_lag() {
    for fixture in both().await {
        let database = &*fixture.database;
        let (one, other) = (
            registered(database, "a").await,
            registered(database, "b").await,
        );
        for (record, state, since) in [
            (1, "dead", NOW - 90_000),
            (2, "held", NOW - 80_000),
            (3, "held", NOW - 70_000),
            (4, "leased", NOW - 20_500),
            (5, "pending", NOW - 10_000),
            (6, "pending", NOW - 9_000),
        ] {
            deliver(database, &one.site_id, record, state, since).await;
        }
        deliver(database, "business", 1, "pending", NOW - 500_000).await;
        let receivers = [one.site_id.as_str(), other.site_id.as_str()];
        let waiting = deliveries::counts_of(database, &receivers).await.unwrap();
        let of_one = Counts {
            backlog: 3,
            dead: 1,
            held: 2,
            oldest_at: Some(NOW - 20_500),
        };
        assert_eq!(waiting.get(&one.site_id), Some(&of_one), "{}", fixture.name);
        assert_eq!((of_one.lag_s(NOW), Counts::default().lag_s(NOW)), (20, 0));
        assert!(!waiting.contains_key(&other.site_id));
        assert!(
            deliveries::counts_of(database, &[])
                .await
                .unwrap()
                .is_empty()
        );

        sites::revoke(database, &one.site_id, NOW).await.unwrap();
        let waiting = deliveries::counts_of(database, &receivers).await.unwrap();
        assert!(waiting.is_empty(), "what waits is taken back");
    }
}

#[tokio::test]
async fn sites_are_listed_by_group_and_name() {
    for fixture in both().await {
        let database = &*fixture.database;
        for (site, group) in [("c", "east"), ("a", "west"), ("b", "east")] {
            let code = NewCode {
                group: Some(name(group)),
                ..new_code(site, site)
            };
            sites::make_code(database, &code).await.unwrap();
        }
        let list = async |number| {
            let page = Page { number, size: 2 };
            let (found, total) = sites::list(database, page).await.unwrap();
            let names: Vec<String> = found.into_iter().map(|site| site.name).collect();
            (names.join(" "), total)
        };
        assert_eq!(list(1).await, ("b c".to_owned(), 3), "{}", fixture.name);
        assert_eq!(list(2).await, ("a".to_owned(), 3));
    }
}

#[tokio::test]
async fn revoking_ends_tokens_code_and_load_and_a_new_code_brings_the_site_back() {
    for fixture in both().await {
        let database = &*fixture.database;
        let site = registered(database, "a").await;
        make_code(database, "a", "open").await;
        let revoked = sites::revoke(database, &site.site_id, NOW + 1).await;
        let revoked = revoked.unwrap().unwrap();
        assert_eq!(
            (
                revoked.revoked_at,
                revoked.load_after,
                revoked.code_expires_at
            ),
            (Some(NOW + 1), None, None),
            "{}",
            fixture.name
        );
        let counts = async |issued_at| {
            let found = sites::of_token(database, &site.site_id, issued_at).await;
            found.unwrap().is_some()
        };
        assert!(!counts(NOW + DAY).await);
        let open = registration("open", "s", NOW + 2);
        assert_eq!(outcome(database, &open).await.unwrap_err(), "unknown");
        let again = sites::revoke(database, &site.site_id, NOW + 3).await;
        assert_eq!(again.unwrap().unwrap().revoked_at, Some(NOW + 1));
        let reloaded = sites::reload(database, &site.site_id, NOW).await;
        assert!(reloaded.unwrap().is_none());

        make_code(database, "a", "new").await;
        assert!(find(database, &site).await.revoked_at.is_some());
        let new = registration("new", "s", NOW + 4);
        let (back, _) = outcome(database, &new).await.unwrap();
        assert_eq!((back.revoked_at, back.pulse.epoch), (None, 2));
        assert!(!counts(site.tokens_from).await);
        assert!(counts(back.tokens_from).await);
        assert!(sites::revoke(database, &id(), NOW).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_reload_begins_the_load_anew() {
    for fixture in both().await {
        let database = &*fixture.database;
        let site = registered(database, "a").await;
        let loaded = "UPDATE sites SET load_after = NULL WHERE site_id = $1";
        let parameters = [site.site_id.as_str().into()];
        database.execute(loaded, &parameters).await.unwrap();
        let reloaded = sites::reload(database, &site.site_id, NOW).await;
        let reloaded = reloaded.unwrap().unwrap();
        assert_eq!(reloaded.load_after, Some(0), "{}", fixture.name);
        let waiting = make_code(database, "b", "code").await;
        let unregistered = sites::reload(database, &waiting.site_id, NOW).await;
        assert!(unregistered.unwrap().is_none());
    }
}
