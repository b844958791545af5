//! How the rows of a shop stand, for its own database (DS-12).

use crate::{NOW, both, id};
use serde_json::json;
use serde_json::value::RawValue;
use shared::domain::batch::Bounds;
use shared::domain::business_type::Types;
use shared::domain::delivery::UPSTREAM;
use shared::domain::record::{Record, SELF, Sender};
use shared::store::batches::{self, Ask, Verdict};
use shared::store::deliveries::{Standing, standings};
use shared::store::records::{self, Source};
use shared::wire::record::read;

fn row(syn_id: &str) -> Record {
    let row =
        json!({ "syn_id": syn_id, "business_type": "order", "entity": syn_id, "data_detail": 1 });
    read(&RawValue::from_string(row.to_string()).unwrap()).unwrap()
}

#[tokio::test]
async fn a_row_is_open_dead_delivered_or_not_known() {
    for fixture in both().await {
        let database = &*fixture.database;
        let types = Types::default();
        let source = Source {
            sender: Sender::Shop,
            epoch: 1,
            receiver: Some(UPSTREAM),
            types: &types,
        };
        let rows = [row("1"), row("2"), row("3")];
        records::accept(database, source, &rows, NOW).await.unwrap();
        let ask = Ask {
            receiver: UPSTREAM,
            realms: &[],
            bounds: Bounds {
                rows: 2,
                bytes: 10_000,
            },
            batch_id: id(),
            pull_id: None,
            lease_ms: 0,
            fail_max: 1,
        };
        let batch = batches::take(database, &ask, NOW).await.unwrap().unwrap();
        let verdicts = [
            (batch.records[0].0, Verdict::Ok),
            (batch.records[1].0, Verdict::Reject(Some("没有".to_owned()))),
        ];
        let settled = batches::settle(database, &batch, &verdicts, Some("{}"), NOW).await;
        settled.unwrap();
        let ids = ["1", "2", "3", "4"].map(str::to_owned);
        let found = standings(database, UPSTREAM, SELF, &ids).await.unwrap();
        let dead = Standing::Dead {
            fail_num: 1,
            reason: Some("没有".to_owned()),
        };
        let expected = [
            Some(&Standing::Delivered),
            Some(&dead),
            Some(&Standing::Open),
            None,
        ];
        assert_eq!(
            ids.each_ref().map(|id| found.get(id)),
            expected,
            "{}",
            fixture.name
        );
    }
}
