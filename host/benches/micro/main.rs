//! What the pieces cost by themselves, without a socket: a head, a body's framing, an instance, a call.
//!
//! `make bench-micro` runs it, or `cargo bench --bench micro -- [FILTER]`. It says how a piece changes from
//! one build to the next (criterion keeps the last run to compare with); what users see, `duplex` measures.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

use wasmplex::http::decode::BodyDecoder;
use wasmplex::http::framing::{self, Framing};
use wasmplex::http::head;
use wasmplex::plugin::{Code, Engine, EngineOptions, Instance, Nowhere, Plugin, Settings, Wiring};

/// What curl sends.
const SHORT_HEAD: &[u8] = b"POST /rot13 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: curl/8.5.0\r\n\
    Accept: */*\r\nContent-Length: 64\r\n\r\n";

/// What a browser sends.
const BROWSER_HEAD: &[u8] = b"POST /rot13 HTTP/1.1\r\nHost: example.org\r\nConnection: keep-alive\r\n\
    Content-Length: 64\r\nsec-ch-ua: \"Chromium\";v=\"140\", \"Not=A?Brand\";v=\"24\"\r\n\
    sec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: \"Linux\"\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) \
    AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\
    Content-Type: text/plain;charset=UTF-8\r\nAccept: */*\r\nOrigin: https://example.org\r\n\
    Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n\
    Referer: https://example.org/page\r\nAccept-Encoding: gzip, deflate, br\r\n\
    Accept-Language: en-US,en;q=0.9\r\nCookie: session=0123456789abcdef\r\n\r\n";

/// The most bytes that a plugin is handed at once.
const CHUNK: usize = 64 * 1024;

/// The output of a future that waits for nothing, but gives way when a tick finds it.
fn at_once<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}

fn heads(criterion: &mut Criterion) {
    for (name, bytes) in [("head, curl's", SHORT_HEAD), ("head, a browser's", BROWSER_HEAD)] {
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| {
                let (head, length) = head::parse(bytes, 0).expect("good").expect("whole");
                assert_eq!(length, bytes.len());
                framing::decide(&head).expect("good")
            });
        });
    }
}

fn bodies(criterion: &mut Criterion) {
    for size in [CHUNK, 4096, 512, 64] {
        let mut wire = Vec::new();
        for _ in 0..CHUNK / size {
            wire.extend_from_slice(format!("{size:x}\r\n").as_bytes());
            wire.resize(wire.len() + size, b'x');
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b"0\r\n\r\n");
        let mut body = vec![0; CHUNK];
        let mut group = criterion.benchmark_group("body of 64 KiB");
        group.throughput(Throughput::Bytes(CHUNK as u64));
        group.bench_function(format!("in wire chunks of {size}"), |bencher| {
            bencher.iter(|| {
                let mut decoder = BodyDecoder::new(Framing::Chunked);
                let progress = decoder.decode(&wire, &mut body).expect("good");
                assert_eq!(progress.produced, CHUNK);
            });
        });
        group.finish();
    }
}

fn rot13() -> (Engine, Arc<Plugin>) {
    let engine = Engine::new(&EngineOptions { max_instances: 64 }).expect("room for some instances");
    let text = include_bytes!("../../../plugins/rot13/rot13.wat");
    let code = Code::load(&engine, text, None).expect("good");
    let plugin = Plugin::new(&engine, "rot13", code, Settings::default()).expect("good");
    (engine, plugin)
}

fn start(plugin: &Arc<Plugin>) -> Instance {
    at_once(Instance::start(plugin, Wiring::alone(plugin, Box::new(Nowhere)))).expect("good")
}

fn call(instance: &mut Instance, bytes: &[u8]) {
    instance.fill(|area| {
        area[..bytes.len()].copy_from_slice(bytes);
        (bytes.len(), ())
    });
    at_once(instance.chunk(bytes.len())).expect("good");
}

fn plugins(criterion: &mut Criterion) {
    // A call that gives way has a timer.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let _inside = runtime.enter();
    let (_engine, plugin) = rot13();
    let bytes = vec![b'x'; CHUNK];
    criterion.bench_function("an instance, made and dropped", |bencher| bencher.iter(|| start(&plugin)));
    criterion.bench_function("an instance, 64 bytes, and dropped", |bencher| {
        bencher.iter(|| call(&mut start(&plugin), &bytes[..64]));
    });
    for size in [0, 64, 4096, CHUNK] {
        criterion.bench_function(&format!("a call with {size} bytes, emitted"), |bencher| {
            bencher.iter_batched_ref(
                || start(&plugin),
                |instance| (0..100).for_each(|_| call(instance, &bytes[..size])),
                BatchSize::PerIteration,
            );
        });
    }
}

criterion_group! {
    name = pieces;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    targets = heads, bodies, plugins
}
criterion_main!(pieces);
