//! `routes.json`: names for pipes.

use serde_json::{Value, json};

use crate::harness::*;

const ROUNDS: usize = 50;

#[test]
fn an_alias_is_a_live_pipe() {
    let server = routing(
        &["rot13", "echo"],
        &json!({"/plain": ["rot13"], "thrice": ["rot13", "echo", "rot13", "rot13"]}),
    );
    for alias in ["plain", "thrice"] {
        let mut client = server.open(&format!("/{alias}"));
        client.rot13_in_lock_step(ROUNDS);
        assert_eq!(server.admin_json("/plugins")["routes"][alias]["error"], Value::Null);
    }
    let stages = server.admin_json("/plugins")["routes"]["thrice"]["stages"].clone();
    assert_eq!(stages, json!(["rot13", "echo", "rot13", "rot13"]));
}

#[test]
fn what_follows_an_alias_in_the_path_is_the_plugins() {
    let server = routing(&["show", "echo"], &json!({"shown": ["show"], "piped": ["show", "echo"]}));
    for alias in ["shown", "piped"] {
        let target = format!("/{alias}/more/of%20it?:path");
        server.get(&target).is_clean(200, format!("/{alias}/more/of%20it"));
        server.get(&format!("/{alias}?:plugin")).is_clean(200, "show");
    }
}

#[test]
fn aliases_stand_in_pipes() {
    let server = routing(&["rot13", "echo"], &json!({"twice": ["rot13", "rot13"], "once": ["rot13"]}));
    for target in ["/twice+rot13", "/rot13+twice", "/echo+twice+echo+once", "/once+twice"] {
        server.open(target).rot13_in_lock_step(ROUNDS);
    }
    server.get("/twice+nobody").is_error(404);
}

#[test]
fn at_most_eight_stages_in_all() {
    let eight = ["rot13"; 8];
    let server = routing(&["rot13"], &json!({"eight": eight, "four": &eight[..4]}));
    server.post("/eight", b"Hello").is_clean(200, "Hello");
    server.post("/four+four", b"Hello").is_clean(200, "Hello");
    for target in ["/eight+rot13", "/rot13+eight", "/four+four+rot13"] {
        server.get(target).is_error(400);
    }
}

#[test]
fn an_alias_comes_and_goes_with_its_plugins() {
    let server = routing(&["rot13"], &json!({"secure": ["rot13", "tell"]}));
    server.get("/secure").is_error(404);
    server.log().wait(0, &["secure", "tell"]);
    let route = server.admin_json("/plugins")["routes"]["secure"].clone();
    assert_eq!(route["stages"], json!(["rot13", "tell"]));
    assert!(route["error"].as_str().is_some_and(|error| error.contains("tell")), "{route}");

    server.folder().put("tell", "A");
    server.serves("secure", "A");
    assert_eq!(server.admin_json("/plugins")["routes"]["secure"]["error"], Value::Null);
    server.folder().put("tell", "B");
    server.serves("secure", "B");
    // A broken version changes nothing for it either.
    server.folder().write("tell.wat", b"broken");
    server.plugin_becomes("tell", "stale");
    assert_eq!(server.version("secure").as_deref(), Some("B"));
    server.folder().remove("tell.wat");
    server.serves_no("secure");
}

#[test]
fn a_plugin_wins_over_an_alias_of_its_name() {
    let server =
        routing(&["rot13", "echo"], &json!({"echo": ["rot13"], "tell": ["rot13"], "rot": ["rot13"]}));
    server.post("/echo", b"Hello").is_clean(200, "Hello");
    server.log().wait(0, &["echo", "route"]);
    let route = server.admin_json("/plugins")["routes"]["echo"].clone();
    assert!(route["error"].is_string(), "{route}");
    // It comes later, and goes again.
    server.post("/tell", b"Hello").is_clean(200, "Uryyb");
    server.folder().put("tell", "A");
    eventually("the plugin", || (server.post("/tell", b"x").text() == "AAA").then_some(()));
    server.folder().remove("tell.wat");
    eventually("the alias", || (server.post("/tell", b"Hello").text() == "Uryyb").then_some(()));
    server.post("/rot", b"Hello").is_clean(200, "Uryyb");
}

#[test]
fn an_alias_of_an_alias_is_none() {
    let server = routing(&["rot13"], &json!({"rot": ["rot13"], "again": ["rot"]}));
    server.post("/rot", b"Hello").is_clean(200, "Uryyb");
    server.get("/again").is_error(404);
    let route = server.admin_json("/plugins")["routes"]["again"].clone();
    assert!(route["error"].is_string(), "{route}");
}

