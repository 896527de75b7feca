"""Tools that are programs of Debian, each bounded in time. Imports only the standard library."""

import http.client
import json
import os
import re
import subprocess
import threading
from pathlib import Path
from typing import NamedTuple

from outcome import Outcome
from target import Target

WORDS = Path("/usr/share/dirb/wordlists")
MODES = {"slow headers": "-H", "slow bodies": "-B", "ranges": "-R", "slow readers": "-X"}
# The number of connections of a slow attack.
CONNECTIONS = 500


class Ran(NamedTuple):
    """What a program printed, and its exit code."""

    text: str
    returncode: int


def run(command: list[str], out: Path, timeout: int, variables: dict[str, str] | None = None) -> Ran:
    """Runs a program with these variables of the environment, and adds its output to `out`. Of all hosts it
    reaches only the loopback, if it keeps to the proxy: there is none at that port."""
    proxies = {name: "http://127.0.0.1:9" for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"]}
    proxies |= {name: "127.0.0.1,localhost" for name in ["no_proxy", "NO_PROXY"]}
    ran = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        timeout=timeout,
        check=False,
        env=os.environ | proxies | (variables or {}),
    )
    text = ran.stdout.decode(errors="replace")
    with (out / "output.txt").open("a") as kept:
        kept.write(f"$ {' '.join(command)}\n{text}\nexit code {ran.returncode}\n")
    return Ran(text, ran.returncode)


def debian(package: str) -> str:
    """The version of a Debian package."""
    return subprocess.check_output(["dpkg-query", "-W", "-f", "${Version}", package], text=True)


class Probe:
    """A normal client at another address of the loopback, which reads a product again and again."""

    def __init__(self, port: int):
        self.port, self.statuses, self.failures = port, 0, []
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.read)

    def __enter__(self) -> "Probe":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.thread.join()

    def read(self) -> None:
        while not self.stopped.wait(0.2):
            source = ("127.0.0.9", 0)
            client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2, source_address=source)
            try:
                client.request("GET", "/api/products/1")
                status = client.getresponse().status
                self.statuses += 1
                if status != 200:
                    self.failures.append(str(status))
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
            finally:
                client.close()


def slowhttptest(target: Target, out: Path, short: bool) -> Outcome:
    outcome = Outcome(version=debian("slowhttptest"))
    seconds = 10 if short else 40
    for mode, flag in list(MODES.items())[:: 3 if short else 1]:
        command = ["slowhttptest", flag, "-c", str(CONNECTIONS), "-r", "200", "-i", "3", "-l", str(seconds), "-p", "3"]
        command += ["-u", f"{target.url}/api/products", "-x", "24"]
        if flag == "-B":
            command += ["-f", "application/json", "-s", "8192"]
        if flag == "-X":
            command += ["-k", "3", "-n", "5", "-w", "512", "-y", "1024", "-z", "32"]
        with Probe(target.port) as probe:
            text = run(command, out, seconds + 60).text
        text = re.sub(r"\x1b\[[0-9;]*m", "", text)
        result = f"{CONNECTIONS} connections for {seconds} s, {probe.statuses} reads beside them"
        outcome.case(mode, result, unavailable(text, probe))
    outcome.held = f"{CONNECTIONS} slow connections; another client gets every response within 2 s"
    return outcome


def unavailable(text: str, probe: Probe) -> str | None:
    """Why the output of slowhttptest, or what a normal client got meanwhile, is a finding. Whether slowhttptest
    itself finds the service available says nothing: it asks from the address that it attacks from, whose share of
    the connections it holds."""
    if not re.search(r"service available:\s+(YES|NO)", text):
        return "slowhttptest reported nothing"
    if probe.failures or probe.statuses == 0:
        return f"a normal client failed: {', '.join(probe.failures[:3]) or 'no request'}"
    return None


def h2load(target: Target, out: Path, short: bool) -> Outcome:
    outcome = Outcome(version=debian("nghttp2-client"))
    url = f"{target.url}/api/products/1"
    text = run(["h2load", "-n", "10000", "-c", "1", "-m", "100", "-t", "1", url], out, 120).text
    done = re.search(r"requests: (\d+) total, .* (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", text)
    codes = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", text)
    if not done or not codes:
        raise ValueError("h2load reported nothing")
    outcome.case("10,000 requests on 100 streams", done[0], None if codes[1] == "10000" else codes[0])
    outcome.cases = int(done[1])
    outcome.held = "10,000 requests on 100 streams of one connection, all 200"
    return outcome


# The pages that there are, of those that a word list may find.
PAGES = {"", "health", "api", "api/docs", "api/users", "api/products", "api/cart"}
PAGES |= {"api/openapi.yaml", "api/openapi.json", "api/swagger.json"}


def ffuf(target: Target, out: Path, short: bool) -> Outcome:
    outcome = Outcome(version=f"{debian('ffuf')}, dirb {debian('dirb')}")
    lists = [WORDS / "small.txt"] if short else [WORDS / "common.txt", WORDS / "vulns" / "apache.txt"]
    for words in lists:
        for prefix in ["", "api/"]:
            report = out / f"{words.stem}-{prefix.strip('/') or 'root'}.json"
            command = ["ffuf", "-s", "-w", str(words), "-u", f"{target.url}/{prefix}FUZZ", "-t", "20", "-mc", "all"]
            run([*command, "-maxtime", "120", "-o", str(report), "-of", "json"], out, 150)
            # Every status matches, so there is a result for each response.
            results = json.loads(report.read_text())["results"] or []
            outcome.case(f"{words.name} at /{prefix}", f"{len(results)} responses", truncated(words, len(results)))
            for response in results:
                path, status = prefix + response["input"]["FUZZ"], response["status"]
                outcome.case(f"/{path}", str(status), unknown_page(path, status))
    outcome.held = "only the documented pages are found"
    return outcome


def truncated(words: Path, responses: int) -> str | None:
    """Why so few responses are a finding: ffuf ends early, without an error, when its time is over. Its threads
    lose a result now and then, so nearly all words are enough."""
    requests = len(words.read_text(errors="replace").splitlines())
    return None if responses >= 0.99 * requests else f"there are {requests} words"


def unknown_page(path: str, status: int) -> str | None:
    """Why this response to ffuf is a finding. Words with characters that a URL cannot have are a 400."""
    return None if path.strip("/") in PAGES or 400 <= status < 500 else "a page that is not known"
