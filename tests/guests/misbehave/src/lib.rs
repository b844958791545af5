//! `/misbehave/...`: a component that goes wrong on request, for the tests of the runner.

use spin_sdk::http::{IntoResponse, Request, Response};
use spin_sdk::http_service;
use std::hint::black_box;
use std::time::Duration;

const MEBIBYTE: usize = 1024 * 1024;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    let text = match request.uri().path() {
        "/misbehave/trap" => panic!("as asked"),
        "/misbehave/loop" => loop {
            black_box(0);
        },
        "/misbehave/memory" => {
            let mut hoard: Vec<Vec<u8>> = Vec::new();
            loop {
                hoard.push(black_box(vec![1; MEBIBYTE]));
            }
        }
        "/misbehave/sleep" => {
            spin_sdk::time::sleep(Duration::from_secs(3600)).await;
            "awake"
        }
        "/misbehave/print" => {
            for line in 0..100_000 {
                println!("line {line}");
            }
            "printed"
        }
        _ => "ok",
    };
    Response::new(text.to_owned())
}
