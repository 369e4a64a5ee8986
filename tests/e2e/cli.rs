//! The command line: clear errors before anything is served, and the small commands.

use std::net::TcpListener;

use crate::harness::*;

#[test]
fn serve_with_a_missing_folder() {
    let finished = ran(&mut wasmplex(&["serve", "--listen", "127.0.0.1:0", "--plugins", "/no/such/folder"]));
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    one_clear_line(&finished.stderr, "/no/such/folder");
    assert!(finished.stdout.is_empty(), "it served nothing");
}

#[test]
fn serve_with_a_file_for_a_folder() {
    let folder = Folder::new();
    let file = folder.write("file", b"");
    let mut command = wasmplex(&["serve", "--listen", "127.0.0.1:0", "--plugins"]);
    let finished = ran(command.arg(&file));
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    one_clear_line(&finished.stderr, &file.display().to_string());
}

#[test]
fn serve_with_a_taken_port() {
    let folder = Folder::of(&["echo"]);
    let taken = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = taken.local_addr().expect("an address").to_string();
    let mut command = wasmplex(&["serve", "--listen", &address, "--plugins"]);
    let finished = ran(command.arg(folder.path()));
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let line = finished.stderr.lines().last().unwrap_or_default();
    assert!(line.contains(&address), "{}", finished.stderr);
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
    assert!(finished.stdout.is_empty(), "it served nothing");
}

#[test]
fn wrong_usage() {
    let wrong: [&[&str]; 9] = [
        &[],
        &["nosuch"],
        &["serve", "--nosuch"],
        &["serve", "--listen", "nonsense"],
        &["serve", "--cpu-per-call", "5parsecs"],
        &["serve", "--memory", "much"],
        &["serve", "--max-exchanges", "-1"],
        &["run"],
        &["inspect"],
    ];
    for arguments in wrong {
        let finished = ran(&mut wasmplex(arguments));
        assert_eq!(finished.code, Some(2), "{arguments:?}: {}", finished.stderr);
        let last = arguments.last().unwrap_or(&"Usage");
        let said = &finished.stderr;
        assert!(said.contains(last) || said.contains("required"), "{arguments:?}: {said}");
        assert!(finished.stdout.is_empty(), "it served nothing");
    }
}

#[test]
fn settings_from_the_environment() {
    let folder = Folder::of(&["rot13"]);
    let mut command = wasmplex(&["serve"]);
    command.env("WASMPLEX_LISTEN", "127.0.0.1:0").env("WASMPLEX_PLUGINS", folder.path());
    let mut process = Process::spawn(&mut command);
    let line = process.stdout.line();
    let address = line.strip_prefix("listening on http://").expect(&line);
    let mut client = Client::connect(address.parse().expect("an address"));
    client.send(request("POST", "/rot13", &["Content-Length: 5"]));
    client.exchange("Hello").is_clean(200, "Uryyb");
}

#[test]
fn two_listeners() {
    let mut server = Server::with(&["rot13"], &["--listen", "127.0.0.1:0"]);
    let line = server.process().stdout.line();
    let address = line.strip_prefix("listening on http://").expect(&line);
    let second = address.parse().expect("an address");
    assert_ne!(second, server.address());
    for address in [second, server.address()] {
        let mut client = Client::connect(address);
        client.send(request("POST", "/rot13", &["Content-Length: 5"]));
        client.exchange("Hello").is_clean(200, "Uryyb");
    }
}

#[test]
fn other_files_in_the_folder_are_none_of_its_business() {
    let folder = Folder::of(&["echo"]);
    folder.write("README.txt", b"not a plugin");
    std::fs::create_dir(folder.path().join("source")).expect("create a folder");
    let server = Server::serve(folder, &[]);
    server.get("/README").is_error(404);
    server.get("/source").is_error(404);
    server.post("/echo", b"Hello").is_clean(200, "Hello");
}

#[test]
fn help_names_every_flag() {
    let finished = ran(&mut wasmplex(&["serve", "--help"]));
    assert_eq!(finished.code, Some(0));
    let help = String::from_utf8_lossy(&finished.stdout);
    for flag in [
        "--plugins",
        "--listen",
        "--max-exchanges",
        "--head-timeout",
        "--keep-alive-timeout",
        "--write-timeout",
        "--drain-timeout",
        "--memory",
        "--memory-per-exchange",
        "--cpu-per-call",
        "--time-per-call",
        "--cpu-per-exchange",
        "--emitted",
        "--received",
        "--log-lines",
        "--max-memory",
        "--max-memory-per-exchange",
        "--max-cpu-per-call",
        "--max-time-per-call",
        "--max-cpu-per-exchange",
        "--max-emitted",
        "--max-received",
        "--max-log-lines",
        "--max-connections",
        "--max-buffered",
        "--admin",
        "--watch",
        "--poll-interval",
        "--cache",
        "--access-log",
        "--log",
    ] {
        assert!(help.contains(flag), "{flag} is not in:\n{help}");
    }
}

#[test]
fn build_makes_a_module_that_inspect_likes() {
    let folder = Folder::new();
    let module = folder.path().join("rot13.wasm");
    let mut command = wasmplex(&["build"]);
    let finished = ran(command.arg(fixture("rot13")).arg("-o").arg(&module));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let bytes = std::fs::read(&module).expect("the module");
    assert!(bytes.starts_with(b"\0asm"));
    let finished = ran(wasmplex(&["inspect"]).arg(&module));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let said = String::from_utf8_lossy(&finished.stdout);
    for word in ["on_chunk", "chunk_buffer", "emit", "memory"] {
        assert!(said.contains(word), "{word} is not in:\n{said}");
    }
    let server = Server::serve(folder, &[]);
    server.post("/rot13", b"Hello").is_clean(200, "Uryyb");
}

#[test]
fn build_of_broken_text_says_where() {
    let folder = Folder::new();
    let source = folder.write("broken.wat", b"(module\n  (nonsense))\n");
    let module = folder.path().join("broken.wasm");
    let mut command = wasmplex(&["build"]);
    let finished = ran(command.arg(&source).arg("-o").arg(&module));
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let said = finished.stderr;
    assert!(said.contains("broken.wat") && said.contains('2'), "{said}");
    assert!(!module.exists(), "it left a file");
}

#[test]
fn inspect_as_json() {
    let finished = ran(wasmplex(&["inspect", "--json"]).arg(fixture("rot13")));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let said = String::from_utf8_lossy(&finished.stdout);
    let said = said.trim();
    assert!(said.starts_with('{') && said.ends_with('}'), "{said}");
    for key in ["\"kind\"", "\"exports\"", "\"imports\"", "\"memory\""] {
        assert!(said.contains(key), "{key} is not in:\n{said}");
    }
    let refused = &fixtures("refused")[0];
    let finished = ran(wasmplex(&["inspect", "--json"]).arg(refused));
    assert_eq!(finished.code, Some(1));
    let said = String::from_utf8_lossy(&finished.stdout);
    assert!(said.trim().starts_with('{'), "{said}");
}

fn one_clear_line(stderr: &str, needle: &str) {
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains(needle), "{stderr}");
}
