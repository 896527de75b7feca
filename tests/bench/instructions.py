"""Counts the instructions that the service spends on a request, by callgrind, and compares them with
the table beside this file, instructions.txt. Counts hardly depend on the machine and not at all on
its load: what a time cannot tell on a shared machine, they can.

The service runs under valgrind over a small shop of its own; one client asks one thing at a time. A
path's count is that of 400 requests more, divided by 400. `--write` puts new counts into the table.
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

# What is counted: a name, then method, path and body of the request.
PATHS = {
    "no database": ("GET", "/", None),
    "a product": ("GET", "/api/products/1", None),
    "a cart of five": ("GET", "/api/users/1/cart", None),
    "a page of ten": ("GET", "/api/products?limit=10", None),
    "a refused body": ("POST", "/api/cart", '{"user_id":0,"product":1}'),
    "an addition to a cart": ("POST", "/api/cart", '{"user_id":2,"product_id":1}'),
}


def main() -> int:
    program, write = Path(sys.argv[1]).resolve(), "--write" in sys.argv[2:]
    with tempfile.TemporaryDirectory(prefix="instructions-") as directory:
        with serving([], program, Path(directory)):
            pass  # The first start installs the database and fills the shop in.
        counts = {name: count(program, Path(directory), name) for name in PATHS}
    if write:
        rows = [f"{name:<24}{counts[name]:>9,}\n" for name in PATHS]
        TABLE.write_text("".join(rows))
        return 0
    return compare(counts, read_table())


def count(program: Path, directory: Path, name: str) -> int:
    """Instructions for one request more."""
    totals = [total(program, directory, name, requests) for requests in (FEW, MANY)]
    per_request = round((totals[1] - totals[0]) / (MANY - FEW))
    print(f"{name}: {per_request:,} instructions", file=sys.stderr, flush=True)
    return per_request


def total(program: Path, directory: Path, name: str, requests: int) -> int:
    """Instructions of a whole run with so many requests."""
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
    """The service on a free port, over its own private MariaDB; gives the port."""
    log_path = directory / "log"
    settings = {"DATA_DIR": str(directory / "data"), "SERVER_PORT": "0", "RUST_LOG": "info"}
    # Only the program itself is counted: its children (MariaDB) run as they are.
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
    """Prints both; 1 when they differ by more than the tolerance, in either direction."""
    if counts.keys() != table.keys():
        print(f"{TABLE.name} has other rows than are counted: run with --write", file=sys.stderr)
        return 1
    strayed = []
    for name, counted in counts.items():
        change = counted / table[name] - 1
        print(f"{name:<24}{table[name]:>9,} in the table, {counted:>9,} counted, {change:+.1%}")
        if abs(change) > TOLERANCE:
            strayed.append(name)
    if strayed:
        print(f"more than {TOLERANCE:.0%} off: {', '.join(strayed)}. If that is meant, "
              f"`just count-instructions --write` puts it into the table", file=sys.stderr)
    return 1 if strayed else 0


if __name__ == "__main__":
    sys.exit(main())
