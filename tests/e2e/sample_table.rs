//! Every rot13, in whatever language, passes the same table, byte for byte.
//!
//! `make plugins` builds those whose toolchain is there. One that is missing is skipped, unless
//! `WASMPLEX_REQUIRE_SAMPLES=1` says that all must be there.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::*;

/// How long compiling may take on a busy machine: Python's 18 MB take 12 s on a quiet one.
const PATIENCE: Duration = Duration::from_secs(300);

macro_rules! table {
    ($($test:ident: $sample:literal,)*) => {
        /// All samples that turn letters by 13.
        const SAMPLES: &[&str] = &[$($sample),*];

        $(
            #[test]
            fn $test() {
                passes($sample);
            }
        )*
    };
}

table! {
    wat: "rot13",
    rust: "rot13-rust",
    c: "rot13-c",
    cpp: "rot13-cpp",
    zig: "rot13-zig",
    go: "rot13-go",
    assemblyscript: "rot13-assemblyscript",
    javascript: "rot13-javascript",
    python: "rot13-python",
    command_c: "rot13-command-c",
    command_go: "rot13-command-go",
    command_rust: "rot13-command-rust",
}

/// Two of them after each other change nothing: each with its neighbour in the list.
#[test]
fn in_pipes_of_two() {
    let built: Vec<&str> = SAMPLES.iter().copied().filter(|name| built(name).is_some()).collect();
    let server = serving(&built);
    for (first, second) in built.iter().zip(built.iter().cycle().skip(1)) {
        server.is_exact(&format!("/{first}+{second}"), <[u8]>::to_vec);
    }
}

#[track_caller]
fn passes(name: &str) {
    if built(name).is_none() {
        return;
    }
    let server = serving(&[name]);
    let target = format!("/{name}");
    server.is_exact(&target, rot13);
    server.get(&target).is_clean(200, "");
    server.is_exact(&format!("{target}+{name}"), <[u8]>::to_vec);
}

/// A server of these samples. All runs share a cache of compiled code: a component of a whole interpreter
/// compiles for so long that nobody should wait for it twice.
#[track_caller]
fn serving(names: &[&str]) -> Server {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("samples-cache").display().to_string();
    let server = Server::serve(Folder::new(), &[ADMIN, &["--cache", &cache]].concat());
    for name in names {
        let bytes = fs::read(built(name).expect("it is built")).expect("read the sample");
        server.folder().install(&format!("{name}.wasm"), &bytes);
    }
    let begun = Instant::now();
    for name in names {
        while server.plugin(name)["state"] != "serving" {
            let plugin = server.plugin(name);
            assert!(plugin["state"] != "refused", "{plugin}");
            assert!(begun.elapsed() < PATIENCE, "{name} is not there yet");
            thread::sleep(Duration::from_millis(20));
        }
    }
    server
}

fn built(name: &str) -> Option<PathBuf> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../plugins/{name}.wasm"));
    if file.is_file() {
        return Some(file);
    }
    let required = std::env::var("WASMPLEX_REQUIRE_SAMPLES").is_ok_and(|value| value == "1");
    assert!(!required, "{name}.wasm is not built");
    println!("skipped: {name}.wasm is not built");
    None
}
