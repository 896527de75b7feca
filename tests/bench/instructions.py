"""Counts the instructions that the service executes for a request, with callgrind, and compares them
with the table in instructions.txt in this folder. Unlike times, counts hardly depend on the machine
and not at all on its load, so they can be compared on a shared machine.

The service runs under valgrind with a small shop of its own, and one client sends one request at a
time. The count of a path is the difference between 500 and 100 requests, divided by 400. `--write`
replaces the counts in the table.
"""

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TABLE = Path(__file__).with_name("instructions.txt")
TOLERANCE = 0.05
FEW, MANY = 100, 500
START_TIMEOUT = 120
JSON = {"Content-Type": "application/json"}

# The requests that are counted, by name: method, path and body.
PATHS = {
    "no database": ("GET", "/", None),
    "a product": ("GET", "/api/products/1", None),
    "a cart of five": ("GET", "/api/users/1/cart", None),
    "a page of ten": ("GET", "/api/products?limit=10", None),
    "a refused body": ("POST", "/api/cart", '{"user_id":0,"product":1}'),
    "a hostile body": ("POST", "/api/cart", "{" + ",".join(['"k":1'] * 2000) + "}"),
    "an addition to a cart": ("POST", "/api/cart", '{"user_id":2,"product_id":1}'),
}


def main() -> int:
    program, write = Path(sys.argv[1]).resolve(), "--write" in sys.argv[2:]
    with tempfile.TemporaryDirectory(prefix="instructions-") as directory:
        with serving([], program, Path(directory)):
            pass  # The first start creates the database with the sample shop.
        counts = {name: count(program, Path(directory), name) for name in PATHS}
    if write:
        rows = [f"{name:<24}{counts[name]:>9,}\n" for name in PATHS]
        TABLE.write_text("".join(rows))
        return 0
    return compare(counts, read_table())


def count(program: Path, directory: Path, name: str) -> int:
    """The instructions of one request."""
    totals = [total(program, directory, name, requests) for requests in (FEW, MANY)]
    per_request = round((totals[1] - totals[0]) / (MANY - FEW))
    print(f"{name}: {per_request:,} instructions", file=sys.stderr, flush=True)
    return per_request


def total(program: Path, directory: Path, name: str, requests: int) -> int:
    """The instructions of a whole run of the service with this number of requests."""
    out = directory / "callgrind.out"
    out.unlink(missing_ok=True)
    valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"]
    with serving(valgrind, program, directory) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        method, path, body = PATHS[name]
        for _ in range(requests):
            connection.request(method, path, body, JSON if body else {})
            connection.getresponse().read()
        connection.close()
    lines = [line for line in out.read_text(errors="replace").splitlines() if line.startswith("totals:")]
    return int(lines[0].split()[1])


@contextlib.contextmanager
def serving(wrapper: list[str], program: Path, directory: Path):
    """Runs the service on a free port, with its own private MariaDB. Yields the port."""
    log_path = directory / "log"
    settings = {"DATA_DIR": str(directory / "data"), "SERVER_PORT": "0", "RUST_LOG": "info"}
    # Only the program itself is counted: its child process MariaDB runs without valgrind.
    with open(log_path, "w+") as log:
        server = subprocess.Popen([*wrapper, str(program)], stdout=log, stderr=log,
                                  env={**os.environ, **settings}, start_new_session=True)
        try:
            yield wait_for_port(server, log_path)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=60)


def wait_for_port(server: subprocess.Popen, log_path: Path) -> int:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and server.poll() is None:
        for line in log_path.read_text(errors="replace").splitlines():
            if "listening on http://" in line:
                address = line.split("listening on http://")[1].split(",")[0]
                return int(address.rsplit(":", 1)[1])
        time.sleep(0.05)
    sys.exit(f"the service did not start:\n{log_path.read_text(errors='replace')[-2000:]}")


def read_table() -> dict[str, int]:
    rows = (line.rsplit(maxsplit=1) for line in TABLE.read_text().splitlines())
    return {name.strip(): int(value.replace(",", "")) for name, value in rows}


def compare(counts: dict[str, int], table: dict[str, int]) -> int:
    """Prints the counts and those in the table. Returns 1 if some differ by more than the tolerance."""
    if counts.keys() != table.keys():
        print(f"{TABLE.name} has rows for other paths: run with --write", file=sys.stderr)
        return 1
    deviating = []
    for name, counted in counts.items():
        change = counted / table[name] - 1
        print(f"{name:<24}{table[name]:>9,} in the table, {counted:>9,} counted, {change:+.1%}")
        if abs(change) > TOLERANCE:
            deviating.append(name)
    if deviating:
        print(f"more than {TOLERANCE:.0%} off: {', '.join(deviating)}. If that is intended, "
              f"`just count-instructions --write` replaces the counts in the table", file=sys.stderr)
    return 1 if deviating else 0


if __name__ == "__main__":
    sys.exit(main())
