//! `env` and `dirs` of a manifest, through WASI preview 1: what is granted, and nothing beside it.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::harness::*;

/// Errors that mean a refusal: ACCES, PERM, ROFS, NOTCAPABLE.
const REFUSALS: [&str; 4] = ["error=02", "error=63", "error=69", "error=76"];

/// A descriptor that nobody opened.
const BAD_DESCRIPTOR: &str = "error=08";

const SECRET: &str = "outside of all that was granted";

#[test]
fn a_granted_folder_can_be_read() {
    let server = Server::serve(granting(false), &[]);
    server.get("/wasi_files?p0").is_clean(200, "/data");
    server.get("/wasi_files?r0hello.txt").is_clean(200, "hello from a file\n");
    server.get("/wasi_files?r0deeper/more.txt").is_clean(200, "more\n");
    server.get("/wasi_files?r0deeper/../hello.txt").is_clean(200, "hello from a file\n");
    let large = noise(1, 300 * KIB);
    fs::write(server.folder().path().join("files/large"), &large).expect("write");
    let answer = server.get("/wasi_files?r0large");
    assert!(answer.body == large && answer.ending == Ending::Clean, "{} bytes", answer.body.len());
}

#[test]
fn it_is_the_only_one() {
    let server = Server::serve(granting(false), &[]);
    server.get("/wasi_files?p1").is_clean(200, BAD_DESCRIPTOR);
    server.get("/wasi_files?r1hello.txt").is_clean(200, BAD_DESCRIPTOR);
}

#[test]
fn read_only_means_that_nothing_can_be_changed() {
    let server = Server::serve(granting(false), &[]);
    for target in ["w0new.txt", "w0hello.txt", "w0deeper/more.txt", "u0hello.txt", "l0hello.txt"] {
        is_refused(&server, target);
    }
    let files = server.folder().path().join("files");
    assert_eq!(fs::read_to_string(files.join("hello.txt")).expect("it is there"), "hello from a file\n");
    assert_eq!(fs::read_to_string(files.join("deeper/more.txt")).expect("it is there"), "more\n");
    assert!(!files.join("new.txt").exists() && fs::symlink_metadata(files.join("link")).is_err());
}

#[test]
fn write_means_that_it_can() {
    let server = Server::serve(granting(true), &[]);
    let files = server.folder().path().join("files");
    for file in ["new.txt", "hello.txt"] {
        server.get(&format!("/wasi_files?w0{file}")).is_clean(200, "ok");
        let written = fs::read_to_string(files.join(file)).expect("it is there");
        assert_eq!(written, "written by a plugin");
        server.get(&format!("/wasi_files?r0{file}")).is_clean(200, "written by a plugin");
    }
    server.get("/wasi_files?u0new.txt").is_clean(200, "ok");
    assert!(!files.join("new.txt").exists());
}

#[test]
fn no_path_leads_out_of_the_folder() {
    for write in [false, true] {
        let server = Server::serve(granting(write), &[]);
        let secret = server.folder().path().join("secret.txt");
        let absolute = secret.display().to_string();
        for path in
            ["../secret.txt", "deeper/../../secret.txt", "deeper/../../files/../secret.txt", &absolute]
        {
            is_refused(&server, &format!("r0{path}"));
            is_refused(&server, &format!("w0{path}"));
            is_refused(&server, &format!("u0{path}"));
        }
        assert_eq!(fs::read_to_string(secret).expect("it is there"), SECRET);
    }
}

#[test]
fn no_link_leads_out_of_the_folder() {
    for write in [false, true] {
        let folder = granting(write);
        let files = folder.path().join("files");
        symlink("../secret.txt", files.join("relative")).expect("link");
        symlink(folder.path().join("secret.txt"), files.join("absolute")).expect("link");
        symlink("..", files.join("up")).expect("link");
        symlink(folder.path(), files.join("up_by_root")).expect("link");
        symlink("up/secret.txt", files.join("by_two")).expect("link");
        symlink("hello.txt", files.join("inside")).expect("link");
        let server = Server::serve(folder, &[]);
        for path in ["relative", "absolute", "up/secret.txt", "up_by_root/secret.txt", "by_two"] {
            is_refused(&server, &format!("r0{path}"));
            is_refused(&server, &format!("w0{path}"));
        }
        server.get("/wasi_files?r0inside").is_clean(200, "hello from a file\n");
        let secret = fs::read_to_string(server.folder().path().join("secret.txt"));
        assert_eq!(secret.expect("it is there"), SECRET);
    }
}

/// The plugin makes the link itself, and another exchange follows it.
#[test]
fn no_link_of_the_plugins_own_leads_out_either() {
    let server = Server::serve(granting(true), &[]);
    for target in ["../secret.txt", "/etc/passwd", "deeper/../../secret.txt"] {
        let made = server.get(&format!("/wasi_files?l0{target}")).text();
        if made == "ok" {
            is_refused(&server, "r0link");
            is_refused(&server, "w0link");
            fs::remove_file(server.folder().path().join("files/link")).expect("remove the link");
        } else {
            assert!(REFUSALS.contains(&made.as_str()), "{target}: {made}");
        }
    }
    let secret = fs::read_to_string(server.folder().path().join("secret.txt"));
    assert_eq!(secret.expect("it is there"), SECRET);
}

