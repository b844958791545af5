//! Routes: `/api/v1/payments`, `/api/v1/payments/:id`, `/api/v1/payments/:id/pay`,
//! `/api/v1/payments/notify/:provider`.

mod page;

use shared::auth::payment as signature;
use shared::auth::secret::sha256;
use shared::domain::account::Audience;
use shared::domain::coins::Yuan;
use shared::domain::page::Page;
use shared::domain::payment::Outcome;
use shared::spin::caller::authenticate;
use shared::spin::http::{Answer, Call, answer};
use shared::spin::{new_id, now_ms, number, variable};
use shared::store::payments::{self, Event, NewPayment, Payment};
use shared::store::users::User;
use shared::wire::body::read_object;
use shared::wire::envelope::List;
use shared::wire::payment::{EventRequest, PaymentAnswer, PaymentRequest};
use shared::{Code, Error, Result};
use spin_sdk::http::{IntoResponse, Method, Request};
use spin_sdk::http_service;
use uuid::Uuid;

/// The provider that ships: nobody pays anything.
const SANDBOX: &str = "sandbox";

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    answer(request, route).await
}

async fn route(call: &mut Call) -> Result<Answer> {
    let segments = call.segments();
    let path: Vec<&str> = segments.iter().skip(3).map(String::as_str).collect();
    match path.as_slice() {
        [] => all(call).await,
        [id] => one(call, id).await,
        ["notify", SANDBOX] => notify(call).await,
        ["notify", _] => Err(Error::not_found("payment provider")),
        [id, "pay"] => pay(call, id).await,
        _ => Err(Error::not_found("route")),
    }
}

async fn all(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::GET, Method::POST])?;
    let user = authenticate(call, Audience::Users).await?;
    if call.method == Method::POST {
        return create(call, &user).await;
    }
    let page = Page::parse(call.query("page"), call.query("page_size"))?;
    let (found, total) = payments::of_user(call.database().await?, &user.user_id, page).await?;
    let mut items = Vec::with_capacity(found.len());
    for payment in found {
        items.push(shown(payment).await?);
    }
    Answer::ok(&List::new(items, total, page))
}

async fn create(call: &mut Call, user: &User) -> Result<Answer> {
    check_sandbox().await?;
    let idempotency_key = call.idempotency_key()?;
    let request: PaymentRequest = call.json().await?;
    let month = Yuan::from_hundredths(number("payments_vip_month").await?);
    let new = NewPayment {
        payment_id: new_id(),
        user_id: user.user_id.clone(),
        provider: SANDBOX,
        intent: request.intent(month)?,
        idempotency_key,
        request_hash: sha256(serde_json::to_string(&request).map_err(Error::internal)?),
        now: now_ms(),
    };
    let payment = payments::create(call.database().await?, &new).await?;
    Answer::json(201, &shown(payment).await?)
}

async fn one(call: &mut Call, id: &str) -> Result<Answer> {
    call.allow(&[Method::GET])?;
    let user = authenticate(call, Audience::Users).await?;
    let payment = find(call, id).await?;
    if payment.user_id != user.user_id {
        return Err(Error::forbidden("payment"));
    }
    Answer::ok(&shown(payment).await?)
}

/// The provider's webhook: what it says counts because it is signed, and once because it has an id.
async fn notify(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::POST])?;
    check_sandbox().await?;
    let given = call.header("x-wharf-payment-signature").unwrap_or_default();
    let given = given.to_owned();
    let body = call.body().await?;
    signature::verify(&variable("payments_secret").await?, &body, &given)?;
    let request: EventRequest = read_object(&body)?;
    let event = request.event()?;
    let payment = payments::notify(call.database().await?, SANDBOX, &event, now_ms()).await?;
    Answer::ok(&shown(payment).await?)
}

/// The sandbox's own page: GET shows it, POST pays.
async fn pay(call: &mut Call, id: &str) -> Result<Answer> {
    call.allow(&[Method::GET, Method::POST])?;
    check_sandbox().await?;
    let secret = variable("payments_secret").await?;
    let token = call.query("token").unwrap_or_default().to_owned();
    let payment = find(call, id).await?;
    signature::verify_page(&secret, &payment.payment_id, &token)?;
    if call.method != Method::POST {
        return Ok(page::show(&payment));
    }
    // A click again is the same event again.
    let event = Event {
        event_id: format!("pay:{}", payment.payment_id),
        payment_id: payment.payment_id,
        amount: payment.intent.amount,
        outcome: Outcome::Paid,
    };
    let paid = payments::notify(call.database().await?, SANDBOX, &event, now_ms()).await?;
    let wants_page = call
        .header("accept")
        .is_some_and(|accept| accept.contains("text/html"));
    match wants_page {
        true => Ok(page::show(&paid)),
        false => Answer::ok(&shown(paid).await?),
    }
}

/// Errors: 42201 where the operator has turned the sandbox off.
async fn check_sandbox() -> Result<()> {
    if variable("payments_sandbox").await? == "true" {
        return Ok(());
    }
    let message = "Nothing can be paid here: no payment provider is set up.";
    Err(Error::new(Code::Unprocessable, message)
        .with_data(serde_json::json!({ "reason": "no_payment_provider" })))
}

async fn find(call: &mut Call, id: &str) -> Result<Payment> {
    let id = Uuid::try_parse(id).map_err(|_| Error::invalid("payment_id", "This is not an id."))?;
    let found = payments::find(call.database().await?, &id.to_string()).await?;
    found.ok_or_else(|| Error::not_found("payment"))
}

async fn shown(payment: Payment) -> Result<PaymentAnswer> {
    if payment.state == "paid" {
        return Ok(PaymentAnswer::new(payment, None));
    }
    let token = signature::page_token(&variable("payments_secret").await?, &payment.payment_id)?;
    let base = variable("public_url").await?;
    let pay_url = format!(
        "{base}/api/v1/payments/{}/pay?token={token}",
        payment.payment_id
    );
    Ok(PaymentAnswer::new(payment, Some(pay_url)))
}
