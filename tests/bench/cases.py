"""The measurements, in groups. Those of a group are compared with each other and run directly after one
another, under the same conditions. Imports `servers`, `load` and `lists`.
"""

import contextlib
import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import lists
import load
from load import Figures
from servers import MariaDb, Server, delay, say, serving, wait_until

PRODUCTS = "SELECT id, title, image_url, description FROM products ORDER BY id"
CART = (
    "SELECT cart.id, cart.user_id, cart.product_id, users.id AS user, users.email, users.role, "
    "products.id AS product, products.title, products.image_url, products.description "
    "FROM cart JOIN users ON users.id = cart.user_id JOIN products ON products.id = cart.product_id "
    "ORDER BY cart.id"
)
STARTS = 10
# The number of connections that read single rows while slow clients read a list.
POINT_CONNECTIONS = 8
SLOW_RATE = 1_000_000
SLOW_SECONDS = 15
# Seconds until the queries of disconnected clients must have ended.
QUIET_LIMIT = 30
# The servers that are compared in every group. An earlier build, `baseline`, is only in some.
SIDES = ["ours", "reference"]
# The databases.
SHOP, MILLION = "shop", "million"
# Lists by an index, with the query of each. One title in 16 begins with "Folding", and one in 6,144
# with the longer text.
SORTED_AND_FILTERED: dict[str, str] = {
    "first page by title": "sort=title&page=1",
    "deep page by title": "sort=title&page=10000",
    "q of few hits": "q=Folding%20brass%20bowl&page=1",
    "q of many hits": "q=Folding&page=1",
}

# Pages of 100 rows of lists of 1,000,000: what request.lua takes. A number is the highest of random
# pages. 1 user in 100 is an administrator.
PAGES: dict[str, list[str]] = {
    "first page of products": ["/api/products?limit=100&page=1"],
    "random page of products": ["/api/products?limit=100&page=", "10000"],
    "random page of products by title": ["/api/products?limit=100&sort=title&page=", "10000"],
    "first page of products with q": ["/api/products?limit=100&q=Folding&page=1"],
    "first page of users": ["/api/users?limit=100&page=1"],
    "random page of users": ["/api/users?limit=100&page=", "10000"],
    "random page of administrators": ["/api/users?limit=100&role=ADMIN&page=", "100"],
    "first page of the cart": ["/api/cart?limit=100&page=1"],
    "random page of the cart": ["/api/cart?limit=100&page=", "10000"],
}
PAGE_CONNECTIONS = 32
# A database that is far away: its round trips in milliseconds, and the rate of a light load, in requests per
# second.
ROUND_TRIPS = [2, 10]
LIGHT_RATE = 200

Measures = dict[str, Callable[[], Figures]]
Record = dict[str, list[Figures]]


@dataclass
class Bench:
    """The common settings of all measurements."""

    programs: dict[str, Path]
    directory: Path
    database: MariaDb
    seconds: int
    rounds: int

    def serving(self, side: str, name: str = SHOP, **settings: str) -> contextlib.AbstractContextManager[Server]:
        return serving(self.programs[side], self.directory, self.database.url(name), **settings)

    def serving_far(self, side: str, port: int) -> contextlib.AbstractContextManager[Server]:
        """Like `serving`, with the database behind the proxy that listens on `port`."""
        url = self.database.delayed_url(SHOP, port)
        settings = {}
        if side == "reference":
            # Otherwise its driver would go around the proxy, through the socket, and its pool would take two
            # round trips for each read.
            url += "?prefer_socket=false"
            settings["RECYCLING"] = "fast"
        return serving(self.programs[side], self.directory, url, **settings)

    def rows(self, table: str, name: str = SHOP) -> int:
        return self.database.number(f"SELECT COUNT(*) FROM {name}.{table}")

    def http(self, server: Server, connections: int, *request: str) -> Figures:
        return load.http(server, self.database, connections, self.seconds, list(request))


