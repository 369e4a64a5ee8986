//! `--capsules`: what an exchange leaves whose plugin failed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::harness::*;

/// As many capsules as a folder may hold.
const MAX_CAPSULES: usize = 200;

/// As many as a version of a plugin may leave at once.
const BURST: usize = 10;

#[test]
fn nothing_is_written_unless_asked_for() {
    let plugins = Folder::new();
    plugins.write("fussy.wat", fussy(false).as_bytes());
    let server = Server::serve(plugins, ADMIN);
    server.fails_after("/fussy", &[], &[b"ok"], b"X");
    assert!(!server.log().wait(0, &["plugin failed"]).contains("capsule"));
    assert!(!server.log().wait(0, &["exchange ended"]).contains("capsule"));
    assert_eq!(server.metrics().all("wasmplex_capsules_total", &[]).count(), 0);
    let names = fs::read_dir(server.folder().path()).expect("the folder").count();
    assert_eq!(names, 1);
}

#[test]
fn an_exchange_that_ends_well_leaves_nothing() {
    let capsules = Capsules::new();
    let server = capsules.serve_fussy(ADMIN);
    for _ in 0..10 {
        server.post("/fussy", b"a body").is_clean(200, "a body");
    }
    server.fails_after("/fussy", &[], &[], b"X");
    capsules.first();
    assert_eq!(capsules.files().len(), 1);
    server.metric_eventually("wasmplex_recorded_bytes", &[], 0.0);
    server.metric_eventually("wasmplex_capsules_total", &[("result", "written")], 1.0);
}

#[test]
fn every_chunk_is_there_with_its_borders() {
    let capsules = Capsules::new();
    let server = capsules.serve_fussy(&[]);
    let chunks: [&[u8]; 5] = [b"one line\n", b"a", b"\0\xff\xfe", "é\u{2028}".as_bytes(), b"bX"];
    server.fails_after("/fussy?a=b", &[], &chunks, b"XYZ");
    let (_, capsule) = capsules.first();
    let events = capsule["events"].as_array().expect("events");
    let bytes: Vec<Value> = events.iter().map(|event| event["bytes"].clone()).collect();
    let coded = json!({"base64": "AP/+"});
    assert_eq!(
        bytes,
        [json!("one line\n"), json!("a"), coded, json!("é\u{2028}"), json!("bX"), json!("XYZ")]
    );
    let times: Vec<u64> = events.iter().filter_map(|event| event["at_us"].as_u64()).collect();
    assert!(times.len() == 6 && times.is_sorted(), "{times:?}");
    assert_eq!((&capsule["failure"]["chunk"], &capsule["failure"]["offset"]), (&json!(6), &json!(20)));
    assert_eq!(capsule["failure"]["backtrace"][0], "look");
    assert_eq!((&capsule["failure"]["kind"], &capsule["output"]["bytes"]), (&json!("trap"), &json!(20)));
    assert_eq!(
        (&capsule["request"]["path"], &capsule["request"]["query"]),
        (&json!("/fussy"), &json!("a=b"))
    );
    assert_eq!(
        (&capsule["input"]["truncated"], &capsule["request"]["has_body"]),
        (&Value::Null, &json!(true))
    );
    assert_eq!(capsule["manifest"]["limits"]["memory"], "64MiB");
}

#[test]
fn the_log_names_the_file() {
    let capsules = Capsules::new();
    let server = capsules.serve_fussy(&[]);
    server.fails_after("/fussy", &[], &[], b"X");
    let (file, capsule) = capsules.first();
    let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
    server.log().wait(0, &["plugin failed", &format!("capsule=\"{name}\"")]);
    server.log().wait(0, &["exchange ended", &format!("capsule=\"{name}\"")]);
    let (version, exchange) = (&capsule["plugin"]["version"], &capsule["exchange"]);
    let parts = [Some("fussy"), version.as_str(), exchange.as_str()].map(Option::unwrap_or_default);
    assert_eq!(name, format!("{}.capsule.json", parts.join("-")));
}

#[test]
fn only_the_owner_may_read() {
    let capsules = Capsules::new();
    let server = capsules.serve_fussy(&[]);
    server.fails_after("/fussy", &[], &[], b"X");
    let (file, capsule) = capsules.first();
    let module = capsules.path().join(capsule["plugin"]["file"].as_str().expect("a module"));
    assert_eq!(fs::read_to_string(&module).expect("the module"), fussy(false));
    let mode = |path: &std::path::Path| fs::metadata(path).expect("metadata").permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(&module)), (0o600, 0o600));
    assert_eq!((mode(capsules.path()), mode(&capsules.path().join("modules"))), (0o700, 0o700));
}

