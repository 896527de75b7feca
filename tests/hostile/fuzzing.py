"""Schemathesis with several seeds, from the contracts, judged as by `just fuzz`. Imports tests/fuzz and the modules
beside it.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from outcome import Outcome
from programs import run
from target import Target

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "fuzz"))

import fuzz  # noqa: E402
import verdict  # noqa: E402

# Schemathesis has pinned versions of its own.
PYTHON = ROOT / "target" / "fuzz-venv" / "bin" / "python"
SEEDS = range(101, 106)
# Examples for each operation and for sequences of operations, besides those of the coverage phase.
EXAMPLES = 10


def schemathesis(target: Target, out: Path, short: bool) -> Outcome:
    version = subprocess.check_output([PYTHON, "-m", "schemathesis.cli", "--version"], text=True).split()[-1]
    outcome = Outcome(version=version)
    names = target.ask("openapi", "--names").split()
    tally = verdict.Tally({name: json.loads(target.ask("openapi", "--contract", name)) for name in names})
    for seed in SEEDS:
        before = tally.cases()
        problems = run_seed(target.program, seed, out, tally)
        outcome.lines.append(f"seed {seed}: {tally.cases() - before} cases, {', '.join(problems) or 'no problem'}")
        # A warning says that too many cases of an operation were refused. So few examples say nothing about that;
        # `untried` judges the cases of all seeds together.
        outcome.findings += [f"seed {seed}: {problem}" for problem in problems if not problem.startswith("warning:")]
    outcome.findings += verdict.untried(tally)
    outcome.cases = tally.cases()
    for reason, times in tally.explained.items():
        outcome.exceptions += [("a finding of Schemathesis", reason)] * times
    outcome.held = f"every response keeps to its contract, with {len(SEEDS)} seeds"
    return outcome


def run_seed(program: Path, seed: int, out: Path, tally: verdict.Tally) -> list[str]:
    """Runs every contract with a seed. Each seed has a server of its own, since its cases delete the rows that
    the cases of the next one need."""
    directory = out / f"seed-{seed}"
    target = Target(program, directory, {}, [*fuzz.ROWS, "--rng-seed", str(seed)])
    problems = []
    try:
        for name in tally.contracts:
            results, events = directory / f"report-{name}.json", directory / f"events-{name}.ndjson"
            command = fuzz.command(name, target.url, seed, verdict.PHASES, results, events, EXAMPLES, PYTHON)
            exit_code = run(command, out, 300, {"SCHEMATHESIS_HOOKS": str(fuzz.HOOKS)}).returncode
            problems += verdict.judge(exit_code, results, events, tally)
        problems += target.problems()
    finally:
        target.stop()
    shutil.rmtree(directory / "data", ignore_errors=True)
    return problems
