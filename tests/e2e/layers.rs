//! Rules of ARCHITECTURE.md that no lint knows: who may name what, and how large things get.

use std::fs;
use std::path::{Path, PathBuf};

/// The largest source file, in lines, its unit tests included.
const MAX_FILE: usize = 450;

/// The largest function, in lines.
const MAX_FUNCTION: usize = 70;

/// Folder of `host/src`, and what its code must not name.
const FORBIDDEN: [(&str, &[&str]); 12] = [
    (
        "http",
        &["tokio", "wasmtime", "std::time", "std::net", "crate::plugin", "crate::server", "crate::exchange"],
    ),
    (
        "websocket",
        &["tokio", "wasmtime", "std::time", "std::net", "crate::plugin", "crate::server", "crate::exchange"],
    ),
    (
        "plugin",
        &[
            "crate::http",
            "crate::server",
            "crate::exchange",
            "crate::registry",
            "crate::capsule",
            "tokio::net",
            "std::net",
        ],
    ),
    ("exchange", &["wasmtime", "crate::server", "crate::registry", "crate::capsule", "crate::cli"]),
    (
        "registry",
        &["wasmtime", "crate::server", "crate::exchange", "crate::capsule", "crate::cli", "tokio::net"],
    ),
    ("metrics", &["wasmtime", "tokio", "crate::server", "crate::exchange", "crate::registry", "crate::cli"]),
    ("capsule", &["wasmtime", "tokio", "crate::server", "crate::exchange", "crate::replay", "crate::cli"]),
    ("replay", &["wasmtime", "crate::server", "crate::cli", "tokio::net"]),
    ("admin", &["wasmtime", "crate::exchange", "crate::cli"]),
    ("server", &["wasmtime", "crate::cli", "httparse"]),
    ("golden", &["wasmtime", "crate::server", "crate::project", "crate::cli", "std::net", "tokio::net"]),
    (
        "project",
        &["wasmtime", "tokio", "crate::server", "crate::exchange", "crate::plugin", "crate::cli", "std::net"],
    ),
];

#[test]
fn no_layer_reaches_across() {
    for (folder, forbidden) in FORBIDDEN {
        let files = sources(&source_root().join(folder));
        assert!(!files.is_empty(), "{folder} has no sources");
        for file in files {
            for (number, line) in code(&file) {
                for name in forbidden {
                    assert!(!line.contains(name), "{}:{number} names {name}", file.display());
                }
            }
        }
    }
}

#[test]
fn files_and_functions_stay_small() {
    for file in sources(&source_root()) {
        let text = fs::read_to_string(&file).expect("a source file");
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.len() <= MAX_FILE, "{} has {} lines", file.display(), lines.len());
        for (start, line) in lines.iter().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let is_function = line.trim_start().split("fn ").next().is_some_and(|before| {
                line.contains("fn ")
                    && before.split_whitespace().all(|word| {
                        word.starts_with("pub") || ["async", "const", "in", "super)"].contains(&word)
                    })
            });
            if !is_function || line.trim_end().ends_with(';') {
                continue;
            }
            let closing = format!("{}}}", " ".repeat(indent));
            let length = lines[start..].iter().position(|line| *line == closing).unwrap_or(0) + 1;
            assert!(length <= MAX_FUNCTION, "{}:{}: a function of {length} lines", file.display(), start + 1);
        }
    }
}

fn source_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a source folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files
}

/// Numbered lines of a file without comments and without its test module.
fn code(file: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(file).expect("a source file");
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim().to_owned()));
    lines.take_while(|(_, line)| line != "#[cfg(test)]").filter(|(_, line)| !line.starts_with("//")).collect()
}
