#!/usr/bin/env python3
"""Runs cargo-mutants on the files of SCOPE in a copy of the tree. Keeps the result of each mutant in
results.txt, by file, function and mutation, so that results remain valid when lines move.

  .ci/mutants [FILE...]        run mutants (of these files) that have no result yet or survived
  .ci/mutants --again [FILE...]  run all mutants (of these files)
  .ci/mutants --shard K/N      run every Nth mutant, from the Kth (0 to N-1)
  .ci/mutants --changed        run the mutants in lines that changed since MUTANTS_BASE, the merge base
                               with main, or ten commits ago; results.txt is only read
  .ci/mutants --minutes N      stop after N minutes (at most 60; with --changed at most 7, which leaves one
                               minute to install cargo-mutants)

A run that stops early prints the mutants that it did not run; the next run continues with them. The
exit code is 1 when a mutant survives, unless results.txt marks it as equivalent with a reason. To mark
one, change its word to `equivalent` and append ` // the reason`.
"""

import argparse
import fcntl
import filecmp
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
HERE = ROOT / "tests/mutants"
RESULTS = HERE / "results.txt"
WORK = ROOT / "target/mutants"
TREE = WORK / "tree"
OUTCOMES = WORK / "mutants.out/outcomes.json"
SCOPE = [
    f"src/api/{name}.rs"
    for name in [
        "body", "conditions", "cors", "failures", "failures/failure", "failures/operation_error", "hosts", "json", "observe",
        "parameters", "pipeline", "products", "responses", "users", "validation",
    ]
]
# A container may run as a user who does not own the clone.
SAFE = ["-c", f"safe.directory={ROOT}"]
# The possible results of a mutant: the names of cargo-mutants, and the words of results.txt.
WORDS = {"CaughtMutant": "killed", "Timeout": "timeout", "Unviable": "unviable", "MissedMutant": "survived"}
NOT_RUN, EQUIVALENT, SURVIVED = "not-run", "equivalent", "survived"
HEAD = """\
# Written by `just mutants`: the result of each mutant. killed: a test failed. timeout: the tests did
# not end. unviable: it does not compile. survived: all tests passed. not-run: not run yet.
# equivalent: written by hand, with the reason why no test can fail.
"""


