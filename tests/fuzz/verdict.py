"""Evaluates the runs of Schemathesis from the events and reports that it writes.

The exit code of a run is not enough. Some findings are false, which the responses of the server
show; all others are problems. And a run without findings may have hardly tried an operation. Imports
only the standard library.
"""

import base64
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

PHASES = ["examples", "coverage", "fuzzing", "stateful"]


class Tally:
    """The numbers of cases with a response, by operation, phase and status, and of false findings by reason."""

    def __init__(self, contracts: dict[str, dict]):
        self.contracts = list(contracts)
        # Where no path has a parameter, no operation follows from the response to another one.
        self.in_sequences = [name for name, contract in contracts.items() if any("{" in path for path in contract["paths"])]
        self.without_sequences = {
            id for name, contract in contracts.items() if name not in self.in_sequences for id in operations(contract).values()
        }
        # No two contracts have a path in common.
        self.labels = {label: id for contract in contracts.values() for label, id in operations(contract).items()}
        self.counts = {operation: Counter() for operation in self.labels.values()}
        self.explained: Counter = Counter()

    def cases(self, phase: str | None = None) -> int:
        key = f"phase {phase}" if phase else "cases"
        return sum(counts[key] for counts in self.counts.values())


def operations(contract: dict) -> dict[str, str]:
    """The operation ids by the names that Schemathesis uses, like `GET /api/users`."""
    return {
        f"{method.upper()} {path}": operation["operationId"]
        for path, item in contract["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
    }


def judge(exit_code: int, report: Path, events: Path, tally: Tally) -> list[str]:
    """Adds the cases of a run to `tally`. Returns its problems."""
    problems = []
    explained_before = tally.explained.total()
    for scenario in scenarios(events):
        count(scenario, tally)
        problems += findings(scenario["recorder"], tally)
    document = json.loads(report.read_text())
    if not document["complete"]:
        problems.append("Schemathesis did not finish")
    problems += [f"error: {error['title']}" for error in document["errors"]]
    problems += [
        f"warning: {kind}: {', '.join(map(str, about))}" for kind, about in document["warnings"].items() if about
    ]
    explained = tally.explained.total() - explained_before
    if exit_code != 0 and not problems and explained == 0:
        problems.append(f"Schemathesis exited with {exit_code}")
    # Each problem once, also if several cases have it.
    return list(dict.fromkeys(problems))


def scenarios(events: Path) -> Iterator[dict]:
    with events.open() as lines:
        for line in lines:
            scenario = json.loads(line).get("ScenarioFinished")
            if scenario and scenario.get("recorder", {}).get("interactions"):
                yield scenario


def count(scenario: dict, tally: Tally) -> None:
    recorder = scenario["recorder"]
    for case_id, interaction in recorder["interactions"].items():
        if interaction["response"] is None:
            continue
        # A scenario has one operation, except in the stateful phase.
        label = recorder["label"]
        if label not in tally.labels:
            case = recorder["cases"][case_id]["value"]
            label = f"{case['method']} {case['path']}"
        status = interaction["response"]["status_code"]
        tally.counts[tally.labels[label]].update(["cases", f"phase {scenario['phase']}", f"status {status}"])


def findings(recorder: dict, tally: Tally) -> Iterator[str]:
    """The failed checks, except those that the responses of the same scenario explain."""
    for case_id, checks in recorder.get("checks", {}).items():
        for check in checks:
            if check["status"] == "success":
                continue
            if check["name"] == "ensure_resource_availability" and was_deleted_by_cascade(recorder, case_id):
                tally.explained["a cart item was missing because its user, product or cart was deleted before"] += 1
                continue
            interaction = recorder["interactions"].get(case_id)
            if check["name"] == "positive_data_acceptance" and (rule := broken_rule(interaction)):
                tally.explained[rule] += 1
                continue
            failure = check["failure_info"]["failure"]
            yield f"{recorder['label']}: {failure['title']} ({check['name']})"


# Rules of the contract on combinations of parts of a request, which no schema can express: the message
# of the 400, and the reason.
RULES = {
    "must be the id in the path": "an update named another id than the path",
    "needs `page` or `limit` beside it": "a search or sort order that requires paging was sent without it",
}


def content(interaction: dict | None) -> object:
    """The JSON of a response; `None` without a response, or if it is not JSON."""
    response = interaction and interaction["response"]
    if not response or not response["content"]:
        return None
    try:
        return json.loads(base64.b64decode(response["content"]["$base64"]))
    except ValueError:
        return None


def broken_rule(interaction: dict | None) -> str | None:
    """The rule that a refused request broke, if every violation in the response is of that rule."""
    response = interaction and interaction["response"]
    if not response or response["status_code"] != 400:
        return None
    body = content(interaction)
    details = body.get("error", {}).get("details", []) if isinstance(body, dict) else []
    rules = {RULES.get(detail["message"]) for detail in details}
    return rules.pop() if len(rules) == 1 else None


def was_deleted_by_cascade(recorder: dict, case_id: str) -> bool:
    """Whether the cart item that a case did not find was deleted together with something else before.

    The check considers only deletions of the item itself. By the contract, its items are also deleted
    with a user or product, or when a cart is emptied. The responses show whether such a deletion
    succeeded between the creation of the item and the case.
    """
    parent = recorder["cases"][case_id]["parent_id"]
    created = recorder["interactions"].get(parent)
    missed = recorder["interactions"].get(case_id)
    if created is None or missed is None or not created["request"]["uri"].endswith("/api/cart"):
        return False
    body = content(created)
    item = body.get("data") if isinstance(body, dict) else None
    if item is None:
        return False
    deletions = (
        f"/api/users/{item['user_id']}",
        f"/api/products/{item['product_id']}",
        f"/api/cart/user/{item['user_id']}",
    )
    return any(
        interaction["request"]["method"] == "DELETE"
        and interaction["request"]["uri"].endswith(deletions)
        and interaction["response"] is not None
        and interaction["response"]["status_code"] == 200
        and created["timestamp"] < interaction["timestamp"] < missed["timestamp"]
        for interaction in recorder["interactions"].values()
    )


def untried(tally: Tally) -> list[str]:
    """Problems that Schemathesis does not report: operations that a phase did not try or that never succeeded."""
    problems = []
    for operation, counts in tally.counts.items():
        phases = [phase for phase in PHASES if phase != "stateful" or operation not in tally.without_sequences]
        problems += [f"{operation}: no case in phase {phase}" for phase in phases if counts[f"phase {phase}"] == 0]
        if counts["status 200"] + counts["status 201"] == 0:
            problems.append(f"{operation}: no case succeeded")
    return problems


def record(tally: Tally, seeds: list[int], problems: list[str]) -> dict:
    """The content of cases.json."""

    def part(counts: Counter, prefix: str) -> dict[str, int]:
        return {key.removeprefix(prefix): counts[key] for key in sorted(counts) if key.startswith(prefix)}

    return {
        "seeds": seeds,
        "cases": tally.cases(),
        "problems": problems,
        "explained": dict(tally.explained),
        "operations": {
            operation: {
                "cases": counts["cases"],
                "phases": part(counts, "phase "),
                "statuses": part(counts, "status "),
            }
            for operation, counts in tally.counts.items()
        },
    }


def text(kept: dict) -> str:
    """The record as text."""
    lines = ["", f"{'operation':<18}{'cases':>8}   statuses"]
    for operation, counts in kept["operations"].items():
        statuses = "  ".join(f"{status} x {times}" for status, times in counts["statuses"].items())
        lines.append(f"{operation:<18}{counts['cases']:>8}   {statuses}")
    lines.append(f"{'all':<18}{kept['cases']:>8}   in {len(kept['seeds'])} runs")
    lines += [f"explained by the responses: {finding} ({times} times)" for finding, times in kept["explained"].items()]
    lines += kept["problems"] or ["no failure, no warning"]
    return "\n".join(lines) + "\n"
