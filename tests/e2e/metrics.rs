//! `/metrics`: its form, and that every number is exact.

use std::collections::{HashMap, HashSet};

use crate::harness::*;

#[test]
fn every_line_is_open_metrics() {
    let server = Server::with(&["rot13", "scripted"], ADMIN);
    server.post("/rot13", b"Hello").is_clean(200, "Uryyb");
    let script = Script::new().open(quiet(Act::Trap));
    server.get(&script.target()).is_error(500);
    server.get("/nosuch").is_error(404);
    server.metric_eventually("wasmplex_exchanges_total", &[], 2.0);
    let answer = server.admin("/metrics");
    let kind = answer.head.field("content-type");
    assert_eq!(kind, Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    let text = answer.text();
    let body = text.strip_suffix("# EOF\n").expect("the end is said");
    assert!(!body.contains("# EOF") && !body.contains("\n\n") && body.ends_with('\n'));

    let mut families = HashMap::new();
    let mut helped = HashSet::new();
    let mut seen = HashSet::new();
    for line in body.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (what, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let rest = words.next().unwrap_or_default();
            assert!(is_name(name, true), "{line}");
            match what {
                "TYPE" => assert!(families.insert(name.to_owned(), rest.to_owned()).is_none(), "{line}"),
                "HELP" => assert!(helped.insert(name.to_owned()) && !rest.is_empty(), "{line}"),
                "UNIT" => assert!(name.ends_with(&format!("_{rest}")), "{line}"),
                _ => panic!("not a comment of OpenMetrics: {line}"),
            }
            continue;
        }
        let sample = Sample::parse(line).unwrap_or_else(|reason| panic!("{line}: {reason}"));
        belongs(&sample, &families);
        let series = line.rsplit_once(' ').expect("a value").0.to_owned();
        assert!(seen.insert(series), "twice: {line}");
    }
    for family in families.keys().filter(|family| family.starts_with("wasmplex_")) {
        assert!(helped.contains(family), "{family} is not explained");
    }
}

#[test]
fn all_that_was_promised_is_there() {
    let server = Server::with(&["rot13", "scripted"], ADMIN);
    let script = Script::new().chunk(say(Act::Trap));
    server.post(&script.target(), b"a body").is_cut("chunk;");
    server.get("/nosuch").is_error(404);
    let version = server.plugin("scripted")["version"].as_str().expect("a version").to_owned();
    server.metric_eventually("wasmplex_exchanges_total", &[("outcome", "failed")], 1.0);
    let metrics = server.metrics();
    for name in [
        "wasmplex_exchanges_total",
        "wasmplex_exchanges_open",
        "wasmplex_received_bytes_total",
        "wasmplex_sent_bytes_total",
        "wasmplex_failures_total",
        "wasmplex_call_seconds_bucket",
        "wasmplex_call_seconds_sum",
        "wasmplex_call_seconds_count",
        "wasmplex_first_byte_seconds_count",
        "wasmplex_instance_start_seconds_count",
        "wasmplex_instance_memory_bytes",
    ] {
        let labels = [("plugin", "scripted"), ("version", version.as_str())];
        assert!(metrics.all(name, &labels).next().is_some(), "{name}");
    }
    for (name, labels) in [
        ("wasmplex_reloads_total", vec![("result", "good")]),
        ("wasmplex_reloads_total", vec![("result", "bad")]),
        ("wasmplex_generation", vec![]),
        ("wasmplex_plugins", vec![("state", "serving")]),
        ("wasmplex_plugins", vec![("state", "stale")]),
        ("wasmplex_plugins", vec![("state", "refused")]),
        ("wasmplex_connections_total", vec![]),
        ("wasmplex_connections_open", vec![]),
        ("wasmplex_refused_total", vec![("status", "404")]),
        ("wasmplex_buffered_bytes", vec![]),
    ] {
        assert_eq!(metrics.all(name, &labels).count(), 1, "{name} {labels:?}");
    }
    let said = ran(&mut wasmplex(&["--version"])).stdout;
    let said = String::from_utf8_lossy(&said).into_owned();
    let mut info = metrics.samples.iter().filter(|sample| sample.name.starts_with("wasmplex_build_info"));
    let info = info.next().expect("the build");
    assert_eq!(info.value, 1.0);
    assert!(said.contains(info.label("version").expect("a version")), "{said}");
}

