//! The bot on actix-web with its own client: one worker; the thread that accepts sleeps otherwise.

use std::io;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Bytes, Data, PayloadConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, rt, web};
use awc::{Client, Connector};
use command::{ATTEMPT_TIMEOUT, Job, SENDERS, Settings};
use tokio::sync::Semaphore;

const CONTENT_BYTES_MAX: usize = 256 * 1024;
/// As long as torrap keeps an idle connection; the default of 5 s would close the measured ones.
const KEEP_ALIVE: Duration = Duration::from_secs(120);

/// What the worker's handlers and tasks share.
struct Bot {
    settings: &'static Settings,
    client: Client,
    permits: Semaphore,
}

#[actix_web::main]
async fn main() -> io::Result<()> {
    // The client takes the process's default, and the dependencies bring none.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let settings: &'static Settings = Box::leak(Box::new(Settings::read()));
    let app = move || {
        let connector = Connector::new().limit(SENDERS);
        let client = Client::builder()
            .connector(connector)
            .timeout(ATTEMPT_TIMEOUT)
            .finish();
        let bot = Bot {
            settings,
            client,
            permits: Semaphore::new(SENDERS),
        };
        App::new()
            .app_data(Data::new(bot))
            .app_data(PayloadConfig::new(CONTENT_BYTES_MAX))
            .route("/slack", web::post().to(slack))
    };
    HttpServer::new(app)
        .workers(1)
        .backlog(4096)
        .keep_alive(KEEP_ALIVE)
        .bind(settings.address)?
        .run()
        .await
}

async fn slack(bot: Data<Bot>, request: HttpRequest, content: Bytes) -> HttpResponse {
    let field = |name| request.headers().get(name).map(|value| value.as_bytes());
    let timestamp = field("x-slack-request-timestamp");
    let signature = field("x-slack-signature");
    match bot.settings.accept(timestamp, signature, &content) {
        Ok(job) => {
            rt::spawn(reply(bot, job));
            HttpResponse::Ok().finish()
        }
        Err(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            HttpResponse::build(status).finish()
        }
    }
}

async fn reply(bot: Data<Bot>, job: Job) {
    rt::time::sleep(bot.settings.delay).await;
    // What waits is small: the post's own state is allocated only when it begins.
    let Ok(_permit) = bot.permits.acquire().await else {
        return;
    };
    Box::pin(post(&bot, job)).await;
}

async fn post(bot: &Bot, job: Job) {
    let request = bot
        .client
        .post(bot.settings.url(&job))
        .insert_header((CONTENT_TYPE, "application/json"));
    let delivered = match request.send_body(job.reply()).await {
        // To its end, so that the connection can be used again.
        Ok(mut response) => response.body().await.is_ok(),
        Err(_) => false,
    };
    if !delivered {
        eprintln!("a reply was not delivered");
    }
}
