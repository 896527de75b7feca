#!/usr/bin/env python3
"""Replaces cargo for cargo-mutants: `cargo test` runs only the relevant test binaries and stops at the
first test that fails. Passes all other commands to cargo unchanged.
"""

import json
import os
import re
import subprocess
import sys

# The test binaries, the fastest first: cargo's arguments for each, and a filter of its tests.
RUNS = [(["--lib"], []), (["--test", "contract"], ["generated"]), (["--test", "api"], [])]
FAILED = re.compile(r"^test .* \.\.\. FAILED$")


def build(arguments: list[str], **options) -> subprocess.CompletedProcess:
    return subprocess.run(["cargo", *arguments, "--no-run"], text=True, **options)


def executable(arguments: list[str]) -> str | None:
    """Builds a test binary and returns its path, or None when it does not compile."""
    built = build([*arguments, "--message-format=json"], stdout=subprocess.PIPE)
    artifacts = map(json.loads, built.stdout.splitlines())
    tests = [artifact for artifact in artifacts if artifact.get("executable") and artifact["profile"]["test"]]
    return tests[0]["executable"] if built.returncode == 0 else None


def passes(command: list[str]) -> bool:
    """Whether all tests pass. The tests must run with --nocapture: captured output appears only at the end."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace") as tests:
        for line in tests.stdout:
            print(line, end="", flush=True)
            if FAILED.match(line.rstrip()):
                tests.kill()
                return False
    return tests.returncode == 0


def main() -> int:
    arguments = [argument for argument in sys.argv[1:] if argument != "--verbose"]
    if arguments[:1] != ["test"]:
        os.execvp("cargo", ["cargo", *arguments])
    if "--no-run" in arguments:
        # Builds only the unit tests: if one of them fails, the other binaries are not needed. Code that
        # compiles here also compiles for the other binaries.
        arguments.remove("--no-run")
        return build([*arguments, "--lib"]).returncode
    # More threads than cores, because most tests wait for the database.
    os.environ.setdefault("RUST_TEST_THREADS", "8")
    for binary, tests in RUNS:
        command = executable([*arguments, *binary])
        if command is None or not passes([command, "--nocapture", *tests]):
            return 101
    return 0


sys.exit(main())
