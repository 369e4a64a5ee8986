//! What stands in the folder of plugins, and what is said of it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use serde_json::json;

use crate::harness::*;

/// The system tells absolute paths. Where the folder was given by a relative one, no notice was understood,
/// and every change had to stand still for a second first. This one never does.
#[test]
fn a_folder_by_a_relative_path_is_watched_as_well() {
    let parent = Folder::new();
    let plugins = parent.folder("plugins");
    fs::write(plugins.join("tell.wat"), version_plugin("A")).expect("write");
    let mut command = wasmplex(&["serve", "--listen", "127.0.0.1:0", "--plugins", "plugins"]);
    let server = Server::spawn(parent, command.current_dir(plugins.parent().expect("a folder above")));
    let mut letters = ["B", "C"].iter().cycle();
    eventually("another version, while they change all the time", || {
        let next = plugins.join(".next");
        fs::write(&next, version_plugin(letters.next()?)).expect("write");
        fs::rename(&next, plugins.join("tell.wat")).expect("rename");
        std::thread::sleep(std::time::Duration::from_millis(20));
        (server.version("tell").as_deref() != Some("A")).then_some(())
    });
}

/// A link that leads nowhere was taken for no manifest at all, and the plugin got all that the manifest
/// had kept from it.
#[test]
fn a_manifest_that_is_a_dangling_link_keeps_the_last_good_pair() {
    let folder = Folder::of(&["config"]);
    folder.write("config.json", br#"{"config": {"greeting": "hello"}, "methods": ["GET"]}"#);
    let server = Server::serve(folder, ADMIN);
    server.get("/config").is_clean(200, "hello");
    server.folder().symlink("/nowhere/at/all", "config.json");
    server.plugin_becomes("config", "stale");
    server.log().wait(0, &["not loaded", "plugin=\"config\"", "config.json"]);
    server.get("/config").is_clean(200, "hello");
    server.post("/config", b"").is_error(405);
}

/// A plugin that may write where plugins are could grant itself everything; seventeen folders are as many
/// descriptors of each exchange; and an empty path was the plugin folder itself.
#[test]
fn folders_that_are_not_to_be_granted_are_refused() {
    let server = Server::telling(ADMIN);
    let inside = server.folder().folder("inside");
    let above = server.folder().path().parent().expect("a folder above").to_owned();
    let many: Vec<_> =
        (0..17).map(|number| json!({"host": "inside", "guest": format!("/{number}")})).collect();
    for (dirs, reason) in [
        (json!([{"host": ".", "guest": "/data", "write": true}]), "holds the plugin folder"),
        (json!([{"host": "inside/..", "guest": "/data", "write": true}]), "holds the plugin folder"),
        (json!([{"host": above, "guest": "/data", "write": true}]), "holds the plugin folder"),
        (json!([{"host": "", "guest": "/data"}]), "host"),
        (json!(many), "16"),
    ] {
        let mark = server.log().mark();
        server.folder().write("tell.json", json!({"dirs": dirs}).to_string().as_bytes());
        server.log().wait(mark, &["not loaded", "plugin=\"tell\"", "dirs", reason]);
        assert_eq!(server.version("tell").as_deref(), Some("A"));
    }
    let dirs = json!([{"host": inside, "guest": "/data", "write": true}, {"host": ".", "guest": "/all"}]);
    server.folder().write("tell.json", json!({"dirs": dirs}).to_string().as_bytes());
    server.plugin_becomes("tell", "serving");
}

/// `/plugins` said nothing at all when one path in it was no text.
#[test]
fn a_folder_whose_name_is_no_text_is_shown() {
    let folder = Folder::new();
    let odd = folder.path().join(OsStr::from_bytes(b"odd\xff"));
    fs::create_dir(&odd).expect("create a folder");
    fs::write(odd.join("tell.wat"), version_plugin("A")).expect("write a plugin");
    let manifest = json!({"dirs": [{"host": ".", "guest": "/data"}]}).to_string();
    fs::write(odd.join("tell.json"), manifest).expect("write a manifest");
    let server = Server::serve_at(folder, &odd, ADMIN);
    assert_eq!(server.version("tell").as_deref(), Some("A"));
    let tell = server.plugin("tell");
    assert!(tell["file"].as_str().is_some_and(|file| file.ends_with("tell.wat")), "{tell}");
    assert_eq!(tell["state"], "serving");
}

/// The same bytes under another ending are the same plugin, but not the same file.
#[test]
fn a_file_that_is_renamed_is_shown_by_its_new_name() {
    let server = Server::telling(ADMIN);
    server.folder().rename("tell.wat", "tell.wasm");
    let tell = eventually("the new name", || {
        let tell = server.plugin("tell");
        tell["file"].as_str().is_some_and(|file| file.ends_with("tell.wasm")).then_some(tell)
    });
    assert_eq!(tell["state"], "serving");
    assert_eq!(server.version("tell").as_deref(), Some("A"));
}

/// A route whose plugin is not there was told again with each change of anything.
#[test]
fn a_dead_route_is_told_once() {
    let folder = Folder::new();
    folder.put("tell", "A");
    folder.write("routes.json", br#"{"dead": ["nobody"], "alive": ["tell"]}"#);
    let server = Server::serve(folder, &[]);
    for letter in ["B", "C", "D"] {
        server.folder().put("tell", letter);
        server.serves("tell", letter);
    }
    assert_eq!(server.log().count(0, &["route not served", "dead", "nobody"]), 1);
    // Another reason is news.
    server.folder().install("routes.json", br#"{"dead": ["somebody"], "alive": ["tell"]}"#);
    server.log().wait(0, &["route not served", "dead", "somebody"]);
}
