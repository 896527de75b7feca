"""Makes tables of the figures: each in relation to its limit, the reference or an earlier build, and to its
target. Imports `cases` for the names of the pages.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from cases import LIGHT_RATE, PAGES, ROUND_TRIPS

MARKS = "<!-- bench: written by `just bench --readme` -->", "<!-- end of bench -->"
LIMITS = (
    "Limits: (a) prepared point selects of sysbench at 8 threads; (b) the client `mariadb --quick` dumping all "
    "products over one connection; (c) the three prepared statements of a naive POST (user exists, product "
    "exists, insert), each insert on disk, at 32 threads; (d) our own `GET /`, without the database. The "
    "reference is a simple implementation: poem's `Json`, the default pool, a `Vec` of rows. Its pool does not test "
    "connections (`RecyclingMethod::Fast`) in the rows of a database that is far away. A ratio is the median of "
    "the rounds' ratios."
)

# Each hashing thread needs one block of 19 MiB; the rest of the program, 8 MB more.
HASHING_MB = 8 + 20 * max(1, (os.cpu_count() or 1) - 1)

Record = dict[str, list[dict[str, float]]]


@dataclass
class Row:
    """One line of the table."""

    case: str
    ours: str
    against: str
    ratio: str
    target: str
    met: bool | None

    def cells(self) -> list[str]:
        return [self.case, self.ours, self.against, self.ratio, self.target, yes_or_no(self.met)]


def yes_or_no(met: bool | None) -> str:
    return {True: "yes", False: "no", None: ""}[met]


class Table:
    """Collects the rows of the table. A measurement that was not taken has no row."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.rows: list[Row] = []

    def compare(self, case: str, ours: str, against: str, what: str, figure: str = "rate", unit: str = "/s",
                at_least: float | None = None, at_most: float | None = None) -> None:
        """Adds a row with a ratio, the median of the ratios of all rounds. Within a round, other load of the
        machine affects both sides."""
        pairs = zip(self.record.get(ours, []), self.record.get(against, []), strict=False)
        pairs = [(a[figure], b[figure]) for a, b in pairs if a.get(figure) and b.get(figure)]
        if not pairs:
            return
        ratio = median(a / b for a, b in pairs)
        self.rows.append(Row(
            case,
            number(median(a for a, _ in pairs)) + unit,
            f"{what}: {number(median(b for _, b in pairs))}{unit}",
            f"{ratio:.2f}",
            bound(at_least, at_most),
            verdict(ratio, at_least, at_most),
        ))

    def value(self, case: str, name: str, figure: str, unit: str, at_most: float | None = None) -> None:
        """Adds a row with a figure that is compared only with its target."""
        values = [figures[figure] for figures in self.record.get(name, []) if figure in figures]
        if not values:
            if self.record.get(name):
                self.rows.append(Row(case, "failed", "", "", bound(None, at_most, unit), False))
            return
        middle = median(values)
        shown = f"{number(middle)}{unit}"
        self.rows.append(Row(case, shown, "", "", bound(None, at_most, unit), verdict(middle, None, at_most)))


def number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def bound(at_least: float | None, at_most: float | None, unit: str = "") -> str:
    if at_least is not None:
        return f">= {at_least:g}"
    return "" if at_most is None else f"<= {at_most:g}{unit}"


def verdict(value: float, at_least: float | None, at_most: float | None) -> bool | None:
    if at_least is not None:
        return value >= at_least
    return None if at_most is None else value <= at_most


def rows(record: Record) -> list[Row]:
    """The rows of the table. LIMITS explains the letters."""
    table = Table(record)
    one = "`GET /api/products/{id}`"
    table.compare(f"{one}, 64 connections", "product ours", "point selects", "(a)", at_least=0.8)
    table.compare(f"{one}, 64 connections", "product ours", "product reference", "reference", at_least=2.5)
    table.compare(f"{one}, 64 connections", "product ours", "root ours", "(d)")
    table.compare(f"{one}, 512 connections", "product 512 ours", "product ours", "64 connections", at_least=0.9)
    table.compare(f"{one}, 512 connections", "product 512 ours", "product 512 reference", "reference")

    cart = "`GET /api/users/{id}/cart`, 64 connections"
    table.compare(cart, "user cart ours", "point selects", "(a)", at_least=0.6)
    table.compare(cart, "user cart ours", "user cart reference", "reference")

    products, per_row = "`GET /api/products`, 10,000 rows, 4 connections", " rows/s"
    table.compare(products, "products ours", "dump of products", "(b)", unit=per_row, at_least=2)
    table.compare(products, "products ours", "products reference", "reference", unit=per_row, at_least=4)
    cart = "`GET /api/cart`, 50,000 rows, 4 connections"
    table.compare(cart, "cart ours", "dump of products", "(b)", unit=per_row, at_least=0.7)
    table.compare(cart, "cart ours", "dump of cart", "dump of the join", unit=per_row)
    table.compare(cart, "cart ours", "cart reference", "reference", unit=per_row)
    for name in ["products", "cart"]:
        case = f"`GET /api/{name}`, one client"
        for figure, what in [("first_byte_ms", "first byte"), ("total_ms", "whole")]:
            table.compare(f"{case}, {what}", f"{name} ours", f"{name} reference", "reference", figure, " ms")

    add = "`POST /api/cart`, 32 connections"
    table.compare(add, "add ours", "three statements", "(c)", at_least=1.2)
    table.compare(add, "add ours", "add reference", "reference")
    table.compare("`GET /`, 64 connections", "root ours", "root reference", "reference")

    far_away(table)

    cpu = "requests_per_cpu_second"
    for setting, name in [("RUST_LOG=off", "pipeline without log"), ("CONTRACT_VALIDATION=warn", "pipeline warn"),
                          ("CONTRACT_VALIDATION=enforce", "pipeline enforce")]:
        case = f"`GET /api/products/{{id}}` with {setting}, per CPU second"
        table.compare(case, name, "pipeline default", "defaults", cpu, "")

    table.value("start to first 200", "start ours", "start_ms", " ms", at_most=60)
    table.value("memory at rest", "start ours", "rest_mb", " MB", at_most=15)
    table.value("peak memory under 64 connections", "loaded ours", "peak_mb", " MB", at_most=30)
    table.compare("peak memory under 64 connections", "loaded ours", "loaded reference", "reference", "peak_mb", " MB")
    sign_ups(table)
    million(table)
    return table.rows


