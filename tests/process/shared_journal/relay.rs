//! A relay between a bot and its Redis, which can be cut: then bytes wait on both sides, as on a network that has lost a link,
//! and arrive when it is whole again.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// A relay that runs. Dropping it closes its connections.
pub struct Relay {
    pub address: SocketAddr,
    link: Arc<Link>,
}

struct Link {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    is_cut: bool,
    is_over: bool,
    target: SocketAddr,
    streams: Vec<TcpStream>,
}

impl Relay {
    /// A whole link to there.
    pub fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = State {
            is_cut: false,
            is_over: false,
            target,
            streams: Vec::new(),
        };
        let link = Arc::new(Link {
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let serving = link.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { continue };
                if serving.state.lock().unwrap().is_over {
                    return;
                }
                let link = serving.clone();
                thread::spawn(move || link.connect(client));
            }
        });
        Self { address, link }
    }

    /// Nothing goes through any more.
    pub fn cut(&self) {
        self.change(|state| state.is_cut = true);
    }

    /// All goes through again.
    pub fn mend(&self) {
        self.change(|state| state.is_cut = false);
    }

    /// Closes all connections, and leads new ones to another server.
    pub fn redirect(&self, target: SocketAddr) {
        self.change(|state| {
            state.target = target;
            state.close_all();
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.link.state.lock().unwrap());
        self.link.changed.notify_all();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.change(|state| {
            state.is_over = true;
            state.close_all();
        });
        // Its listener waits for one more.
        let _ = TcpStream::connect(self.address);
    }
}

impl State {
    fn close_all(&mut self) {
        for stream in self.streams.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Link {
    /// Where to connect to, once the link is whole; `None` at the end.
    fn wait_until_whole(&self) -> Option<SocketAddr> {
        let state = self.state.lock().unwrap();
        let waits = |state: &mut State| state.is_cut && !state.is_over;
        let state = self.changed.wait_while(state, waits).unwrap();
        (!state.is_over).then_some(state.target)
    }

    fn connect(self: Arc<Self>, client: TcpStream) {
        let Some(target) = self.wait_until_whole() else {
            return;
        };
        // Without a server the client's connection closes.
        let Ok(server) = TcpStream::connect(target) else {
            return;
        };
        for stream in [&client, &server] {
            let _ = stream.set_nodelay(true);
            let handle = stream.try_clone().unwrap();
            self.state.lock().unwrap().streams.push(handle);
        }
        let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let link = self.clone();
        thread::spawn(move || link.copy(from, to));
        self.copy(server, client);
    }

    fn copy(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut bytes = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut bytes)
            && self.wait_until_whole().is_some()
            && to.write_all(&bytes[..count]).is_ok()
        {}
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
}