#[test]
fn bytes_are_counted_while_an_exchange_is_open() {
    let server = Server::with(&["rot13"], ADMIN);
    let label = [("plugin", "rot13")];
    let mut client = server.open("/rot13");
    let mut total = 0;
    server.metric_eventually("wasmplex_exchanges_open", &label, 1.0);
    for round in 0..20 {
        let piece = noise(round, 1 + round as usize * 997);
        client.send_chunk(&piece);
        assert!(client.read(piece.len()) == rot13(&piece));
        total += piece.len();
        server.metric_eventually("wasmplex_received_bytes_total", &label, total as f64);
        server.metric_eventually("wasmplex_sent_bytes_total", &label, total as f64);
    }
    assert_eq!(server.metric("wasmplex_exchanges_total", &label), 0.0);
    client.send_last_chunk();
    assert_eq!(client.rest(), (vec![], Ending::Clean));
    server.metric_eventually("wasmplex_exchanges_total", &[("plugin", "rot13"), ("outcome", "clean")], 1.0);
    server.metric_eventually("wasmplex_exchanges_open", &label, 0.0);
    assert_eq!(server.metric("wasmplex_received_bytes_total", &label), total as f64);
    assert_eq!(server.metric("wasmplex_sent_bytes_total", &label), total as f64);
}

#[test]
fn bytes_of_every_kind_of_exchange_are_exact() {
    let server = Server::with(&["scripted", "respond", "counter"], ADMIN);
    let pass = Script::new().open(quiet(Act::Pass)).target();
    server.post(&pass, &noise(1, MIB));
    let cut = Script::new().chunk(say(Act::GoOn)).end(say(Act::Trap)).target();
    server.post(&cut, b"seven b").is_cut("chunk;end;");
    // On the wire and not: 204 has no body, whatever is emitted.
    let script = Reply::new().emit("0123456789").script();
    server.post("/respond", &script).is_clean(200, "0123456789");
    assert_eq!(server.get("/counter?16").body.len(), MIB);
    server.metric_eventually("wasmplex_exchanges_total", &[], 4.0);
    for (plugin, received, sent) in
        [("scripted", MIB + 7, MIB + "chunk;end;".len()), ("respond", script.len(), 10), ("counter", 0, MIB)]
    {
        let label = [("plugin", plugin)];
        let counted =
            ["received", "sent"].map(|side| server.metric(&format!("wasmplex_{side}_bytes_total"), &label));
        assert_eq!(counted, [received as f64, sent as f64], "{plugin}");
    }
}

#[test]
fn every_stage_of_a_pipe_counts_its_own() {
    let folder = Folder::of(&["rot13", "scripted"]);
    folder.put("tell", "A");
    let server = Server::serve(folder, ADMIN);
    let script = Script::new().chunk(say(Act::GoOn)).target();
    let target = script.replace("/scripted", "/rot13+scripted+tell");
    let mut client = server.open(&target);
    client.expect("A");
    client.send_chunk("hello world");
    client.expect("A".repeat("chunk;".len()));
    client.send_last_chunk();
    assert_eq!(client.rest(), (b"A".to_vec(), Ending::Clean));
    server.metric_eventually("wasmplex_exchanges_open", &[], 0.0);
    for (plugin, received, sent) in [("rot13", 11.0, 11.0), ("scripted", 11.0, 6.0), ("tell", 6.0, 8.0)] {
        let label = [("plugin", plugin)];
        server.metric_eventually("wasmplex_received_bytes_total", &label, received);
        server.metric_eventually("wasmplex_sent_bytes_total", &label, sent);
        server.metric_eventually("wasmplex_exchanges_total", &label, 1.0);
    }
}

