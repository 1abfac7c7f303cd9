//! The bot on may_minihttp: coroutines with stacks, on one worker thread. There is no client with TLS for may, so that
//! the replies wait and are posted as those of the other Rust peers, on a thread of their own.

use std::io::{self, Read};

use may_minihttp::{HttpServer, HttpService, Request, Response};
use poster::{Job, Poster};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

const CONTENT_BYTES_MAX: usize = 256 * 1024;
/// Jobs that the replying thread takes over at once.
const BATCH: usize = 256;

fn main() -> io::Result<()> {
    let poster = Poster::leaked();
    let (jobs, accepted) = unbounded_channel();
    // The runner says which core they run on.
    may::config().set_workers(1).set_worker_pin(false);
    let _server = HttpServer(Bot {
        poster,
        jobs,
        content: Vec::new(),
    })
    .start(poster.settings().address)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(reply(poster, accepted));
    Ok(())
}

/// Runs on the main thread, which costs a wake-up for each batch of jobs and not for each job.
async fn reply(poster: &'static Poster, mut accepted: UnboundedReceiver<Job>) {
    let mut batch = Vec::with_capacity(BATCH);
    while accepted.recv_many(&mut batch, BATCH).await > 0 {
        batch.drain(..).for_each(|job| poster.schedule(job));
    }
}

/// Each connection has one of its own.
#[derive(Clone)]
struct Bot {
    poster: &'static Poster,
    jobs: UnboundedSender<Job>,
    content: Vec<u8>,
}

impl HttpService for Bot {
    fn call(&mut self, request: Request, response: &mut Response) -> io::Result<()> {
        let refusal = match (request.method(), request.path()) {
            ("POST", "/slack") => return self.slack(request, response),
            (_, "/slack") => (405, "Method Not Allowed"),
            _ => (404, "Not Found"),
        };
        // Its content would be taken for the next request otherwise.
        drop(request.body());
        response.status_code(refusal.0, refusal.1);
        Ok(())
    }
}

impl Bot {
    fn slack(&mut self, request: Request, response: &mut Response) -> io::Result<()> {
        // Copied, since the fields cannot be read once the content is.
        let field = |name: &str| {
            let mut fields = request.headers().iter();
            let field = fields.find(|field| field.name.eq_ignore_ascii_case(name))?;
            Some(field.value.to_vec())
        };
        let timestamp = field("x-slack-request-timestamp");
        let signature = field("x-slack-signature");
        self.content.clear();
        let most = u64::try_from(CONTENT_BYTES_MAX).unwrap_or(u64::MAX);
        request.body().take(most).read_to_end(&mut self.content)?;
        let settings = self.poster.settings();
        match settings.accept(timestamp.as_deref(), signature.as_deref(), &self.content) {
            // The receiver lives as long as the process.
            Ok(job) => drop(self.jobs.send(job)),
            Err(401) => drop(response.status_code(401, "Unauthorized")),
            Err(_) => drop(response.status_code(400, "Bad Request")),
        }
        Ok(())
    }
}
