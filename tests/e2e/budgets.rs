//! Budgets of an exchange, from the command line and from a manifest: a proper error before the
//! head, a cut afterwards, and the limit by its name in the log and in the metrics.

use crate::harness::*;

/// Where a limit comes from.
#[derive(Clone, Copy, Debug)]
enum Source {
    Flag,
    Manifest,
}

const BOTH: [Source; 2] = [Source::Flag, Source::Manifest];

#[test]
fn the_byte_beyond_is_cut() {
    for (from, limit) in BOTH.into_iter().flat_map(|from| [(from, "emitted"), (from, "received")]) {
        let server = limited(from, &["echo"], limit, "10");
        server.post("/echo", b"ten bytes!").is_clean(200, "ten bytes!");
        let mut client = server.open("/echo");
        for half in ["hello", "world"] {
            client.send_chunk(half);
            client.expect(half);
        }
        client.send_chunk("!");
        let (body, ending) = client.rest();
        assert!(body.is_empty() && ending != Ending::Clean, "{from:?} {limit}: {ending:?}");
        failed(&server, "echo", limit, &format!("{limit}: more than the limit of 10 B"));
    }
}

#[test]
fn emitted_bytes_before_the_head() {
    for from in BOTH {
        let server = limited(from, &["respond"], "emitted", "10");
        let within = Reply::new().emit("ten").emit(" bytes!");
        server.post("/respond", &within.script()).is_clean(200, "ten bytes!");
        let beyond = Reply::new().emit("eleven byte").script();
        server.post("/respond", &beyond).is_error(500);
        failed(&server, "respond", "emitted", "emitted: more than the limit of 10 B");
    }
}

#[test]
fn emitted_bytes_of_an_endless_emitter() {
    let server = limited(Source::Manifest, &["counter"], "emitted", "\"1MiB\"");
    let canary = Canary::start(&server);
    let answer = server.get("/counter");
    assert_eq!(answer.head.status, 200);
    assert_ne!(answer.ending, Ending::Clean);
    assert!(answer.body.len() <= MIB, "{} bytes", answer.body.len());
    failed(&server, "counter", "emitted", "emitted");
    canary.sings(5);
    canary.stop();
}

/// Bytes that are passed through unchanged are emitted as well, and received.
#[test]
fn passed_bytes_count() {
    for (key, value) in [("emitted", "10"), ("received", "10")] {
        let server = limited(Source::Manifest, &["scripted"], key, value);
        let mut client = server.open(&Script::new().open(quiet(Act::Pass)).target());
        client.send_chunk("ten bytes!");
        client.expect("ten bytes!");
        client.send_chunk("!");
        assert_ne!(client.rest().1, Ending::Clean, "{key}");
        failed(&server, "scripted", key, key);
    }
}

#[test]
fn received_bytes_that_are_announced() {
    for from in BOTH {
        let server = limited(from, &["echo"], "received", "10");
        server.post("/echo", b"ten bytes!").is_clean(200, "ten bytes!");
        // The answer is here although none of the body is.
        let mut client = server.connect();
        client.send(request("POST", "/echo", &["Content-Length: 11"]));
        client.answer().is_error(413);
        // And no 100 invites what will be refused.
        let mut client = server.connect();
        let expect = "Expect: 100-continue";
        client.send(request("POST", "/echo", &["Content-Length: 1000000", expect]));
        client.answer().is_error(413);
        server.post("/echo", b"ten bytes!").is_clean(200, "ten bytes!");
    }
}

#[test]
fn received_bytes_before_the_head() {
    for from in BOTH {
        let server = limited(from, &["scripted"], "received", "10");
        let script = Script::new().open(quiet(Act::Hold)).target();
        server.post(&script, b"ten bytes!").is_clean(200, "");
        let mut client = server.connect();
        client.send(request("POST", &script, &[CHUNKED]));
        client.send_chunk("ten bytes!");
        client.send_chunk("!");
        client.answer().is_error(413);
        failed(&server, "scripted", "received", "received: more than the limit of 10 B");
    }
}

