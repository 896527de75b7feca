"""Evaluates the records of the generated clients, and the names that the generator chose.

Prints a table of operations and clients. Fails unless each operation of the contract succeeded and
failed at least once with each client (a client that only sends the examples of the contract must not
fail), and each generated model and API class has a name from the contract. A name like
`InlineObject1` belongs to a schema that should have a name.

Usage: verdict.py CONTRACT.json CLIENTS_DIRECTORY CLIENT...
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

SENDS_EXAMPLES = {"postman"}
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


def operation_ids(contract: dict[str, Any]) -> list[str]:
    """The ids of the operations, in the order of the contract."""
    return [
        operation["operationId"]
        for path in contract["paths"].values()
        for method, operation in path.items()
        if method in METHODS
    ]


def cell(outcomes: Iterable[str]) -> str:
    """The outcomes in short, like `ok 404`. `refused`: the client did not send the request."""
    words = ("refused" if outcome.startswith("not sent") else outcome.split()[0] for outcome in outcomes)
    return " ".join(dict.fromkeys(words))


def mismatched_names(contract: dict[str, Any], client: Path) -> list[str]:
    """Models and API classes that only the contract or only the TypeScript client has. Each has a file."""
    models = {path.stem for path in (client / "models").glob("*.ts")} - {"index"}
    apis = {path.stem for path in (client / "apis").glob("*.ts")} - {"index"}
    mismatches = models ^ set(contract["components"]["schemas"])
    mismatches |= apis ^ {f"{tag['name']}Api" for tag in contract["tags"]}
    return [f"typescript: {name} is not both in the contract and the client" for name in sorted(mismatches)]


def problems_of(client: str, record: dict[str, list[str]], operations: list[str]) -> list[str]:
    """The operations whose outcomes with a client are incomplete or wrong."""
    unknown = [f"{operation} is not an operation of the contract" for operation in record.keys() - operations]
    problems = sorted(unknown)
    for operation in operations:
        outcomes = record.get(operation, [])
        failures = [outcome for outcome in outcomes if outcome != "ok"]
        if "ok" not in outcomes:
            problems.append(f"{operation} never succeeded")
        if client in SENDS_EXAMPLES and failures:
            problems.append(f"{operation} failed: {failures[0]}")
        if client not in SENDS_EXAMPLES and not failures:
            problems.append(f"{operation} never failed")
    return [f"{client}: {problem}" for problem in problems]


def print_table(operations: list[str], records: dict[str, dict[str, list[str]]]) -> None:
    """Prints one line for each operation and one column for each client."""
    rows = [["operation", *records]]
    for operation in operations:
        rows.append([operation, *(cell(record.get(operation, [])) for record in records.values())])
    widths = [max(map(len, column)) + 2 for column in zip(*rows, strict=True)]
    for row in rows:
        print("".join(map(str.ljust, row, widths)).rstrip())


def main(contract_file: str, directory: str, *names: str) -> None:
    """Prints the table and the problems, and exits with 1 if there are any."""
    contract = json.loads(Path(contract_file).read_text(encoding="utf-8"))
    clients = Path(directory)
    operations = operation_ids(contract)
    records: dict[str, dict[str, list[str]]] = {
        name: json.loads((clients / f"{name}.json").read_text(encoding="utf-8")) for name in names
    }
    print_table(operations, records)

    problems = mismatched_names(contract, clients / "typescript") if "typescript" in names else []
    for client, record in records.items():
        problems += problems_of(client, record, operations)
    if not operations:
        problems.append("the contract has no operations")
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        sys.exit(1)
    print(f"{len(operations)} operations x {len(names)} clients: each succeeded, and each failed except with clients that only send examples")


if __name__ == "__main__":
    main(*sys.argv[1:])