#[test]
fn secrets_are_nowhere_in_the_file() {
    let capsules = Capsules::new();
    let plugins = Folder::new();
    plugins.write("fussy.wat", fussy(false).as_bytes());
    let manifest = r#"{"env": {"HOME": "sekret-0", "PLAIN": "sekret-1"}, "config": {"api_token": "sekret-2", "word": "kept-1"},
        "response": {"x-session": "sekret-3"}}"#;
    plugins.write("fussy.json", manifest.as_bytes());
    let server = capsules.serve(plugins, &[]);
    let fields = [
        "Authorization: Bearer sekret-4",
        "PROXY-AUTHORIZATION: sekret-5",
        "Cookie: a=sekret-6",
        "X-Api-Key: sekret-7",
        "X-Csrf-Token: sekret-8",
        "Client-Secret: sekret-9",
        "X-Password-Hint: sekret-10",
        "Referer: http://a/?q=kept-2&access_token=sekret-11",
        "Accept: kept-3",
    ];
    server.fails_after("/fussy?key=sekret-12&x=kept-4&%70assword=sekret-13", &fields, &[], b"X");
    let (file, capsule) = capsules.first();
    let text = String::from_utf8_lossy(&fs::read(file).expect("the file")).into_owned();
    assert!(!text.contains("sekret"), "{text}");
    assert!((1..=4).all(|number| text.contains(&format!("kept-{number}"))), "{text}");
    assert_eq!(capsule["masked"].as_array().map(Vec::len), Some(14), "{}", capsule["masked"]);
    assert!(capsule["note"].as_str().is_some_and(|note| note.contains("masked")));
}

#[test]
fn a_long_body_is_truncated() {
    let capsules = Capsules::new();
    let server = capsules.serve_fussy(&["--capsule-size", "1KiB"]);
    let body = noise(1, 100).iter().map(|byte| byte % 26 + 97).collect::<Vec<u8>>();
    server.fails_after("/fussy", &[], &[body.as_slice(); 20], b"X");
    let (file, capsule) = capsules.first();
    let input = &capsule["input"];
    assert_eq!(
        (&input["truncated"], &input["chunks"], &input["bytes"]),
        (&json!("capsule-size"), &json!(21), &json!(2001))
    );
    let kept = capsule["events"].as_array().map_or(0, Vec::len);
    assert!(kept > 5 && kept <= 10 && input["kept_chunks"] == kept, "{kept}");
    let (code, said) = replay(&file, &[]);
    assert_eq!(code, Some(1));
    assert!(said.contains("truncated (--capsule-size)") && said.contains("as far as the record goes"));
    let fixed = capsules.write("fixed.wat", &fussy(true));
    let (code, said) = replay(&file, &["--against", fixed.to_str().expect("a path")]);
    assert_eq!(code, Some(1));
    assert!(said.contains("proves nothing"), "{said}");
}

#[test]
fn memory_of_the_host_is_bounded() {
    let capsules = Capsules::new();
    let server = capsules.serve_fussy(&[ADMIN, &["--capsule-memory", "100KiB"]].concat());
    let mut open: Vec<Client> = (0..30).map(|_| server.open("/fussy")).collect();
    for client in &mut open {
        client.send_chunk(vec![b'a'; 10 * KIB]);
        client.read(10 * KIB);
    }
    let held = server.metric("wasmplex_recorded_bytes", &[]);
    assert!(held > 50.0 * 1024.0 && held <= 100.0 * 1024.0, "{held} bytes");
    let last = open.last_mut().expect("a client");
    last.send_chunk("X");
    last.rest();
    assert_eq!(capsules.first().1["input"]["truncated"], "capsule-memory");
    drop(open);
    server.metric_eventually("wasmplex_recorded_bytes", &[], 0.0);
}

#[test]
fn a_plugin_that_always_fails_does_not_grind_the_disk() {
    let capsules = Capsules::new();
    let server = capsules.serve_fussy(ADMIN);
    for _ in 0..BURST + 5 {
        server.fails_after("/fussy", &[], &[], b"X");
    }
    let count = |result: &'static str| server.metric("wasmplex_capsules_total", &[("result", result)]);
    eventually("all of them to be counted", || {
        (count("written") + count("skipped") >= (BURST + 5) as f64).then_some(())
    });
    // One more comes every six seconds.
    let written = capsules.files().len();
    assert!((BURST..=BURST + 2).contains(&written) && count("written") == written as f64, "{written}");
    assert!(server.log().wait(0, &["plugin failed", "capsule="]).contains("fussy"));
}

