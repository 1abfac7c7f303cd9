//! The bot on ntex: one worker, on tokio.

use std::io;

use ntex::SharedCfg;
use ntex::http::{HttpServiceConfig, KeepAlive, StatusCode};
use ntex::time::Seconds;
use ntex::util::Bytes;
use ntex::web::types::{PayloadConfig, State};
use ntex::web::{self, App, HttpRequest, HttpResponse, HttpServer};
use poster::Poster;

const CONTENT_BYTES_MAX: usize = 256 * 1024;
/// As long as torrap keeps an idle connection; the default of 5 s would close the measured ones.
const KEEP_ALIVE: Seconds = Seconds(120);

#[ntex::main]
async fn main() -> io::Result<()> {
    let poster = Poster::leaked();
    let app = async move || {
        App::new()
            .state(poster)
            .state(PayloadConfig::new(CONTENT_BYTES_MAX))
            .route("/slack", web::post().to(slack))
    };
    let http = HttpServiceConfig::new().set_keepalive(KeepAlive::Timeout(KEEP_ALIVE));
    HttpServer::new(app)
        .workers(1)
        .backlog(4096)
        .config(SharedCfg::new("bot").add(http))
        .bind(poster.settings().address)?
        .run()
        .await
}

async fn slack(
    poster: State<&'static Poster>,
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
