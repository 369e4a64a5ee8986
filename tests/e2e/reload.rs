//! The folder changes while the server runs: what is in it is what is served.

use crate::harness::*;

/// The line that says that a plugin is served in another version.
const LOADED: [&str; 4] = ["loaded", "compile_ms", "version", "plugin=\"tell\""];

#[test]
fn a_new_file_is_a_new_plugin() {
    let server = Server::of(&["echo"]);
    server.get("/tell").is_error(404);
    server.folder().put("tell", "A");
    server.serves("tell", "A");
    let line = server.log().wait(0, &LOADED);
    assert!(line.contains("INFO") && line.contains("cached=false"), "{line}");
    server.log().wait(0, &["INFO", "generation", "number=", "plugins=2", "refused=0"]);
    server.post("/echo", b"Hello").is_clean(200, "Hello");
}

#[test]
fn a_new_plugin_is_never_served_half_loaded() {
    let server = Server::of(&["echo"]);
    for name in ["one", "two", "three", "four", "five"] {
        server.folder().put(name, "A");
        // Every answer on the way is a 404 or a whole one.
        server.serves(name, "A");
    }
}

#[test]
fn a_file_that_is_written_in_place_replaces_its_plugin() {
    let server = Server::telling(&[]);
    for letter in ["B", "C", "D", "A"] {
        let mark = server.log().mark();
        server.folder().put("tell", letter);
        server.serves("tell", letter);
        server.log().wait(mark, &LOADED);
    }
    assert_eq!(server.log().count(0, &["not loaded"]), 0, "a file was read before it was whole");
}

#[test]
fn a_file_that_is_renamed_over_replaces_its_plugin() {
    let server = Server::telling(&[]);
    for letter in ["B", "C", "D", "A"] {
        server.folder().install("tell.wat", version_plugin(letter).as_bytes());
        server.serves("tell", letter);
    }
    assert_eq!(server.log().count(0, &["not loaded"]), 0);
    assert_eq!(server.log().count(0, &["removed"]), 0, "it was there all the time");
}

#[test]
fn a_renamed_plugin_goes_by_its_new_name_only() {
    let server = Server::telling(&[]);
    server.folder().rename("tell.wat", "say.wat");
    server.serves("say", "A");
    server.serves_no("tell");
    server.log().wait(0, &["INFO", "removed", "plugin=\"tell\""]);
    server.folder().rename("say.wat", "say.wat.bak");
    server.serves_no("say");
}

#[test]
fn a_deleted_file_takes_its_plugin_along() {
    let server = Server::telling(ADMIN);
    server.folder().remove("tell.wat");
    server.serves_no("tell");
    server.log().wait(0, &["INFO", "removed", "plugin=\"tell\""]);
    assert!(server.plugin("tell").is_null(), "{}", server.plugin("tell"));
    server.folder().put("tell", "B");
    server.serves("tell", "B");
}

#[test]
fn the_last_plugin_may_go() {
    let server = Server::telling(ADMIN);
    server.folder().remove("tell.wat");
    server.serves_no("tell");
    assert_eq!(server.admin_json("/plugins")["plugins"], serde_json::json!([]));
    assert_eq!(server.admin("/readyz").head.status, 200);
}

#[test]
fn a_touched_file_is_left_alone() {
    let server = Server::telling(ADMIN);
    server.folder().put("other", "A");
    server.serves("other", "A");
    let generation = server.generation();
    let before = server.plugin("tell");
    let file = std::fs::File::options().append(true).open(server.folder().path().join("tell.wat"));
    file.and_then(|file| file.set_modified(std::time::SystemTime::now())).expect("touch");
    // The same bytes again are no change either.
    server.folder().put("tell", "A");
    server.folder().install("tell.wat", version_plugin("A").as_bytes());
    // What comes later was seen, so that was, too.
    server.folder().put("other", "B");
    server.serves("other", "B");
    assert_eq!(server.generation(), generation + 1);
    let after = server.plugin("tell");
    for key in ["version", "digest", "loaded_at"] {
        assert_eq!(after[key], before[key], "{key}");
    }
    assert_eq!(server.log().count(0, &LOADED), 1);
}

#[test]
fn many_files_at_once() {
    const MANY: usize = 40;
    let server = Server::telling(ADMIN);
    for number in 0..MANY {
        server.folder().put(&format!("tell-{number}"), "A");
    }
    for number in 0..MANY {
        server.serves(&format!("tell-{number}"), "A");
    }
    for number in 0..MANY {
        server.folder().put(&format!("tell-{number}"), "B");
        server.folder().rename(&format!("tell-{number}.wat"), &format!("moved-{number}.wat"));
    }
    for number in 0..MANY {
        server.serves(&format!("moved-{number}"), "B");
        server.serves_no(&format!("tell-{number}"));
    }
    let listed = server.admin_json("/plugins")["plugins"].as_array().map(Vec::len);
    assert_eq!(listed, Some(MANY + 1));
}

#[test]
fn what_was_built_wins_over_its_source() {
    let server = Server::telling(&[]);
    server.folder().put("newer", "B");
    server.serves("newer", "B");
    server.folder().rename("newer.wat", "tell.wasm");
    server.serves("tell", "B");
    server.folder().remove("tell.wasm");
    server.serves("tell", "A");
}

#[test]
fn every_change_is_a_generation_of_its_own() {
    let server = Server::telling(ADMIN);
    let mut last = server.generation();
    for letter in ["B", "C", "D"] {
        server.folder().put("tell", letter);
        server.serves("tell", letter);
        assert_eq!(server.generation(), last + 1);
        last += 1;
        server.metric_eventually("wasmplex_generation", &[], last as f64);
        server.log().wait(0, &["generation", &format!("number={last}")]);
    }
}

#[test]
fn files_that_are_no_plugins_change_nothing() {
    let server = Server::telling(ADMIN);
    let generation = server.generation();
    server.folder().write("README.txt", b"not a plugin");
    server.folder().write(".hidden.wat", version_plugin("X").as_bytes());
    server.folder().write("tell.wat~", version_plugin("X").as_bytes());
    server.folder().write("nobody.json", b"{}");
    std::fs::write(server.folder().folder("deeper.wat").join("x.wat"), version_plugin("X")).expect("write");
    server.folder().put("other", "A");
    server.serves("other", "A");
    assert!(server.generation() > generation);
    for name in ["README", ".hidden", "nobody", "x"] {
        server.get(&format!("/{name}")).is_error(404);
    }
    assert_eq!(server.version("tell").as_deref(), Some("A"));
}

#[test]
fn a_name_that_is_none_is_a_problem_and_harms_nobody() {
    let server = Server::telling(ADMIN);
    server.folder().write("two words.wat", version_plugin("X").as_bytes());
    server.folder().write("a+b.wat", version_plugin("X").as_bytes());
    for file in ["two words.wat", "a+b.wat"] {
        server.log().wait(0, &["not loaded", file]);
        eventually(file, || {
            let problems = server.admin_json("/plugins")["problems"].clone();
            let problems = problems.as_array().expect("a list of problems").clone();
            problems.iter().any(|problem| problem.to_string().contains(file)).then_some(())
        });
    }
    server.folder().remove("two words.wat");
    server.folder().remove("a+b.wat");
    eventually("no problems", || {
        (server.admin_json("/plugins")["problems"] == serde_json::json!([])).then_some(())
    });
    server.serves("tell", "A");
}