#[test]
fn every_outcome_is_counted_once() {
    let server = Server::with(&["scripted"], ADMIN);
    let count = |outcome: &str, value: f64| {
        let labels = [("plugin", "scripted"), ("outcome", outcome)];
        server.metric_eventually("wasmplex_exchanges_total", &labels, value);
    };
    let talk = Script::new().chunk(say(Act::GoOn)).target();
    for _ in 0..5 {
        server.post(&talk, b"a body").is_clean(200, "chunk;");
    }
    count("clean", 5.0);
    let trap = Script::new().chunk(say(Act::Trap)).target();
    for _ in 0..3 {
        server.post(&trap, b"a body").is_cut("chunk;");
    }
    count("failed", 3.0);
    let mut client = server.open(&talk);
    client.send("xyz\r\n");
    assert_ne!(client.rest().1, Ending::Clean);
    count("cut", 1.0);
    for _ in 0..2 {
        let mut client = server.connect();
        client.send(request("POST", &talk, &[CHUNKED]));
        client.send_chunk("a chunk");
        client.vanish_before_reading("chunk;");
    }
    count("gone", 2.0);
    assert_eq!(server.metric("wasmplex_exchanges_total", &[]), 11.0);
    assert_eq!(server.metric("wasmplex_exchanges_open", &[]), 0.0);
}

#[test]
fn failures_are_counted_by_their_reason() {
    let flags = [ADMIN, &["--cpu-per-call", "100ms", "--time-per-call", "600ms"]].concat();
    let server = Server::with(&["scripted"], &flags);
    for (act, reason) in [
        (Act::Trap, "trap"),
        (Act::Reject, "rejected"),
        (Act::ExitWith3, "exit"),
        (Act::SleepAnHour, "time_per_call"),
    ] {
        let script = Script::new().chunk(say(act));
        for _ in 0..2 {
            server.post(&script.target(), b"a body").is_cut("chunk;");
        }
        let labels = [("plugin", "scripted"), ("reason", reason)];
        server.metric_eventually("wasmplex_failures_total", &labels, 2.0);
    }
    assert_eq!(server.metric("wasmplex_failures_total", &[]), 8.0);
    let flags = [ADMIN, &["--cpu-per-call", "100ms", "--time-per-call", "10m"]].concat();
    let server = Server::with(&["scripted"], &flags);
    server.post(&Script::new().chunk(say(Act::Loop)).target(), b"a body").is_cut("chunk;");
    server.metric_eventually("wasmplex_failures_total", &[("reason", "cpu_per_call")], 1.0);
}

#[test]
fn histograms_count_exchanges_and_calls() {
    let server = Server::with(&["echo", "scripted"], ADMIN);
    const EXCHANGES: usize = 7;
    for _ in 0..EXCHANGES {
        server.post("/echo", b"Hello").is_clean(200, "Hello");
    }
    let slow = Script::new().end(say(Act::SetTimer)).timer(say(Act::GoOn));
    server.post(&slow.target(), b"a body").is_clean(200, "end;timer;");
    server.metric_eventually("wasmplex_exchanges_total", &[], EXCHANGES as f64 + 1.0);
    let metrics = server.metrics();
    let label = [("plugin", "echo")];
    for name in ["instance_start", "first_byte"] {
        let count = metrics.sum(&format!("wasmplex_{name}_seconds_count"), &label);
        assert_eq!(count, EXCHANGES as f64, "{name}");
    }
    let calls = metrics.sum("wasmplex_call_seconds_count", &label);
    assert!(calls >= EXCHANGES as f64, "{calls} calls");
    for name in ["call", "instance_start", "first_byte"] {
        for plugin in ["echo", "scripted"] {
            is_a_histogram(&metrics, &format!("wasmplex_{name}_seconds"), plugin);
        }
    }
}

#[test]
fn the_hosts_own_answers_are_counted_by_status() {
    let server = Server::with(&["echo"], ADMIN);
    for _ in 0..3 {
        server.get("/nosuch").is_error(404);
    }
    server.connect().exchange(request("TRACE", "/echo", &[])).is_error(405);
    server.connect().exchange(request("BREW", "/echo", &[])).is_error(501);
    server.connect().exchange("GET /echo HTTP/1.1\r\nno colon\r\n\r\n").is_error(400);
    for (status, count) in [("404", 3.0), ("405", 1.0), ("501", 1.0), ("400", 1.0)] {
        server.metric_eventually("wasmplex_refused_total", &[("status", status)], count);
    }
    assert_eq!(server.metric("wasmplex_exchanges_total", &[]), 0.0, "no plugin ran");
}

