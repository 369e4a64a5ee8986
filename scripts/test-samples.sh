#!/usr/bin/env bash
# Tests what is not the host: the samples that are built, each with its golden cases, the Rust
# samples' own tests, and the SDKs of the languages whose tools are here.
#
#   scripts/test-samples.sh
#
# Environment: as scripts/plugins.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly WASMPLEX=${WASMPLEX:-target/release/wasmplex}
readonly JOBS=${JOBS:-2}
toolchains=${WASMPLEX_TOOLCHAINS:-$PWD/target/toolchains}
PATH=$toolchains/bin:$PATH
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target/samples}

have() { command -v "$1" >/dev/null 2>&1; }
say() { printf '\n== %s\n' "$*"; }

for folder in plugins/*/; do
    name=$(basename "$folder")
    if [[ ! -d $folder/tests ]]; then continue; fi
    if [[ ! -f plugins/$name.wasm ]]; then
        echo "skipped: $name is not built"
        continue
    fi
    say "$name: golden cases"
    # Its manifest, if it has one, is in its folder.
    "$WASMPLEX" test "plugins/$name.wasm" --cases "$folder/tests" --seed 1
done

for folder in plugins/*/; do
    if [[ -f $folder/Cargo.toml ]]; then
        say "$(basename "$folder"): its own tests"
        (cd "$folder" && cargo test --quiet --release --locked --jobs "$JOBS")
    fi
done

if have clang-19 || have clang; then
    say "plugin-sdk/c"
    plugin-sdk/c/tests/check.sh
fi
if have zig; then
    say "plugin-sdk/zig"
    zig test plugin-sdk/zig/wasmplex.zig
    (cd plugins/rot13-zig && zig test --dep wasmplex -Mroot=rot13.zig -Mwasmplex=../../plugin-sdk/zig/wasmplex.zig)
fi
if have go; then
    say "plugin-sdk/go"
    (cd plugin-sdk/go && go vet ./... && go test ./...)
    for folder in plugins/*/; do
        if [[ -f $folder/go.mod ]]; then (cd "$folder" && go vet ./... && go test ./...); fi
    done
fi
