#!/usr/bin/env bash
# Builds target/dist/wasmplex, the command that operators run: optimized as a whole, and for what runs often
# (profile-guided). That takes two builds and the load of scripts/train.py between them, half an hour on two
# processors. TRAIN=no leaves out the first one and the load; so does the lack of a tool, which is said.
set -euo pipefail
cd "$(dirname "$0")/.."

jobs=${JOBS:-2}
cargo=${CARGO:-cargo}
target=$(rustc -vV | sed -n 's/^host: //p')
export CARGO_TARGET_DIR=$PWD/target
# Not in there, for everything in it was built without counting.
counting=$PWD/target/train
profile=$counting/wasmplex.profdata

# Prints the first llvm-profdata that understands what this rustc writes, and that this rustc understands.
find_profdata() {
    local work tool
    work=$(mktemp -d)
    trap 'rm -rf "$work"' RETURN
    echo 'fn main() { println!("{}", std::env::args().count()) }' >"$work/try.rs"
    # rustc's own come without its profiler on some systems.
    rustc -O -C profile-generate="$work/counts" -o "$work/try" "$work/try.rs" 2>/dev/null || return 1
    "$work/try" >/dev/null
    for tool in "$(rustc --print sysroot)/lib/rustlib/$target/bin/llvm-profdata" llvm-profdata{,-{25..19}}; do
        if command -v "$tool" >/dev/null &&
            "$tool" merge -o "$work/profile" "$work/counts" 2>/dev/null &&
            rustc -O -C profile-use="$work/profile" -o "$work/try" "$work/try.rs" 2>/dev/null; then
            command -v "$tool"
            return
        fi
    done
    return 1
}

# Without --target, flags would hold for build scripts too, which would then count as well.
build() {
    local flags=${RUSTFLAGS:-}
    # Not RUSTFLAGS, which knows no paths with a space.
    [ $# = 0 ] || export CARGO_ENCODED_RUSTFLAGS="${flags:+${flags// /$'\x1f'}$'\x1f'}-C"$'\x1f'"$1"
    "$cargo" build --profile dist --locked --jobs "$jobs" --package wasmplex --target "$target"
}

finish() {
    mkdir -p target/dist
    cp -f "target/$target/dist/wasmplex" target/dist/wasmplex.new
    mv -f target/dist/wasmplex.new target/dist/wasmplex
}

if [ "${TRAIN:-yes}" = no ]; then
    build
    finish
    exit
fi
if ! profdata=$(find_profdata) || ! command -v python3 >/dev/null; then
    build
    finish
    echo "dist: built without training, so short requests cost a fifth more: there is no python3, or no" >&2
    echo "      llvm-profdata for $(rustc --version)." >&2
    echo "      'rustup component add llvm-tools' gets it, or llvm 19 or newer of the system's." >&2
    exit
fi
rm -rf "$counting/counts"
# The same profile as below: what a function is called depends on it.
CARGO_TARGET_DIR=$counting build "profile-generate=$counting/counts"
scripts/train.py "$counting/$target/dist/wasmplex"
"$profdata" merge -o "$profile" "$counting/counts"
build "profile-use=$profile"
finish
