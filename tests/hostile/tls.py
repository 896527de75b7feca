"""testssl.sh against the TLS port. Imports only the standard library and the modules beside it."""

import json
import subprocess
from pathlib import Path

from outcome import Outcome
from programs import debian, run
from target import Target

# The severities that fail the run.
SEVERE = {"HIGH", "CRITICAL", "FATAL"}
# Findings that are no defects of the server, with the reason.
ACCEPTED = {
    "cert_chain_of_trust": "the certificate of the test is signed by itself",
    "cert_revocation": "the certificate of the test is signed by itself",
    "cipher_order": "every cipher suite offered is strong, so the client chooses the one that is fastest for it",
}
# Tests of testssl.sh that have to be in its report: without them it has not seen the server.
NEEDED = {"TLS1_2", "TLS1_3", "cipherlist_NULL", "heartbleed", "ALPN_HTTP2"}


def settings(out: Path) -> dict[str, str]:
    """The settings for a server with TLS, whose certificate is made here. Without HSTS_MAX_AGE a server on a
    loopback address has no HSTS."""
    cert, key = out / "cert.pem", out / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-days", "365", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", key, "-out", cert], check=True, capture_output=True)
    return {"TLS_CERT": str(cert), "TLS_KEY": str(key), "HSTS_MAX_AGE": "31536000"}


def testssl(target: Target, out: Path, short: bool) -> Outcome:
    report = out / "testssl.json"
    command = ["testssl", "--quiet", "--color", "0", "--warnings", "batch", "--nodns", "none", "--ip", "127.0.0.1"]
    run([*command, "--jsonfile", str(report), target.url], out, 300)
    return judge(json.loads(report.read_text()), Outcome(version=debian("testssl.sh")))


def judge(entries: list[dict], outcome: Outcome) -> Outcome:
    """Adds the entries of a report to `outcome`."""
    for entry in entries:
        severe = entry["severity"] in SEVERE
        result = f"{entry['severity']}, {entry['finding']}"
        if severe and (reason := ACCEPTED.get(entry["id"].split(" ")[0])):
            outcome.excuse(entry["id"], result, reason)
        else:
            outcome.case(entry["id"], result, "severe" if severe else None)
    for test in sorted(NEEDED - {entry["id"] for entry in entries}):
        outcome.findings.append(f"testssl.sh did not report {test}")
    outcome.held = "no finding of severity HIGH or worse"
    return outcome
