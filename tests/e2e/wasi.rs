//! WASI preview 1 for a plugin without a manifest.

use crate::harness::*;

#[test]
fn clocks_and_random_but_no_files_and_no_environment() {
    let server = Server::of(&["wasi_probe"]);
    let text = server.get("/wasi_probe").text();
    let lines: Vec<&str> = text.lines().collect();
    let args = lines.iter().find(|line| line.starts_with("args="));
    assert!(matches!(args, Some(&"args=0" | &"args=1")), "{text}");
    for expected in [
        "fdstat=0",
        "filetype=2",
        "environ=0",
        "prestat=8",
        "open=8",
        "clock=0",
        "recent=1",
        "random=0",
        "differs=1",
    ] {
        assert!(lines.contains(&expected), "{expected} is not in:\n{text}");
    }
}
