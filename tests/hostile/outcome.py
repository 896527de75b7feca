"""What a tool found. Imports only the standard library."""

from dataclasses import dataclass, field


@dataclass
class Outcome:
    """The result of a tool: `findings` fail the run, `exceptions` are the names of cases whose result is not
    the tool's, each with the reason why it is right."""

    version: str
    cases: int = 0
    held: str = ""
    findings: list[str] = field(default_factory=list)
    exceptions: list[tuple[str, str]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def case(self, name: str, result: str, problem: str | None = None) -> None:
        """Counts a case and adds it to the report."""
        self.cases += 1
        self.lines.append(f"{'FOUND' if problem else 'held '}  {name}: {result}{f' ({problem})' if problem else ''}")
        if problem:
            self.findings.append(f"{name}: {problem}: {result}")

    def excuse(self, name: str, result: str, reason: str) -> None:
        """Counts a case whose result is not the tool's, but right for the reason given."""
        self.cases += 1
        self.lines.append(f"excepted  {name}: {result} ({reason})")
        self.exceptions.append((name, reason))
