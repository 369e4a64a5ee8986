#!/usr/bin/env bash
# Builds wasmplex.h with every compiler and standard at hand, all warnings as errors, and runs the
# tests of its helpers. Needs cc and c++; clang for wasm is used if it is there.
set -euo pipefail
cd "$(dirname "$0")"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
warnings=(-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -I..)

first_of() {
    local name
    for name; do
        command -v "$name" && return
    done
    return 1
}

native() {
    for std in c99 c17; do
        "${CC:-cc}" -std=$std -O2 "${warnings[@]}" -Wmissing-prototypes -c api.c -o "$scratch/api.o"
    done
    for std in c++17 c++20; do
        "${CXX:-c++}" -std=$std -O2 "${warnings[@]}" -x c++ -c api.c -o "$scratch/api.o"
    done
    "${CC:-cc}" -std=c99 -O1 -g "${warnings[@]}" -fsanitize=address,undefined \
        -fno-sanitize-recover=all lines.c -o "$scratch/lines" 2>"$scratch/errors" ||
        "${CC:-cc}" -std=c99 -O1 -g "${warnings[@]}" lines.c -o "$scratch/lines" # no sanitizers here
    "$scratch/lines"
}

wasm() {
    local clang=$1 clangxx=${1/clang/clang++} features
    for features in "" "-msimd128" "-msimd128 -mbulk-memory"; do
        for std in c99 c17; do
            # shellcheck disable=SC2086 # features are words
            "$clang" --target=wasm32 -ffreestanding -nostdlib -std=$std -O2 $features "${warnings[@]}" \
                -Wmissing-prototypes -Wl,--no-entry -o "$scratch/api.wasm" api.c
        done
    done
    if [[ $("$clang" --target=wasm32-wasi -print-file-name=crt1-reactor.o) != /* ]]; then
        echo "skipped: wasm with a libc (no wasi-libc)"
        return
    fi
    "$clang" --target=wasm32-wasi -mexec-model=reactor -std=c99 -O2 "${warnings[@]}" \
        -o "$scratch/api.wasm" api.c
    if [[ $("$clang" --target=wasm32-wasi -print-file-name=libc++.a) != /* ]]; then
        echo "skipped: C++ for wasm (no libc++)"
        return
    fi
    for std in c++17 c++20; do
        "$clangxx" --target=wasm32-wasi -mexec-model=reactor -fno-exceptions -std=$std -O2 -msimd128 \
            "${warnings[@]}" -x c++ -o "$scratch/api.wasm" api.c
    done
}

native
if clang=$(first_of clang-19 clang-20 clang-21 clang-22 clang); then
    wasm "$clang"
else
    echo "skipped: wasm (no clang)"
fi
echo "wasmplex.h: ok"
