//! Sends the mail of the outbox (SH-14): claims what is due, writes the letter, hands it in at `smtp.url`. A
//! server that takes no mail is tried as long as that lasts, a recipient that it puts off so many times; one that it
//! refuses for good ends the mail. A mail that was handed in just before a crash goes out again under the same
//! `Message-Id`. Without `smtp.url` all mail waits.

use super::Worker;
use crate::clock::now_ms;
use crate::settings::Smtp;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use prometheus_client::metrics::counter::Counter;
use serde::Deserialize;
use shared::Result;
use shared::domain::mail::Kind;
use shared::domain::task::backoff_ms;
use shared::limits::{MAIL_S_MAX, MAIL_SERVER_TRIES, MAIL_TRIES, MAILS_AT_ONCE};
use shared::store::mails::{self, Mail, Outcome};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// The longest wait for a wake-up that never came.
const IDLE: Duration = Duration::from_secs(1);
/// A lease outlives the try that it is for.
const LEASE_MS: i64 = 4 * 1000 * MAIL_S_MAX as i64;
/// Replies with 5 in the middle are about this mail: its recipient, its content (RFC 5321, 4.2.1). All others, such as of
/// a wrong password, are about the server and us, and pass when the operator has seen to them.
const REFUSED: std::ops::RangeInclusive<u16> = 550..=559;
const PUT_OFF: std::ops::RangeInclusive<u16> = 450..=459;

/// Where mail is handed in, and who it is from.
pub struct Outgoing {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

/// How tries to send ended.
#[derive(Default)]
pub struct MailCounts {
    pub sent: Counter,
    pub retried: Counter,
    pub failed: Counter,
}

/// What a mail's row holds beside its kind.
#[derive(Deserialize)]
struct Data {
    title: String,
    reason: Option<String>,
}

/// Why a mail did not go out: a sentence for the operator, without address and password.
struct Failure {
    why: String,
    what: Failed,
}

enum Failed {
    /// This mail, for good.
    Mail,
    /// This mail, for now.
    MailNow,
    /// Whatever is handed in now.
    Server,
}

impl Failed {
    /// Whether the mail is given up after so many tries.
    fn ends(&self, attempt: i64) -> bool {
        match self {
            Self::Mail => true,
            Self::MailNow => attempt >= MAIL_TRIES,
            Self::Server => false,
        }
    }
}

impl Outgoing {
    /// `None` without `smtp.url`. Errors: a line that names the setting and shows nothing of it.
    pub fn new(smtp: &Smtp) -> std::result::Result<Option<Self>, &'static str> {
        if smtp.url.is_empty() {
            return Ok(None);
        }
        let from: Mailbox = smtp
            .from
            .parse()
            .map_err(|_| "smtp.from: is an address, or a name with an address in <>")?;
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(&smtp.url)
            .map_err(|_| "smtp.url: is smtp://… or smtps://…, with ?tls=required or ?tls=opportunistic for STARTTLS")?;
        let transport = builder
            .hello_name(ClientId::Domain(from.email.domain().to_owned()))
            .timeout(Some(Duration::from_secs(MAIL_S_MAX)))
            .build();
        Ok(Some(Self { transport, from }))
    }

    /// Connects and logs in, and sends nothing. Errors: a sentence for the operator, without address and password.
    pub async fn test(&self) -> std::result::Result<(), String> {
        let patience = Duration::from_secs(MAIL_S_MAX);
        match tokio::time::timeout(patience, self.transport.test_connection()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err("the mail server ended the connection".to_owned()),
            Ok(Err(error)) => Err(failure(&error).why),
            Err(_) => Err("the mail server did not answer in time".to_owned()),
        }
    }

    fn message(&self, mail: &Mail, to: &str) -> std::result::Result<Message, Failure> {
        let unfit = |why: &str| Failure {
            why: why.to_owned(),
            what: Failed::Mail,
        };
        let kind =
            Kind::parse(&mail.kind).ok_or_else(|| unfit("nobody knows this kind of mail"))?;
        let data: Data =
            serde_json::from_str(&mail.data).map_err(|_| unfit("its data cannot be read"))?;
        let letter = kind.letter(&data.title, data.reason.as_deref());
        let to: Address = to
            .parse()
            .map_err(|_| unfit("the user's address is none for mail"))?;
        let id: String = mail
            .mail_id
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '.' })
            .collect();
        Message::builder()
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(letter.subject)
            // Nobody's holiday notice answers it (RFC 3834).
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ))
            .multipart(MultiPart::alternative_plain_html(letter.text, letter.html))
            .map_err(|_| unfit("it cannot be written as a message"))
    }

    async fn send(&self, message: Message) -> std::result::Result<(), Failure> {
        let patience = Duration::from_secs(MAIL_S_MAX);
        match tokio::time::timeout(patience, self.transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(failure(&error)),
            Err(_) => Err(Failure {
                why: "the mail server did not answer in time".to_owned(),
                what: Failed::Server,
            }),
        }
    }
}