#[test]
fn processor_time_of_an_exchange() {
    for from in BOTH {
        let value = if matches!(from, Source::Flag) { "100ms" } else { "\"100ms\"" };
        let server = limited(from, &["busy_timer", "rot13"], "cpu_per_exchange", value);
        // Every timer computes for 10 ms: no call is long, but all of them are.
        let answer = server.get("/busy_timer");
        assert_eq!(answer.head.status, 200);
        assert_ne!(answer.ending, Ending::Clean);
        let timers = answer.body.len();
        assert!((2..200).contains(&timers), "{from:?}: {timers} timers");
        failed(&server, "busy_timer", "cpu_per_exchange", "cpu_per_exchange");
        server.open("/rot13").rot13_in_lock_step(50);
    }
}

#[test]
fn processor_time_of_an_exchange_before_the_head() {
    let server = limited(Source::Manifest, &["scripted", "rot13"], "cpu_per_exchange", "\"100ms\"");
    let canary = Canary::start(&server);
    let script = Script::new().open(quiet(Act::Loop));
    server.get(&script.target()).is_error(500);
    failed(&server, "scripted", "cpu_per_exchange", "cpu_per_exchange");
    canary.sings(5);
    canary.stop();
}

#[test]
fn waiting_costs_no_processor_time() {
    let server = limited(Source::Flag, &["scripted", "naps"], "cpu_per_exchange", "150ms");
    server.post("/naps", b"good night").is_clean(200, "rested");
    let script = Script::new().open(quiet(Act::SetTimer)).timer(say(Act::SetTimer));
    let mut client = server.open(&script.target());
    client.expect("timer;".repeat(100));
    client.send_last_chunk();
    assert_eq!(client.rest().1, Ending::Clean);
}

#[test]
fn lines_in_the_log() {
    for from in BOTH {
        let server = limited(from, &["log_chunks"], "log_lines", "4");
        let mark = server.log().mark();
        let mut client = server.open("/log_chunks");
        for round in 0..4 {
            client.send_chunk(letters(round));
            client.expect(letters(round));
        }
        client.send_chunk("one too many");
        assert_ne!(client.rest().1, Ending::Clean);
        failed(&server, "log_chunks", "log_lines", "log_lines");
        assert_eq!(server.log().count(mark, &["a line by log"]), 2);
        assert_eq!(server.log().count(mark, &["a line by stderr"]), 2);
        // Each exchange has its own.
        server.post("/log_chunks", b"Hello").is_clean(200, "Hello");
    }
}

#[test]
fn lines_in_the_log_before_the_head() {
    for from in BOTH {
        let server = limited(from, &["logs"], "log_lines", "3");
        server.get("/logs").is_error(500);
        failed(&server, "logs", "log_lines", "log_lines");
        assert_eq!(server.log().count(0, &["a warning sign"]), 1, "the third");
        assert_eq!(server.log().count(0, &["an error report"]), 0, "the fourth");
    }
}

/// A server of these plugins with one limit, and with an admin listener. A manifest is the first
/// plugin's alone; a flag is for all.
fn limited(from: Source, plugins: &[&str], key: &str, value: &str) -> Server {
    println!("{from:?} {key} {value}");
    let mut names = plugins.to_vec();
    if !names.contains(&"rot13") {
        names.push("rot13");
    }
    let folder = Folder::of(&names);
    let flag = format!("--{}", key.replace('_', "-"));
    let mut flags = ADMIN.to_vec();
    match from {
        Source::Flag => flags.extend([flag.as_str(), value]),
        Source::Manifest => {
            let manifest = format!(r#"{{"limits": {{"{key}": {value}}}}}"#);
            folder.write(&format!("{}.json", plugins[0]), manifest.as_bytes());
        }
    }
    Server::serve(folder, &flags)
}

/// The log names the plugin and the reason, the metrics count it, and others go on.
#[track_caller]
fn failed(server: &Server, plugin: &str, key: &str, reason: &str) {
    server.log().wait(0, &["WARN", "plugin failed", plugin, reason]);
    server.log().wait(0, &["exchange ended", plugin, "failed"]);
    let labels = [("plugin", plugin), ("reason", key)];
    server.metric_eventually("wasmplex_failures_total", &labels, 1.0);
    server.post("/rot13", b"Hello").is_clean(200, "Uryyb");
}
