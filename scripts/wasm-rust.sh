#!/usr/bin/env bash
# Builds a Rust plugin package for wasm.
#
#   scripts/wasm-rust.sh [--target TARGET] PACKAGE_DIR OUT.wasm
#   scripts/wasm-rust.sh plugins/upper plugins/upper.wasm
#
# TARGET is wasm32-wasip1 for a package with a src/main.rs, which is a plain program from
# standard input to standard output (a command), and wasm32-unknown-unknown for all
# others, unless it is given.
#
# Two ways to Rust's library for wasm, tried in this order:
#
#   rustup   the target is installed, or `rustup target add` can fetch it
#   debian   Debian's own Rust with its sources, unpacked (not installed, no root)
#            into a cache folder: 137 MB to fetch, 600 MB on disk, once; for wasm32-wasip1
#            also its wasi-libc, 1 MB, if it is not installed
#
# Environment:
#   WASMPLEX_WASM_RUST   auto (both, the default), rustup or debian
#   CARGO_TARGET_DIR     as cargo has it; else PACKAGE_DIR/target, and for the debian
#                        way one in the cache folder, so that its library is built once
#   CARGO, RUSTC         as cargo has them
#   XDG_CACHE_HOME       the cache folder is wasmplex/rust-debian below it (~/.cache)
#
# Exit: 0 built, 1 the build failed, 2 usage, 3 no way to build for wasm here.
set -euo pipefail

# A target is some 20 MB: enough for a slow line, and no endless wait behind a
# firewall that drops packets.
readonly RUSTUP_SECONDS=180
# Editions and the SDK need it (its rust-version).
readonly OLDEST_RUST_MINOR=85