#[test]
fn the_oldest_go_when_there_are_too_many() {
    let capsules = Capsules::new();
    fs::create_dir(capsules.path()).expect("make the folder");
    fs::set_permissions(capsules.path(), fs::Permissions::from_mode(0o700)).expect("make it private");
    for number in 0..MAX_CAPSULES + 20 {
        let path = capsules.path().join(format!("old-0123456789ab-{number:016x}.capsule.json"));
        fs::write(&path, "{}").expect("an old capsule");
        let age = Duration::from_secs(100_000 - number as u64);
        let file = fs::File::options().write(true).open(&path).expect("open it");
        file.set_modified(SystemTime::now() - age).expect("make it old");
    }
    let server = capsules.serve_fussy(&[]);
    server.fails_after("/fussy", &[], &[], b"X");
    eventually("room to be made", || (capsules.files().len() == MAX_CAPSULES).then_some(()));
    let names = capsules.files().iter().map(|file| file.to_string_lossy().into_owned()).collect::<Vec<_>>();
    assert!(names.iter().any(|name| name.contains("fussy")));
    let first_left = format!("old-0123456789ab-{:016x}", 21);
    assert!(names.iter().any(|name| name.contains(&first_left)));
    assert!(!names.iter().any(|name| name.contains(&format!("old-0123456789ab-{:016x}", 20))));
}

#[test]
fn rejections_are_answers_unless_asked_for() {
    let script = Script::new().chunk(say(Act::Reject));
    let capsules = Capsules::new();
    let server = capsules.serve(Folder::of(&["scripted"]), &[]);
    server.post(&script.target(), b"a body").is_cut("chunk;");
    assert!(!server.log().wait(0, &["plugin failed"]).contains("capsule"));
    server.post(&Script::new().chunk(say(Act::Trap)).target(), b"a body").is_cut("chunk;");
    assert_eq!(capsules.first().1["failure"]["kind"], "trap");
    assert_eq!(capsules.files().len(), 1);

    let capsules = Capsules::new();
    let server = capsules.serve(Folder::of(&["scripted"]), &["--capsule-rejected", "on"]);
    server.post(&script.target(), b"a body").is_cut("chunk;");
    let (file, capsule) = capsules.first();
    assert_eq!(capsule["failure"]["kind"], "rejected");
    assert_eq!(replay(&file, &[]).0, Some(0));
}

#[test]
fn a_folder_that_is_gone_holds_nothing_up() {
    let capsules = Capsules::new();
    let server = capsules.serve_fussy(ADMIN);
    fs::remove_dir_all(capsules.path()).expect("remove the folder");
    server.fails_after("/fussy", &[], &[], b"X");
    server.log().wait(0, &["capsule not written", "fussy"]);
    server.metric_eventually("wasmplex_capsules_total", &[("result", "lost")], 1.0);
    server.post("/fussy", b"a body").is_clean(200, "a body");
}

#[test]
fn what_waits_is_written_before_the_end() {
    let capsules = Capsules::new();
    let mut server = capsules.serve_fussy(&[]);
    let mut clients: Vec<Client> = (0..BURST).map(|_| server.open("/fussy")).collect();
    clients.iter_mut().for_each(|client| client.send_chunk("X"));
    clients.iter_mut().for_each(|client| drop(client.rest()));
    drop(clients);
    server.signal("TERM");
    assert_eq!(server.wait_for_exit().code(), Some(0));
    assert_eq!(capsules.files().len(), BURST);
}

#[test]
fn a_folder_that_cannot_be_used_is_an_error_at_start() {
    let capsules = Capsules::new();
    fs::create_dir(capsules.path()).expect("make the folder");
    fs::set_permissions(capsules.path(), fs::Permissions::from_mode(0o777)).expect("let others in");
    for (folder, named) in
        [(capsules.path().to_str().expect("a path"), "chmod 700"), ("/dev/null/x", "/dev/null/x")]
    {
        let finished = ran(wasmplex(&["serve", "--capsules", folder, "--listen", "127.0.0.1:0"])
            .arg("--plugins")
            .arg(fixture("rot13").parent().expect("a folder")));
        assert_eq!(finished.code, Some(1));
        assert!(finished.stderr.contains(named), "{}", finished.stderr);
        assert_eq!(finished.stdout, b"");
    }
}
