//! The bot on hyper 1: HTTP/1 only, one thread, no framework.

use std::convert::Infallible;
use std::io;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
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
    let listener = listen(poster)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = service_fn(move |request| answer(poster, request));
        let connection = http1::Builder::new()
            .pipeline_flush(true)
            .serve_connection(TokioIo::new(stream), service);
        // A connection that fails is the client's to notice.
        tokio::spawn(async move { connection.await.ok() });
    }
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

async fn answer(
    poster: &'static Poster,
    request: Request<Incoming>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let status = match (request.method(), request.uri().path()) {
        (&Method::POST, "/slack") => slack(poster, request).await,
        (_, "/slack") => StatusCode::METHOD_NOT_ALLOWED,
        _ => StatusCode::NOT_FOUND,
    };
    let mut response = Response::new(Empty::new());
    *response.status_mut() = status;
    Ok(response)
}

async fn slack(poster: &'static Poster, request: Request<Incoming>) -> StatusCode {
    let (head, body) = request.into_parts();
    let content = match content(body).await {
        Ok(content) => content,
        Err(status) => return status,
    };
    let field = |name| head.headers.get(name).map(|value| value.as_bytes());
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

/// The whole content; without a copy where it came in one piece, as a command's nearly always does.
async fn content(mut body: Incoming) -> Result<Bytes, StatusCode> {
    let mut first = Bytes::new();
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| StatusCode::BAD_REQUEST)?.into_data() else {
            continue;
        };
        if first.len().max(all.len()) + data.len() > CONTENT_BYTES_MAX {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        if first.is_empty() {
            first = data;
        } else {
            if all.is_empty() {
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&data);
        }
        if body.is_end_stream() {
            break;
        }
    }
    Ok(if all.is_empty() { first } else { all.into() })
}
