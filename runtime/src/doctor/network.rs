//! The address that is listened on, and those that are named in the settings.

use super::Report;
use crate::egress::client::Bounds;
use crate::egress::{Client, Door};
use crate::server::tls;
use crate::settings::Settings;
use crate::worker::mail::Outgoing;
use crate::worker::sync::mysql::BusinessDatabase;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use shared::domain::egress::AllowList;
use shared::limits::{DOCTOR_ANSWER_BYTES_MAX, DOCTOR_CALL_MS_MAX};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;
use url::Url;

const LISTEN: &str = "address";

pub(super) async fn check(settings: &Settings, report: &mut Report) {
    listen(settings, report).await;
    mail(settings, report).await;
    if !settings.site.upstream.is_empty() {
        cloud(settings, report).await;
    }
    if !settings.worker.url.is_empty() {
        worker(settings, report).await;
    }
    for (check, url) in [
        // Asking the provider itself would rent a proxy.
        (
            "proxy.endpoint",
            settings.proxy.endpoint.replace("{api_key}", "key"),
        ),
        ("sync.apply_url", settings.sync.apply_url.clone()),
        ("site.apply_url", settings.site.apply_url.clone()),
    ] {
        if let Ok(url) = Url::parse(&url) {
            reachable(check, &url, settings, report).await;
        }
    }
    if !settings.site.mysql_url.is_empty() {
        mysql(settings, report).await;
    }
}

/// Free, or taken by a Wharf.
async fn listen(settings: &Settings, report: &mut Report) {
    let address = settings.listen;
    match std::net::TcpListener::bind(address) {
        Ok(_) => report.ok(LISTEN, format!("{address} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            taken(settings, address, report).await
        }
        Err(error) => {
            let advice = match error.kind() {
                ErrorKind::PermissionDenied => {
                    "take a port of 1024 or above, or grant CAP_NET_BIND_SERVICE"
                }
                _ => "set listen (or --listen) to an address of this machine",
            };
            report.problem(
                LISTEN,
                format!("{address} cannot be listened on: {error}"),
                advice,
            );
        }
    }
}

async fn taken(settings: &Settings, address: SocketAddr, report: &mut Report) {
    let base = settings.local_url(address);
    let own = settings
        .tls
        .files()
        .and_then(|(cert, _)| tls::certificates(cert).ok());
    let door = Door::new(opened(settings, &base));
    let client = match own {
        Some(chain) => Client::knowing(door, chain),
        None => Client::new(door),
    };
    match health(&client, &base).await {
        Ok(()) => report.ok(LISTEN, format!("Wharf answers on {address}")),
        Err(_) => {
            let advice = "stop it, or set listen to another address; `ss -ltnp` says who it is";
            report.problem(
                LISTEN,
                format!("another program listens on {address}"),
                advice,
            );
        }
    }
}

/// Errors: a sentence without the URL.
async fn health(client: &Client, base: &str) -> Result<(), String> {
    match ask(client, base).await?.as_ref() == b"ok\n" {
        true => Ok(()),
        false => Err("what answers there is no Wharf".to_owned()),
    }
}

/// What is answered at `/health`, whatever it is.
async fn ask(client: &Client, base: &str) -> Result<Bytes, String> {
    let request = Request::get(format!("{}/health", base.trim_end_matches('/')))
        .body(Full::<Bytes>::default())
        .map_err(|_| "its URL cannot be asked".to_owned())?;
    let bounds = Bounds {
        time: Duration::from_millis(DOCTOR_CALL_MS_MAX),
        body_bytes: DOCTOR_ANSWER_BYTES_MAX,
    };
    let answer = client.send(request, bounds).await;
    Ok(answer.map_err(|error| error.to_string())?.into_body())
}

/// The settings' egress rules, and this URL beside them, as where it is used.
fn opened(settings: &Settings, url: &str) -> AllowList {
    let mut entries = settings.egress.allow.clone();
    if let Ok(url) = Url::parse(url)
        && let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default())
    {
        entries.push(format!("{host}:{port}"));
    }
    AllowList::parse(&entries).unwrap_or_default()
}

async fn mail(settings: &Settings, report: &mut Report) {
    const CHECK: &str = "smtp";
    // What is wrong with its settings stands among these.
    let Ok(Some(outgoing)) = Outgoing::new(&settings.smtp) else {
        return;
    };
    match outgoing.test().await {
        Ok(()) => report.ok(CHECK, "the mail server takes us"),
        Err(why) => report.problem(
            CHECK,
            why,
            "correct smtp.url: server, port, ?tls=, user and password",
        ),
    }
}

async fn cloud(settings: &Settings, report: &mut Report) {
    const CHECK: &str = "site.upstream";
    let client = Client::new(Door::new(opened(settings, &settings.site.upstream)));
    match health(&client, &settings.site.upstream).await {
        Ok(()) => report.ok(CHECK, "the cloud answers"),
        Err(why) => {
            let advice = "see whether the line is up and site.upstream is the cloud's public_url; rows wait meanwhile";
            report.problem(CHECK, format!("the cloud does not answer: {why}"), advice);
        }
    }
}

async fn worker(settings: &Settings, report: &mut Report) {
    const CHECK: &str = "worker.url";
    let client = Client::new(Door::new(opened(settings, &settings.worker.url)));
    // Where it takes the components' calls alone, it answers that there is no such route.
    match ask(&client, &settings.worker.url).await {
        Ok(_) => report.ok(CHECK, "the worker answers"),
        Err(why) => {
            let advice = "start `wharf work`, and let its worker.listen be what worker.url names";
            report.warning(CHECK, format!("the worker does not answer: {why}"), advice);
        }
    }
}

async fn reachable(check: &'static str, url: &Url, settings: &Settings, report: &mut Report) {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    let door = Door::new(opened(settings, url.as_str()));
    match door.connect(host.trim_matches(['[', ']']), port).await {
        Ok(_) => report.ok(check, format!("{host}:{port} takes connections")),
        Err(error) => {
            let advice =
                format!("see whether it runs, and whether {check} has the right host and port");
            report.problem(check, format!("{host}:{port}: {error}"), advice);
        }
    }
}

async fn mysql(settings: &Settings, report: &mut Report) {
    const CHECK: &str = "site.mysql_url";
    let checked = match BusinessDatabase::open(&settings.site.mysql_url) {
        Ok(database) => database.check().await,
        Err(error) => Err(error),
    };
    match checked {
        Ok(()) => report.ok(CHECK, "the shop's database answers, and its tables fit"),
        Err(error) => report.problem(
            CHECK,
            error.to_string(),
            "docs/sync-mysql.md says what has to be there",
        ),
    }
}
