"""Measures what sign-ups, whose passwords are hashed, cost: memory, and the latency of other requests. Imports
`cases`, `load` and `servers`.
"""

import contextlib
import time
from collections.abc import Iterator

import load
from cases import POINT_CONNECTIONS, QUIET_LIMIT, SHOP, Bench, Record, measured, running_queries
from load import Figures
from servers import Server, wait_until

# The number of users that are created, and the number of connections that create users at a time.
SIGN_UPS = 1000
SIGN_UP_CONNECTIONS = 16
# The most seconds that sign-ups may take, and seconds until the memory has been given back.
SIGN_UP_LIMIT = 600
REST_SECONDS = 10


def measure(bench: Bench) -> Record:
    """The memory of a newly started server after `SIGN_UPS` sign-ups, and reads of single rows without and
    during a flood of sign-ups."""
    request = ["get", "/api/products/", str(bench.rows("products"))]
    with added_users_deleted(bench), bench.serving("ours") as server:
        record: Record = {"reads without sign-ups": [], "reads during sign-ups": []}
        for _ in range(bench.rounds):
            for name, connections in [("reads without sign-ups", 0), ("reads during sign-ups", SIGN_UP_CONNECTIONS)]:
                figures = measured(bench, name, lambda count=connections: reads(bench, server, count, request))
                record[name].append(figures)
    with added_users_deleted(bench), bench.serving("ours") as server:
        record["sign-ups"] = [measured(bench, "sign-ups", lambda: memory_of_sign_ups(bench, server, request))]
    return record


def reads(bench: Bench, server: Server, sign_up_connections: int, request: list[str]) -> Figures:
    with load.in_background(server, sign_up_connections, bench.seconds + 1, ["sign-up"]):
        return bench.http(server, POINT_CONNECTIONS, *request)


def memory_of_sign_ups(bench: Bench, server: Server, request: list[str]) -> Figures:
    # The memory that reads of single rows need is not counted as growth.
    bench.http(server, SIGN_UP_CONNECTIONS, *request)
    before, users = server.memory(), bench.rows("users")
    server.forget_peak()
    with load.in_background(server, SIGN_UP_CONNECTIONS, SIGN_UP_LIMIT, ["sign-up"]):
        taken = wait_until(lambda: bench.rows("users") >= users + SIGN_UPS, SIGN_UP_LIMIT)
    figures = {"peak_mb": server.peak_memory(), "growth_mb": server.peak_memory() - before}
    time.sleep(REST_SECONDS)
    return figures | {
        "rate": 0 if taken is None else SIGN_UPS / taken,
        "memory_mb": server.memory(),
        "rest_growth_mb": server.memory() - before,
        "errors": int(taken is None),
    }


@contextlib.contextmanager
def added_users_deleted(bench: Bench) -> Iterator[None]:
    """Deletes the users that are created meanwhile: other loads draw random ids up to the number of rows."""
    last = bench.database.number(f"SELECT MAX(id) FROM {SHOP}.users")
    yield
    wait_until(lambda: running_queries(bench.database) == 0, QUIET_LIMIT)
    bench.database.query(f"DELETE FROM {SHOP}.users WHERE id > {last}")
