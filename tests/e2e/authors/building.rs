//! `wasmplex build` of a folder: what it says when something is not as it should be.

use std::fs;

use super::tool::{command, finish, tool};
use crate::harness::*;

#[test]
fn a_folder_that_is_no_project() {
    let folder = Folder::new();
    folder.folder("none");
    tool(&folder, &["build", "none"]).fails(&["none: nothing here that can be built", "Cargo.toml", "*.wat"]);
    tool(&folder, &["build", "not-there"]).fails(&["not-there"]);
    folder.folder("bad name");
    tool(&folder, &["build", "bad name"]).fails(&["the folder's name is the plugin's"]);
    folder.write("x.txt", b"");
    tool(&folder, &["build", "x.txt", "-o", "x.wasm"]).fails(&["neither a folder nor a .wat file"]);
    folder.copy(&fixture("echo"));
    tool(&folder, &["build", "echo.wat"]).fails(&["-o FILE"]);
}

#[test]
fn it_says_where_and_what() {
    let folder = Folder::new();
    fs::copy(fixture("echo"), folder.folder("echo").join("echo.wat")).expect("copy the source");
    tool(&folder, &["build", "echo"]).is_good().says(&["echo/echo.wasm: ", " bytes, core module, "]);
    tool(&folder, &["build", "echo", "-o", "other.wasm"]).is_good().says(&["other.wasm: "]);
    let (one, other) = (folder.path().join("echo/echo.wasm"), folder.path().join("other.wasm"));
    assert_eq!(fs::read(one).expect("the plugin"), fs::read(other).expect("the plugin"));
}

#[test]
fn what_does_not_build_leaves_what_was() {
    let folder = Folder::new();
    tool(&folder, &["new", "a", "--lang", "wat"]).is_good();
    tool(&folder, &["build", "a"]).is_good();
    let plugin = folder.path().join("a/a.wasm");
    let before = fs::read(&plugin).expect("the plugin");
    folder.write("a/a.wat", b"(module\n  (func (nonsense)))");
    tool(&folder, &["build", "a"]).fails(&["a.wat:2:"]);
    folder.write("a/a.wat", b"(module (memory (export \"memory\") 1))");
    tool(&folder, &["build", "a"]).fails(&["on_chunk"]);
    assert_eq!(fs::read(&plugin).expect("the plugin"), before);
    let left: Vec<_> = fs::read_dir(folder.path().join("a")).expect("the folder").flatten().collect();
    assert!(left.iter().all(|entry| !entry.file_name().to_string_lossy().starts_with(".a.wasm")), "{left:?}");
}

#[test]
fn the_manifest_beside_the_sources_counts() {
    let folder = Folder::new();
    tool(&folder, &["new", "a", "--lang", "wat"]).is_good();
    folder.write("a/a.json", br#"{"limits": {"memory": "64KiB"}}"#);
    tool(&folder, &["build", "a"]).fails(&["beyond the limit of 65536"]);
    folder.write("a/a.json", br#"{"limit": {}}"#);
    tool(&folder, &["build", "a"]).fails(&["a.json", "`limit`"]);
}

#[test]
fn a_missing_compiler_is_told_with_how_to_get_it() {
    let folder = Folder::new();
    for (language, needles) in [
        ("c", &["clang", "sudo apt-get install clang-19 lld-19", "(CC names another one)"][..]),
        ("cpp", &["clang++", "libc++-19-dev-wasm32"]),
        ("zig", &["pip install ziglang", "ZIG"]),
        ("go", &["go 1.24", "go.dev"]),
        ("rust", &["rustup.rs"]),
        ("assemblyscript", &["npm install", "ASC"]),
        ("javascript", &["npm install", "componentize-qjs"]),
        ("python", &["pip install componentize-py"]),
    ] {
        tool(&folder, &["new", language, "--lang", language]).is_good();
        let mut build = command(&folder, &["build", language]);
        for variable in ["CARGO", "CC", "CXX", "WASI_SDK_PATH", "ZIG", "GO", "ASC", "VIRTUAL_ENV"] {
            build.env_remove(variable);
        }
        build.env("PATH", folder.folder("nothing"));
        finish(&mut build).misses(&["missing: "]).misses(needles);
    }
}

#[test]
fn a_named_compiler_that_is_not_there_is_told() {
    let folder = Folder::new();
    tool(&folder, &["new", "a", "--lang", "c"]).is_good();
    let mut build = command(&folder, &["build", "a"]);
    build.env("PATH", folder.folder("nothing")).env("CC", "no-such-clang").env_remove("WASI_SDK_PATH");
    finish(&mut build).misses(&["CC=no-such-clang: there is no such program"]);
}

/// What the compiler says is passed on, and the command line before it.
#[test]
fn a_compiler_is_seen_at_work() {
    let folder = Folder::new();
    tool(&folder, &["new", "a", "--lang", "c"]).is_good();
    folder.write(
        "a/a.c",
        b"#include \"wasmplex.h\"\nint32_t on_chunk(uint8_t *chunk, size_t len) { return nonsense; }\n",
    );
    let built = tool(&folder, &["build", "a"]);
    if !built.is_skipped() {
        built.fails(&["$ clang", "--target=wasm32", "a.c:2:", "'nonsense'", "failed (exit status: 1)"]);
    }
}

#[test]
fn help_lists_the_languages() {
    let folder = Folder::new();
    tool(&folder, &["build", "--help"]).is_good().says(&[
        "Cargo.toml",
        "go.mod",
        "*.zig",
        "*.wat",
        "COMPONENTIZE_PY",
    ]);
}
