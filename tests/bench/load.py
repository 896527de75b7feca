"""One measurement each: load on an HTTP server (wrk), on the database (sysbench), a dump of a table
(the `mariadb` client). Imports `servers`.
"""

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

from servers import MariaDb, Server

HERE = Path(__file__).parent
# Above what any answer takes: a slow one shows in the latency, not as an error.
ANSWER_LIMIT = 60
# The load generator shares the machine's cores with what it measures.
WRK_THREADS = max(1, (os.cpu_count() or 1) // 2)

# Of one measurement: `rate` (requests or rows a second) and what else was seen.
Figures = dict[str, float]


def http(server: Server, database: MariaDb, connections: int, seconds: int, request: list[str]) -> Figures:
    """`request` is what request.lua takes. `cpu_seconds` are the server's own, `database_cpu_seconds`
    the database's; memory is the server's, in MB."""
    server.forget_peak()
    server_cpu, database_cpu = server.cpu_seconds(), database.cpu_seconds()
    said = subprocess.check_output(
        ["wrk", f"--threads={WRK_THREADS}", f"--connections={connections}", f"--duration={seconds}s",
         f"--timeout={ANSWER_LIMIT}s", f"--script={HERE / 'request.lua'}",
         f"http://127.0.0.1:{server.port}", "--", *request],
        text=True,
    )
    figures = json.loads(said.splitlines()[-1])
    cpu_seconds = server.cpu_seconds() - server_cpu
    return figures | {
        "rate": figures["requests"] / figures["seconds"],
        "cpu_seconds": cpu_seconds,
        "database_cpu_seconds": database.cpu_seconds() - database_cpu,
        "requests_per_cpu_second": figures["requests"] / max(cpu_seconds, 0.01),
        "peak_mb": server.peak_memory(),
        "memory_mb": server.memory(),
    }


def http_list(server: Server, database: MariaDb, connections: int, seconds: int, path: str, rows: int) -> Figures:
    """The same of a whole list, in rows a second. From the time that an answer takes, which is the
    other side of the same thing where each connection asks at once for the next: counted in whole
    answers, of which a few seconds see a handful, the rate would be a matter of luck."""
    figures = http(server, database, connections, seconds, ["get", path])
    return figures | {"rate": connections * rows / figures["mean_ms"] * 1000 if figures["requests"] else 0}


def raw(database: MariaDb, load: str, threads: int, seconds: int, users: int, products: int) -> Figures:
    """`load` is one that raw.lua knows."""
    said = subprocess.check_output(
        ["sysbench", str(HERE / "raw.lua"), f"--load={load}", f"--users={users}", f"--products={products}",
         "--db-driver=mysql", f"--mysql-socket={database.socket}", "--mysql-user=root", "--mysql-db=shop",
         "--db-ps-mode=auto", f"--threads={threads}", f"--time={seconds}", "--percentile=99", "run"],
        text=True,
    )
    figures = json.loads(next(line for line in said.splitlines() if line.startswith("{")))
    return figures | {"rate": figures["requests"] / figures["seconds"]}


def dump(database: MariaDb, name: str, statement: str, rows: int, seconds: int) -> Figures:
    """Rows a second of `statement`, which gives `rows`, over one connection, again and again for
    about `seconds`, thrown away."""
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
