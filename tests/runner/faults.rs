//! What a component does wrong takes its own request down and no other.

use crate::Runner;
use runtime::host::InstanceLimits;
use std::time::{Duration, Instant};

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
    let others = async {
        let mut slowest = Duration::ZERO;
        let end = Instant::now() + Duration::from_secs(2);
        while Instant::now() < end {
            let start = Instant::now();
            let (status, body) = runner.ask("/misbehave/ok").await;
            assert_eq!((status, body.as_str()), (200, Some("ok")));
            slowest = slowest.max(start.elapsed());
        }
        slowest
    };
    let ((), slowest) = tokio::join!(faults, others);
    assert!(slowest < Duration::from_secs(1), "one waited {slowest:?}");
    assert_eq!(runner.ask("/misbehave/ok").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_endless_loops_leave_room_for_others() {
    let runner = Runner::start_with(short_limits()).await;
    let loops = async {
        let loops = (0..20).map(|_| runner.ask("/misbehave/loop"));
        for (status, body) in futures_util::future::join_all(loops).await {
            assert_eq!((status, body["code"].as_u64()), (503, Some(50301)));
        }
    };
    let other = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let start = Instant::now();
        assert_eq!(runner.ask("/misbehave/ok").await.0, 200);
        start.elapsed()
    };
    let ((), waited) = tokio::join!(loops, other);
    assert!(waited < Duration::from_secs(1), "it waited {waited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_instances_a_request_waits_shortly_and_is_turned_away() {
    let runner = Runner::start_with(InstanceLimits {
        instances: 1,
        ..short_limits()
    })
    .await;
    let (first, second) = tokio::join!(runner.get("/misbehave/sleep"), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
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
    let sleeping = runner.client.get(runner.url("/misbehave/sleep"));
    let left = sleeping.timeout(Duration::from_millis(200)).send().await;
    assert!(left.is_err());
    assert_eq!(runner.ask("/misbehave/ok").await.0, 503);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(runner.ask("/misbehave/ok").await.0, 200);
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
