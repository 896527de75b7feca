"""Fuzzes the running service with Schemathesis, from its contracts.

A round is one server on a free port, with its own embedded database that is filled with seeded rows,
and several runs of Schemathesis against it: one with every phase, then more of the stateful phase,
which ends early if Hypothesis cannot replay a sequence. Rounds are repeated until enough cases
were tried or a round has a problem. The first seed determines all of them.

Leaves in target/fuzz/: summary.txt (the output of Schemathesis and the verdict), cases.json (the number
of cases of each operation), and for a round with a problem the log and the data of its server and the
events of Schemathesis. Imports only the standard library, verdict.py.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import verdict
from verdict import PHASES, Tally

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "target" / "fuzz"
CONFIG = Path(__file__).with_name("schemathesis.toml")
HOOKS = Path(__file__).with_name("hooks.py")

# The user whom the hooks log in.
EMAIL = "fuzzer@example.com"
PASSWORD = "not a common password"

# More than the ids in schemathesis.toml.
ROWS = ["--users", "100", "--products", "100", "--cart", "300"]
# Examples that Schemathesis generates in a run for each operation, and for sequences of operations.
EXAMPLES = 200
# The least number of stateful cases in a round, and the greatest number of runs for them.
STATEFUL_CASES = 1000
STATEFUL_RUNS = 50
# Seconds.
START_TIMEOUT = 120
STOP_TIMEOUT = 60


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzzes the service with Schemathesis.")
    parser.add_argument("server", type=Path, help="the ecommerce-api executable")
    parser.add_argument("--cases", type=int, default=1, help="the least number of cases to try")
    parser.add_argument("--seed", type=int, default=1, help="the seed of the first run; each further run adds one")
    arguments = parser.parse_args()

    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    server = arguments.server.resolve()
    contracts = {name: json.loads(ask(server, "--contract", name)) for name in ask(server, "--names").split()}
    tally = Tally(contracts)
    seeds: list[int] = []
    problems: list[str] = []
    while not problems and tally.cases() < arguments.cases:
        problems = run_round(server, arguments.seed + len(seeds), seeds, tally)
    problems = problems or verdict.untried(tally)

    kept = verdict.record(tally, seeds, problems)
    (OUT / "cases.json").write_text(json.dumps(kept, indent=2) + "\n")
    report(verdict.text(kept))
    return 1 if problems else 0


def ask(server: Path, *arguments: str) -> str:
    """The output of the subcommand `openapi` with these arguments."""
    return subprocess.check_output([server, "openapi", *arguments], cwd=OUT, env=environment(), text=True)


def report(text: str) -> None:
    """Prints `text` and adds it to the summary."""
    print(text, end="", flush=True)
    with (OUT / "summary.txt").open("a") as summary:
        summary.write(text)


def environment() -> dict[str, str]:
    """The environment of this process without the variables that could select a real database."""
    ours = {"SERVER_HOST", "SERVER_PORT", "DATABASE_URL", "DATABASE_URL_FILE", "DATA_DIR", "ALLOWED_HOSTS"}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return kept | {"DATA_DIR": "data", "SERVER_PORT": "0", "LOG_FORMAT": "json", "RUST_LOG": "info"}


def run_round(server: Path, first_seed: int, seeds: list[int], tally: Tally) -> list[str]:
    """Runs one round. Adds its seeds and cases to `seeds` and `tally`, and returns its problems."""
    # Also the working directory, so that no other .env is read.
    directory = OUT / f"seed-{first_seed}"
    directory.mkdir()
    subprocess.run([server, "seed", *ROWS, "--rng-seed", str(first_seed)], cwd=directory, env=environment(), check=True)
    administrator = [server, "user", "create-admin", "--email", EMAIL]
    password = f"{PASSWORD}\n".encode()
    subprocess.run(administrator, cwd=directory, env=environment(), input=password, check=True)
    with (directory / "server.log").open("wb") as log:
        serving = subprocess.Popen([server, "serve"], cwd=directory, env=environment(), stderr=log)
    problems = []
    try:
        url = address(serving, directory / "server.log")
        wanted = tally.cases("stateful") + STATEFUL_CASES
        phases = PHASES
        for seed in range(first_seed, first_seed + STATEFUL_RUNS):
            seeds.append(seed)
            for name in tally.contracts if phases == PHASES else tally.in_sequences:
                problems += run(url, name, seed, phases, directory, tally)
            if problems or tally.cases("stateful") >= wanted:
                break
            phases = ["stateful"]
        else:
            problems.append(f"{STATEFUL_RUNS} runs made fewer than {STATEFUL_CASES} stateful cases")
        if serving.poll() is not None:
            problems.append("the server ended by itself")
    finally:
        serving.terminate()
        stopped = serving.wait(timeout=STOP_TIMEOUT)
    if stopped != 0:
        problems.append(f"the server exited with {stopped}")
    if not problems:
        shutil.rmtree(directory)
    return [f"{problem} (see {directory.relative_to(ROOT)})" for problem in problems]


def address(serving: subprocess.Popen, log: Path) -> str:
    """Waits for the server and returns its address."""
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and serving.poll() is None:
        listening = re.search(r"listening on (http://[^, ]+)", log.read_text())
        if listening:
            return listening[1]
        time.sleep(0.1)
    sys.exit(f"the server did not start:\n{log.read_text()}")


def command(
    name: str,
    url: str,
    seed: int,
    phases: list[str],
    results: Path,
    events: Path,
    examples: int = EXAMPLES,
    python: Path | str = sys.executable,
) -> list[str]:
    """The command line of Schemathesis for a contract, as the server serves it: tokens are optional while the
    server requires none. It writes a report and the events to the two files."""
    return [
        *(str(python), "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run", f"{url}/api/{name}.json"),
        *("--url", url, "--checks", "all", "--phases", ",".join(phases), "--mode", "all"),
        *("--seed", str(seed), "--max-examples", str(examples), "--no-color"),
        *("--report", "json,ndjson", "--report-json-path", str(results), "--report-ndjson-path", str(events)),
    ]


def run(url: str, name: str, seed: int, phases: list[str], directory: Path, tally: Tally) -> list[str]:
    """Runs Schemathesis once for a contract and prints its output. Returns the problems."""
    results, events = directory / f"report-{name}-{seed}.json", directory / f"events-{name}-{seed}.ndjson"
    arguments = command(name, url, seed, phases, results, events)
    paths = os.pathsep.join([str(HOOKS.parent), os.environ.get("PYTHONPATH", "")])
    fuzzer = {"FUZZ_URL": url, "FUZZ_EMAIL": EMAIL, "FUZZ_PASSWORD": PASSWORD}
    hooked = os.environ | fuzzer | {"SCHEMATHESIS_HOOKS": str(HOOKS), "PYTHONPATH": paths}
    with subprocess.Popen(arguments, cwd=directory, env=hooked, stdout=subprocess.PIPE, text=True) as running:
        for line in running.stdout:
            report(line)
    problems = verdict.judge(running.returncode, results, events, tally)
    return [f"{name}, seed {seed}: {problem}" for problem in problems]


if __name__ == "__main__":
    sys.exit(main())
