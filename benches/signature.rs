//! Verifying Slack's signature: what a right one and a wrong one cost, by size of the content.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use torrap::slack::request::sign;
use torrap::slack::signature::Verifier;
use torrap::time::UnixTime;

const SECRET: &[u8] = b"8f742231b10e8888abcd99yyyzzz85a5";
const NOW: UnixTime = UnixTime(1_531_420_618_000);

fn signature(c: &mut Criterion) {
    let verifier = Verifier::new([SECRET], 60_000);
    let timestamp = b"1531420618".as_slice();
    let mut group = c.benchmark_group("signature");
    for bytes in [400, 4 * 1024, 200 * 1024] {
        let content = vec![b'a'; bytes];
        let right = sign(SECRET, NOW.secs(), &content);
        let wrong = sign(b"another", NOW.secs(), &content);
        group.throughput(Throughput::Bytes(bytes as u64));
        for (name, signature) in [("right", right), ("wrong", wrong)] {
            group.bench_with_input(BenchmarkId::new(name, bytes), &content, |b, content| {
                let signature = Some(signature.as_bytes());
                b.iter(|| {
                    black_box(verifier.verify(Some(timestamp), signature, black_box(content), NOW))
                        .is_ok()
                });
            });
        }
    }
}

criterion_group!(benches, signature);
criterion_main!(benches);
