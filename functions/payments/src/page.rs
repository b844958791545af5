//! The sandbox's page: what is to be paid, and a button. No script, nothing from elsewhere.

use shared::domain::payment::Kind;
use shared::spin::http::Answer;
use shared::store::payments::Payment;

const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; \
     base-uri 'none'";

pub fn show(payment: &Payment) -> Answer {
    let intent = payment.intent;
    let what = match intent.kind {
        Kind::Recharge => format!("{} coins", intent.coins),
        Kind::Vip if intent.months == 1 => "1 month of VIP".to_owned(),
        Kind::Vip => format!("{} months of VIP", intent.months),
    };
    let action = match payment.state.as_str() {
        "paid" => "<p role=\"status\">Paid. You may close this page.</p>".to_owned(),
        _ => format!(
            "<form method=\"post\"><button>Pay ¥{}</button></form>",
            intent.amount
        ),
    };
    // Numbers and fixed words alone: there is nothing to escape.
    let body = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>Wharf sandbox</title>\
         <style>body{{font:16px/1.5 ui-monospace,monospace;max-width:32rem;margin:15vh auto;padding:0 1rem}}\
         button{{font:inherit;padding:.5rem 1.5rem;cursor:pointer}}@media(prefers-color-scheme:dark){{\
         body{{background:#111;color:#ddd}}}}</style>\
         <h1>Sandbox payment</h1><p>{what} for ¥{}. No money moves: this provider is for trying things out.</p>\
         {action}</html>",
        intent.amount
    );
    Answer {
        status: 200,
        headers: vec![
            ("content-type", "text/html; charset=utf-8".to_owned()),
            ("content-security-policy", POLICY.to_owned()),
            ("cache-control", "no-store".to_owned()),
            ("referrer-policy", "no-referrer".to_owned()),
        ],
        body: body.into_bytes(),
    }
}
