"""Schemathesis with several seeds, from the contracts, judged as by `just fuzz`. Imports tests/fuzz and the modules
beside it.
"""

import json
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
EXAMPLES = 20
ROWS = fuzz.ROWS


def schemathesis(target: Target, out: Path, short: bool) -> Outcome:
    version = subprocess.check_output([PYTHON, "-m", "schemathesis.cli", "--version"], text=True).split()[-1]
    outcome = Outcome(version=version)
    contracts = {name: json.loads(target.ask("openapi", "--contract", name)) for name in contract_names(target)}
    tally = verdict.Tally(contracts)
    for seed in SEEDS:
        before, problems = tally.cases(), []
        for name in contracts:
            results, events = out / f"report-{name}-{seed}.json", out / f"events-{name}-{seed}.ndjson"
            command = fuzz.command(name, target.url, seed, verdict.PHASES, results, events, EXAMPLES, PYTHON)
            exit_code = run(command, out, 300, {"SCHEMATHESIS_HOOKS": str(fuzz.HOOKS)}).returncode
            problems += verdict.judge(exit_code, results, events, tally)
        outcome.lines.append(f"seed {seed}: {tally.cases() - before} cases")
        outcome.findings += [f"seed {seed}: {problem}" for problem in problems]
    outcome.findings += verdict.untried(tally)
    outcome.cases = tally.cases()
    for reason, times in tally.explained.items():
        outcome.exceptions += [("a finding of Schemathesis", reason)] * times
    outcome.held = f"every response keeps to its contract, with {len(SEEDS)} seeds"
    return outcome


def contract_names(target: Target) -> list[str]:
    return target.ask("openapi", "--names").split()