say() { printf 'wasm-rust: %s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

main() {
    TARGET=
    if [[ ${1-} == --target ]] && (($# > 1)); then
        TARGET=$2
        shift 2
    fi
    if (($# != 2)) || [[ $1 == -* || ! -f $1/Cargo.toml ]]; then
        printf 'usage: %s [--target TARGET] PACKAGE_DIR OUT.wasm (PACKAGE_DIR has the Cargo.toml of a plugin)\n' "$0" >&2
        exit 2
    fi
    if [[ -z $TARGET ]]; then
        if [[ -f $1/src/main.rs ]]; then TARGET=wasm32-wasip1; else TARGET=wasm32-unknown-unknown; fi
    fi
    readonly TARGET
    if [[ $TARGET != wasm32-wasip1 && $TARGET != wasm32-unknown-unknown ]]; then
        say "the target is wasm32-wasip1 or wasm32-unknown-unknown, not '$TARGET'"
        exit 2
    fi
    out=$(absolute "$2")
    root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
    cargo=${CARGO:-cargo}
    cache=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
    cache=${cache:+$cache/wasmplex/rust-debian}
    # Cargo takes .cargo/config.toml, and rustup its toolchain file, from where we are.
    cd "$1"
    if ! have "$cargo"; then
        no_way "there is no cargo. Install Rust: https://rustup.rs"
    fi
    case ${WASMPLEX_WASM_RUST:-auto} in
        auto) if rustup_way; then build_rustup; elif debian_way; then build_debian; else no_way; fi ;;
        rustup) if rustup_way; then build_rustup; else no_way; fi ;;
        debian) if debian_way; then build_debian; else no_way; fi ;;
        *)
            say "WASMPLEX_WASM_RUST is auto, rustup or debian, not '$WASMPLEX_WASM_RUST'"
            exit 2
            ;;
    esac
}

absolute() {
    mkdir -p "$(dirname "$1")"
    printf '%s/%s\n' "$(cd "$(dirname "$1")" && pwd)" "$(basename "$1")"
}

no_way() {
    for reason in "$@"; do say "$reason"; done
    say "cannot build $PWD for $TARGET here. Any one of these helps:"
    say "  rustup target add $TARGET"
    say "  a Debian with the package rustc-web, cargo, and the network for 137 MB"
    exit 3
}

# ---- rustup, or any Rust that has the target already ----

rustup_way() {
    if has_target; then return 0; fi
    if ! have rustup; then
        say "Rust's library for $TARGET is not installed, and there is no rustup to fetch it"
        return 1
    fi
    say "fetching Rust's library for $TARGET (rustup target add)"
    if ! RUST_BACKTRACE=0 timeout "$RUSTUP_SECONDS" rustup target add "$TARGET" >&2; then
        say "rustup could not fetch it"
        return 1
    fi
    has_target
}

has_target() {
    local libraries
    libraries=$("${RUSTC:-rustc}" --print target-libdir --target "$TARGET" 2>/dev/null) || return 1
    compgen -G "$libraries/libcore-*.rlib" >/dev/null
}

build_rustup() {
    build
}

# ---- Debian's rustc-web: compiler, LLVM and the library's sources ----

debian_way() {
    local tool
    if [[ -z $cache ]]; then
        say "neither XDG_CACHE_HOME nor HOME is set, so Debian's Rust has no place to go"
        return 1
    fi
    if ! linker=$(find_linker); then
        say "there is no linker for wasm: rust-lld (in rustup's toolchains), or: apt install lld"
        return 1
    fi
    if [[ $TARGET == wasm32-wasip1 ]]; then libc=$(find_wasi_libc) || libc=; else libc=none; fi
    if [[ -x $cache/rustc && -n $libc ]]; then return 0; fi
    for tool in apt-get apt-cache dpkg-deb dpkg-query; do
        if ! have "$tool"; then
            say "there is no $tool: this is no Debian"
            return 1
        fi
    done
    if [[ ! -x $cache/rustc ]]; then fetch_debian || return 1; fi
    if [[ -z $libc ]]; then fetch_wasi_libc && libc=$(find_wasi_libc); fi
}

# Programs need a C library for WASI: that of the system, or one of our own.
find_wasi_libc() {
    local libraries
    for libraries in /usr/lib/wasm32-wasi "$cache-libc/usr/lib/wasm32-wasi"; do
        if [[ -f $libraries/crt1-command.o && -f $libraries/libc.a ]]; then
            echo "$libraries"
            return 0
        fi
    done
    return 1
}

fetch_wasi_libc() (
    new=$(mkdir -p "$(dirname "$cache")" && mktemp -d "$cache-libc.XXXXXX") || exit 1
    trap 'rm -rf "$new"' EXIT
    say "fetching Debian's wasi-libc into $cache-libc (1 MB, once)"
    private_apt "$new/apt" || exit 1
    if ! apt-get -qq update >&2 || ! unpack "$new" wasi-libc; then
        say "apt could not fetch wasi-libc"
        exit 1
    fi
    rm -rf "$new/apt"
    mv -T "$new" "$cache-libc" 2>/dev/null || find_wasi_libc >/dev/null
)

# Packages into a folder, without installing them.
unpack() {
    local folder=$1 package
    shift
    (cd "$folder" && apt-get -qq download "$@" >&2) || return 1
    for package in "$folder"/*.deb; do dpkg-deb -x "$package" "$folder" || return 1; done
    rm -f "$folder"/*.deb
}

# Unpacks into a new folder and moves it to its place only when it works, so that
# an interrupted or a second run at the same time leaves nothing half done.
fetch_debian() (
    new=$(mkdir -p "$(dirname "$cache")" && mktemp -d "$cache.XXXXXX") || exit 1
    trap 'rm -rf "$new"' EXIT
    say "fetching Debian's Rust with its sources into $cache (137 MB, once)"
    private_apt "$new/apt" || exit 1
    if ! apt-get -qq update >&2; then
        say "apt-get update failed"
        exit 1
    fi
    mapfile -t packages < <(debian_packages)
    if ((${#packages[@]} == 0)); then
        say "apt has no package rustc-web, or its servers cannot be reached"
        exit 1
    fi
    if ! unpack "$new" "${packages[@]}"; then
        say "apt could not fetch ${packages[*]}"
        exit 1
    fi
    # Of the sources only the library's are needed: 65 of 550 MB.
    find "$new"/usr/src/rustc-*/ -mindepth 1 -maxdepth 1 ! -name library -exec rm -rf {} +
    rm -rf "$new/apt"
    write_rustc_wrapper "$new/rustc" && works "$new/rustc" || exit 1
    mv -T "$new" "$cache" 2>/dev/null || [[ -x $cache/rustc ]]
)

# Lists and downloads of our own: needs no root, and sees today's packages where
# the system's lists are old or empty.
private_apt() {
    mkdir -p "$1"/{state/lists/partial,cache/archives/partial} || return 1
    export APT_CONFIG=$1/apt.conf
    cat >"$APT_CONFIG" <<CONF
Dir::State "$1/state";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "$1/cache";
APT::Sandbox::User "";
CONF
}

# rustc-web, its library and sources, and the shared libraries that it needs and
# this system has not.
debian_packages() {
    local name needed
    needed=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts \
        --no-breaks --no-replaces --no-enhances rustc-web 2>/dev/null | grep -E '^[a-z0-9]')
    grep -qx rustc-web <<<"$needed" || return 1
    for name in $needed; do
        case $name in
            rustc-web | libstd-rust-web-*) echo "$name" ;;
            libllvm* | libz3-* | libxml2* | libedit* | libffi* | libicu* | libbsd* | libmd*)
                if ! dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed; then
                    echo "$name"
                fi
                ;;
        esac
    done
    echo rust-web-src
}

