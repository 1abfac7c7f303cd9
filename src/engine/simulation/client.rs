//! A client: what it sends, and what it must get for that.

use std::collections::VecDeque;

use super::Generator;
use super::network::Network;

/// A request that was or will be sent.
#[derive(Debug)]
pub(crate) struct Sent {
    /// The end of its bytes in all that the client sends.
    end: usize,
    status: u16,
    /// The text of a command.
    pub(crate) id: Option<String>,
    closes: bool,
}

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) wire: usize,
    outgoing: VecDeque<u8>,
    composed: usize,
    delivered: usize,
    unanswered: VecDeque<Sent>,
    received: Vec<u8>,
    /// Reads its answers.
    pub(crate) reads: bool,
    pub(crate) has_ended: bool,
    /// It was told that its request is given up; nothing more is owed.
    pub(crate) refused: Option<u16>,
    pub(crate) answers: u64,
}

impl Client {
    pub(crate) fn new(wire: usize, reads: bool) -> Self {
        Self {
            wire,
            outgoing: VecDeque::new(),
            composed: 0,
            delivered: 0,
            unanswered: VecDeque::new(),
            received: Vec::new(),
            reads,
            has_ended: false,
            refused: None,
            answers: 0,
        }
    }

    pub(crate) fn compose(&mut self, bytes: &[u8], status: u16, id: Option<String>, closes: bool) {
        if self.unanswered.back().is_some_and(|last| last.closes) {
            return;
        }
        self.outgoing.extend(bytes);
        self.composed += bytes.len();
        self.unanswered.push_back(Sent {
            end: self.composed,
            status,
            id,
            closes,
        });
    }

    /// The network carries some of what was composed. The commands that are complete now.
    pub(crate) fn carry(
        &mut self,
        network: &mut Network,
        generator: &mut Generator,
    ) -> Vec<String> {
        let wire = &network.wires[self.wire];
        if wire.closed || wire.server_fin {
            self.has_ended = true;
            return Vec::new();
        }
        let all = self.outgoing.len();
        let len = match generator.below(4) {
            0 => all.min(1),
            1 => generator.index(all + 1),
            _ => all,
        };
        let bytes: Vec<u8> = self.outgoing.drain(..len).collect();
        let before = self.delivered;
        self.delivered += len;
        if len > 0 {
            network.deliver(self.wire, &bytes);
        }
        let complete = self
            .unanswered
            .iter()
            .filter(|sent| (before + 1..=self.delivered).contains(&sent.end));
        complete.filter_map(|sent| sent.id.clone()).collect()
    }

    /// Requests that have arrived completely and are not answered.
    pub(crate) fn owed(&self) -> usize {
        let complete = |sent: &&Sent| sent.end <= self.delivered;
        self.unanswered.iter().take_while(complete).count()
    }

    /// Reads answers and compares them. The commands that were answered, and whether each was acknowledged. While
    /// there is room, the bot gives up nothing that is complete, however late it hears of it.
    pub(crate) fn read(&mut self, network: &mut Network, is_in_time: bool) -> Vec<(String, bool)> {
        let is_in_time = is_in_time && !network.wires[self.wire].was_blocked;
        self.received.extend(network.take(self.wire, usize::MAX));
        let mut answered = Vec::new();
        while let Some((status, content, len)) = parse(&self.received) {
            self.received.drain(..len);
            assert_eq!(self.refused, None, "an answer after the last one");
            if [408, 503].contains(&status) {
                assert!(!is_in_time || self.owed() == 0, "given up though complete");
                self.refused = Some(status);
                continue;
            }
            let sent = self.unanswered.pop_front().expect("an answer to nothing");
            // What is no HTTP need not be complete to be known as such.
            assert!(
                sent.end <= self.delivered || status == 400,
                "answered before it was complete"
            );
            assert_eq!(status, sent.status);
            self.answers += 1;
            answered.extend(sent.id.map(|id| (id, content == 0)));
        }
        answered
    }
}

/// Status, bytes of content and bytes in all of a whole response.
fn parse(bytes: &[u8]) -> Option<(u16, usize, usize)> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head]).unwrap();
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "));
    let content: usize = length.unwrap().parse().unwrap();
    let status = text[9..12].parse().unwrap();
    (bytes.len() >= head + content).then_some((status, content, head + content))
}
