//! `limits` of a manifest: each may be lowered, and raised up to its cap.

use crate::harness::*;

const KEYS: [&str; 8] = [
    "memory",
    "memory_per_exchange",
    "cpu_per_call",
    "time_per_call",
    "cpu_per_exchange",
    "emitted",
    "received",
    "log_lines",
];

/// Key, a low value, and a plugin and target that meet it, with the word that the log says.
const LOWERED: [(&str, &str, &str, &str); 8] = [
    ("memory", r#""2MiB""#, "grow_or_trap", "memory"),
    ("memory_per_exchange", "2000000", "grow_or_trap", "memory_per_exchange"),
    ("cpu_per_call", r#""60ms""#, "scripted?al", "cpu per call is beyond its limit of 60ms"),
    ("time_per_call", r#""70ms""#, "scripted?as", "time per call is beyond its limit of 70ms"),
    ("cpu_per_exchange", r#""80ms""#, "scripted?al", "cpu_per_exchange"),
    ("emitted", "100", "echo", "emitted: more than the limit of 100 B"),
    ("received", r#""100""#, "echo", "received: more than the limit of 100 B"),
    ("log_lines", "2", "log_chunks", "log_lines"),
];

#[test]
fn each_limit_can_be_lowered() {
    for (key, value, target, reason) in LOWERED {
        println!("{key}: {value}");
        let plugin = target.split('?').next().unwrap_or_default();
        let folder = Folder::of(&[plugin]);
        folder.write(&format!("{plugin}.json"), limits(key, value).as_bytes());
        let server = Server::serve(folder, ADMIN);
        let mut client = server.open(&format!("/{target}"));
        assert_ne!(fed_to_its_end(&mut client), Ending::Clean, "{key}");
        server.log().wait(0, &["plugin failed", plugin, reason]);
        let label = [("plugin", plugin), ("reason", key)];
        server.metric_eventually("wasmplex_failures_total", &label, 1.0);
        // And without it nothing of the kind happens, but for the endless ones.
        if !target.contains('?') {
            server.folder().remove(&format!("{plugin}.json"));
            eventually("an exchange without this limit", || {
                let answer = server.post(&format!("/{plugin}"), &noise(1, 300));
                (answer.ending == Ending::Clean && answer.head.status == 200).then_some(())
            });
        }
    }
}

#[test]
fn each_limit_can_be_raised_to_its_cap_and_no_further() {
    let cases = [
        ("memory", "1MiB", "3MiB", r#""3MiB""#, r#""3145729""#),
        ("memory_per_exchange", "1MiB", "3MiB", "3145728", "3145729"),
        ("cpu_per_call", "1s", "3s", r#""3s""#, r#""3001ms""#),
        ("time_per_call", "1s", "3s", r#""3s""#, r#""4s""#),
        ("cpu_per_exchange", "1s", "3s", r#""3s""#, r#""off""#),
        ("emitted", "1MiB", "3MiB", "3145728", r#""off""#),
        ("received", "1MiB", "3MiB", r#""3MiB""#, "3145729"),
        ("log_lines", "10", "30", "30", "31"),
    ];
    for (key, default, cap, good, bad) in cases {
        let flag = key.replace('_', "-");
        let (default_flag, cap_flag) = (format!("--{flag}"), format!("--max-{flag}"));
        let server = Server::telling(&[&default_flag, default, &cap_flag, cap]);
        takes(&server, key, good);
        refuses(&server, key, bad);
    }
}

#[test]
fn the_caps_that_there_are_without_flags() {
    let server = Server::telling(&[]);
    for (key, good, bad) in [
        ("memory", r#""256MiB""#, r#""257MiB""#),
        ("memory_per_exchange", r#""2GiB""#, r#""3GiB""#),
        ("cpu_per_call", r#""10s""#, r#""11s""#),
        ("time_per_call", r#""1m""#, r#""61s""#),
    ] {
        takes(&server, key, good);
        refuses(&server, key, bad);
    }
    for (key, good) in [
        ("cpu_per_exchange", r#""10h""#),
        ("emitted", r#""100GiB""#),
        ("received", r#""off""#),
        ("log_lines", "1000000000"),
        ("log_lines", r#""off""#),
    ] {
        takes(&server, key, good);
    }
}

#[test]
fn a_default_without_a_cap_is_the_cap() {
    let flags = ["--cpu-per-exchange", "1s", "--emitted", "1000", "--received", "1000", "--log-lines", "10"];
    let server = Server::telling(&flags);
    for (key, good, bad) in [
        ("cpu_per_exchange", r#""1s""#, r#""2s""#),
        ("emitted", "1000", "1001"),
        ("received", "999", r#""off""#),
        ("log_lines", "10", "11"),
    ] {
        takes(&server, key, good);
        refuses(&server, key, bad);
    }
}

#[test]
fn a_cap_below_the_default_is_raised_to_it() {
    let flags = ["--memory", "8MiB", "--max-memory", "1MiB", "--emitted", "1000", "--max-emitted", "10"];
    let server = Server::telling(&flags);
    assert_eq!(server.version("tell").as_deref(), Some("A"));
    for (key, good, bad) in [("memory", r#""8MiB""#, r#""9MiB""#), ("emitted", "1000", "1001")] {
        takes(&server, key, good);
        refuses(&server, key, bad);
    }
}

#[test]
fn an_initial_memory_beyond_the_manifests_limit() {
    let server = Server::telling(&[]);
    server.folder().write("tell.json", br#"{"limits": {"memory": "64KiB"}}"#);
    server.log().wait(0, &["not loaded", "plugin=\"tell\"", "memory"]);
    assert_eq!(server.version("tell").as_deref(), Some("A"));
    server.folder().write("tell.json", br#"{"limits": {"memory": "128KiB"}}"#);
    server.folder().put("tell", "B");
    server.serves("tell", "B");
}

#[test]
fn the_effective_limits_are_told() {
    let folder = Folder::of(&["echo"]);
    folder.write("echo.json", br#"{"limits": {"cpu_per_call": "123ms"}}"#);
    let file = folder.path().join("echo.wat");
    let finished = ran(wasmplex(&["inspect", "--json", "--time-per-call", "456ms"]).arg(file));
    let inspected: serde_json::Value = serde_json::from_slice(&finished.stdout).expect("JSON");
    let server = Server::serve(folder, &[ADMIN, &["--time-per-call", "456ms"]].concat());
    let listed = server.plugin("echo");
    for said in [&inspected["limits"], &listed["limits"]] {
        for key in KEYS {
            assert!(said.get(key).is_some(), "{key} is not in {said}");
        }
        assert!(said["cpu_per_call"].to_string().contains("123"), "{said}");
        assert!(said["time_per_call"].to_string().contains("456"), "{said}");
    }
    assert_eq!(inspected["limits"], listed["limits"], "they speak alike");
}

/// Sends a chunk for every answer until the exchange ends, at the latest after 100.
#[track_caller]
fn fed_to_its_end(client: &mut Client) -> Ending {
    for _ in 0..100 {
        client.try_send(wire_chunk("twenty bytes of it.\n"));
        if let Step::Over(ending) = client.step() {
            return ending;
        }
    }
    panic!("no limit ended it");
}

/// The manifest is taken: the plugin behind it is served in a version that was not there before.
#[track_caller]
fn takes(server: &Server, key: &str, value: &str) {
    server.folder().write("tell.json", limits(key, value).as_bytes());
    let next = if server.version("tell").as_deref() == Some("A") { "B" } else { "A" };
    server.folder().put("tell", next);
    println!("{key}: {value} is good");
    server.serves("tell", next);
}

/// The manifest is not taken, and the reason names the key.
#[track_caller]
fn refuses(server: &Server, key: &str, value: &str) {
    let mark = server.log().mark();
    server.folder().write("tell.json", limits(key, value).as_bytes());
    println!("{key}: {value} is bad");
    let line = server.log().wait(mark, &["not loaded", "plugin=\"tell\"", "tell.json", key]);
    assert!(!line.contains("panicked"), "{line}");
    assert!(server.version("tell").is_some(), "the last good one serves");
}

fn limits(key: &str, value: &str) -> String {
    format!(r#"{{"limits": {{"{key}": {value}}}}}"#)
}