# Sets the library path for the compiler alone, not for cargo and what it starts.
write_rustc_wrapper() {
    cat >"$1" <<'WRAPPER'
#!/bin/sh
here=$(dirname "$0")
for libs in "$here"/usr/lib/*-linux-gnu*; do
    LD_LIBRARY_PATH=$libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
done
export LD_LIBRARY_PATH
exec "$here/usr/bin/rustc" "$@"
WRAPPER
    chmod +x "$1"
}

works() {
    local version
    if ! version=$("$1" --version); then
        say "Debian's rustc does not run here"
        return 1
    fi
    if [[ ! $version =~ ^rustc\ 1\.([0-9]+)\. ]] || ((BASH_REMATCH[1] < OLDEST_RUST_MINOR)); then
        say "Debian's Rust is too old: $version, and plugins need 1.$OLDEST_RUST_MINOR"
        return 1
    fi
}

find_linker() {
    local sysroot name found
    if sysroot=$("${RUSTC:-rustc}" --print sysroot 2>/dev/null); then
        for found in "$sysroot"/lib/rustlib/*/bin/rust-lld; do
            if [[ -x $found ]]; then
                echo "$found"
                return 0
            fi
        done
    fi
    for name in rust-lld wasm-ld wasm-ld-{22,21,20,19,18,17,16}; do
        if command -v "$name"; then return 0; fi
    done
    return 1
}

build_debian() {
    local crates=std,panic_abort flags=()
    # Without std its 50 s of building are 25.
    if grep -rqs --include='*.rs' 'no_std' src; then crates=core,alloc; fi
    export RUSTC=$cache/rustc
    export RUSTC_BOOTSTRAP=1 # -Zbuild-std on a stable compiler
    export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$linker CARGO_TARGET_WASM32_WASIP1_LINKER=$linker
    export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache-target}
    if [[ $TARGET == wasm32-wasip1 ]]; then
        # The C library and the start code that rustup's library for this target brings along.
        flags=("-Lnative=$libc" -Clink-self-contained=no "-Clink-arg=$libc/crt1-command.o")
    fi
    build -Zbuild-std="$crates" --config "$(rustflags "--remap-path-prefix=$cache/=" "${flags[@]}")"
}

# ---- both ----

build() {
    local locked=() report wasm
    if [[ -f Cargo.lock ]]; then locked=(--locked); fi
    # These would replace the flags in the package's own .cargo/config.toml.
    unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
    # Panic messages name source files without the folder that they lie in, so that the
    # module is the same wherever it is built.
    report=$("$cargo" build --release --target "$TARGET" "${locked[@]}" "$@" \
        --config "$(rustflags "--remap-path-prefix=$root/=")" \
        --config "$(rustflags "--remap-path-prefix=${CARGO_HOME:-${HOME:-}/.cargo}/registry/src/=")" \
        --message-format=json-render-diagnostics) || exit 1
    wasm=$(grep -o '"[^"]*\.wasm"' <<<"$report" | tail -n 1 | tr -d '"') || true
    if [[ -z $wasm ]]; then
        say "$PWD builds no wasm module: it needs [lib] crate-type = [\"cdylib\"], or a src/main.rs"
        exit 1
    fi
    # Under another name first: a host that watches the folder never sees half a file.
    cp "$wasm" "$out.new.$$"
    mv -f "$out.new.$$" "$out"
    say "$out: $(wc -c <"$out") bytes"
}

# A setting for cargo: more flags for the compiler, besides the package's own.
rustflags() {
    local flag list=
    for flag in "$@"; do
        flag=${flag//\\/\\\\}
        list+="\"${flag//\"/\\\"}\","
    done
    printf 'target.%s.rustflags=[%s]' "$TARGET" "${list%,}"
}

main "$@"
