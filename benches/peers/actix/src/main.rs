//! The bot on actix-web: one worker; the thread that accepts sleeps otherwise.

use std::io;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data, PayloadConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use poster::Poster;

const CONTENT_BYTES_MAX: usize = 256 * 1024;
/// As long as torrap keeps an idle connection; the default of 5 s would close the measured ones.
const KEEP_ALIVE: Duration = Duration::from_secs(120);

#[actix_web::main]
async fn main() -> io::Result<()> {
    let poster = Poster::leaked();
    let app = move || {
        App::new()
            .app_data(Data::new(poster))
            .app_data(PayloadConfig::new(CONTENT_BYTES_MAX))
            .route("/slack", web::post().to(slack))
    };
    HttpServer::new(app)
        .workers(1)
        .backlog(4096)
        .keep_alive(KEEP_ALIVE)
        .bind(poster.settings().address)?
        .run()
        .await
}

async fn slack(
    poster: Data<&'static Poster>,
    request: HttpRequest,
    content: Bytes,
) -> HttpResponse {
    let field = |name| request.headers().get(name).map(|value| value.as_bytes());
    let timestamp = field("x-slack-request-timestamp");
    let signature = field("x-slack-signature");
    match poster.settings().accept(timestamp, signature, &content) {
        Ok(job) => {
            poster.schedule(job);
            HttpResponse::Ok().finish()
        }
        Err(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            HttpResponse::build(status).finish()
        }
    }
}
