"""The table of the attacks in README.md: one row for each tool, as of its last run with `--readme`. Imports
only the standard library.
"""

from collections import Counter
from pathlib import Path

from outcome import Outcome

README = Path(__file__).with_name("README.md")
MARKS = "<!-- attack: written by `just attack --readme` -->", "<!-- end of attack -->"
HEAD = ["what was tried", "version", "run", "cases", "what held", "what was found"]


def row(name: str, tried: str, short: bool, outcome: Outcome, problems: list[str]) -> str:
    """The row of a tool."""
    found = f"{len(problems)} findings" if problems else "nothing"
    reasons = Counter(reason for _, reason in outcome.exceptions)
    found += "; ".join(["", *(f"excepted {times}: {reason}" for reason, times in reasons.items())])
    cells = [f"`{name}`: {tried}", outcome.version, "`--ci`" if short else "whole"]
    cells += [f"{outcome.cases:,}", outcome.held, found]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def update(text: str, names: list[str], new: dict[str, str]) -> str:
    """The text of README.md with the rows of `new` in place of those of the same tools. `names` is the order
    of the tools; the rows of tools that are not in it are dropped."""
    before, _, rest = text.partition(MARKS[0])
    old, _, after = rest.partition(MARKS[1])
    rows = {line.split("`")[1]: line for line in old.splitlines() if line.startswith("| `")} | new
    head = ["| " + " | ".join(cells) + " |" for cells in [HEAD, ["---"] * len(HEAD)]]
    table = "\n".join([*head, *(rows[name] for name in names if name in rows)])
    return f"{before}{MARKS[0]}\n{table}\n{MARKS[1]}{after}"


def write(names: list[str], new: dict[str, str]) -> None:
    README.write_text(update(README.read_text(), names, new))
