#!/usr/bin/env python3
"""Runs cargo-mutants over the files of SCOPE in a copy of the tree, and keeps what became of each
mutant in results.txt: by file, function and mutation, so that lines may move.

  .ci/mutants [FILE...]        the mutants (of these files) that have no result yet, and survivors
  .ci/mutants --again [FILE...]  all of them
  .ci/mutants --shard K/N      every Nth mutant, from the Kth (0 to N-1)
  .ci/mutants --changed        the mutants in lines that changed since MUTANTS_BASE, the merge base with
                               main, or ten commits ago; results.txt is read only
  .ci/mutants --minutes N      stop after so many (60, at most; 7 with --changed, which leaves one to install)

A run that stops early prints what it did not run, and the next one goes on from there. It fails when
a mutant survives that results.txt does not call equivalent, with the reason: put the word and
` // the reason` there by hand.
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
    for name in ["conditions", "cors", "failures", "json", "products", "responses", "users", "validation"]
]
# A container may run as another user than the one to whom the clone belongs.
SAFE = ["-c", f"safe.directory={ROOT}"]
# What became of a mutant: the words of cargo-mutants, and ours.
WORDS = {"CaughtMutant": "killed", "Timeout": "timeout", "Unviable": "unviable", "MissedMutant": "survived"}
NOT_RUN, EQUIVALENT, SURVIVED = "not-run", "equivalent", "survived"
HEAD = """\
# Written by `just mutants`: what became of each mutant. killed: a test failed. timeout: the tests did
# not end. unviable: it does not compile. survived: no test noticed. not-run: not tried yet.
# equivalent: put there by hand, with the reason why no test can notice.
"""


def git(*arguments: str) -> str:
    return subprocess.run(["git", *SAFE, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


def resolves(revision: str) -> bool:
    command = ["git", *SAFE, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL).returncode == 0


def base() -> str:
    """The commit since which changed lines are mutated."""
    # A commit that is not here was replaced by a forced push, or is the zeros of a new branch.
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
    """Makes TREE the working tree. A file that is equal stays as it is, so that cargo finds it unchanged,
    and one that differs (a mutation that an interrupted run left, for example) gets the present time."""
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
    """The first time, takes over what was compiled of the dependencies already."""
    built, target = ROOT / "target/debug", TREE / "target/debug"
    if built.exists() and not target.exists():
        target.mkdir(parents=True)
        for name in ["build", "deps", ".fingerprint"]:
            subprocess.run(["cp", "-al", built / name, target / name], check=True)


@contextmanager
def databases_in_memory() -> Iterator[None]:
    """Keeps the databases of the tests in memory where there is room: each test makes one of its own."""
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
    """Every mutant of SCOPE: what cargo-mutants calls it, and our name for it, without the place. Equal
    mutations of one function are numbered."""
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
    """Word and reason of each mutant in results.txt."""
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
    """What cargo-mutants has found so far: the word for each of its names."""
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
    """Runs these until the deadline, and keeps what was found from time to time."""
    shutil.rmtree(OUTCOMES.parent, ignore_errors=True)
    # Deletions of fields are not chosen by --re: those in other files would run, too.
    files = [f"--file={file}" for file in {name.split(":")[0] for name in mutants}]
    exactly = [argument for name in mutants for argument in ["--re", f"^{regex(name)}$"]]
    command = cargo_mutants(
        "--in-place", "--output", str(WORK), "--no-shuffle", "--timeout-multiplier", "4", "--minimum-test-timeout",
        "60", "--colors", "never", "--caught", *files, *exactly,
    )  # fmt: skip
    # A backtrace would say where cargo-mutants was interrupted.
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
    """The mutants to run, by cargo-mutants' names."""
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
    told = ", ".join(f"{counts[word]} {word}" for word in WORDS.values())
    print(f"{len(mutants)} mutants: {told}, {len(unrun)} not run; {time.monotonic() - start:.0f} s")
    if not given.changed:
        all_counts = Counter(results.get(name, (NOT_RUN, ""))[0] for name in names.values())
        print(f"all {len(names)} so far:", ", ".join(f"{count} {word}" for word, count in all_counts.items()))
    if survivors:
        print("mutants: kill the survivors by a test, or say in results.txt why they are equivalent", file=sys.stderr)
    return 1 if survivors else 0


sys.exit(main())
