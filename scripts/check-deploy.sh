#!/usr/bin/env bash
# Checks deploy/ and docs/ without running any of it, and without the network:
#
#   scripts/check-deploy.sh
#
#   deploy/wasmplex.service   every line is a section, a comment or KEY=VALUE, and
#                             systemd-analyze, where it is there, finds nothing wrong
#   deploy/sysctl.conf        every line is a comment or KEY = VALUE
#   deploy/Containerfile      known instructions, stages and sources that are there,
#                             and hadolint, where it is there, finds no error
#   docs/*.schema.json        valid JSON; with Python's jsonschema, valid schemas whose
#                             examples they accept
#   docs/operations.md        every block of JSON is valid; with jsonschema, those marked
#                             "json manifest" and "json routes" keep to the schemas
#
# Exit: 0 nothing is wrong (what was skipped is said), 1 something is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly UNIT=deploy/wasmplex.service
readonly SYSCTL=deploy/sysctl.conf
readonly CONTAINERFILE=deploy/Containerfile

bad=0
good() { printf 'ok       %s\n' "$*"; }
skip() { printf 'skipped  %s\n' "$*"; }
wrong() {
    printf 'wrong    %s\n' "$*"
    bad=1
}
have() { command -v "$1" >/dev/null 2>&1; }

main() {
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    report "$UNIT: lines" unit_lines
    verify_unit
    report "$SYSCTL: lines" sysctl_lines
    if have python3; then
        report "$CONTAINERFILE: instructions, stages, sources" containerfile
    else
        skip "$CONTAINERFILE: instructions, stages, sources (there is no python3)"
    fi
    lint_containerfile
    check_json
    exit "$bad"
}

# Runs a check that prints a line for everything that is wrong. One that fails by itself is wrong too.
report() {
    local what=$1 output code=0 line
    shift
    output=$("$@" 2>&1) || code=$?
    if [[ -z $output ]] && ((code == 0)); then
        good "$what"
        return
    fi
    while IFS= read -r line; do wrong "$line"; done <<<"${output:-$what: exit code $code}"
}

# ---- the unit ----

