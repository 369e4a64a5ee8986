//! The properties of `fuzz/` on stable Rust: each file of `tests/corpus`, and some thousand changes of them
//! that are different in every run.
//!
//! `WASMPLEX_SEED=…` repeats a run, `WASMPLEX_FUZZ_ROUNDS=N` makes N changes for each target. An input that
//! fails is printed; `fuzz/README.md` says where it belongs.

#[path = "../../fuzz/properties/host/mod.rs"]
mod host;
#[path = "../../fuzz/properties/wire/mod.rs"]
mod wire;

mod campaign;
mod mutation;

use std::fs;
use std::path::Path;

use campaign::Campaign;
use wasmplex as subject;

use crate::harness::*;
use crate::raw::format;

#[test]
fn heads() {
    let mut campaign = Campaign::of("head", 2_000);
    raw_cases().for_each(|input| campaign.add(input));
    campaign.run(wire::head::property);
}

#[test]
fn framings() {
    Campaign::of("framing", 5_000).run(wire::framing::property);
}

#[test]
fn bodies() {
    Campaign::of("body", 1_500).run(wire::body::property);
}

#[test]
fn response_heads() {
    Campaign::of("response", 5_000).run(wire::response::property);
}

#[test]
fn websocket_frames() {
    Campaign::of("websocket", 800).run(wire::websocket::property);
}

#[test]
fn manifests() {
    Campaign::of("manifest", 5_000).run(|data| {
        host::manifest::property(data);
        host::routes::property(data);
    });
}

#[test]
fn capsules() {
    Campaign::of("capsule", 3_000).run(host::capsule::property);
}

#[test]
fn modules() {
    let mut campaign = Campaign::of("module", 400);
    for file in fixtures(".").into_iter().chain(fixtures("refused")).chain(fixtures("components")) {
        if file.extension().is_some_and(|ending| ending == "wat") {
            campaign.add(fs::read(file).expect("a fixture"));
        }
    }
    campaign.run_with(mutation::of_module, host::module::property);
}

#[test]
fn connections() {
    let folder = Folder::new();
    for (name, text) in host::connection::PLUGINS {
        folder.write(&format!("{name}.wat"), text.as_bytes());
    }
    let server = Server::serve(folder, &[]);
    let address = server.address();
    let mut campaign = Campaign::of("connection", 400);
    raw_cases().for_each(|input| campaign.add(input));
    campaign.run(move |data| host::connection::property(address, data));
    assert!(!server.log().since(0).contains("panicked"), "the server panicked");
}

/// What the clients of `tests/corpus/http` send.
fn raw_cases() -> impl Iterator<Item = Vec<u8>> {
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus/http");
    let files = fs::read_dir(files).expect("the raw cases").map(|entry| entry.expect("a file").path());
    let mut files: Vec<_> = files.filter(|file| file.extension().is_some_and(|end| end == "case")).collect();
    files.sort();
    let texts = files.into_iter().map(|file| fs::read_to_string(file).expect("raw cases"));
    texts.flat_map(|text| format::parse(&text).expect("raw cases")).map(|case| case.input())
}
