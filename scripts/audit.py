#!/usr/bin/env python3
"""Holds the dependencies against deny.toml: licences, sources, duplicates, build scripts, advisories.

    scripts/audit.py [--list]      --list shows each package with its licence

deny.toml is cargo-deny's own format, and where cargo-deny is installed it is run as well. But it takes
five minutes to build, and most of what it says can be had from cargo itself in a second, without a
network; so this script reads the same file and checks the same rules, and what it checks it checks
everywhere:

  licences    each package can be used under licences that are allowed; none is allowed for nothing
  sources     all comes from crates.io, with a checksum in Cargo.lock
  bans        no package that is forbidden, no two versions of one but those with a reason
  build       no build script but those that are listed: they run on the machine that builds
  advisories  no version with a known hole or without a maintainer, by the RustSec database

The database is on GitHub. Where it cannot be reached, and there is no copy, that part is skipped, and
said so. Nothing but Python's library (3.11) and cargo is needed.

Environment:
  WASMPLEX_AUDIT=full          get cargo-deny and the database, or fail
  WASMPLEX_ADVISORIES=FOLDER   a clone of the database, taken as it is (target/audit/advisory-db)

Exit: 0 good, 1 findings, 2 it could not be looked at.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "target" / "audit"
DATABASE = "https://github.com/RustSec/advisory-db"
CARGO_DENY = "0.20.2"
CLONE_SECONDS = 60
FULL = os.environ.get("WASMPLEX_AUDIT") == "full"

# The kind of advisory that is told and does not fail. All others do: holes, unsound, unmaintained.
NOTICE = "notice"


def main():
    policy = tomllib.loads((ROOT / "deny.toml").read_text())
    packages = resolved(policy["graph"]["targets"])
    if "--list" in sys.argv[1:]:
        for package in packages:
            print(f"{package['name']} {package['version']}: {package['license']}")
        return 0
    findings = [
        *licences(packages, policy["licenses"]),
        *sources(packages, policy["sources"]),
        *bans(packages, policy["bans"]),
        *build_scripts(packages, policy["bans"]["build"]),
        *advisories(packages, policy["advisories"]),
        *cargo_deny(),
    ]
    for finding in findings:
        print(f"audit: {finding}", file=sys.stderr)
    print(f"audit: {len(packages)} packages, {len(findings)} findings")
    return 1 if findings else 0


def cargo(*arguments):
    command = [os.environ.get("CARGO", "cargo"), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        print(f"audit: {' '.join(command)}: {done.stderr.strip()}", file=sys.stderr)
        sys.exit(2)
    return done.stdout


def resolved(targets):
    """The packages that are really built for the targets, tests and build scripts included."""
    built, packages = set(), {}
    for target in targets:
        tree = ["tree", "--workspace", "--locked", "--target", target, "--edges", "normal,build,dev"]
        for line in cargo(*tree, "--prefix", "none", "--format", "{p}").splitlines():
            name, version, *_ = line.split() or ["", ""]
            built.add((name, version.removeprefix("v")))
        # This one says more of each package, but names some that no feature asks for.
        metadata = cargo("metadata", "--locked", "--format-version", "1", "--filter-platform", target)
        packages |= {package["id"]: package for package in json.loads(metadata)["packages"]}
    return sorted(
        (package for package in packages.values() if (package["name"], package["version"]) in built),
        key=lambda package: (package["name"], package["version"]),
    )


# ---- licences ----


def licences(packages, policy):
    allowed = set(policy["allow"])
    exceptions = {entry["crate"]: set(entry["allow"]) for entry in policy.get("exceptions", [])}
    used, findings = set(), []
    for package in foreign(packages):
        expression = package["license"] or ""
        extra = exceptions.get(package["name"], set())
        needed = satisfied(expression, allowed | extra)
        if needed is None:
            findings.append(f"licence: {called(package)}: {expression or 'none said'}")
        else:
            used |= needed | {package["name"]} if needed & extra else needed
    findings += [f"licence: {name} is allowed and needed by nobody" for name in sorted(allowed - used)]
    findings += [f"licence: the exception for {name} is not needed" for name in sorted(set(exceptions) - used)]
    return findings


def satisfied(expression, allowed):
    """The licences that are taken of an SPDX expression, or None if it cannot be had with these.

    >>> satisfied("MIT OR GPL-3.0", {"MIT"})
    {'MIT'}
    >>> sorted(satisfied("(GPL-3.0 OR MIT) AND BSD-3-Clause", {"MIT", "BSD-3-Clause"}))
    ['BSD-3-Clause', 'MIT']
    >>> satisfied("MIT AND GPL-3.0", {"MIT"})
    >>> satisfied("MIT/Apache-2.0", {"Apache-2.0"})
    {'Apache-2.0'}
    >>> satisfied("Apache-2.0 WITH LLVM-exception", {"Apache-2.0"})
    >>> satisfied("", {"MIT"})
    """
    tokens = re.findall(r"[()]|[^\s()/]+|/", expression)

    def either():
        taken = both()
        while tokens and tokens[0] in ("OR", "/"):
            tokens.pop(0)
            other = both()
            taken = other if taken is None else taken
        return taken

    def both():
        taken = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            other = one()
            taken = None if taken is None or other is None else taken | other
        return taken

    def one():
        if not tokens:
            return None
        if tokens[0] == "(":
            tokens.pop(0)
            taken = either()
            return taken if tokens and tokens.pop(0) == ")" else None
        name = tokens.pop(0)
        if len(tokens) > 1 and tokens[0] == "WITH":
            name += f" WITH {tokens[1]}"
            del tokens[:2]
        return {name} if name in allowed else None

    taken = either()
    return None if tokens else taken


# ---- where packages come from, and which ----


def sources(packages, policy):
    registries = {"registry+" + url for url in policy["allow-registry"]}
    locked = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    findings = [
        f"source: {called(package)} is from {package['source']}"
        for package in foreign(packages)
        if package["source"] not in registries
    ]
    findings += [
        f"source: {package['name']} {package['version']} has no checksum in Cargo.lock"
        for package in locked
        if "source" in package and "checksum" not in package
    ]
    return findings


def bans(packages, policy):
    findings = []
    for entry in policy.get("deny", []):
        name = entry["crate"]
        findings += [
            f"ban: {called(package)}: {entry['reason']}" for package in packages if package["name"] == name
        ]
    versions = {}
    for package in packages:
        versions.setdefault(package["name"], []).append(package["version"])
    doubles = {name: found for name, found in versions.items() if len(found) > 1}
    skipped = {entry["crate"]: entry["reason"] for entry in policy.get("skip", [])}
    for name, found in doubles.items():
        without = [version for version in found if f"{name}@{version}" not in skipped]
        if len(without) > 1:
            findings.append(f"duplicate: {name} {' and '.join(found)}")
    for crate in skipped:
        name, version = crate.split("@")
        if version not in doubles.get(name, []):
            findings.append(f"duplicate: the entry for {crate} is not needed")
    return findings


def build_scripts(packages, policy):
    listed = set(policy["allow-build-scripts"])
    have = {
        package["name"]
        for package in foreign(packages)
        if any("custom-build" in target["kind"] for target in package["targets"])
    }
    findings = [f"build script: {name} has one and is not listed" for name in sorted(have - listed)]
    findings += [f"build script: {name} is listed and has none" for name in sorted(listed - have)]
    return findings


# ---- advisories ----


def advisories(packages, policy):
    folder = database()
    if folder is None:
        print(f"audit: advisories skipped: {DATABASE} cannot be reached from here, and there is no copy")
        return ["advisories: the database cannot be had"] if FULL else []
    ignored = {entry["id"]: entry["reason"] for entry in policy.get("ignore", [])}
    seen, findings = set(), []
    for package in foreign(packages):
        for file in sorted((folder / "crates" / package["name"]).glob("*.md")):
            front = re.match(r"```toml\n(.*?)\n```", file.read_text(), re.DOTALL)
            if front is None:
                findings.append(f"advisory: {file.name} has another form than is known here")
                continue
            entry = tomllib.loads(front[1])
            advisory = entry["advisory"]
            if advisory.get("withdrawn") or not is_affected(package["version"], entry.get("versions", {})):
                continue
            text = f"advisory: {advisory['id']} {called(package)}: {advisory.get('informational', 'vulnerability')}"
            seen.add(advisory["id"])
            if advisory["id"] in ignored or advisory.get("informational") == NOTICE:
                print(f"audit: {text}, accepted: {ignored.get(advisory['id'], 'a notice')}")
            else:
                findings.append(f"{text} (https://rustsec.org/advisories/{advisory['id']})")
    findings += [f"advisory: {name} is ignored and concerns nothing" for name in sorted(set(ignored) - seen)]
    return findings


def database():
    given = os.environ.get("WASMPLEX_ADVISORIES")
    if given:
        if not (Path(given) / "crates").is_dir():
            print(f"audit: WASMPLEX_ADVISORIES: {given} has no folder crates", file=sys.stderr)
            sys.exit(2)
        return Path(given)
    folder = TARGET / "advisory-db"
    if (folder / ".git").is_dir():
        git("-C", folder, "pull", "--quiet", "--ff-only")  # an old copy is better than none
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder if git("clone", "--quiet", "--depth", "1", DATABASE, folder) else None


def git(*arguments):
    try:
        command = ["git", *map(str, arguments)]
        environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
        done = subprocess.run(command, env=environment, capture_output=True, timeout=CLONE_SECONDS)
    except (subprocess.TimeoutExpired, FileNotFoundError):
        return False
    return done.returncode == 0


def is_affected(version, versions):
    good = [*versions.get("patched", []), *versions.get("unaffected", [])]
    return not any(matches(version, requirement) for requirement in good)


def matches(version, requirement):
    """Whether a version meets all parts of a requirement such as ">= 1.2.3, < 2".

    >>> [matches(version, ">= 0.3.47") for version in ("0.3.45", "0.3.47", "0.10.0", "1.0.0-alpha")]
    [False, True, True, True]
    >>> [matches(version, ">=1.2, <1.3.0") for version in ("1.2.0", "1.2.9", "1.3.0")]
    [True, True, False]
    >>> [matches(version, "^0.3.4") for version in ("0.3.3", "0.3.9", "0.4.0")]
    [False, True, False]
    >>> [matches(version, "~1.2.3") for version in ("1.2.4", "1.3.0")]
    [True, False]
    >>> [matches(version, "1.2") for version in ("1.1.9", "1.9.0", "2.0.0")]
    [False, True, False]
    >>> [matches(version, "> 1.0.0-rc.2") for version in ("1.0.0-rc.1", "1.0.0-rc.10", "1.0.0")]
    [False, True, True]
    """
    return all(meets(version, part.strip()) for part in requirement.split(",") if part.strip())


def meets(version, part):
    operator, wanted = re.fullmatch(r"(>=|<=|>|<|=|\^|~)?\s*(.+)", part).groups()
    have, want = ordered(version), ordered(wanted)
    if operator in (">=", "<=", ">", "<"):
        return {">=": have >= want, "<=": have <= want, ">": have > want, "<": have < want}[operator]
    if operator == "=":
        return have == want
    numbers = [int(number) for number in wanted.split("-")[0].split("+")[0].split(".")]
    if operator == "~":
        kept = min(len(numbers), 2)
    else:  # "^", which is also what a bare version means: up to the first number that is not 0
        kept = next((at + 1 for at, number in enumerate(numbers) if number), len(numbers))
    return have >= want and have[0][:kept] == want[0][:kept]


def ordered(version):
    """A version as something that sorts: a pre-release comes before its release."""
    numbers, _, pre = version.split("+")[0].partition("-")
    padded = [int(number) for number in numbers.split(".")]
    padded += [0] * (3 - len(padded))
    # By its rules numbers sort before words; the empty one, a release, is behind all.
    parts = [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in pre.split(".") if part]
    return padded, not pre, parts


# ---- cargo-deny itself ----


def cargo_deny():
    environment = {**os.environ, "PATH": f"{TARGET / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    if FULL and not shutil.which("cargo-deny", path=environment["PATH"]):
        cargo("install", "cargo-deny", "--locked", "--version", CARGO_DENY, "--root", str(TARGET))
    if not shutil.which("cargo-deny", path=environment["PATH"]):
        return []
    # The advisories were looked at above, with what there is of the database.
    command = ["cargo", "deny", "--workspace", "check", "bans", "licenses", "sources"]
    done = subprocess.run(command, cwd=ROOT, env=environment)
    return ["cargo-deny: see above"] if done.returncode != 0 else []


def foreign(packages):
    return [package for package in packages if package["source"] is not None]


def called(package):
    return f"{package['name']} {package['version']}"


if __name__ == "__main__":
    sys.exit(main())
