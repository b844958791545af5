//! The bad line does what it says.

use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tests::{ChaosProxy, Fate, PATIENCE, Rates, eventually};
use tokio::net::TcpListener;

type Seen = Arc<Mutex<Vec<String>>>;

/// A server that keeps every whole body it gets, and answers with it.
async fn echo() -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("its address"));
    let seen = Seen::default();
    let keep = async |State(seen): State<Seen>, body: Bytes| {
        let text = String::from_utf8_lossy(&body).into_owned();
        seen.lock().expect("no panic").push(text);
        body
    };
    let app = axum::Router::new()
        .route("/echo", post(keep))
        .with_state(seen.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (base, seen)
}

fn always(fate: Fate) -> Rates {
    Rates::from([(fate, 1000)])
}

/// The status and body of an answer that arrives whole.
async fn send(proxy: &ChaosProxy, body: &str) -> Option<(u16, String)> {
    let client = reqwest::Client::builder()
        .pool_max_idle_per_host(0)
        .no_proxy()
        .timeout(Duration::from_secs(10))
        .build()
        .expect("a client");
    let url = format!("{}/echo", proxy.base());
    let answer = client.post(url).body(body.to_owned()).send().await.ok()?;
    let status = answer.status().as_u16();
    Some((status, answer.text().await.ok()?))
}

#[tokio::test]
async fn every_fate_is_what_it_is_called() {
    let (base, seen) = echo().await;
    let proxy = ChaosProxy::start(&base, 1).await;
    let echoed = Some((200, "hello".to_owned()));
    for (fate, answer, times) in [
        (Fate::Passes, &echoed, 1),
        (Fate::LosesRequest, &None, 0),
        (Fate::LosesAnswer, &None, 1),
        (Fate::Delays, &echoed, 1),
        (Fate::RepeatsRequest, &echoed, 2),
        (Fate::DoublesRequest, &echoed, 2),
        (Fate::CutsRequest, &None, 0),
        (Fate::CutsAnswer, &None, 1),
    ] {
        seen.lock().expect("no panic").clear();
        proxy.set_rates(always(fate));
        assert_eq!(&send(&proxy, "hello").await, answer, "{fate:?}");
        assert_eq!(seen.lock().expect("no panic").len(), times, "{fate:?}");
        assert!(proxy.done()[&fate] >= 1);
    }
    for (fate, times) in [(Fate::BadGateway, 0), (Fate::LateBadGateway, 1)] {
        seen.lock().expect("no panic").clear();
        proxy.set_rates(always(fate));
        let (status, _) = send(&proxy, "hello").await.expect("an answer");
        assert_eq!(status, 502, "{fate:?}");
        assert_eq!(seen.lock().expect("no panic").len(), times, "{fate:?}");
    }
}

#[tokio::test]
async fn what_is_held_back_comes_after_later_requests() {
    let (base, seen) = echo().await;
    let proxy = ChaosProxy::start(&base, 1).await;
    proxy.set_rates(always(Fate::Reorders));
    assert_eq!(send(&proxy, "first").await, None);
    proxy.set_rates(Rates::new());
    for _ in 0..8 {
        assert!(send(&proxy, "later").await.is_some());
    }
    let seen_late = eventually("it is sent in the end", PATIENCE, async || {
        let seen = seen.lock().expect("no panic").clone();
        let place = seen.iter().position(|it| it == "first")?;
        Some(place)
    })
    .await;
    assert!(seen_late >= 1);

    proxy.set_rates(always(Fate::Reorders));
    assert_eq!(send(&proxy, "second").await, None);
    proxy.calm().await;
    assert_eq!(
        seen.lock().expect("no panic").last().expect("one"),
        "second"
    );
}

#[tokio::test]
async fn one_seed_gives_one_row_of_fates() {
    let (base, _) = echo().await;
    let run = async |seed| {
        let proxy = ChaosProxy::start(&base, seed).await;
        for _ in 0..60 {
            send(&proxy, "x").await;
        }
        proxy.done()
    };
    let (one, same, other) = (run(7).await, run(7).await, run(8).await);
    assert_eq!(one, same);
    assert_ne!(one, other);
}