#[test]
fn several_folders_each_with_its_own_right() {
    let folder = granting(false);
    folder.folder("spool");
    let elsewhere = Folder::new();
    elsewhere.write("far.txt", b"far away");
    let manifest = json!({"dirs": [
        {"host": "files", "guest": "/data"},
        {"host": "./spool", "guest": "/spool", "write": true},
        {"host": elsewhere.path(), "guest": "far"},
    ]});
    folder.write("wasi_files.json", manifest.to_string().as_bytes());
    let server = Server::serve(folder, ADMIN);
    for (digit, guest) in [(0, "/data"), (1, "/spool"), (2, "far")] {
        server.get(&format!("/wasi_files?p{digit}")).is_clean(200, guest);
    }
    is_refused(&server, "w0new.txt");
    server.get("/wasi_files?w1new.txt").is_clean(200, "ok");
    is_refused(&server, "w2new.txt");
    server.get("/wasi_files?r2far.txt").is_clean(200, "far away");
    let granted = server.plugin("wasi_files")["grants"].clone();
    let rights = granted["dirs"].as_array().expect("a list").iter();
    let rights: Vec<_> = rights.map(|dir| (dir["guest"].as_str(), dir["write"].as_bool())).collect();
    let expected = [(Some("/data"), Some(false)), (Some("/spool"), Some(true)), (Some("far"), Some(false))];
    assert_eq!(rights, expected);
    assert_eq!(granted["network"], false);
}

#[test]
fn the_environment_is_what_the_manifest_says_and_no_more() {
    let folder = Folder::of(&["wasi_files"]);
    let manifest = json!({"env": {"GREETING": "hello", "EMPTY": "", "PATH": "a=b c\u{e9}"}});
    folder.write("wasi_files.json", manifest.to_string().as_bytes());
    let server = Server::serve(folder, ADMIN);
    let answer = server.get("/wasi_files?e");
    assert_eq!((answer.head.status, answer.ending), (200, Ending::Clean));
    let text = answer.text();
    let mut variables: Vec<&str> = text.lines().collect();
    variables.sort_unstable();
    assert_eq!(variables, ["EMPTY=", "GREETING=hello", "PATH=a=b c\u{e9}"]);

    let listed = server.plugin("wasi_files");
    let mut names = listed["grants"]["env"].as_array().expect("names").clone();
    names.sort_by_key(ToString::to_string);
    assert_eq!(names, ["EMPTY", "GREETING", "PATH"]);
    assert!(!listed.to_string().contains("hello"), "a value is nobody's business: {listed}");

    server.folder().remove("wasi_files.json");
    eventually("no environment", || server.get("/wasi_files?e").body.is_empty().then_some(()));
}

#[test]
fn a_grant_that_is_taken_back_is_gone_for_new_exchanges() {
    let server = Server::serve(granting(true), &[]);
    server.get("/wasi_files?w0new.txt").is_clean(200, "ok");
    server.folder().write("wasi_files.json", manifest(false).as_bytes());
    eventually("read-only", || {
        REFUSALS.contains(&server.get("/wasi_files?w0new.txt").text().as_str()).then_some(())
    });
    server.get("/wasi_files?r0new.txt").is_clean(200, "written by a plugin");
    server.folder().remove("wasi_files.json");
    eventually("no folder", || (server.get("/wasi_files?r0new.txt").text() == BAD_DESCRIPTOR).then_some(()));
}

#[test]
fn run_grants_the_same() {
    let folder = granting(false);
    folder.write("wasi_probe.json", manifest(false).as_bytes());
    folder.copy(&fixture("wasi_probe"));
    let finished = ran(wasmplex(&["run"]).arg(folder.path().join("wasi_probe.wat")));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let text = String::from_utf8_lossy(&finished.stdout).into_owned();
    assert!(text.contains("prestat=0\n"), "{text}");
    assert!(text.contains("open=44\n"), "there is no etc/passwd in it: {text}");
}

/// The plugin with a folder "files", and a file beside that folder which nobody may see.
fn granting(write: bool) -> Folder {
    let folder = Folder::of(&["wasi_files"]);
    let deeper = folder.folder("files/deeper");
    fs::write(deeper.join("more.txt"), "more\n").expect("write");
    folder.write("files/hello.txt", b"hello from a file\n");
    folder.write("secret.txt", SECRET.as_bytes());
    folder.write("wasi_files.json", manifest(write).as_bytes());
    folder
}

fn manifest(write: bool) -> String {
    json!({"dirs": [{"host": "files", "guest": "/data", "write": write}]}).to_string()
}

#[track_caller]
fn is_refused(server: &Server, what: &str) {
    let text = server.get(&format!("/wasi_files?{what}")).text();
    assert!(REFUSALS.contains(&text.as_str()), "{what}: {text}");
}
