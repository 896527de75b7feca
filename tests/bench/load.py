"""Single measurements: load on an HTTP server (wrk), load on the database (sysbench), and a dump of a
table (the `mariadb` client). Imports `servers`.
"""

import contextlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from servers import MariaDb, Server, stop

HERE = Path(__file__).parent
# Seconds. Longer than any response takes: slow responses count in the latency, not as errors.
RESPONSE_LIMIT = 60
# The load generator shares the cores of the machine with the servers that it measures.
WRK_THREADS = max(1, (os.cpu_count() or 1) // 2)

# The figures of one measurement: `rate` (requests or rows per second) and others.
Figures = dict[str, float]


def http(server: Server, database: MariaDb, connections: int, seconds: int, request: list[str]) -> Figures:
    """Measures requests over HTTP. `request`: the arguments of request.lua. `cpu_seconds` and the memory, in
    MB, are those of the server; `database_cpu_seconds` are those of the database."""
    server.forget_peak()
    server_cpu, database_cpu = server.cpu_seconds(), database.cpu_seconds()
    output = subprocess.check_output(wrk(server, WRK_THREADS, connections, seconds, request), text=True)
    figures = json.loads(output.splitlines()[-1])
    cpu_seconds = server.cpu_seconds() - server_cpu
    return figures | {
        "rate": figures["requests"] / figures["seconds"],
        "cpu_seconds": cpu_seconds,
        "database_cpu_seconds": database.cpu_seconds() - database_cpu,
        "requests_per_cpu_second": figures["requests"] / max(cpu_seconds, 0.01),
        "peak_mb": server.peak_memory(),
        "memory_mb": server.memory(),
    }


@contextlib.contextmanager
def in_background(server: Server, connections: int, seconds: int, request: list[str]) -> Iterator[None]:
    """Sends requests for at most `seconds` while the `with` lasts; none if `connections` is 0."""
    if connections == 0:
        yield
        return
    command = wrk(server, 1, connections, seconds, request)
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        stop(running)


def wrk(server: Server, threads: int, connections: int, seconds: int, request: list[str]) -> list[str]:
    """The command line of the load generator."""
    return ["wrk", f"--threads={threads}", f"--connections={connections}", f"--duration={seconds}s",
            f"--timeout={RESPONSE_LIMIT}s", f"--script={HERE / 'request.lua'}",
            f"http://127.0.0.1:{server.port}", "--", *request]


def http_list(server: Server, database: MariaDb, connections: int, seconds: int, path: str, rows: int) -> Figures:
    """Measures whole lists, in rows per second. The rate is computed from the mean time of a response:
    each connection sends the next request at once, so the two are equivalent. A count of responses would
    be too coarse, because a measurement has only a few of them."""
    figures = http(server, database, connections, seconds, ["get", path])
    return figures | {"rate": connections * rows / figures["mean_ms"] * 1000 if figures["requests"] else 0}


def raw(database: MariaDb, load: str, threads: int, seconds: int, users: int, products: int) -> Figures:
    """Measures the database itself. `load`: the name of a load in raw.lua."""
    output = subprocess.check_output(
        ["sysbench", str(HERE / "raw.lua"), f"--load={load}", f"--users={users}", f"--products={products}",
         "--db-driver=mysql", f"--mysql-socket={database.socket}", "--mysql-user=root", "--mysql-db=shop",
         "--db-ps-mode=auto", f"--threads={threads}", f"--time={seconds}", "--percentile=99", "run"],
        text=True,
    )
    figures = json.loads(next(line for line in output.splitlines() if line.startswith("{")))
    return figures | {"rate": figures["requests"] / figures["seconds"]}


def dump(database: MariaDb, name: str, statement: str, rows: int, seconds: int) -> Figures:
    """Measures a dump of the result of `statement`, in rows per second. One connection repeats the
    statement, whose result has `rows` rows, for about `seconds` seconds."""
    times = max(5, round(seconds / timed_dump(database, name, statement, 5) * 5))
    taken = timed_dump(database, name, statement, times)
    return {"rate": rows * times / taken, "requests": times, "seconds": taken, "errors": 0}


def timed_dump(database: MariaDb, name: str, statement: str, times: int) -> float:
    with tempfile.TemporaryFile("w+") as script:
        script.write(f"{statement};\n" * times)
        script.seek(0)
        started = time.monotonic()
        subprocess.run(database.client(name), stdin=script, stdout=subprocess.DEVNULL, check=True)
        return time.monotonic() - started
