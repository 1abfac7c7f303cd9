//! The bot on axum: its router and extractors, one thread.

use std::io;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::serve::ListenerExt;
use poster::Poster;
use tokio::net::TcpListener;

const CONTENT_BYTES_MAX: usize = 256 * 1024;

fn main() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(Poster::leaked()))
}

async fn serve(poster: &'static Poster) -> io::Result<()> {
    let router = Router::new()
        .route("/slack", post(slack))
        .layer(DefaultBodyLimit::max(CONTENT_BYTES_MAX))
        .with_state(poster);
    let listener = listen(poster)?.tap_io(|stream| {
        // Without it an answer is no less right, only slower.
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router).await
}

fn listen(poster: &Poster) -> io::Result<TcpListener> {
    let address = poster.settings().address;
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::STREAM,
        None,
    )?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    TcpListener::from_std(socket.into())
}

async fn slack(
    State(poster): State<&'static Poster>,
    headers: HeaderMap,
    content: Bytes,
) -> StatusCode {
    let field = |name| headers.get(name).map(|value| value.as_bytes());
    let timestamp = field("x-slack-request-timestamp");
    let signature = field("x-slack-signature");
    match poster.settings().accept(timestamp, signature, &content) {
        Ok(job) => {
            poster.schedule(job);
            StatusCode::OK
        }
        Err(status) => StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST),
    }
}