def far_away(table: Table) -> None:
    """Adds the rows of reads with one connection, and of those from a database that is far away."""
    one = "`GET /api/products/{id}`"
    for side, at_most in [("reference", 1.05), ("baseline", None)]:
        table.compare(f"p50 of {one}, 1 connection", "alone ours", f"alone {side}", side, "p50_ms", " ms",
                      at_most=at_most)
    for round_trip in ROUND_TRIPS:
        where = f"database {round_trip} ms away"
        for side, at_most, at_least in [("reference", 1.1, 3), ("baseline", None, None)]:
            light, full = f"light {round_trip} ms", f"full {round_trip} ms"
            table.compare(f"p50 of {one}, {LIGHT_RATE} requests/s, {where}", f"{light} ours", f"{light} {side}", side,
                          "p50_ms", " ms", at_most=at_most)
            table.compare(f"{one}, 64 connections, {where}", f"{full} ours", f"{full} {side}", side,
                          at_least=at_least)


def sign_ups(table: Table) -> None:
    """Adds the rows of the memory that sign-ups need, and of their effect on reads."""
    table.value("memory growth at rest after 1,000 sign-ups", "sign-ups", "rest_growth_mb", " MB", at_most=8)
    table.value("peak memory growth in 1,000 sign-ups", "sign-ups", "growth_mb", " MB", at_most=HASHING_MB)
    table.compare("p99 of `GET /api/products/{id}` in a flood of sign-ups, 8 connections", "reads during sign-ups",
                  "reads without sign-ups", "without", "p99_ms", " ms")


def million(table: Table) -> None:
    """Adds the rows of the measurements with SIZE=large."""
    table.compare("page 10,000 of 1,000,000 rows", "deep page ours", "first page ours", "page 1", "mean_ms", " ms",
                  at_most=10)
    for name in ["first page", "deep page"]:
        table.compare(f"{name} of 1,000,000 rows", f"{name} ours", f"{name} reference", "reference", "mean_ms", " ms")
    for name in ["first page by title", "deep page by title", "q of few hits", "q of many hits"]:
        table.compare(f"{name}, 1,000,000 rows", f"{name} ours", "first page ours", "page 1", "mean_ms", " ms")
    for name in PAGES:
        case = f"{name}, 100 of 1,000,000 rows, 32 connections"
        table.compare(case, f"{name} ours", f"{name} baseline", "baseline", unit=" pages/s", at_least=10)
        if not table.record.get(f"{name} baseline"):
            table.value(case, f"{name} ours", "rate", " pages/s")
    whole = "`GET /api/products`, 1,000,000 rows"
    table.compare(f"{whole}, first byte", "million alone", "page alone", "page of 100", "first_byte_ms", " ms",
                  at_most=3)
    for name in ["a fast client", "a slow client", "50 slow clients"]:
        table.value(f"{whole}, memory growth with {name}", name, "growth_mb", " MB", at_most=8)
    for name in ["a slow client", "50 slow clients"]:
        table.value(f"{whole}, queries end after the disconnection of {name}", name, "quiet_seconds", " s", at_most=5)
        undisturbed = [{"p50_ms": figures["undisturbed_p50_ms"]} for figures in table.record.get(name, [])
                       if "undisturbed_p50_ms" in figures]
        table.record[f"during {name}"] = undisturbed
        table.compare(f"p50 of point reads with {name}", name, f"during {name}", "without", "p50_ms", " ms")


def markdown(head: list[str], lines: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *lines])


def summary(record: Record) -> str:
    head = ["case", "ours", "limit or reference", "ratio", "target", "met?"]
    return markdown(head, [row.cells() for row in rows(record)])


def details(record: Record) -> str:
    """A table of the medians of all measurements."""
    figures = ["rate", "p50_ms", "p99_ms", "requests_per_cpu_second", "peak_mb", "memory_mb"]
    head = ["measurement", "rate", "p50 ms", "p99 ms", "requests per CPU s", "peak MB", "MB after", "errors"]
    lines = []
    for name, measured in record.items():
        cells = [[one[figure] for one in measured if figure in one] for figure in figures]
        errors = sum(one.get("errors", 0) for one in measured)
        if any(cells):
            lines.append([name, *(number(median(values)) if values else "" for values in cells), number(errors)])
    return markdown(head, lines)


def write_readme(readme: Path, record: Record, machine: str) -> bool:
    """Writes the ratios between the marks. False if the README has no marks."""
    text = readme.read_text()
    if MARKS[0] not in text:
        return False
    head = ["case", "against", "measured", "target"]
    lines = []
    for row in rows(record):
        # Ratios depend less on the machine than other figures.
        measured = row.ratio or row.ours
        lines.append([row.case, row.against.partition(":")[0], measured, row.target])
    before, _, rest = text.partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    readme.write_text(f"{before}{MARKS[0]}\n{markdown(head, lines)}\n\n{machine}.\n\n{LIMITS}\n{MARKS[1]}{after}")
    return True
