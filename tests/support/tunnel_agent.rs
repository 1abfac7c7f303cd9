//! A stand-in for the program of a tunnel on this machine: ngrok's agent, or cloudflared.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// How a path is answered.
#[derive(Clone, Debug)]
pub enum Told {
    /// 200 with this content, in chunks as Go's server sends what is longer than a buffer.
    Json(String),
    /// This status, and an empty content.
    Status(u16),
    /// 302 to this URL.
    Redirect(String),
    /// These bytes, which may be no HTTP.
    Bytes(&'static [u8]),
    /// 200, the beginning of a content, and then nothing more.
    Half,
    /// 200 and a content without end.
    Endless,
    /// Nothing, for ever.
    Hang,
}

type Script = dyn Fn(&str) -> Told + Send + Sync;

/// Listens until it is dropped.
pub struct TunnelAgent {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    is_stopped: Arc<AtomicBool>,
}

impl TunnelAgent {
    /// On a free port, each path answered as `script` says.
    pub fn start(script: impl Fn(&str) -> Told + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, is_stopped) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let agent = Self {
            address,
            asked: Arc::clone(&asked),
            is_stopped: is_stopped.clone(),
        };
        let script: Arc<Script> = Arc::new(script);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if is_stopped.load(Ordering::SeqCst) {
                    return;
                }
                let (script, asked) = (script.clone(), asked.clone());
                std::thread::spawn(move || serve(stream.unwrap(), &*script, &asked));
            }
        });
        agent
    }

    /// ngrok's agent with these tunnels, public URL and upstream of each, in its list of endpoints.
    pub fn ngrok(tunnels: &[(&str, &str)]) -> Self {
        let entry = |(url, upstream): &(&str, &str)| {
            format!(
                r#"{{"name": "command_line", "url": "{url}", "upstream": {{"url": "{upstream}", "protocol": "http1"}}}}"#
            )
        };
        let entries: Vec<String> = tunnels.iter().map(entry).collect();
        let json = format!(r#"{{"endpoints": [{}]}}"#, entries.join(", "));
        Self::start(move |path| match path {
            "/api/endpoints" => Told::Json(json.clone()),
            _ => Told::Status(404),
        })
    }

    /// An older agent of ngrok's, which has only the list of tunnels.
    pub fn older_ngrok(tunnels: &[(&str, &str)]) -> Self {
        let entry = |(url, addr): &(&str, &str)| {
            format!(
                r#"{{"public_url": "{url}", "proto": "https", "config": {{"addr": "{addr}", "inspect": true}}}}"#
            )
        };
        let entries: Vec<String> = tunnels.iter().map(entry).collect();
        let json = format!(
            r#"{{"tunnels": [{}], "uri": "/api/tunnels"}}"#,
            entries.join(", ")
        );
        Self::start(move |path| match path {
            "/api/tunnels" => Told::Json(json.clone()),
            _ => Told::Status(404),
        })
    }

    /// cloudflared with a quick tunnel of this name to this service; without a name it has none.
    pub fn cloudflared(name: &str, service: &str) -> Self {
        let quick = format!(r#"{{"hostname":"{name}"}}"#);
        let config = format!(
            r#"{{"version":0,"config":{{"ingress":[{{"hostname":"","path":null,"service":"{service}"}}],"warp-routing":{{}}}}}}"#
        );
        Self::start(move |path| match path {
            "/quicktunnel" => Told::Json(quick.clone()),
            "/config" => Told::Json(config.clone()),
            _ => Told::Status(404),
        })
    }

    /// The paths that were asked for so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for TunnelAgent {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::SeqCst);
        // So that accepting returns and sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

/// Answers one request. What fails is the client's to notice.
fn serve(mut stream: TcpStream, script: &Script, asked: &Mutex<Vec<String>>) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    asked.lock().unwrap().push(path.clone());
    let close = "Connection: close\r\n";
    let answer = match script(&path) {
        Told::Json(json) => {
            let chunks = json
                .as_bytes()
                .chunks(100.max(json.len() / 32))
                .map(|chunk| {
                    let text = std::str::from_utf8(chunk).unwrap();
                    format!("{:x}\r\n{text}\r\n", chunk.len())
                });
            let chunks: String = chunks.collect();
            format!("HTTP/1.1 200 OK\r\n{close}Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")
        }
        Told::Status(status) => format!("HTTP/1.1 {status} x\r\n{close}Content-Length: 0\r\n\r\n"),
        Told::Redirect(url) => {
            format!("HTTP/1.1 302 x\r\n{close}Location: {url}\r\nContent-Length: 0\r\n\r\n")
        }
        Told::Bytes(bytes) => {
            let _ = stream.write_all(bytes);
            return;
        }
        Told::Half => {
            let _ =
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"endpoints\"");
            let _ = stream.read(&mut byte);
            return;
        }
        Told::Endless => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"endpoints\": [");
            while stream.write_all(&[b' '; 4096]).is_ok() {}
            return;
        }
        Told::Hang => {
            let _ = stream.read(&mut byte);
            return;
        }
    };
    let _ = stream.write_all(answer.as_bytes());
}
