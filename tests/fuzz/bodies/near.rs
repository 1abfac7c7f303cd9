//! Inputs near the seeds: what a fuzzer tries first, the same in every run.

/// So many inputs, each made of some of the seeds.
pub fn near(seeds: &[Vec<u8>], count: usize) -> impl Iterator<Item = Vec<u8>> {
    let mut chance = Chance(0);
    (0..count).map(move |_| chance.near(seeds))
}

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) % end.max(1) as u64) as usize
    }

    /// An input near some of the seeds: cut, joined, doubled, and with some bytes changed.
    fn near(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            match self.below(6) {
                0 => bytes.truncate(at),
                1 => {
                    let other = &seeds[self.below(seeds.len())];
                    bytes.truncate(at);
                    bytes.extend_from_slice(&other[self.below(other.len() + 1)..]);
                }
                2 => {
                    let end = (at + 1 + self.below(12)).min(bytes.len());
                    let piece = bytes[at..end].to_vec();
                    let to = self.below(bytes.len() + 1);
                    bytes.splice(to..to, piece);
                }
                3 => {
                    let end = (at + 1 + self.below(6)).min(bytes.len());
                    bytes.drain(at..end);
                }
                4 => bytes.insert(at, self.below(256) as u8),
                _ if at < bytes.len() => bytes[at] = self.byte(bytes[at]),
                _ => {}
            }
        }
        bytes
    }

    /// Another byte: a neighbour, one that means something to some parser, or any.
    fn byte(&mut self, byte: u8) -> u8 {
        match self.below(3) {
            0 => byte ^ 1 << self.below(8),
            1 => {
                let telling = b"\r\n\t\0 :;,=&%+<>|@#!?/.\"\\09afAFxZ-_\x7f\x80\xff";
                telling[self.below(telling.len())]
            }
            _ => self.below(256) as u8,
        }
    }
}
