#!/usr/bin/env bash
# Builds the samples: plugins/NAME/ to plugins/NAME.wasm, each by `wasmplex build`.
#
#   scripts/plugins.sh              those whose toolchain is here; says what is missing
#   scripts/plugins.sh --all        a missing toolchain is an error
#   scripts/plugins.sh NAME ...     only these
#
# What is newer than its sources, the SDKs and its compiler's recipe is left as it is.
#
# Environment:
#   WASMPLEX             the command (target/release/wasmplex)
#   WASMPLEX_TOOLCHAINS  where scripts/toolchains.sh has put compilers (target/toolchains)
#
# Exit: 0 built or skipped, 1 a build failed, or with --all a toolchain is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly WASMPLEX=${WASMPLEX:-target/release/wasmplex}
# What `wasmplex build` and scripts/wasm-rust.sh exit with when a tool is missing.
readonly MISSING=3

toolchains=${WASMPLEX_TOOLCHAINS:-$PWD/target/toolchains}
PATH=$toolchains/bin:$PATH
# One place for what cargo makes of all samples: their SDK is built once.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target/samples}

main() {
    local all=no name code failed=() missing=()
    local -a names=()
    for name in "$@"; do
        if [[ $name == --all ]]; then all=yes; else names+=("$name"); fi
    done
    if ((${#names[@]} == 0)); then
        for name in plugins/*/; do names+=("$(basename "$name")"); done
    fi
    for name in "${names[@]}"; do
        if is_fresh "$name"; then continue; fi
        code=0
        build "$name" || code=$?
        case $code in
            0) ;;
            "$MISSING") missing+=("$name") ;;
            *) failed+=("$name") ;;
        esac
    done
    if ((${#missing[@]} > 0)); then
        echo "not built, for want of a tool (make plugins-all gets them): ${missing[*]}" >&2
    fi
    if ((${#failed[@]} > 0)); then
        echo "failed: ${failed[*]}" >&2
        exit 1
    fi
    if [[ $all == yes ]] && ((${#missing[@]} > 0)); then exit 1; fi
}

# Whether nothing that it is made of is newer.
is_fresh() {
    local made=plugins/$1.wasm
    [[ -f $made ]] || return 1
    [[ -z $(find "plugins/$1" plugin-sdk scripts/wasm-rust.sh -newer "$made" -type f \
        -not -path '*/target/*' -not -path '*/node_modules/*' -not -path '*/tests/*' -print -quit) ]]
}

build() {
    local name=$1 code=0
    "$WASMPLEX" build "plugins/$name" -o "plugins/$name.wasm" || code=$?
    # Where rustup has no library for wasm, Debian may have one.
    if [[ $code == "$MISSING" && -f plugins/$name/Cargo.toml ]]; then
        code=0
        if [[ -f plugins/$name/src/main.rs ]]; then
            scripts/wasm-rust.sh --target wasm32-wasip1 "plugins/$name" "plugins/$name.wasm" || code=$?
        else
            scripts/wasm-rust.sh "plugins/$name" "plugins/$name.wasm" || code=$?
        fi
    fi
    return "$code"
}

main "$@"