/// The server's own words may hold an address, so they are left out.
fn failure(error: &SmtpError) -> Failure {
    let code = error.status().map(u16::from);
    let why = match code {
        Some(code) => format!("the mail server answered {code}"),
        None if is_tls(error) => "the mail server's TLS does not hold".to_owned(),
        None if error.is_timeout() => "the mail server did not answer in time".to_owned(),
        None if error.is_response() => "the mail server's answer cannot be read".to_owned(),
        None if error.is_client() => "the mail server offers no way to log in".to_owned(),
        None => "the mail server cannot be reached".to_owned(),
    };
    Failure {
        why,
        what: match code {
            Some(code) if REFUSED.contains(&code) => Failed::Mail,
            Some(code) if PUT_OFF.contains(&code) => Failed::MailNow,
            _ => Failed::Server,
        },
    }
}

/// A handshake that fails comes as what tokio-rustls makes of it.
fn is_tls(error: &SmtpError) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        let cause = error.downcast_ref::<std::io::Error>();
        if cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::InvalidData) {
            return true;
        }
        next = error.source();
    }
    error.is_tls()
}

pub async fn run(worker: Arc<Worker>) {
    if worker.outgoing.is_none() {
        return;
    }
    let mut woken = worker.wake.subscribe();
    let mut sending = JoinSet::new();
    while !worker.is_stopping() {
        let places = places_beside(&sending);
        if let Err(error) = run_one(&worker, &mut sending, places).await {
            tracing::error!(%error, "could not look for mail");
        }
        let has_places = places_beside(&sending) > 0;
        tokio::select! {
            () = worker.stop.cancelled() => {}
            Some(_) = sending.join_next() => {}
            _ = woken.changed(), if has_places => {}
            () = tokio::time::sleep(IDLE), if has_places => {}
        }
    }
    while sending.join_next().await.is_some() {}
}

/// How many more may be sent at once.
fn places_beside(sending: &JoinSet<()>) -> i64 {
    MAILS_AT_ONCE.saturating_sub(i64::try_from(sending.len()).unwrap_or(i64::MAX))
}

async fn run_one(worker: &Arc<Worker>, sending: &mut JoinSet<()>, places: i64) -> Result<()> {
    if places <= 0 {
        return Ok(());
    }
    let now = now_ms();
    for mail in mails::claim(&*worker.database, &worker.id, now, now + LEASE_MS, places).await? {
        let worker = worker.clone();
        sending.spawn(async move {
            if let Err(error) = deliver(&worker, &mail).await {
                // Its lease ends and it is tried again.
                tracing::error!(%error, mail_id = mail.mail_id, "could not handle a mail");
            }
        });
    }
    Ok(())
}

async fn deliver(worker: &Worker, mail: &Mail) -> Result<()> {
    let Some(outgoing) = &worker.outgoing else {
        return Ok(());
    };
    let sent = match mails::address(&*worker.database, &mail.user_id).await? {
        Some(to) => match outgoing.message(mail, &to) {
            Ok(message) => outgoing.send(message).await,
            Err(failure) => Err(failure),
        },
        None => Err(Failure {
            why: "the user is gone".to_owned(),
            what: Failed::Mail,
        }),
    };
    let outcome = match sent {
        Ok(()) => Outcome::Sent,
        Err(Failure { why, what }) if what.ends(mail.attempt) => Outcome::Dead { why },
        Err(Failure { why, what }) => {
            let attempts = match what {
                Failed::Server => mail.attempt.min(MAIL_SERVER_TRIES),
                Failed::Mail | Failed::MailNow => mail.attempt,
            };
            let smtp = &worker.settings.smtp;
            let (initial, max) = (smtp.backoff_initial_ms, smtp.backoff_max_ms);
            let wait = backoff_ms(mail.attempt, initial, max, super::retry::jitter());
            let run_at = now_ms() + wait;
            Outcome::Retry {
                run_at,
                attempts,
                why,
            }
        }
    };
    let counts = &worker.counts.mails;
    let (counter, word, why) = match &outcome {
        Outcome::Sent => (&counts.sent, "sent", None),
        Outcome::Retry { why, .. } => (&counts.retried, "retry", Some(why)),
        Outcome::Dead { why } => (&counts.failed, "dead", Some(why)),
    };
    counter.inc();
    tracing::info!(
        mail_id = mail.mail_id,
        kind = mail.kind,
        attempt = mail.attempt,
        outcome = word,
        why,
        "mail"
    );
    if outcome == Outcome::Sent {
        crate::fault::point("mail:sent");
    }
    mails::record(&*worker.database, mail, &worker.id, &outcome, now_ms()).await?;
    Ok(())
}
