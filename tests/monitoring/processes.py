"""The processes of the test: the service with its private MariaDB, and Prometheus. All of them listen on
127.0.0.1 only. Imports only the standard library.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Callable, TypeVar

T = TypeVar("T")
# Seconds.
START_TIMEOUT = 120
STOP_TIMEOUT = 60
# Of the service, which no variable of the caller may change.
PREFIXES = ("DATABASE_", "SERVER_", "METRICS_", "TLS_", "CONTRACT_", "ADDRESS_")


def eventually(what: str, attempt: Callable[[], T], timeout: float = 30) -> T:
    """The first true result of `attempt`."""
    deadline = time.monotonic() + timeout
    while True:
        if result := attempt():
            return result
        if time.monotonic() > deadline:
            sys.exit(f"not within {timeout} s: {what}")
        time.sleep(0.1)


class Service:
    """The service in `directory`, with a private MariaDB that has `products` products."""

    def __init__(self, program: Path, directory: Path, products: int):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIXES)}
        settings = {"DATA_DIR": "data", "SERVER_PORT": "0", "METRICS_ADDR": "127.0.0.1:0",
                    "CONTRACT_VALIDATION": "warn", "RUST_LOG": "info", "LOG_FORMAT": "text"}
        options = {"cwd": directory, "env": kept | settings}
        self.directory = directory
        self.log = directory / "service.log"
        with self.log.open("wb") as log:
            subprocess.run([program, "seed", "--products", str(products), "--users", "10"],
                           stdout=log, stderr=log, check=True, **options)
            self.process = subprocess.Popen([program, "serve"], stdout=log, stderr=log, **options)
        self.port = self.find_port(r"listening on http://127\.0\.0\.1:(\d+)")
        self.metrics_port = self.find_port(r"metrics at http://127\.0\.0\.1:(\d+)/metrics")

    def find_port(self, pattern: str) -> int:
        def found():
            if self.process.poll() is not None:
                sys.exit(f"the service did not start:\n{self.log.read_text()}")
            return re.search(pattern, self.log.read_text())
        return int(eventually("the service listens", found, START_TIMEOUT)[1])

    def monitoring(self, path: str) -> tuple[int, str]:
        """The status and the body of the response of the port for monitoring."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}{path}", timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def sql(self, statement: str) -> None:
        socket_path = self.directory / "data/mariadb.sock"
        subprocess.run(["mariadb", "--no-defaults", f"--socket={socket_path}", "--user=root", "shop"],
                       input=statement, text=True, check=True)

    def database_process(self) -> int:
        """The process id of the private MariaDB, which has the directory in its command line."""
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                program, *arguments = file.read_bytes().decode().split("\0")
            except (OSError, UnicodeDecodeError):
                continue
            if program.endswith("mariadbd") and any(str(self.directory) in it for it in arguments):
                return int(file.parent.name)
        sys.exit("the service has no MariaDB")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=STOP_TIMEOUT)


class Prometheus:
    """A Prometheus that reads the metrics of `service` every second."""

    def __init__(self, program: Path, directory: Path, service: Service, rules: Path):
        self.port = free_port()
        config = directory / "prometheus.json"
        # JSON is YAML, too.
        config.write_text(json.dumps({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rules)],
            "scrape_configs": [{
                "job_name": "ecommerce-api",
                "static_configs": [{"targets": [f"127.0.0.1:{service.metrics_port}"]}],
            }],
        }))
        log = (directory / "prometheus.log").open("wb")
        self.process = subprocess.Popen(
            [program, f"--config.file={config}", f"--storage.tsdb.path={directory}/prometheus",
             f"--web.listen-address=127.0.0.1:{self.port}"], stdout=log, stderr=log)
        eventually("Prometheus has read the metrics", self.is_ready, START_TIMEOUT)

    def is_ready(self) -> bool:
        if self.process.poll() is not None:
            sys.exit("Prometheus did not start: see prometheus.log")
        try:
            # A rate needs two samples.
            return self.value("count_over_time(up[1m])") > 1
        except OSError:
            return False

    def get(self, path: str, **parameters: str) -> object:
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as response:
                return json.load(response)["data"]
        except urllib.error.HTTPError as error:
            sys.exit(f"{path} {parameters}: {error.read().decode()}")

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """The labels and the value of each series of the result."""
        result = self.get("query", query=expression)["result"]
        return [(series["metric"], float(series["value"][1])) for series in result]

    def value(self, expression: str) -> float:
        """The value of the only series of the result; 0 without one."""
        result = self.query(expression)
        assert len(result) <= 1, f"{expression}: {result}"
        return result[0][1] if result else 0

    def await_reading(self) -> None:
        """Waits for a reading that began after this call."""
        now = time.time()
        eventually("a reading", lambda: self.value('timestamp(up{job="ecommerce-api"})') > now)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=STOP_TIMEOUT)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
