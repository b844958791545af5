//! What an `Idempotency-Key` that was used before means for the request that shows it now. The key stands in the row
//! that the first request made, for as long as nobody takes it away.

use crate::error::{Code, Error, Result};
use crate::limits::IDEMPOTENCY_S;

/// What became of a key's first request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// The same request again: it gets the same answer.
    Replay,
    /// Its day is over: the key may be taken from the old row and used anew.
    Expired,
}

/// Holds this request against the one of `created_at` under the same key. Errors: 40902 when they are not the same.
pub fn judge(
    earlier_hash: &str,
    created_at: i64,
    request_hash: &str,
    now: i64,
) -> Result<Judgement> {
    if created_at <= now - IDEMPOTENCY_S * 1000 {
        return Ok(Judgement::Expired);
    }
    if earlier_hash == request_hash {
        return Ok(Judgement::Replay);
    }
    Err(Error::new(
        Code::IdempotencyKeyReused,
        "This Idempotency-Key was used for another request.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stands_for_one_request_for_a_day() {
        let day = IDEMPOTENCY_S * 1000;
        assert_eq!(judge("a", 1, "a", day).unwrap(), Judgement::Replay);
        assert_eq!(judge("a", 1, "b", day + 1).unwrap(), Judgement::Expired);
        let reused = judge("a", 1, "b", day).unwrap_err();
        assert_eq!(reused.code, Code::IdempotencyKeyReused);
    }
}
