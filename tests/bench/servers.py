"""The processes that are measured: a private MariaDB, and servers that use it. Each is stopped when its
`with` ends. Imports no neighbour.
"""

import contextlib
import os
import resource
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

# Seconds.
START_LIMIT = 60
STOP_LIMIT = 30
# Every commit is on disk before it is acknowledged, and all data fits into memory.
DURABLE = ["--innodb-flush-log-at-trx-commit=1", "--innodb-buffer-pool-size=1G", "--max-connections=500"]
SETTINGS = ["version", "innodb_flush_log_at_trx_commit", "innodb_flush_method", "innodb_doublewrite",
            "innodb_buffer_pool_size", "log_bin", "sync_binlog"]


def say(text: str) -> None:
    """Prints a line of progress."""
    print(text, file=sys.stderr, flush=True)


def wait_until(condition: Callable[[], bool], seconds: float) -> float | None:
    """Waits for a condition. Returns the seconds that it took, or None after the time limit."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > seconds:
            return None
        time.sleep(0.02)
    return time.monotonic() - started


def stop(process: subprocess.Popen) -> None:
    """Stops a process that this program started, and waits for its end."""
    process.terminate()
    try:
        process.wait(STOP_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@dataclass
class Process:
    """The figures of the kernel about a process. Memory is in MB: millions of bytes."""

    running: subprocess.Popen

    def has_exited(self) -> bool:
        return self.running.poll() is not None

    def cpu_seconds(self) -> float:
        """User and system time so far."""
        fields = self._proc("stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        return self._kilobytes("VmRSS")

    def peak_memory(self) -> float:
        """The peak since `forget_peak`."""
        return self._kilobytes("VmHWM")

    def forget_peak(self) -> None:
        self._proc("clear_refs").write_text("5")

    def limit_memory(self, megabytes: int) -> None:
        """Limits the memory of the process: further allocations fail."""
        limit = megabytes * 1_000_000
        resource.prlimit(self.running.pid, resource.RLIMIT_DATA, (limit, limit))

    def _kilobytes(self, field: str) -> float:
        lines = self._proc("status").read_text().splitlines()
        found = [int(line.split()[1]) for line in lines if line.startswith(field)]
        if not found:
            raise ProcessLookupError("the process has exited")
        return found[0] * 1024 / 1e6

    def _proc(self, name: str) -> Path:
        return Path(f"/proc/{self.running.pid}/{name}")


@dataclass
class MariaDb(Process):
    """A private MariaDB that listens only on a socket."""

    socket: Path

    def url(self, database: str) -> str:
        return f"mysql://root@localhost/{database}?socket={quote(str(self.socket), safe='')}"

    def delayed_url(self, database: str, port: int) -> str:
        """The URL of a database behind the proxy that listens on `port`."""
        return f"mysql://root@127.0.0.1:{port}/{database}"

    def client(self, *arguments: str) -> list[str]:
        """The command line of the `mariadb` client, which prints rows as they arrive, without decoration."""
        return ["mariadb", "--no-defaults", f"--socket={self.socket}", "--user=root",
                "--batch", "--quick", "--silent", "--skip-column-names", *arguments]

    def query(self, sql: str) -> str:
        return subprocess.check_output(self.client("--execute", sql), text=True).strip()

    def number(self, sql: str) -> int:
        return int(self.query(sql))

    def settings(self) -> dict[str, str]:
        """The settings that decide the cost of a commit."""
        names = ", ".join(f"'{name}'" for name in SETTINGS)
        lines = self.query(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})").splitlines()
        return dict(line.split("\t") for line in lines)


@contextlib.contextmanager
def mariadb(directory: Path) -> Iterator[MariaDb]:
    """Installs and starts a MariaDB in `directory`, whose path must be short, like that of a socket."""
    data, log, address = directory / "mariadb", directory / "mariadb.log", directory / "mariadb.sock"
    install = [program("mariadb-install-db"), "--no-defaults", "--auth-root-authentication-method=normal",
               "--skip-test-db", "--force", f"--datadir={data}"]
    serve = [program("mariadbd"), "--no-defaults", "--skip-networking", "--character-set-server=utf8mb4", *DURABLE,
             f"--datadir={data}", f"--socket={address}", f"--pid-file={directory / 'mariadb.pid'}"]
    if os.geteuid() == 0:
        serve.append("--user=root")
    with log.open("wb") as output:
        subprocess.run(install, stdout=output, stderr=output, check=True)
        running = subprocess.Popen(serve, stdout=output, stderr=output)
    try:
        database = MariaDb(running, address)
        if wait_until(lambda: database.has_exited() or accepts(address), START_LIMIT) is None or database.has_exited():
            sys.exit(f"MariaDB did not start:\n{log.read_text()}")
        yield database
    finally:
        stop(running)


@contextlib.contextmanager
def delay(executable: Path, database: MariaDb, milliseconds: int) -> Iterator[int]:
    """Starts a proxy in front of the database that adds a round trip of `milliseconds`. Yields its port."""
    running = subprocess.Popen([executable, database.socket, str(milliseconds)], stdout=subprocess.PIPE, text=True)
    try:
        yield int(running.stdout.readline())
    finally:
        stop(running)


def program(name: str) -> str:
    """The path of a program of MariaDB. Also searches sbin, which is not in the PATH of every user."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    return found or sys.exit(f"{name} is not installed")


def accepts(address: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(address))
            return bool(client.recv(1))
    except OSError:
        return False


@dataclass
class Server(Process):
    """A server under test."""

    port: int
    # Milliseconds from the start of the process to the first 200 for a product.
    start_ms: float


@contextlib.contextmanager
def serving(executable: Path, directory: Path, database_url: str, **settings: str) -> Iterator[Server]:
    """Starts a server whose environment has only `settings`, and waits for its first response. Discards
    its log, so that writing it costs nothing."""
    port = free_port()
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": database_url, "SERVER_PORT": str(port)} | settings
    started = time.perf_counter()
    # The directory has no .env.
    running = subprocess.Popen([executable], cwd=directory, env=environment, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    try:
        while not responds(port):
            if running.poll() is not None or time.perf_counter() - started > START_LIMIT:
                sys.exit(f"{executable.name} does not serve; its environment was {environment}")
        yield Server(running, port, (time.perf_counter() - started) * 1000)
    finally:
        stop(running)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def responds(port: int) -> bool:
    """Whether the server responds with a product. Waits a moment if the server does not listen yet."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=START_LIMIT) as client:
            client.sendall(b"GET /api/products/1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return client.recv(16).startswith(b"HTTP/1.1 200")
    except OSError:
        time.sleep(0.0002)
        return False