@contextlib.contextmanager
def groups(bench: Bench, only: set[str]) -> Iterator[dict[str, Measures]]:
    """The groups of measurements on the small shop. Runs the servers that they need."""
    with contextlib.ExitStack() as stack:
        sides = {side: stack.enter_context(bench.serving(side)) for side in SIDES}
        must_agree(sides)
        made = {
            "root": lambda: root(bench, sides),
            "reads": lambda: reads(bench, sides),
            "lists": lambda: long_lists(bench, sides),
            "add": lambda: additions(bench, sides),
            "pipeline": lambda: pipeline(bench, sides["ours"], stack),
            "remote": lambda: remote(bench, stack),
        }
        yield {name: make() for name, make in made.items() if name in only}


def must_agree(sides: dict[str, Server]) -> None:
    """Stops the run unless both servers respond with the same data: only then is the comparison fair."""
    for path in ["/api/products/7", "/api/products", "/api/products?page=3&limit=100", "/api/users/7/cart", "/api/cart"]:
        data = []
        for server in sides.values():
            with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}") as response:
                data.append(json.load(response)["data"])
        if data[0] != data[1]:
            sys.exit(f"the servers do not agree on {path}")


def measured(bench: Bench, name: str, measure: Callable[[], Figures]) -> Figures:
    """Takes a measurement. If the server fails, the figures are one error. Begins when the database has no
    queries of earlier clients left."""
    wait_until(lambda: running_queries(bench.database) == 0, QUIET_LIMIT)
    try:
        figures = measure()
    except (OSError, subprocess.CalledProcessError) as problem:
        say(f"  {name}: {problem}")
        return {"errors": 1}
    rate = f"{figures['rate']:,.0f}/s" if "rate" in figures else f"{figures['total_ms']:,.0f} ms"
    say(f"  {name}: {rate}{', %d errors' % figures['errors'] if figures['errors'] else ''}")
    return figures


def root(bench: Bench, sides: dict[str, Server]) -> Measures:
    """Requests without the database."""
    return {f"root {side}": lambda server=server: bench.http(server, 64, "get", "/") for side, server in sides.items()}


def reads(bench: Bench, sides: dict[str, Server]) -> Measures:
    """Reads of a few rows by random ids."""
    users, products = bench.rows("users"), bench.rows("products")
    one_product = ["get", "/api/products/", str(products)]
    one_cart = ["get", "/api/users/", str(users), "/cart"]
    measures: Measures = {
        "point selects": lambda: load.raw(bench.database, "point", 8, bench.seconds, users, products),
    }
    for side, server in sides.items():
        measures[f"product {side}"] = lambda server=server: bench.http(server, 64, *one_product)
    for side, server in sides.items():
        measures[f"product 512 {side}"] = lambda server=server: bench.http(server, 512, *one_product)
    for side, server in sides.items():
        measures[f"user cart {side}"] = lambda server=server: bench.http(server, 64, *one_cart)
    return measures


def long_lists(bench: Bench, sides: dict[str, Server]) -> Measures:
    """Lists of whole tables, with 4 connections."""
    measures: Measures = {}
    for table, statement in [("products", PRODUCTS), ("cart", CART)]:
        rows, path = bench.rows(table), f"/api/{table}"
        measures[f"dump of {table}"] = lambda statement=statement, rows=rows: load.dump(
            bench.database, SHOP, statement, rows, bench.seconds
        )
        for side, server in sides.items():
            measures[f"{table} {side}"] = lambda server=server, path=path, rows=rows: whole_list(
                bench, server, path, rows
            )
    return measures


def whole_list(bench: Bench, server: Server, path: str, rows: int) -> Figures:
    """The throughput of 4 connections, and the times of a single response."""
    figures = load.http_list(server, bench.database, 4, bench.seconds, path, rows)
    response = lists.fetch(server.port, path)
    return figures | {"first_byte_ms": response.first_byte * 1000, "total_ms": response.total * 1000}


