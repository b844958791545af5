//! A shop's outbox table: takes its rows into the journal and writes there what becomes of them (DS-12).
//! A row is marked after the journal has it: what a crash leaves unmarked is taken again and known again.

use super::mysql::{BusinessDatabase, Refusal, SendResult, State};
use super::site::Site;
use super::upstream::Failure;
use crate::clock::now_ms;
use shared::domain::delivery::UPSTREAM;
use shared::domain::record::{SELF, Sender};
use shared::limits::MYSQL_COMPARE_MS;
use shared::store::batches::{Batch, Leased, Verdict};
use shared::store::deliveries::{self, Standing};
use shared::store::records::{self, Outcome, Source};
use shared::wire::record::read;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

pub struct Outbox {
    database: BusinessDatabase,
    /// When the table is next compared with the journal.
    compare_at: Mutex<Instant>,
}

impl Outbox {
    pub fn new(database: BusinessDatabase) -> Self {
        Self {
            database,
            compare_at: Mutex::new(Instant::now()),
        }
    }

    /// Takes new rows into the journal. Returns whether there may be more; what the business's database does not do
    /// is tried at the next look. Errors: of the journal.
    pub async fn take_in(&self, site: &Site) -> Result<bool, Failure> {
        if !self.database.is_ready().await {
            return Ok(false);
        }
        if self.is_time_to_compare() && self.compare(site).await?.is_some() {
            self.compare_after(Duration::from_millis(MYSQL_COMPARE_MS));
        }
        let Ok(rows) = self.database.take().await else {
            return Ok(false);
        };
        if rows.is_empty() {
            return Ok(false);
        }
        let (mut ids, mut records, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        for row in &rows {
            match row
                .to_json()
                .and_then(|json| read(&json).map_err(|error| error.message))
            {
                Ok(record) => {
                    ids.push(row.syn_id);
                    records.push(record);
                }
                Err(why) => refused.push(refusal(row.syn_id, SendResult::Invalid, why)),
            }
        }
        let source = Source {
            sender: Sender::Shop,
            epoch: site.epoch().await?,
            receiver: Some(UPSTREAM),
            types: &site.worker.settings.sync.types,
        };
        let outcomes = records::accept(site.database(), source, &records, now_ms()).await?;
        crate::fault::point("outbox:journaled");
        let mut taken = Vec::with_capacity(ids.len());
        for (syn_id, outcome) in ids.into_iter().zip(outcomes) {
            match outcome {
                Outcome::Taken | Outcome::Superseded | Outcome::Duplicate => taken.push(syn_id),
                Outcome::Refused(why) => {
                    refused.push(refusal(syn_id, SendResult::Contradicts, why.to_owned()));
                }
                // They are new still, and taken the next time.
                Outcome::Held | Outcome::Raced => {}
            }
        }
        let marked = self.database.set_state(&taken, State::Taken).await;
        let marked = marked.is_ok() && self.database.refuse(&refused).await.is_ok();
        Ok(marked)
    }

    /// These rows are about to be sent: those that an operator has freed are not dead any more.
    pub async fn sending(&self, leased: &[Leased]) {
        let is_freed = |leased: &&Leased| leased.row.fail_num == 0 && leased.row.reason.is_some();
        let freed = leased.iter().filter(is_freed);
        let freed: Vec<i64> = freed.filter_map(|it| number(&it.syn_id)).collect();
        self.mark(&freed, State::Taken, &[]).await;
    }

    /// The cloud has said this of the rows of a batch; `named` are `(record_id, syn_id, origin)`.
    pub async fn settled(
        &self,
        batch: &Batch,
        named: &[(i64, String, String)],
        verdicts: &[(i64, Verdict)],
    ) {
        let (mut sent, mut refused) = (Vec::new(), Vec::new());
        for (record_id, verdict) in verdicts {
            let syn_id = named.iter().find(|(id, ..)| id == record_id);
            let Some(syn_id) = syn_id.and_then(|(_, syn_id, _)| number(syn_id)) else {
                continue;
            };
            let failed = batch.records.iter().find(|(id, _)| id == record_id);
            let fail_num = failed.map_or(0, |(_, fail_num)| *fail_num) + 1;
            match verdict {
                Verdict::Ok => sent.push(syn_id),
                Verdict::Retry => {}
                Verdict::Reject(why) => refused.push(Refusal {
                    fail_num,
                    is_dead: fail_num >= batch.fail_max,
                    ..refusal(syn_id, SendResult::Refused, why.clone().unwrap_or_default())
                }),
            }
        }
        self.mark(&sent, State::Sent, &refused).await;
    }

    /// What cannot be marked now is found by the next comparison.
    async fn mark(&self, ids: &[i64], state: State, refused: &[Refusal]) {
        if ids.is_empty() && refused.is_empty() {
            return;
        }
        let is_marked = self.database.is_ready().await
            && self.database.set_state(ids, state).await.is_ok()
            && self.database.refuse(refused).await.is_ok();
        if !is_marked {
            self.compare_after(Duration::ZERO);
        }
    }

    /// Goes through the rows that are on their way or dead and marks those that are not, as a crash or a restored
    /// backup of the journal leaves them. None when the business's database failed.
    async fn compare(&self, site: &Site) -> Result<Option<()>, Failure> {
        let views = [
            (State::Taken, None),
            (State::Dead, Some(SendResult::Refused)),
        ];
        for (state, result) in views {
            let mut after = i64::MIN;
            loop {
                let Ok(rows) = self.database.rows_in(state, result, after).await else {
                    return Ok(None);
                };
                let Some((last, _)) = rows.last() else { break };
                after = *last;
                let ids: Vec<i64> = rows.iter().map(|(_, syn_id)| *syn_id).collect();
                if self.correct(site, state, &ids).await?.is_none() {
                    return Ok(None);
                }
            }
        }
        Ok(Some(()))
    }

    async fn correct(&self, site: &Site, state: State, ids: &[i64]) -> Result<Option<()>, Failure> {
        let named: Vec<String> = ids.iter().map(i64::to_string).collect();
        let standings = deliveries::standings(site.database(), UPSTREAM, SELF, &named).await?;
        let (mut lost, mut sent, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        for (syn_id, name) in ids.iter().zip(&named) {
            match standings.get(name) {
                None => lost.push(*syn_id),
                Some(Standing::Delivered) if state == State::Taken => sent.push(*syn_id),
                Some(Standing::Delivered) => {
                    let why = "An operator has skipped it.".to_owned();
                    refused.push(refusal(*syn_id, SendResult::Skipped, why));
                }
                Some(Standing::Dead { fail_num, reason }) if state == State::Taken => {
                    let why = reason.clone().unwrap_or_default();
                    refused.push(Refusal {
                        fail_num: *fail_num,
                        ..refusal(*syn_id, SendResult::Refused, why)
                    });
                }
                Some(Standing::Open | Standing::Dead { .. }) => {}
            }
        }
        let marked = self.database.set_state(&lost, State::New).await.is_ok()
            && self.database.set_state(&sent, State::Sent).await.is_ok()
            && self.database.refuse(&refused).await.is_ok();
        Ok(marked.then_some(()))
    }

    fn is_time_to_compare(&self) -> bool {
        let compare_at = self
            .compare_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *compare_at <= Instant::now()
    }

    fn compare_after(&self, wait: Duration) {
        let mut compare_at = self
            .compare_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *compare_at = Instant::now() + wait;
    }
}

/// A row that is dead after one refusal.
fn refusal(syn_id: i64, result: SendResult, reason: String) -> Refusal {
    Refusal {
        syn_id,
        fail_num: 1,
        result,
        reason,
        is_dead: true,
    }
}

/// A `syn_id` as the table has it; another one came by HTTP.
fn number(syn_id: &str) -> Option<i64> {
    let number = syn_id.parse().ok();
    number.filter(|number: &i64| number.to_string() == syn_id)
}
