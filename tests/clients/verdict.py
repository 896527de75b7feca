"""Judges the walks: reads what each client recorded, and what the generator called things.

Prints a table of operations and languages, and fails unless, in every language, every operation of
the contract succeeded and failed at least once, and every generated model and API class has a name
that the contract gave it (an `InlineObject1` is a schema that should have one).

Usage: verdict.py CONTRACT.json CLIENTS_DIRECTORY LANGUAGE...
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


def operation_ids(contract: dict[str, Any]) -> list[str]:
    """The operations, in the contract's order."""
    return [
        operation["operationId"]
        for path in contract["paths"].values()
        for method, operation in path.items()
        if method in METHODS
    ]


def cell(outcomes: Iterable[str]) -> str:
    """`ok 404` or `ok refused`: statuses, and that the client would not send it."""
    words = ("refused" if outcome.startswith("not sent") else outcome.split()[0] for outcome in outcomes)
    return " ".join(dict.fromkeys(words))


def stray_names(contract: dict[str, Any], client: Path) -> list[str]:
    """Models and API classes of the TypeScript client, one file each, that the contract misses."""
    models = {path.stem for path in (client / "models").glob("*.ts")} - {"index"}
    apis = {path.stem for path in (client / "apis").glob("*.ts")} - {"index"}
    strays = models ^ set(contract["components"]["schemas"])
    strays |= apis ^ {f"{tag['name']}Api" for tag in contract["tags"]}
    return [f"typescript: {name} is not both in the contract and the client" for name in sorted(strays)]


def main(contract_file: str, directory: str, *languages: str) -> None:
    """Prints the table and what is wrong, and exits with 1 where something is."""
    contract = json.loads(Path(contract_file).read_text(encoding="utf-8"))
    clients = Path(directory)
    operations = operation_ids(contract)
    records: dict[str, dict[str, list[str]]] = {
        language: json.loads((clients / f"{language}.json").read_text(encoding="utf-8"))
        for language in languages
    }
    print("".join(f"{title:17}" for title in ["operation", *languages]).rstrip())
    for operation in operations:
        cells = [cell(record.get(operation, [])) for record in records.values()]
        print("".join(f"{text:17}" for text in [operation, *cells]).rstrip())

    problems = stray_names(contract, clients / "typescript")
    for language, record in records.items():
        for operation in sorted(set(operations) | set(record)):
            outcomes = record.get(operation, [])
            if operation not in operations:
                problems.append(f"{language}: {operation} is not an operation of the contract")
            elif "ok" not in outcomes:
                problems.append(f"{language}: {operation} never succeeded")
            elif len(outcomes) < 2:
                problems.append(f"{language}: {operation} never failed")
    if not operations:
        problems.append("the contract has no operations")
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        sys.exit(1)
    print(f"{len(operations)} operations x {len(languages)} clients: each succeeded and failed")


if __name__ == "__main__":
    main(*sys.argv[1:])
