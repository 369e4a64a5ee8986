//! Plugins that must be refused when they are loaded, with a reason.

use std::fs;
use std::path::Path;

use crate::harness::*;

/// Files that are not even modules, and a word of the reason.
const BROKEN: &[(&str, &[u8])] = &[
    ("empty.wasm", b""),
    ("text.wasm", b"this is not a module\n"),
    ("cut_short.wasm", b"\0asm\x01\0\0\0\x01\x7f"),
    ("garbage.wasm", b"\0asm\x01\0\0\0\x0b\x03\xff\xff\xff"),
    ("unclosed.wat", b"(module (memory"),
    ("binary.wat", b"\xff\xfe\0\x01"),
];

#[test]
fn serve_says_why_and_serves_the_rest() {
    let folder = Folder::of(&["echo"]);
    let files = fixtures("refused");
    for file in &files {
        folder.copy(file);
    }
    for (name, contents) in BROKEN {
        folder.write(name, contents);
    }
    let server = Server::serve(folder, &[]);
    for file in &files {
        let name = file_name(file);
        server.log().wait(0, &[name, &reason(file)]);
        let plugin = name.trim_end_matches(".wat");
        server.get(&format!("/{plugin}")).is_error(404);
    }
    for (name, _) in BROKEN {
        server.log().wait(0, &[name]);
    }
    server.post("/echo", b"Hello").is_clean(200, "Hello");
}

#[test]
fn inspect_says_why() {
    for file in &fixtures("refused") {
        let finished = ran(wasmplex(&["inspect"]).arg(file));
        let said = String::from_utf8_lossy(&finished.stdout) + finished.stderr.as_str();
        assert_eq!(finished.code, Some(1), "{}: {said}", file.display());
        let reason = reason(file);
        let said = without_path(&said, file).to_lowercase();
        assert!(said.contains(&reason.to_lowercase()), "{}: {reason:?} is not in:\n{said}", file.display());
    }
}

#[test]
fn inspect_and_run_refuse_broken_files() {
    let folder = Folder::new();
    for (name, contents) in BROKEN {
        let path = folder.write(name, contents);
        for command in ["inspect", "run"] {
            let finished = ran(wasmplex(&[command]).arg(&path));
            let said = String::from_utf8_lossy(&finished.stdout) + finished.stderr.as_str();
            assert_eq!(finished.code, Some(1), "{command} {name}: {said}");
            assert!(!said.trim().is_empty(), "{command} {name} says why");
            assert!(!said.contains("panicked"), "{said}");
        }
    }
}

#[test]
fn memory_beyond_the_limit() {
    let small = Server::with(&["respond", "echo"], &["--memory", "128KiB"]);
    small.log().wait(0, &["respond", "memory"]);
    small.get("/respond").is_error(404);
    small.post("/echo", b"Hello").is_clean(200, "Hello");
}

/// The reason in the first line of a fixture.
fn reason(file: &Path) -> String {
    let text = fs::read_to_string(file).expect("read the fixture");
    let line = text.lines().next().unwrap_or_default();
    let reason = line.strip_prefix(";; refused: ");
    let reason = reason.unwrap_or_else(|| panic!("{}: {line}", file.display()));
    reason.to_owned()
}

fn file_name(file: &Path) -> &str {
    let name = file.file_name().and_then(|name| name.to_str());
    name.expect("fixtures have plain names")
}

/// What was said apart from the file's name, which may contain the reason's word.
fn without_path(said: &str, file: &Path) -> String {
    let path = file.display().to_string();
    let name = file_name(file);
    let said = said.replace(&path, "").replace(name, "");
    said.replace(name.trim_end_matches(".wat"), "")
}