unit_lines() {
    awk -v file="$UNIT" '
        function complain(text) { printf "%s:%d: %s\n", file, NR, text }
        continued { continued = /\\$/; next }
        /^[ \t]*$/ || /^[#;]/ { next }
        /^\[/ {
            if ($0 !~ /^\[(Unit|Service|Install)\]$/) complain("unknown section " $0)
            if (seen[$0]++) complain("section twice: " $0)
            section = $0
            next
        }
        !/^[A-Z][A-Za-z0-9]*=/ { complain("neither section, comment nor KEY=VALUE: " $0); next }
        section == "" { complain("before any section: " $0) }
        { continued = /\\$/ }
        END {
            if (!seen["[Service]"]) complain("no section [Service]")
        }' "$UNIT"
}

# The program need not be installed for the unit to be right: another stands in for it.
verify_unit() {
    if ! have systemd-analyze; then
        skip "$UNIT: systemd-analyze verify (there is no systemd-analyze)"
        return
    fi
    local copy=$scratch/wasmplex.service output code=0
    sed 's|^ExecStart=[^ ]*|ExecStart=/bin/true|' "$UNIT" >"$copy"
    output=$(systemd-analyze verify --man=no "$copy" 2>&1) || code=$?
    # Other units of this system may be at fault as well; they are not ours.
    if grep -q wasmplex <<<"$output"; then
        report "$UNIT" sed -n "/wasmplex/ { s|$scratch/|deploy/|g; p }" <<<"$output"
    elif ((code != 0)); then
        skip "$UNIT: systemd-analyze verify (it does not work here: ${output%%$'\n'*})"
    else
        good "$UNIT: systemd-analyze verify"
    fi
}

sysctl_lines() {
    awk -v file="$SYSCTL" '
        /^[ \t]*$/ || /^[#;]/ || /^[a-z][a-z0-9_.\/-]* *= *[^ ]/ { next }
        { printf "%s:%d: neither comment nor KEY = VALUE: %s\n", file, NR, $0 }' "$SYSCTL"
}

# ---- the image ----

containerfile() {
    python3 - "$CONTAINERFILE" <<'PYTHON'
import json, os, re, sys

KNOWN = set("""ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL ONBUILD RUN SHELL STOPSIGNAL
USER VOLUME WORKDIR""".split())
path = sys.argv[1]


def complain(number, text):
    print(f"{path}:{number}: {text}")


def instructions(lines):
    """Number of the first line, keyword and the rest, lines that go on joined."""
    begin, parts = 0, []
    for number, line in enumerate(lines, 1):
        if line.lstrip().startswith("#") or (not line.strip() and not parts):
            continue
        begin = begin if parts else number
        goes_on = line.rstrip().endswith("\\")
        parts.append(line.rstrip().removesuffix("\\").strip())
        if not goes_on:
            keyword, _, rest = " ".join(parts).partition(" ")
            yield begin, keyword, rest.strip()
            parts = []
    if parts:
        complain(begin, "the file ends in the middle of an instruction")


def check_copy(number, rest, stages):
    flags = [word for word in rest.split() if word.startswith("--")]
    names = [word for word in rest.split() if not word.startswith("--")]
    if len(names) < 2:
        complain(number, "COPY needs a source and a place")
    come_from = [flag.partition("=")[2] for flag in flags if flag.startswith("--from=")]
    for stage in come_from:
        if stage not in stages:
            complain(number, f"no stage before this has the name {stage}")
    for source in [] if come_from else names[:-1]:
        if not os.path.exists(source):
            complain(number, f"{source} is not there")


def check_list(number, rest):
    """What looks like a JSON list must be one: else it is taken for words of a shell."""
    found = re.search(r"(?:^|\s)(\[.*)$", rest)
    if found:
        try:
            words = json.loads(found[1])
        except ValueError as error:
            complain(number, f"not a JSON list: {error}")
        else:
            if not words or not all(isinstance(word, str) for word in words):
                complain(number, "not a list of words")


stages, seen = [], []
for number, keyword, rest in instructions(open(path, encoding="utf-8").read().splitlines()):
    if keyword not in KNOWN:
        complain(number, f"unknown instruction {keyword}")
        continue
    if not rest:
        complain(number, f"{keyword} says nothing")
    if keyword == "FROM":
        found = re.fullmatch(r"(?:--platform=\S+ )?\S+(?: (?:AS|as) ([a-z][a-z0-9_.-]*))?", rest)
        if found:
            stages.append(found[1] or str(len(stages)))
        else:
            complain(number, "FROM is IMAGE or IMAGE AS NAME")
    elif keyword != "ARG" and not stages:
        complain(number, f"{keyword} before any FROM")
    if keyword == "COPY":
        check_copy(number, rest, stages[:-1])
    if keyword in ("CMD", "ENTRYPOINT", "HEALTHCHECK", "SHELL", "VOLUME"):
        check_list(number, rest)
    seen.append((keyword, rest))
users = [rest for keyword, rest in seen if keyword == "USER"]
if not users or re.match(r"(root|0)(:|$)", users[-1]):
    complain(1, "the image runs as root")
PYTHON
}

# Of podman, buildah and docker none looks at the file without fetching the images it names.
lint_containerfile() {
    if have hadolint; then
        report "$CONTAINERFILE: hadolint" hadolint_errors
    else
        skip "$CONTAINERFILE: hadolint (there is no hadolint)"
    fi
}

# What is less than an error is a matter of taste there.
hadolint_errors() {
    local output
    output=$(hadolint --no-color --failure-threshold error "$CONTAINERFILE" 2>&1) || {
        printf '%s\n' "$output"
        return 1
    }
}

# ---- JSON ----

check_json() {
    if ! have python3; then
        skip "docs: JSON (there is no python3)"
        return
    fi
    if ! python3 -c 'from jsonschema import Draft202012Validator' 2>/dev/null; then
        skip "docs: schemas against examples (there is no jsonschema for Python)"
    fi
    report "docs: JSON" json_documents
}

json_documents() {
    python3 - <<'PYTHON'
import json, re

try:
    from jsonschema import Draft202012Validator
except ImportError:
    Draft202012Validator = None

PAGE = "docs/operations.md"


def unique(pairs):
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"the key {name} is there twice")
    return dict(pairs)


def no_constant(name):
    raise ValueError(f"{name} is no JSON")


def parse(where, text):
    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=no_constant)
    except ValueError as error:
        print(f"{where}: not valid JSON: {error}")
        return None


def examples(schema, whole):
    """Every example and default in a schema, with the schema that it is for."""
    if isinstance(schema, dict):
        part = {**schema, "$defs": whole.get("$defs", {})}
        for example in schema.get("examples", []):
            yield part, example
        if "default" in schema:
            yield part, schema["default"]
        for key, value in schema.items():
            if key not in ("examples", "default", "enum", "const"):
                yield from examples(value, whole)
    elif isinstance(schema, list):
        for value in schema:
            yield from examples(value, whole)


def conform(where, schema, value):
    for error in Draft202012Validator(schema).iter_errors(value):
        print(f"{where}: {error.json_path}: {error.message}")


def load_schema(name):
    path = f"docs/{name}.schema.json"
    schema = parse(path, open(path, encoding="utf-8").read())
    if schema is None or Draft202012Validator is None:
        return None
    try:
        Draft202012Validator.check_schema(schema)
    except Exception as error:
        print(f"{path}: not a valid schema: {getattr(error, 'message', error)}")
        return None
    for part, example in examples(schema, schema):
        conform(f"{path}: its example {json.dumps(example)}", part, example)
    return schema


schemas = {name: load_schema(name) for name in ("manifest", "routes")}
text = open(PAGE, encoding="utf-8").read()
for found in re.finditer(r"^```json(?: (\w+))?\n(.*?)^```$", text, re.M | re.S):
    where = f"{PAGE}:{text.count(chr(10), 0, found.start()) + 1}"
    value = parse(where, found[2])
    if found[1] and found[1] not in schemas:
        print(f"{where}: there is no schema {found[1]}")
    elif value is not None and schemas.get(found[1]):
        conform(where, schemas[found[1]], value)
PYTHON
}

main
