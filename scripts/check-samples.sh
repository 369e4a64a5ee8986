#!/usr/bin/env bash
# Format and lints of the samples, in the languages whose tools are here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

toolchains=${WASMPLEX_TOOLCHAINS:-$PWD/target/toolchains}
PATH=$toolchains/bin:$PATH
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target/samples}

for folder in plugins/*/ templates/*/; do
    if [[ -f $folder/Cargo.toml && $folder == plugins/* ]]; then
        (cd "$folder" && cargo fmt --check && cargo clippy --quiet --release --locked --all-targets -- -D warnings)
    fi
done
if command -v gofmt >/dev/null; then
    unformatted=$(gofmt -l plugin-sdk/go plugins/*-go templates/go*)
    if [[ -n $unformatted ]]; then
        printf 'gofmt would change:\n%s\n' "$unformatted" >&2
        exit 1
    fi
fi
if command -v zig >/dev/null; then
    zig fmt --check plugin-sdk/zig plugins/*-zig templates/zig*
fi