#[test]
fn connections_are_counted() {
    let server = Server::with(&["echo"], ADMIN);
    let mut clients: Vec<Client> = (0..5).map(|_| server.connect()).collect();
    for client in &mut clients {
        for _ in 0..3 {
            client.exchange(request("GET", "/echo", &[])).is_clean(200, "");
        }
    }
    server.metric_eventually("wasmplex_connections_open", &[], 5.0);
    server.metric_eventually("wasmplex_connections_total", &[], 5.0);
    drop(clients);
    server.metric_eventually("wasmplex_connections_open", &[], 0.0);
    assert_eq!(server.metric("wasmplex_connections_total", &[]), 5.0);
}

#[test]
fn series_of_old_versions_are_folded_and_nothing_is_lost() {
    let server = Server::telling(ADMIN);
    let label = [("plugin", "tell")];
    let mut asked = 0.0;
    for letter in ["A", "B", "C", "D", "E", "F", "G", "H", "I", "J"] {
        let before = server.plugin("tell")["version"].clone();
        server.folder().put("tell", letter);
        if letter != "A" {
            eventually("another version", || (server.plugin("tell")["version"] != before).then_some(()));
        }
        server.post("/tell", b"hello").is_clean(200, whole(letter, 5));
        asked += 1.0;
        server.metric_eventually("wasmplex_exchanges_total", &label, asked);
        assert_eq!(server.metric("wasmplex_received_bytes_total", &label), 5.0 * asked);
        assert_eq!(server.metric("wasmplex_sent_bytes_total", &label), 7.0 * asked);
    }
    let metrics = server.metrics();
    let samples = metrics.all("wasmplex_exchanges_total", &label);
    let versions: HashSet<_> = samples.filter_map(|sample| sample.label("version")).collect();
    assert!(versions.contains("older"), "{versions:?}");
    assert!(versions.len() <= 6, "the present one, four, and the older: {versions:?}");
}

#[test]
fn numbers_stay_when_their_plugin_goes() {
    let server = Server::telling(ADMIN);
    server.post("/tell", b"hello").is_clean(200, whole("A", 5));
    server.metric_eventually("wasmplex_exchanges_total", &[("plugin", "tell")], 1.0);
    let mut open = server.open("/tell");
    server.folder().remove("tell.wat");
    let mut asked = 2.0;
    eventually("it to be gone", || {
        let is_gone = server.get("/tell").head.status == 404;
        asked += if is_gone { 0.0 } else { 1.0 };
        is_gone.then_some(())
    });
    server.metric_eventually("wasmplex_exchanges_open", &[("plugin", "tell")], 1.0);
    open.send_last_chunk();
    open.rest();
    server.metric_eventually("wasmplex_exchanges_total", &[("plugin", "tell")], asked);
    server.metric_eventually("wasmplex_exchanges_open", &[("plugin", "tell")], 0.0);
}

/// The sample's family was declared before it, and its name fits the kind.
#[track_caller]
fn belongs(sample: &Sample, families: &HashMap<String, String>) {
    let endings: [(&str, &[&str]); 4] = [
        ("counter", &["_total", "_created"]),
        ("histogram", &["_bucket", "_sum", "_count", "_created"]),
        ("gauge", &[""]),
        ("info", &["_info"]),
    ];
    let fits = families.iter().any(|(family, kind)| {
        let allowed = endings.iter().find(|(name, _)| name == kind).map_or(&[][..], |kind| kind.1);
        sample.name.strip_prefix(family.as_str()).is_some_and(|ending| allowed.contains(&ending))
    });
    assert!(fits, "{} has no family of its kind before it", sample.name);
    assert!(!sample.value.is_nan(), "{sample:?}");
}

/// Buckets rise, and the last one holds everything.
#[track_caller]
fn is_a_histogram(metrics: &Metrics, name: &str, plugin: &str) {
    let label = [("plugin", plugin)];
    let bucket = format!("{name}_bucket");
    let mut last = (f64::NEG_INFINITY, 0.0);
    for sample in metrics.all(&bucket, &label) {
        let bound: f64 = sample.label("le").and_then(|bound| bound.parse().ok()).expect("a bound");
        assert!(bound > last.0 && sample.value >= last.1, "{sample:?} after {last:?}");
        last = (bound, sample.value);
    }
    assert_eq!(last, (f64::INFINITY, metrics.sum(&format!("{name}_count"), &label)), "{name}");
    let sum = metrics.sum(&format!("{name}_sum"), &label);
    assert!(sum >= 0.0 && (sum > 0.0) == (last.1 > 0.0), "{name}: {sum} for {}", last.1);
}