def git(*arguments: str) -> str:
    return subprocess.run(["git", *SAFE, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


def resolves(revision: str) -> bool:
    command = ["git", *SAFE, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL).returncode == 0


def base() -> str:
    """The commit since which changed lines are mutated."""
    # The named commit may be missing: replaced by a forced push, or all zeros for a new branch.
    if (named := os.environ.get("MUTANTS_BASE")) and resolves(named):
        return named
    head = git("rev-parse", "HEAD").strip()
    for main in ["origin/main", "main"]:
        if resolves(main) and (merge_base := git("merge-base", main, "HEAD").strip()) != head:
            return merge_base
    if git("rev-parse", "--is-shallow-repository").strip() == "true":
        sys.exit("mutants: a shallow clone has no commit to compare with: fetch the history (fetch-depth: 0)")
    # On main itself: ten commits ago, or the first commit.
    return git("rev-list", "--first-parent", "--max-count=11", "HEAD").split()[-1]


def copy_tree() -> None:
    """Copies the working tree to TREE. Equal files are not written, so that cargo sees no change. A file
    that differs, like one with a mutation of an interrupted run, gets the current time."""
    names = git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    files = {name for name in names if name and (ROOT / name).is_file()}
    for name in files:
        copy = TREE / name
        if not copy.exists() or not filecmp.cmp(ROOT / name, copy, shallow=False):
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, copy)
            shutil.copymode(ROOT / name, copy)
    wanted = {TREE / name for name in files}
    wanted |= {directory for file in wanted for directory in file.parents}
    for path in [*TREE.iterdir()]:
        if path != TREE / "target":
            remove_unwanted(path, wanted)


def remove_unwanted(path: Path, wanted: set[Path]) -> None:
    if path.is_dir():
        for inside in [*path.iterdir()]:
            remove_unwanted(inside, wanted)
    if path not in wanted:
        path.rmdir() if path.is_dir() else path.unlink()


def link_dependencies() -> None:
    """Reuses the dependencies that are compiled already, on the first run."""
    built, target = ROOT / "target/debug", TREE / "target/debug"
    if built.exists() and not target.exists():
        target.mkdir(parents=True)
        for name in ["build", "deps", ".fingerprint"]:
            subprocess.run(["cp", "-al", built / name, target / name], check=True)


@contextmanager
def databases_in_memory() -> Iterator[None]:
    """Keeps the databases of the tests in memory if there is enough: each test creates a database."""
    link, memory = TREE / "target/tmp", Path("/dev/shm")
    if link.is_symlink():
        link.unlink()
    if link.exists() or not os.access(memory, os.W_OK) or shutil.disk_usage(memory).free < 2**30:
        yield
        return
    link.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mutants.", dir=memory) as directory:
        link.symlink_to(directory)
        yield


def cargo_mutants(*arguments: str) -> list[str]:
    return [str(ROOT / "target/tools/bin/cargo-mutants"), "mutants", "--dir", str(TREE), *arguments]


def listed(*arguments: str) -> dict[str, str]:
    """Every mutant of SCOPE: the name that cargo-mutants gives it, and the name in results.txt, which has
    no line numbers. Equal mutations of one function are numbered."""
    files = [argument for file in SCOPE for argument in ["--file", file]]
    command = cargo_mutants("--list", "--json", *files, *arguments)
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    names, seen = {}, Counter()
    for mutant in json.loads(output or "[]"):
        name = re.sub(r"^(\S+?\.rs):\d+:\d+: ", r"\1: ", mutant["name"])
        seen[name] += 1
        names[mutant["name"]] = name if seen[name] == 1 else f"{name} ({seen[name]})"
    return names


def read_results() -> dict[str, tuple[str, str]]:
    """The result and the reason of each mutant in results.txt."""
    results = {}
    for line in RESULTS.read_text().splitlines() if RESULTS.exists() else []:
        if line and not line.startswith("#"):
            word, rest = line.split(maxsplit=1)
            name, _, reason = rest.partition(" // ")
            if word == EQUIVALENT and not reason:
                sys.exit(f"mutants: {RESULTS.relative_to(ROOT)}: no reason why this is equivalent: {name}")
            results[name] = word, reason
    return results


def write_results(names: list[str], results: dict[str, tuple[str, str]]) -> None:
    lines = [HEAD]
    for name in names:
        word, reason = results.get(name, (NOT_RUN, ""))
        lines.append(f"{word:<10} {name}" + (f" // {reason}" if reason else "") + "\n")
    RESULTS.with_suffix(".new").write_text("".join(lines))
    RESULTS.with_suffix(".new").replace(RESULTS)


def outcomes() -> dict[str, str]:
    """The results of the current run of cargo-mutants so far, by the names that it gives the mutants."""
    try:
        scenarios = json.loads(OUTCOMES.read_text())["outcomes"]
    except (FileNotFoundError, json.JSONDecodeError):
        # Not written yet, or being written.
        return {}
    return {
        outcome["scenario"]["Mutant"]["name"]: WORDS[outcome["summary"]]
        for outcome in scenarios
        if outcome["scenario"] != "Baseline" and outcome["summary"] in WORDS
    }


def run(mutants: list[str], deadline: float, keep: Callable[[dict[str, str]], None]) -> None:
    """Runs these mutants until the deadline. Calls `keep` with the results every second."""
    shutil.rmtree(OUTCOMES.parent, ignore_errors=True)
    # --re does not select deletions of fields: without --file, those in other files would run too.
    files = [f"--file={file}" for file in {name.split(":")[0] for name in mutants}]
    exactly = [argument for name in mutants for argument in ["--re", f"^{regex(name)}$"]]
    command = cargo_mutants(
        "--in-place", "--output", str(WORK), "--no-shuffle", "--timeout-multiplier", "4", "--minimum-test-timeout",
        "60", "--colors", "never", "--caught", *files, *exactly,
    )  # fmt: skip
    # Without RUST_BACKTRACE=0, an interrupted cargo-mutants prints a backtrace.
    ours = {"CARGO": str(HERE / "cargo.py"), "CARGO_PROFILE_DEV_DEBUG": "none", "RUST_BACKTRACE": "0"}
    process = subprocess.Popen(command, env=os.environ | ours, start_new_session=True)
    try:
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(1)
            keep(outcomes())
        # 2: some survived; 3: some did not end.
        if process.returncode not in (None, 0, 2, 3):
            sys.exit(f"mutants: cargo-mutants failed, or the tests without any mutation: see {OUTCOMES.parent}/log")
    except KeyboardInterrupt:
        pass
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait()
    keep(outcomes())


def regex(name: str) -> str:
    return re.sub(r"[.+*?()|\[\]{}^$\\]", r"\\\g<0>", name)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="FILE")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--changed", action="store_true")
    parser.add_argument("--shard", default="0/1", metavar="K/N")
    parser.add_argument("--minutes", type=float, default=60)
    given = parser.parse_args()
    for file in given.files:
        if file not in SCOPE:
            parser.error(f"{file} is not among the files: {' '.join(SCOPE)}")
    return given