def additions(bench: Bench, sides: dict[str, Server]) -> Measures:
    """POST /api/cart, and the SQL statements of a naive implementation."""
    users, products = bench.rows("users"), bench.rows("products")
    measures: Measures = {
        "three statements": lambda: adding(
            bench, lambda: load.raw(bench.database, "add", 32, bench.seconds, users, products)
        )
    }
    for side, server in sides.items():
        measures[f"add {side}"] = lambda server=server: adding(
            bench, lambda: bench.http(server, 32, "add", str(users), str(products))
        )
    return measures


def adding(bench: Bench, measure: Callable[[], Figures]) -> Figures:
    """Counts acknowledged rows that are missing as errors. Deletes the added rows afterwards."""
    database = bench.database
    last = database.number(f"SELECT MAX(id) FROM {SHOP}.cart")
    figures = measure()
    wait_until(lambda: running_queries(database) == 0, QUIET_LIMIT)
    added = database.number(f"SELECT COUNT(*) FROM {SHOP}.cart WHERE id > {last}")
    database.query(f"DELETE FROM {SHOP}.cart WHERE id > {last}")
    # The purge after the deletion must not affect the next measurement.
    wait_until(lambda: history(database) == 0, QUIET_LIMIT)
    return figures | {"errors": figures["errors"] + max(0, figures["requests"] - added)}


def running_queries(database: MariaDb) -> int:
    return database.number(
        "SELECT COUNT(*) FROM information_schema.processlist "
        "WHERE user <> 'system user' AND command <> 'Sleep' AND id <> CONNECTION_ID()"
    )


def history(database: MariaDb) -> int:
    """The number of transactions that InnoDB has not purged yet."""
    return int(database.query("SHOW GLOBAL STATUS LIKE 'Innodb_history_list_length'").split()[1])


def pipeline(bench: Bench, plain: Server, stack: contextlib.ExitStack) -> Measures:
    """Reads of single rows under settings that switch stages of the request pipeline."""
    one_product = ["get", "/api/products/", str(bench.rows("products"))]
    servers = {
        "pipeline default": plain,
        "pipeline without log": stack.enter_context(bench.serving("ours", RUST_LOG="off")),
        "pipeline warn": stack.enter_context(bench.serving("ours", CONTRACT_VALIDATION="warn")),
        "pipeline enforce": stack.enter_context(bench.serving("ours", CONTRACT_VALIDATION="enforce")),
    }
    return {name: lambda server=server: bench.http(server, 64, *one_product) for name, server in servers.items()}


def remote(bench: Bench, stack: contextlib.ExitStack) -> Measures:
    """Reads of single rows from a database that is far away, and with one connection from a near one. Also by
    an earlier build, if there is one."""
    product = ["get", "/api/products/", str(bench.rows("products"))]
    sides = [side for side in ["ours", "reference", "baseline"] if side in bench.programs]
    measures: Measures = {}

    def add(name: str, servers: dict[str, Server], connections: int, request: list[str]) -> None:
        for side, server in servers.items():
            measures[f"{name} {side}"] = lambda server=server: bench.http(server, connections, *request)

    near = {side: stack.enter_context(bench.serving(side)) for side in sides}
    add("alone", near, 1, product)
    for round_trip in ROUND_TRIPS:
        port = stack.enter_context(delay(bench.programs["delay"], bench.database, round_trip))
        far = {side: stack.enter_context(bench.serving_far(side, port)) for side in sides}
        # At a light load 64 connections take turns.
        pause = 64 / LIGHT_RATE * 1000 - round_trip
        add(f"light {round_trip} ms", far, 64, ["paced", str(pause), *product])
        add(f"full {round_trip} ms", far, 64, product)
    return measures


def starts(bench: Bench) -> Record:
    """Starts with an existing database, and the memory of newly started servers."""
    record: Record = {"start ours": []}
    for _ in range(STARTS):
        with bench.serving("ours") as server:
            record["start ours"].append({"start_ms": server.start_ms, "rest_mb": server.memory()})
    for side in SIDES:
        with bench.serving(side) as server:
            figures = bench.http(server, 64, "get", "/api/products/", str(bench.rows("products")))
            record[f"loaded {side}"] = [figures]
    return record


