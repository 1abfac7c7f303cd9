//! A stand-in for Slack: receives what is posted to a `response_url`, records it and answers as told.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The longest post that is taken: a stand-in may be at an address that other machines reach.
const POST_BYTES_MAX: usize = 1024 * 1024;

/// A post as it arrived.
#[derive(Clone, Debug)]
pub struct Post {
    /// Path and query of the `response_url`.
    pub path: String,
    /// The Content-Type.
    pub content_type: String,
    /// The content.
    pub content: Vec<u8>,
    /// When it was complete.
    pub at: Instant,
    /// Which of the stand-in's connections it came on.
    pub connection: usize,
}

/// How the stand-in answers a post.
#[derive(Clone, Debug)]
pub enum Answer {
    /// These bytes; the connection stays open.
    Bytes(Vec<u8>),
    /// These bytes; the connection closes after them.
    Last(Vec<u8>),
    /// Nothing; the connection closes.
    Close,
    /// Nothing, for ever.
    Hang,
}

impl Answer {
    /// A status with this content, and more header lines, each ending in CR LF.
    #[must_use]
    pub fn status(status: u16, lines: &str, content: &str) -> Self {
        let length = content.len();
        let text =
            format!("HTTP/1.1 {status} x\r\n{lines}Content-Length: {length}\r\n\r\n{content}");
        Self::Bytes(text.into_bytes())
    }

    /// What Slack says when all is well.
    #[must_use]
    pub fn ok() -> Self {
        Self::status(200, "", "ok")
    }
}

/// A stream that a post may come on: a socket, or TLS around one.
pub trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

type Script = dyn Fn(&Post) -> Answer + Send + Sync;
type Wrap = dyn Fn(TcpStream) -> io::Result<Box<dyn Stream>> + Send + Sync;

/// A stand-in that listens until it is dropped.
pub struct SlackStandIn {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    posted: Condvar,
    script: Box<Script>,
    wrap: Box<Wrap>,
}

#[derive(Default)]
struct State {
    posts: Vec<Post>,
    /// How many of the posts have their whole answer.
    answers: usize,
    /// A second handle of every connection, so that a drop ends them all.
    sockets: Vec<TcpStream>,
    stopped: bool,
}

impl std::fmt::Debug for SlackStandIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SlackStandIn({})", self.address)
    }
}

impl SlackStandIn {
    /// Listens on a free loopback port and answers each post as `script` says.
    ///
    /// # Errors
    /// No port, or no thread.
    pub fn start(script: impl Fn(&Post) -> Answer + Send + Sync + 'static) -> io::Result<Self> {
        Self::start_wrapped(script, |socket| Ok(Box::new(socket)))
    }

