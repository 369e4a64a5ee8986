//! The samples as `make plugins` builds them. In CI all of them must be there; elsewhere one whose
//! toolchain is missing is skipped.

use std::path::{Path, PathBuf};

use crate::harness::*;

const ROUNDS: usize = 100;

#[test]
fn rot13_as_built() {
    in_lock_step("rot13", rot13);
}

#[test]
fn upper_as_built() {
    in_lock_step("upper", <[u8]>::to_ascii_uppercase);
    let Some(file) = built("upper") else {
        return;
    };
    let folder = Folder::new();
    folder.copy(&file);
    let server = Server::serve(folder, &[]);
    let answer = server.post("/upper", b"gr\xc3\xbc\xc3\x9fe");
    assert_eq!(answer.head.field("content-type"), Some("text/plain"));
    answer.is_clean(200, b"GR\xc3\xbc\xc3\x9fE");
}

/// Pieces of noise, each answered before the next is sent.
fn in_lock_step(name: &str, expected: impl Fn(&[u8]) -> Vec<u8>) {
    let Some(file) = built(name) else {
        return;
    };
    let folder = Folder::new();
    folder.copy(&file);
    let server = Server::serve(folder, &[]);
    let mut client = server.connect();
    client.send(request("POST", &format!("/{name}"), &[CHUNKED]));
    assert_eq!(client.head().status, 200);
    for round in 0..ROUNDS {
        let piece = noise(round as u64, 1 + round * 97 % 5000);
        client.send_chunk(&piece);
        client.expect(expected(&piece));
    }
    client.send_last_chunk();
    assert_eq!(client.rest(), (vec![], Ending::Clean));
}

fn built(name: &str) -> Option<PathBuf> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../plugins/{name}.wasm"));
    if file.is_file() {
        return Some(file);
    }
    assert!(std::env::var_os("CI").is_none(), "{name}.wasm is not built");
    println!("skipped: {name}.wasm is not built");
    None
}
