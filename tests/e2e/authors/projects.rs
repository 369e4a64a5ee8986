//! From nothing to a plugin: each language's project builds and passes its own tests at once.

use super::tool::{command, finish, tool};
use crate::harness::*;

#[test]
fn wat() {
    begins("wat", &[]);
}

#[test]
fn c() {
    begins("c", &[]);
}

#[test]
fn a_command_in_c() {
    begins("c", &["--kind", "command"]);
}

#[test]
fn cpp() {
    begins("cpp", &[]);
}

#[test]
fn a_command_in_cpp() {
    begins("cpp", &["--kind", "command"]);
}

#[test]
fn rust() {
    begins("rust", &[]);
}

#[test]
fn a_command_in_rust() {
    begins("rust", &["--kind", "command"]);
}

#[test]
fn zig() {
    begins("zig", &[]);
}

#[test]
fn a_command_in_zig() {
    begins("zig", &["--kind", "command"]);
}

#[test]
fn go() {
    begins("go", &[]);
}

#[test]
fn a_command_in_go() {
    begins("go", &["--kind", "command"]);
}

#[test]
fn assemblyscript() {
    begins("assemblyscript", &[]);
}

#[test]
fn a_command_in_assemblyscript() {
    begins("assemblyscript", &["--kind", "command"]);
}

#[test]
fn javascript() {
    begins("javascript", &[]);
}

#[test]
fn python() {
    begins("python", &[]);
}

/// The three commands of a new author: `new`, `test`, and an answer from a server.
#[track_caller]
fn begins(language: &str, more: &[&str]) {
    let folder = Folder::new();
    let mut new = vec!["new", "my-plugin.1", "--lang", language];
    new.extend(more);
    tool(&folder, &new).is_good().says(&["wasmplex test my-plugin.1", "wasmplex dev my-plugin.1"]);
    // Python's components are compiled for many seconds: once, for both.
    let cache = folder.path().join("cache");
    let tested = finish(command(&folder, &["test", "my-plugin.1"]).env("WASMPLEX_CACHE", &cache));
    if tested.is_skipped() {
        return;
    }
    tested.is_good().says(&["3 of 3 cases passed"]);
    let built = folder.path().join("my-plugin.1/my-plugin.1.wasm");
    folder.copy(&built);
    let mut serve = command(&folder, &["serve", "--listen", "127.0.0.1:0", "--plugins", "."]);
    let server = Server::spawn(folder, serve.env("WASMPLEX_CACHE", &cache));
    server.post("/my-plugin.1", b"it's live, ol\xc3\xa9").is_clean(200, "It's Live, Ol\u{e9}");
}

#[test]
fn a_project_may_lie_elsewhere_and_be_here() {
    let folder = Folder::new();
    tool(&folder, &["new", "title", "--lang", "wat", "--dir", "some/where"]).is_good().says(&["some/where"]);
    let inside = folder.path().join("some/where");
    assert!(inside.join("title.wat").is_file());
    finish(command(&folder, &["test", "."]).current_dir(&inside)).is_good();
    assert!(inside.join("where.wasm").is_file(), "a plugin is named after its folder");
}

#[test]
fn nothing_is_overwritten() {
    let folder = Folder::new();
    tool(&folder, &["new", "a", "--lang", "wat"]).is_good();
    tool(&folder, &["new", "a", "--lang", "c"]).fails(&["a: it is not empty"]);
    folder.folder("empty");
    tool(&folder, &["new", "empty", "--lang", "wat"]).is_good();
    folder.write("file", b"");
    tool(&folder, &["new", "file", "--lang", "wat"]).fails(&["file"]);
}

#[test]
fn what_is_refused_says_why() {
    let folder = Folder::new();
    for name in ["", ".hidden", "a/b", "a b", "../a", "é", &"x".repeat(65)] {
        tool(&folder, &["new", "--lang", "wat", "--", name]).fails(&["begins with a letter or digit"]);
    }
    for language in ["javascript", "python", "wat"] {
        tool(&folder, &["new", "a", "--lang", language, "--kind", "command"]).fails(&["--kind command"]);
    }
    let unknown = tool(&folder, &["new", "a", "--lang", "cobol"]);
    assert_eq!(unknown.code, Some(2));
    unknown.says(&["assemblyscript", "python"]);
    assert!(!folder.path().join("a").exists());
}
