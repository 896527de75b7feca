"""Checks a run of the Postman collection: each operation of the contract was sent once, with its
examples, and succeeded. Writes the outcomes by operationId.

Usage: judge.py NEWMAN_REPORT.json CONTRACT.json RECORD
"""

import json
import re
import sys
from pathlib import Path
from typing import Any


def operation_id(contract: dict[str, Any], request: dict[str, Any]) -> str:
    """The id of the operation to which a request of the report belongs."""
    path = "/" + "/".join(request["url"]["path"])
    for template, item in contract["paths"].items():
        pattern = re.sub(r"\\{.*?\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path) and request["method"].lower() in item:
            return str(item[request["method"].lower()]["operationId"])
    raise SystemExit(f"{request['method']} {path} is not in the contract")


def outcome(execution: dict[str, Any]) -> str:
    """`ok`, or the status and body of another response."""
    response = execution.get("response")
    if response is None:
        return f"no response: {execution.get('requestError')}"
    body = bytes(response["stream"]["data"]).decode()
    if 200 <= response["code"] < 300 and json.loads(body)["success"] is True:
        return "ok"
    return f"{response['code']} {body}"


def main(report: str, contract_file: str, record: str) -> None:
    """Prints and writes the outcomes, and exits with 1 if one is not `ok`."""
    contract = json.loads(Path(contract_file).read_text(encoding="utf-8"))
    executions = json.loads(Path(report).read_text(encoding="utf-8"))["run"]["executions"]
    outcomes: dict[str, list[str]] = {}
    for execution in executions:
        operation = operation_id(contract, execution["request"])
        outcomes.setdefault(operation, []).append(outcome(execution))
    for operation, seen in outcomes.items():
        print(f"{operation:16} {'; '.join(seen)}")
    Path(record).write_text(json.dumps(outcomes, indent=2) + "\n", encoding="utf-8")
    operations = sum("operationId" in item for path in contract["paths"].values() for item in path.values())
    if len(outcomes) != operations or any(seen != ["ok"] for seen in outcomes.values()):
        raise SystemExit(f"not each of the {operations} operations succeeded once")


if __name__ == "__main__":
    main(*sys.argv[1:])
