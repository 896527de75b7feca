"""The server under attack: a process on a free port of 127.0.0.1, with its own private MariaDB and the
sample shop, and the checks of it after each tool. Imports only the standard library.
"""

import http.client
import json
import os
import re
import ssl
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

# Seconds.
START_TIMEOUT = 120
STOP_TIMEOUT = 60
HEALTH_TIMEOUT = 1
MEMORY_TIMEOUT = 15
# How far above its start, in MB, the resident memory of the server may be after a tool. Hashing keeps
# one block of 19 MiB for each thread that hashes.
MEMORY_ALLOWANCE = 64
# What the server gets of the environment of the caller. Everything else could change its settings.
KEPT = {"PATH", "HOME", "TMPDIR", "LANG"}


class Target:
    """A running server. `directory` gets its data and log. `rows` are the arguments of `seed`, which is run
    first if there are any."""

    def __init__(self, program: Path, directory: Path, settings: dict[str, str], rows: Sequence[str] = ()):
        directory.mkdir(parents=True, exist_ok=True)
        self.log = directory / "server.log"
        # In a directory of its own, where no .env can select a real database.
        self.program, self.process_options = program, {"cwd": directory, "env": environment(os.environ, settings)}
        if rows:
            self.ask("seed", *rows)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [program, "serve"], stderr=log, stdout=subprocess.DEVNULL, **self.process_options
            )
        self.scheme, self.port = self.wait_until_listening()
        self.url = f"{self.scheme}://127.0.0.1:{self.port}"
        self.memory_at_start = self.memory()
        self.checked = 0

    def ask(self, *arguments: str) -> str:
        """The output of another subcommand of the program."""
        return subprocess.check_output([self.program, *arguments], text=True, **self.process_options)

    def wait_until_listening(self) -> tuple[str, int]:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline and self.process.poll() is None:
            listening = re.search(r"listening on (https?)://127\.0\.0\.1:(\d+)", self.log.read_text())
            if listening:
                return listening[1], int(listening[2])
            time.sleep(0.1)
        self.stop()
        raise RuntimeError(f"the server did not start:\n{self.log.read_text()}")

    def memory(self) -> float:
        """The resident memory in MB; 0 when the process has ended."""
        try:
            status = Path(f"/proc/{self.process.pid}/status").read_text()
        except FileNotFoundError:
            return 0
        resident = re.search(r"VmRSS:\s+(\d+) kB", status)
        return int(resident[1]) / 1000 if resident else 0

    def problems(self) -> list[str]:
        """What is wrong with the server after a tool, by its process, health, log and memory."""
        if self.process.poll() is not None:
            return [f"the server ended with {self.process.returncode}"]
        found = []
        try:
            health = self.get("/health")
            if health != 200:
                found.append(f"/health is {health}")
        except OSError as error:
            found.append(f"/health within {HEALTH_TIMEOUT} s: {error}")
        found += self.problems_in_log()
        limit = self.memory_at_start + MEMORY_ALLOWANCE
        deadline = time.monotonic() + MEMORY_TIMEOUT
        while self.memory() > limit and time.monotonic() < deadline:
            time.sleep(0.2)
        if self.memory() > limit:
            found.append(f"{self.memory():.0f} MB of memory, {self.memory_at_start:.0f} at the start")
        return found

    def get(self, path: str) -> int:
        """The status of a GET. The certificate is not checked."""
        if self.scheme == "https":
            context = ssl._create_unverified_context()
            client = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=HEALTH_TIMEOUT, context=context)
        else:
            client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=HEALTH_TIMEOUT)
        try:
            client.request("GET", path)
            response = client.getresponse()
            response.read()
            return response.status
        except http.client.HTTPException as error:
            raise OSError(repr(error)) from error
        finally:
            client.close()

    def problems_in_log(self) -> list[str]:
        """The panics, errors and responses with 500 that the log has since the last call."""
        lines = self.log.read_text(errors="replace").splitlines()
        new, self.checked = lines[self.checked :], len(lines)
        return [f"the log says: {line[:300]}" for line in wrong_lines(new)[:5]]

    def responses(self) -> int:
        """The number of responses so far, by the log."""
        return self.log.read_bytes().count(b'"status":')

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def environment(outer: Mapping[str, str], settings: dict[str, str]) -> dict[str, str]:
    """The environment of the server, with these settings besides its own."""
    kept = {name: value for name, value in outer.items() if name in KEPT}
    own = {"DATA_DIR": "data", "SERVER_PORT": "0", "LOG_FORMAT": "json", "RUST_LOG": "info"}
    # Otherwise nearly every request of a tool would be refused for its host only.
    return kept | own | {"ALLOWED_HOSTS": "*"} | settings


def wrong_lines(lines: list[str]) -> list[str]:
    """The lines of a log that tell of a panic, an error or a 500."""
    found = []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            entry = {}
        if entry.get("status") == 500 or entry.get("level") == "ERROR" or "panicked" in line:
            found.append(line)
    return found