@contextlib.contextmanager
def million_groups(bench: Bench) -> Iterator[dict[str, Measures]]:
    """Pages, and times to the first byte, with 1,000,000 rows of each table."""
    with contextlib.ExitStack() as stack:
        measures: Measures = {}
        for side in SIDES:
            server = stack.enter_context(bench.serving(side, MILLION))
            for name, page in [("first page", 1), ("deep page", 10_000)]:
                path = f"/api/products?page={page}&limit=100"
                measures[f"{name} {side}"] = lambda server=server, path=path: bench.http(server, 4, "get", path)
        server = stack.enter_context(bench.serving("ours", MILLION))
        for name, query in SORTED_AND_FILTERED.items():
            path = f"/api/products?limit=100&{query}"
            measures[f"{name} ours"] = lambda server=server, path=path: bench.http(server, 4, "get", path)
        for name, path in [("page", "/api/products?page=1&limit=100"), ("million", "/api/products")]:
            measures[f"{name} alone"] = lambda server=server, path=path: alone(server, path)
        servers = {"ours": server}
        if "baseline" in bench.programs:
            servers["baseline"] = stack.enter_context(bench.serving("baseline", MILLION))
        yield {"million": measures, "pages": pages(bench, servers)}


def pages(bench: Bench, servers: dict[str, Server]) -> Measures:
    """Pages of lists of 1,000,000 rows with many clients, also from an earlier build if there is one."""
    measures: Measures = {}
    for name, request in PAGES.items():
        for side, server in servers.items():
            measures[f"{name} {side}"] = lambda server=server, request=request: bench.http(
                server, PAGE_CONNECTIONS, "get", *request
            )
    return measures


def alone(server: Server, path: str) -> Figures:
    """Measures a single response."""
    server.forget_peak()
    response = lists.fetch(server.port, path)
    return {
        "first_byte_ms": response.first_byte * 1000,
        "total_ms": response.total * 1000,
        "bytes": response.bytes,
        "peak_mb": server.peak_memory(),
        "memory_mb": server.memory(),
        "errors": 0,
    }


def million_clients(bench: Bench, limit_mb: int) -> Record:
    """The effect of clients that read 1,000,000 rows on a newly started server. A server that needs more
    than `limit_mb` fails, to protect the machine."""
    clients: dict[str, Callable[[Server], Figures]] = {
        "a fast client": lambda server: alone(server, "/api/products"),
        "a slow client": lambda server: slow_clients(bench, server, 1),
        "50 slow clients": lambda server: slow_clients(bench, server, 50),
    }
    record: Record = {}
    for name, read in clients.items():
        with bench.serving("ours", MILLION) as server:
            server.limit_memory(limit_mb)
            # The memory that reads of single rows need is not counted as growth.
            before = bench.http(server, 64, "get", "/api/products/", str(bench.rows("products", MILLION)))
            memory = server.memory()
            figures = measured(bench, name, lambda: read(server))
            if "peak_mb" in figures:
                figures["growth_mb"] = figures["peak_mb"] - memory
            record[name] = [figures | {"errors": figures["errors"] + before["errors"]}]
    return record


def slow_clients(bench: Bench, server: Server, count: int) -> Figures:
    """Reads of single rows while clients slowly read the whole list, and the time until the queries of these
    clients end after they disconnect."""
    one_product = ["get", "/api/products/", str(bench.rows("products", MILLION))]
    undisturbed = bench.http(server, POINT_CONNECTIONS, *one_product)
    clients = lists.SlowClients(server.port, "/api/products", count, SLOW_RATE)
    try:
        figures = load.http(server, bench.database, POINT_CONNECTIONS, SLOW_SECONDS, one_product)
        queries = running_queries(bench.database)
    finally:
        clients.disconnect()
    quiet = wait_until(lambda: running_queries(bench.database) == 0, QUIET_LIMIT)
    return figures | {
        "undisturbed_p50_ms": undisturbed["p50_ms"],
        "queries": queries,
        "ended_early": clients.ended_early,
        "quiet_seconds": QUIET_LIMIT if quiet is None else quiet,
        "errors": figures["errors"] + clients.ended_early,
    }