def chosen(given: argparse.Namespace, names: dict[str, str], results: dict[str, tuple[str, str]]) -> list[str]:
    """The mutants to run, by the names that cargo-mutants gives them."""
    if given.changed:
        diff = WORK / "changed.diff"
        since = base()
        diff.write_text(git("diff", since, "--", *SCOPE))
        changed = listed("--in-diff", str(diff)) if diff.stat().st_size else {}
        print(f"{len(changed)} mutants in the lines changed since {since}")
        return [name for name in changed if results.get(names[name], ("", ""))[0] != EQUIVALENT]
    k, n = map(int, given.shard.split("/"))
    due = [NOT_RUN, SURVIVED] + (list(WORDS.values()) if given.again else [])
    return [
        name
        for name in list(names)[k::n]
        if results.get(names[name], (NOT_RUN, ""))[0] in due
        and (not given.files or name.split(":")[0] in given.files)
    ]


def main() -> int:
    given = arguments()
    start = time.monotonic()
    deadline = start + 60 * min(given.minutes, 7 if given.changed else 60)
    WORK.mkdir(parents=True, exist_ok=True)
    lock = (WORK / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("mutants: another run changes the same copy of the tree")
    copy_tree()
    link_dependencies()
    names, results = listed(), read_results()
    mutants = chosen(given, names, results)
    found = {}

    def keep(outcomes: dict[str, str]) -> None:
        if outcomes == found:
            return
        found.update(outcomes)
        for name, word in found.items():
            if word != SURVIVED or results.get(names[name], ("", ""))[0] != EQUIVALENT:
                results[names[name]] = word, ""
        if not given.changed:
            write_results(list(names.values()), results)

    if mutants:
        with databases_in_memory():
            run(mutants, deadline, keep)
    unrun = [names[name] for name in mutants if name not in found]
    tried = names.values() if not given.changed else [names[name] for name in found]
    survivors = [name for name in tried if results.get(name, ("", ""))[0] == SURVIVED]
    for name in unrun:
        print(f"not run: {name}")
    for name in survivors:
        print(f"survived: {name}")
    counts = Counter(found.values())
    summary = ", ".join(f"{counts[word]} {word}" for word in WORDS.values())
    print(f"{len(mutants)} mutants: {summary}, {len(unrun)} not run; {time.monotonic() - start:.0f} s")
    if not given.changed:
        all_counts = Counter(results.get(name, (NOT_RUN, ""))[0] for name in names.values())
        print(f"all {len(names)} so far:", ", ".join(f"{count} {word}" for word, count in all_counts.items()))
    if survivors:
        print("mutants: add a test that fails for each survivor, or state in results.txt why it is equivalent", file=sys.stderr)
    return 1 if survivors else 0


sys.exit(main())
