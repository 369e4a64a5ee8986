#!/usr/bin/env bash
# Gets the other HTTP parsers of the differential test (tests/e2e/differential.rs) into a private folder.
#
#   scripts/peers.sh
#
#   go        net/http: tests/differential/peer.go, built by Go (scripts/toolchains.sh gets it)
#   h11       and gunicorn: from PyPI, exactly the files of tests/differential/requirements.txt
#   node      is taken from PATH, as it is
#
# Environment:
#   WASMPLEX_PEERS       the folder (target/peers in this repository)
#   WASMPLEX_TOOLCHAINS  where the toolchains are (target/toolchains)
#   PYTHON               the Python whose pip is used (python3)
#
# Exit: 0 all are there, 1 some could not be had: the test does without them, and says so.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

home=${WASMPLEX_PEERS:-$PWD/target/peers}
toolchains=${WASMPLEX_TOOLCHAINS:-$PWD/target/toolchains}
PATH=$toolchains/bin:$PATH
readonly python=${PYTHON:-python3} sources=tests/differential
# No endless wait behind a firewall that drops packets.
readonly FETCH_SECONDS=120

say() { printf 'peers: %s\n' "$*" >&2; }

main() {
    local -a missing=()
    mkdir -p "$home"
    go_peer || missing+=(go)
    python_peers || missing+=(h11 gunicorn)
    command -v node >/dev/null || missing+=(node)
    if ((${#missing[@]} > 0)); then
        say "missing: ${missing[*]}"
        exit 1
    fi
    say "go, gunicorn, h11 and node are in place"
}

go_peer() {
    # No other toolchain than the one that is here, and no module around here.
    command -v go >/dev/null && GO111MODULE=off GOTOOLCHAIN=local go build -o "$home/go" "$sources/peer.go"
}

# Into a new folder that takes the place of the old one when it is whole; nothing to do if it is the
# same list.
python_peers() {
    local new
    if cmp -s "$sources/requirements.txt" "$home/python/requirements.txt"; then return; fi
    new=$(mktemp -d "$home/python.XXXXXX")
    if PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 timeout "$FETCH_SECONDS" \
        "$python" -m pip install --quiet --no-deps --only-binary :all: --require-hashes \
        --target "$new" --requirement "$sources/requirements.txt"; then
        cp "$sources/requirements.txt" "$new/"
        rm -rf "$home/python"
        mv "$new" "$home/python"
    else
        rm -rf "$new"
        return 1
    fi
}

main "$@"
