//! What a component does wrong takes its own request down and no other.

use crate::Runner;
use runtime::host::InstanceLimits;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn short_limits() -> InstanceLimits {
    InstanceLimits {
        request: Duration::from_secs(2),
        cpu: Duration::from_millis(500),
        ..InstanceLimits::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_answers_its_code_while_others_are_served() {
    let runner = Runner::start_with(short_limits()).await;
    let faults = async {
        let (trap, memory, hang, sleep) = tokio::join!(
            runner.get("/misbehave/trap"),
            runner.get("/misbehave/memory"),
            runner.get("/misbehave/loop"),
            runner.get("/misbehave/sleep"),
        );
        for (fault, answer, code) in [
            ("trap", trap, 50001),
            ("memory", memory, 50001),
            ("loop", hang, 50301),
            ("sleep", sleep, 50301),
        ] {
            assert_eq!(answer.status(), code / 100, "{fault}");
            let headers = answer.headers().clone();
            assert_eq!(headers["x-request-id"], "the-tests-own", "{fault}");
            assert_eq!(headers["content-type"], "application/json", "{fault}");
            assert_eq!(
                headers.contains_key("retry-after"),
                code == 50301,
                "{fault}"
            );
            let body: serde_json::Value = answer.json().await.expect("an envelope");
            assert_eq!(body["code"], code, "{fault}");
        }
    };
    // Those that compute and sleep for too long are there for two seconds.
    let served = AtomicUsize::new(0);
    let others = async {
        loop {
            let (status, body) = runner.ask("/misbehave/ok").await;
            assert_eq!((status, body.as_str()), (200, Some("ok")));
            served.fetch_add(1, Ordering::Relaxed);
        }
    };
    tokio::select! {
        () = faults => {}
        () = others => {}
    }
    let served = served.into_inner();
    assert!(served >= 10, "{served} were served beside the faults");
    assert_eq!(runner.ask("/misbehave/ok").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_endless_loops_leave_room_for_others() {
    let runner = Runner::start_with(short_limits()).await;
    let ended = AtomicUsize::new(0);
    let loops = async {
        let each = async || {
            let (status, body) = runner.ask("/misbehave/loop").await;
            assert_eq!((status, body["code"].as_u64()), (503, Some(50301)));
            ended.fetch_add(1, Ordering::Relaxed);
        };
        futures_util::future::join_all((0..20).map(|_| each())).await;
    };
    let other = async {
        runner.busy(20).await;
        assert_eq!(runner.ask("/misbehave/ok").await.0, 200);
        ended.load(Ordering::Relaxed)
    };
    let (_, before) = tokio::join!(loops, other);
    assert!(before < 10, "it waited for {before} of 20 loops");
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_instances_a_request_waits_shortly_and_is_turned_away() {
    let runner = Runner::start_with(InstanceLimits {
        instances: 1,
        ..short_limits()
    })
    .await;
    let (first, second) = tokio::join!(runner.get("/misbehave/sleep"), async {
        runner.busy(1).await;
        runner.get("/misbehave/ok").await
    });
    assert_eq!(first.status(), 503);
    assert_eq!(second.status(), 503);
    assert!(second.headers().contains_key("retry-after"));
    assert_eq!(runner.ask("/misbehave/ok").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_does_not_free_the_slot_early() {
    let runner = Runner::start_with(InstanceLimits {
        instances: 1,
        ..short_limits()
    })
    .await;
    tokio::select! {
        _ = runner.get("/misbehave/sleep") => panic!("it sleeps"),
        () = runner.busy(1) => {}
    }
    assert_eq!(runner.ask("/misbehave/ok").await.0, 503);
    tests::eventually("the slot is free", tests::PATIENCE, async || {
        (runner.ask("/misbehave/ok").await.0 == 200).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_prints_without_end_is_cut_off_and_answers() {
    let runner = Runner::start().await;
    let (status, body) = runner.ask("/misbehave/print").await;
    assert_eq!((status, body.as_str()), (200, Some("printed")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_serves_many_requests_and_is_replaced() {
    let runner = Runner::start_with(InstanceLimits {
        reuse: 3,
        ..short_limits()
    })
    .await;
    for _ in 0..10 {
        assert_eq!(runner.ask("/misbehave/ok").await.0, 200);
    }
}
