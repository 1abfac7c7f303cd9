//! How the Rust peers reply: a task per job that sleeps, then hyper's pooled client.

pub use command::Job;
use command::{ATTEMPT_TIMEOUT, SENDERS, Settings};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

/// Settings and client; lives as long as the process.
pub struct Poster {
    settings: Settings,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    permits: Semaphore,
}

impl Poster {
    /// # Panics
    /// If the settings are not as the runner gives them.
    #[must_use]
    pub fn leaked() -> &'static Self {
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        http.enforce_http(false);
        let https = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(SENDERS)
            .build(https);
        Box::leak(Box::new(Self {
            settings: Settings::read(),
            client,
            permits: Semaphore::new(SENDERS),
        }))
    }

    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Replies when the thinking time is over and a connection may be used. What waits is small: the
    /// post's own state, a kilobyte or more, is allocated only when it begins.
    pub fn schedule(&'static self, job: Job) {
        tokio::spawn(async move {
            sleep(self.settings.delay).await;
            let Ok(_permit) = self.permits.acquire().await else {
                return;
            };
            Box::pin(self.post(job)).await;
        });
    }

    async fn post(&self, job: Job) {
        let request = Request::post(self.settings.url(&job))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(job.reply())));
        let Ok(request) = request else { return };
        let attempt = async {
            let response = self.client.request(request).await.ok()?;
            // To its end, so that the connection can be used again.
            response.into_body().collect().await.ok()
        };
        if !matches!(timeout(ATTEMPT_TIMEOUT, attempt).await, Ok(Some(_))) {
            eprintln!("a reply was not delivered");
        }
    }
}
