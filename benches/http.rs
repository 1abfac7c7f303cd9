//! Reading requests: whole, in pieces, pipelined, chunked.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use torrap::http::{Connection, Limits, Request, Response, Staging, Status};
use torrap::slack::request;
use torrap::time::{Tick, UnixTime};

const URL: &str =
    "https://hooks.slack.com/commands/T1DC2JH3J/397700885554/96rGlfmibIGlgcZRskXaIFfN";

fn http(c: &mut Criterion) {
    let limits = Limits::default();
    let content = request::form("/torrap", "sdrawkcab si siht", URL);
    let whole = request::signed(b"secret", 0, content.as_bytes());
    let mut chunked =
        b"POST /slack HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for piece in content.as_bytes().chunks(64) {
        chunked.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        chunked.extend_from_slice(piece);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    let cases = [
        ("whole", whole.clone(), usize::MAX),
        ("two pieces", whole.clone(), whole.len() / 2 + 1),
        ("byte by byte", whole.clone(), 1),
        ("pipelined", whole.repeat(16), usize::MAX),
        ("chunked", chunked, usize::MAX),
    ];
    let mut group = c.benchmark_group("http");
    for (name, input, piece) in cases {
        group.throughput(Throughput::Bytes(input.len() as u64));
        group.bench_function(name, |b| {
            let mut connection = Connection::new(Tick(0), &limits);
            let mut staging = Staging::default();
            let mut scratch = input.clone();
            b.iter(|| {
                staging.begin(UnixTime(0));
                scratch.copy_from_slice(&input);
                for bytes in scratch.chunks_mut(piece.min(input.len())) {
                    let respond = |_: &Request<'_>| Response::empty(Status::Ok);
                    connection.receive(bytes, Tick(0), &limits, &mut staging, respond);
                }
                black_box(staging.len())
            });
        });
    }
}

criterion_group!(benches, http);
criterion_main!(benches);
