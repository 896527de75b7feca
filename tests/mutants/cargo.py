#!/usr/bin/env python3
"""cargo, as cargo-mutants calls it: `cargo test` runs the tests that matter and ends with the first
that fails, where cargo's own would run all that are left. Everything else goes to cargo unchanged.
"""

import json
import os
import re
import subprocess
import sys

# Test binaries, from the fastest to the slowest: cargo's words for each, and which of its tests.
RUNS = [(["--lib"], []), (["--test", "contract"], ["generated"]), (["--test", "api"], [])]
FAILED = re.compile(r"^test .* \.\.\. FAILED$")


def build(arguments: list[str], **options) -> subprocess.CompletedProcess:
    return subprocess.run(["cargo", *arguments, "--no-run"], text=True, **options)


def executable(arguments: list[str]) -> str | None:
    """The test binary that cargo builds; none when it does not compile."""
    built = build([*arguments, "--message-format=json"], stdout=subprocess.PIPE)
    artifacts = map(json.loads, built.stdout.splitlines())
    tests = [artifact for artifact in artifacts if artifact.get("executable") and artifact["profile"]["test"]]
    return tests[0]["executable"] if built.returncode == 0 else None


def passes(command: list[str]) -> bool:
    """Whether all tests do. Their output must not be captured: it would come after the last test."""
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
        # The other binaries need not be built when a test in here fails; what compiles here, compiles there.
        arguments.remove("--no-run")
        return build([*arguments, "--lib"]).returncode
    # Most tests wait for the database.
    os.environ.setdefault("RUST_TEST_THREADS", "8")
    for binary, tests in RUNS:
        command = executable([*arguments, *binary])
        if command is None or not passes([command, "--nocapture", *tests]):
            return 101
    return 0


sys.exit(main())