    /// The same on streams that `wrap` makes of the accepted sockets, for TLS.
    ///
    /// # Errors
    /// No port, or no thread.
    pub fn start_wrapped(
        script: impl Fn(&Post) -> Answer + Send + Sync + 'static,
        wrap: impl Fn(TcpStream) -> io::Result<Box<dyn Stream>> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::start_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?, script, wrap)
    }

    /// The same on a listener that is already there.
    ///
    /// # Errors
    /// No thread.
    pub fn start_on(
        listener: TcpListener,
        script: impl Fn(&Post) -> Answer + Send + Sync + 'static,
        wrap: impl Fn(TcpStream) -> io::Result<Box<dyn Stream>> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            posted: Condvar::new(),
            script: Box::new(script),
            wrap: Box::new(wrap),
        });
        let accepting = shared.clone();
        thread::Builder::new()
            .name("stand-in".to_owned())
            .spawn(move || accepting.accept(&listener))?;
        Ok(Self { address, shared })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The origin that a `response_url` of this stand-in has.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was posted so far.
    #[must_use]
    pub fn posts(&self) -> Vec<Post> {
        self.shared.lock().posts.clone()
    }

    /// Waits until there were `count` posts or the time is over, and gives those there were.
    #[must_use]
    pub fn wait_for(&self, count: usize, timeout: Duration) -> Vec<Post> {
        let waited = self
            .shared
            .posted
            .wait_timeout_while(self.shared.lock(), timeout, |state| {
                state.posts.len() < count
            });
        waited
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .posts
            .clone()
    }

    /// Waits until each post so far has its answer, or the time is over: a poster without one tries again. An answer that
    /// closes the connection does not count.
    pub fn wait_for_answers(&self, timeout: Duration) {
        let is_short = |state: &mut State| state.answers < state.posts.len();
        let waited = self
            .shared
            .posted
            .wait_timeout_while(self.shared.lock(), timeout, is_short);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for SlackStandIn {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.stopped = true;
        for socket in state.sockets.drain(..) {
            let _ = socket.shutdown(Shutdown::Both);
        }
        drop(state);
        // One more connection, so that accepting returns and sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(self: Arc<Self>, listener: &TcpListener) {
        for (connection, socket) in listener.incoming().enumerate() {
            let Ok(socket) = socket else { continue };
            let mut state = self.lock();
            if state.stopped {
                return;
            }
            if let Ok(handle) = socket.try_clone() {
                state.sockets.push(handle);
            }
            drop(state);
            let shared = self.clone();
            let thread = thread::Builder::new().name(format!("stand-in {connection}"));
            // A connection that fails is the poster's to notice.
            let _ = thread.spawn(move || shared.serve(socket, connection));
        }
    }

    fn serve(&self, socket: TcpStream, connection: usize) -> io::Result<()> {
        let handle = socket.try_clone()?;
        let mut stream = (self.wrap)(socket)?;
        let mut buffer = Vec::new();
        while let Some(post) = receive(&mut stream, &mut buffer, connection)? {
            // Before the answer, so that a script which takes its time does not hide the post.
            self.lock().posts.push(post.clone());
            self.posted.notify_all();
            match (self.script)(&post) {
                Answer::Bytes(bytes) => {
                    stream.write_all(&bytes)?;
                    stream.flush()?;
                    self.lock().answers += 1;
                    self.posted.notify_all();
                }
                Answer::Last(bytes) => {
                    stream.write_all(&bytes)?;
                    stream.flush()?;
                    return handle.shutdown(Shutdown::Both);
                }
                Answer::Close => return handle.shutdown(Shutdown::Both),
                Answer::Hang => {
                    // Until the poster gives up or the stand-in is dropped.
                    let _ = stream.read(&mut [0])?;
                }
            }
        }
        Ok(())
    }
}

/// Reads one post; `None` at the end of the connection.
fn receive(
    stream: &mut dyn Stream,
    buffer: &mut Vec<u8>,
    connection: usize,
) -> io::Result<Option<Post>> {
    loop {
        if let Some((post, len)) = parse(buffer, connection)? {
            buffer.drain(..len);
            return Ok(Some(post));
        }
        if buffer.len() > POST_BYTES_MAX {
            return Err(io::Error::other("the post is too long"));
        }
        let mut piece = [0; 16 * 1024];
        match stream.read(&mut piece)? {
            0 => return Ok(None),
            len => buffer.extend_from_slice(&piece[..len]),
        }
    }
}

fn parse(buffer: &[u8], connection: usize) -> io::Result<Option<(Post, usize)>> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut fields);
    let parsed = request.parse(buffer).map_err(io::Error::other)?;
    let httparse::Status::Complete(head) = parsed else {
        return Ok(None);
    };
    let field = |name: &str| {
        let field = request
            .headers
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case(name));
        field.map_or_else(String::new, |field| {
            String::from_utf8_lossy(field.value).into_owned()
        })
    };
    let length: usize = field("content-length").parse().map_err(io::Error::other)?;
    let Some(content) = buffer.get(head..head.saturating_add(length)) else {
        return Ok(None);
    };
    let post = Post {
        path: request.path.unwrap_or_default().to_owned(),
        content_type: field("content-type"),
        content: content.to_vec(),
        at: Instant::now(),
        connection,
    };
    Ok(Some((post, head + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_is_read_when_it_is_complete() {
        let whole = b"POST /x HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}";
        for end in 0..whole.len() {
            assert!(parse(&whole[..end], 0).unwrap().is_none());
        }
        let (post, len) = parse(whole, 0).unwrap().unwrap();
        assert_eq!(
            (&*post.path, &*post.content, len),
            ("/x", &b"{}"[..], whole.len())
        );
        let endless = b"POST /x HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\n";
        assert!(parse(endless, 0).unwrap().is_none());
    }

    #[test]
    fn a_post_without_an_end_is_given_up() {
        /// An end of a connection that sends this for ever.
        struct Endless;
        impl Read for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                buffer.fill(b'x');
                Ok(buffer.len())
            }
        }
        impl Write for Endless {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let head = b"POST /x HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\n";
        let mut buffer = head.to_vec();
        let error = receive(&mut Endless, &mut buffer, 0).unwrap_err();
        assert_eq!(error.to_string(), "the post is too long");
    }
}
