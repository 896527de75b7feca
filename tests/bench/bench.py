"""Compares the service, in one run, with the limits of its database and its HTTP stack and with a
simple implementation of the same API (reference/).

A round takes each measurement once, for a few seconds; every second round has the reverse order. The
measurements of a group, which are compared with each other, run directly after one another. The load
generator, the server and the database share the cores of this machine, so only ratios are meaningful
elsewhere.

Leaves target/bench/figures.json. Fails on errors, but not on missed targets. Imports only the standard
library and its neighbours.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cases
import report
import sign_ups
from cases import MILLION, SHOP, Bench, Measures, Record
from servers import MariaDb, mariadb, say

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "target" / "bench"

GROUPS = ["root", "reads", "lists", "add", "pipeline", "remote", "start", "sign-ups", "million", "pages"]
# Those that need SIZE=large.
LARGE_GROUPS = {"million", "pages"}
ROWS = ["--users", "10000", "--products", "10000", "--cart", "50000"]
MILLION_ROWS = ["--users", "1000000", "--products", "1000000", "--cart", "1000000"]


@dataclass
class Options:
    """Which groups to measure, and for how long."""

    large: bool
    rounds: int
    seconds: int
    only: set[str]
    readme: bool
    baseline: Path | None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ours", type=Path, help="the ecommerce-api executable")
    parser.add_argument("reference", type=Path, help="the bench-reference executable")
    parser.add_argument("settings", nargs="*", metavar="NAME=VALUE",
                        help="SIZE=large ROUNDS=5 SECONDS=5 BASELINE=<an earlier ecommerce-api> ONLY="
                             + ",".join(GROUPS))
    parser.add_argument("--readme", action="store_true", help="also put the ratios into tests/bench/README.md")
    arguments = parser.parse_intermixed_args()
    options = read_options(parser, arguments.settings, arguments.readme)
    # After a signal every `with` ends, and stops the processes that it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))

    programs = {"ours": arguments.ours.resolve(), "reference": arguments.reference.resolve()}
    # Built together with the reference.
    programs["delay"] = programs["reference"].with_name("bench-delay")
    if options.baseline:
        programs["baseline"] = options.baseline.resolve()
    # On a disk, unlike /tmp in some systems. The path is short, because that of a socket has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="bench-", dir="/var/tmp") as directory:
        with mariadb(Path(directory)) as database:
            bench = Bench(programs, Path(directory), database, options.seconds, options.rounds)
            machine = describe(database)
            say(machine)
            record = measure(bench, options)
    return conclude(record, machine, options.readme)


def read_options(parser: argparse.ArgumentParser, settings: list[str], readme: bool) -> Options:
    """Reads the options from the arguments or, where they have none, from the environment."""
    defaults = {"SIZE": "", "ROUNDS": "5", "SECONDS": "5", "ONLY": "", "BASELINE": ""}
    values = {name: os.environ.get(name, default) for name, default in defaults.items()}
    for setting in settings:
        name, _, value = setting.partition("=")
        if name not in defaults:
            parser.error(f"{setting}: there is no such setting")
        values[name] = value
    large = values["SIZE"] == "large"
    only = set(filter(None, values["ONLY"].split(","))) or set(GROUPS)
    if values["SIZE"] not in ("", "large") or not only <= set(GROUPS):
        parser.error(f"SIZE is large or not set; ONLY takes some of {','.join(GROUPS)}")
    if only <= LARGE_GROUPS and not large:
        parser.error(f"ONLY={','.join(sorted(only))} needs SIZE=large")
    if not (values["ROUNDS"].isdecimal() and values["SECONDS"].isdecimal() and int(values["SECONDS"]) > 0):
        parser.error("ROUNDS and SECONDS are numbers")
    if readme and only != set(GROUPS):
        parser.error("--readme needs the whole run, without ONLY")
    baseline = Path(values["BASELINE"]) if values["BASELINE"] else None
    if baseline and not baseline.is_file():
        parser.error(f"BASELINE={baseline}: there is no such file")
    return Options(large, int(values["ROUNDS"]), int(values["SECONDS"]), only, readme, baseline)


def describe(database: MariaDb) -> str:
    """The machine, and the settings of the database that decide the cost of a commit."""
    settings = database.settings()
    version = settings.pop("version")
    listed = ", ".join(f"{name}={value}" for name, value in settings.items())
    return f"{os.cpu_count()} cores, shared by the load, the server and the database; MariaDB {version}: {listed}"


def measure(bench: Bench, options: Options) -> Record:
    record: Record = {}
    if not options.only <= LARGE_GROUPS:
        fill(bench, SHOP, ROWS)
        with cases.groups(bench, options.only) as groups:
            run_rounds(bench, groups, record)
    if "start" in options.only:
        say("starts")
        record |= cases.starts(bench)
    if "sign-ups" in options.only:
        say("sign-ups")
        record |= sign_ups.measure(bench)
    if options.large and options.only & LARGE_GROUPS:
        fill(bench, MILLION, MILLION_ROWS)
        with cases.million_groups(bench) as groups:
            run_rounds(bench, {name: groups[name] for name in groups if name in options.only}, record)
        if "million" in options.only:
            record |= cases.million_clients(bench, memory_to_spare())
    return record


def fill(bench: Bench, name: str, rows: list[str]) -> None:
    """Creates the database `name` with the subcommands of the service."""
    say(f"filling the database {name}: {' '.join(rows)}")
    bench.database.query(f"CREATE DATABASE {name}")
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": bench.database.url(name)}
    for command in [["migrate", "run"], ["seed", *rows, "--rng-seed", "1"]]:
        subprocess.run([bench.programs["ours"], *command], cwd=bench.directory, env=environment, check=True,
                       stdout=sys.stderr)
    for table in ["users", "products"]:
        # The loads draw random ids up to the number of rows.
        if bench.database.number(f"SELECT MAX(id) FROM {name}.{table}") != bench.rows(table, name):
            sys.exit(f"{name}.{table} has gaps in its ids")


def run_rounds(bench: Bench, groups: dict[str, Measures], record: Record) -> None:
    for number in range(bench.rounds):
        for group, measures in groups.items():
            say(f"round {number + 1} of {bench.rounds}: {group}")
            order = list(measures.items())
            for name, measure_one in reversed(order) if number % 2 else order:
                record.setdefault(name, []).append(cases.measured(bench, name, measure_one))


def memory_to_spare() -> int:
    """A quarter of the available memory of this machine, in MB."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    available = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    return available * 1024 // 4_000_000


def conclude(record: Record, machine: str, readme: bool) -> int:
    """Prints and saves the figures. Returns 1 if there were errors."""
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "figures.json").write_text(json.dumps({"machine": machine, "figures": record}, indent=2) + "\n")
    print(f"{machine}\n\n{report.details(record)}\n\n{report.summary(record)}\n\n{report.LIMITS}")
    if readme and not report.write_readme(ROOT / "tests" / "bench" / "README.md", record, machine):
        say(f"tests/bench/README.md has no line {report.MARKS[0]}")
        return 1
    errors = {name: sum(one.get("errors", 0) for one in measured) for name, measured in record.items()}
    for name, count in errors.items():
        if count:
            say(f"{name}: {count:.0f} errors")
    return 1 if any(errors.values()) else 0


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
    sys.exit(130)
