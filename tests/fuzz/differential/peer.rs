//! hyper's HTTP/1 server on bytes in memory, without a runtime.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, Version};

use super::{Outcome, Seen};

/// What hyper makes of the first request of `wire`, on a connection on which no more arrives.
pub(super) fn first(wire: &[u8]) -> Outcome {
    let (requests, _) = serve(wire);
    if requests.is_empty() {
        return match serve(wire).1 {
            Poll::Pending => Outcome::Waits,
            Poll::Ready(_) => Outcome::Refused,
        };
    }
    let len = super::shortest(wire.len(), |len| !serve(&wire[..len]).0.is_empty());
    let (mut requests, end) = serve(&wire[..len]);
    Outcome::Accepted {
        seen: requests.remove(0),
        len,
        closes: end.is_ready(),
    }
}

/// The requests that were complete, and the end of the connection if it has come.
fn serve(wire: &[u8]) -> (Vec<Seen>, Poll<hyper::Result<()>>) {
    let requests = Rc::new(RefCell::new(Vec::new()));
    let service = service_fn(|request: Request<Incoming>| {
        let requests = Rc::clone(&requests);
        async move {
            let (head, body) = request.into_parts();
            // Content that breaks off is no request; hyper closes after the answer.
            if let Ok(content) = body.collect().await {
                let target = match (head.uri.path_and_query(), head.uri.authority()) {
                    (None, Some(authority)) => authority.as_str(),
                    _ => head.uri.path(),
                };
                requests.borrow_mut().push(Seen {
                    method: head.method.as_str().to_owned(),
                    path: target.to_owned(),
                    query: head.uri.query().map(str::to_owned),
                    old: head.version == Version::HTTP_10,
                    content: content.to_bytes().to_vec(),
                });
                return Ok::<_, io::Error>(not_found());
            }
            Err(io::Error::other("content broken"))
        }
    });
    let mut builder = http1::Builder::new();
    let connection = builder
        .header_read_timeout(None)
        .serve_connection(Memory(wire), service);
    let end = poll_until_quiet(pin!(connection));
    let seen = requests.take();
    (seen, end)
}

fn not_found() -> Response<Empty<Bytes>> {
    let mut response = Response::new(Empty::<Bytes>::new());
    *response.status_mut() = hyper::StatusCode::NOT_FOUND;
    response
}

/// Polls for as long as the future asks for it.
fn poll_until_quiet<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    struct Flag(AtomicBool);
    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let flag = Arc::new(Flag(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&flag));
    let mut context = Context::from_waker(&waker);
    while flag.0.swap(false, Ordering::Relaxed) {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Poll::Ready(output);
        }
    }
    Poll::Pending
}

/// Bytes to be read, of which no more arrive; whatever is written is taken.
struct Memory<'a>(&'a [u8]);

impl Read for Memory<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.0.is_empty() {
            return Poll::Pending;
        }
        let (read, rest) = self.0.split_at(self.0.len().min(buffer.remaining()));
        buffer.put_slice(read);
        self.0 = rest;
        Poll::Ready(Ok(()))
    }
}

impl Write for Memory<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