#[test]
fn routes_change_while_the_server_runs() {
    let server = routing(&["rot13", "echo"], &json!({"way": ["rot13"]}));
    let mut open = server.open("/way");
    server.folder().write("routes.json", json!({"way": ["echo"], "new": ["rot13"]}).to_string().as_bytes());
    eventually("the new way", || (server.post("/way", b"Hello").text() == "Hello").then_some(()));
    server.post("/new", b"Hello").is_clean(200, "Uryyb");
    open.rot13_in_lock_step(ROUNDS);
    server.folder().install("routes.json", b"{}");
    eventually("no way", || (server.get("/way").head.status == 404).then_some(()));
    server.folder().write("routes.json", json!({"way": ["echo"]}).to_string().as_bytes());
    eventually("the way", || (server.get("/way").head.status == 200).then_some(()));
    server.folder().remove("routes.json");
    eventually("no way", || (server.get("/way").head.status == 404).then_some(()));
    server.post("/echo", b"Hello").is_clean(200, "Hello");
}

#[test]
fn a_broken_one_keeps_the_last_good_one() {
    let server = routing(&["rot13"], &json!({"way": ["rot13"]}));
    let nine = ["rot13"; 9];
    for broken in [
        "".to_owned(),
        "{".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        json!({"way": "rot13"}).to_string(),
        json!({"way": []}).to_string(),
        json!({"way": [1]}).to_string(),
        json!({"way": nine}).to_string(),
        json!({"way": ["rot13", "not a name"]}).to_string(),
        json!({"two/words": ["rot13"]}).to_string(),
        json!({"a+b": ["rot13"]}).to_string(),
        json!({"": ["rot13"]}).to_string(),
        json!({"/": ["rot13"]}).to_string(),
        json!({".hidden": ["rot13"]}).to_string(),
    ] {
        println!("{broken}");
        let mark = server.log().mark();
        server.folder().write("routes.json", broken.as_bytes());
        server.log().wait(mark, &["ERROR", "routes.json"]);
        server.post("/way", b"Hello").is_clean(200, "Uryyb");
        eventually("a problem", || {
            let problems = server.admin_json("/plugins")["problems"].clone();
            let problem = problems.as_array().and_then(|problems| problems.first()).cloned()?;
            assert!(problem["file"].as_str().is_some_and(|file| file.contains("routes.json")), "{problem}");
            problem["reason"].is_string().then_some(())
        });
    }
    server.folder().write("routes.json", json!({"other": ["rot13"]}).to_string().as_bytes());
    eventually("the new ones", || (server.get("/other").head.status == 200).then_some(()));
    server.get("/way").is_error(404);
    assert_eq!(server.admin_json("/plugins")["problems"], json!([]));
}

#[test]
fn a_server_starts_with_a_broken_one() {
    let folder = Folder::of(&["echo"]);
    folder.write("routes.json", b"{");
    let server = Server::serve(folder, &[]);
    server.log().wait(0, &["ERROR", "routes.json"]);
    server.post("/echo", b"Hello").is_clean(200, "Hello");
    server.folder().write("routes.json", br#"{"way": ["echo"]}"#);
    eventually("the way", || (server.get("/way").head.status == 200).then_some(()));
}

#[test]
fn a_plugin_of_the_name_routes_has_no_manifest() {
    let server = routing(&["echo"], &json!({"way": ["echo"]}));
    server.folder().put("routes", "A");
    server.serves("routes", "A");
    server.post("/way", b"Hello").is_clean(200, "Hello");
    server.folder().write("routes.json", br#"{"methods": ["GET"]}"#);
    // As routes it names a plugin that is not there; as a manifest it would forbid this POST.
    eventually("the new routes", || (server.get("/way").head.status == 404).then_some(()));
    assert_eq!(server.version("routes").as_deref(), Some("A"));
}

#[test]
fn the_access_line_names_the_stages() {
    let server = routing(&["rot13", "echo"], &json!({"way": ["rot13", "echo"]}));
    server.post("/way", b"Hello").is_clean(200, "Uryyb");
    let line = server.log().wait(0, &["exchange ended", "rot13+echo"]);
    assert!(line.contains("path=\"/way\"") || line.contains("path=/way"), "{line}");
}

fn routing(plugins: &[&str], routes: &Value) -> Server {
    let folder = Folder::of(plugins);
    folder.write("routes.json", routes.to_string().as_bytes());
    Server::serve(folder, ADMIN)
}
