"""Strangers' HTTP/1 requests: those of gunicorn's tests and those of http_desync_guardian.

A request that a parser must refuse may not be read as something else: it gets one rejection (4xx, 501,
505) or none, and the connection ends, so that no bytes of it are taken for a second request.
"""

import re
from pathlib import Path

import yaml

from outcome import Outcome
from target import Target
from wire import Exchange, exchange

REJECTIONS = [*range(400, 500), 501, 505]

# Requests that gunicorn refuses and this server does not, with the reason.
LEGAL = {
    "limit_header_default_01": "a field of 8 KiB is within the limit of 16 KiB for a head",
    "rfc9112_bare_lf_01": "RFC 9112, 2.2: a recipient may take a single LF as the end of a line",
    "rfc9112_leading_crlf_02": "RFC 9112, 2.2: a server should ignore at least one empty line before a request",
}

# Valid requests that this server does not parse, with the reason.
UNPARSED = {
    "014": "RFC 3986, 3.3: a path has no quotation marks",
    "024": "a target of 8 KiB is over the limit, and the status is 414 or 431",
    "025": "RFC 9112, 6.1: a transfer coding that the server does not understand is a 501",
    "025_line": "RFC 9112, 6.1: a transfer coding that the server does not understand is a 501",
    "028": "RFC 9112, 5.1: white space before the colon of a field is a 400, and gunicorn can be set to accept it",
    "029": "RFC 9112, 6.1: a transfer coding that the server does not understand is a 501",
    "030": "RFC 9112, 6.1: a transfer coding that the server does not understand is a 501",
    "compat_obs_fold": "RFC 9112, 5.2: a folded line is a 400, and gunicorn can be set to accept it",
    "compat_obs_fold_huge": "RFC 9112, 5.2: a folded line is a 400, and gunicorn can be set to accept it",
    "pp_01": "no PROXY protocol: its line is no request",
    "pp_02": "no PROXY protocol: its line is no request",
    "pp_04": "no PROXY protocol: its line is no request",
    "pp_05": "no PROXY protocol: its line is no request",
    "rfc9112_smuggle_gzip_chunked_01": "RFC 9112, 6.1: a transfer coding that the server does not understand is a 501",
    "rfc9112_smuggle_te_identity_chunked_01":
        "RFC 9112, 6.1: a transfer coding that the server does not understand is a 501",
}


def gunicorn(target: Target, source: Path, version: str) -> Outcome:
    outcome = Outcome(version=version)
    requests = source / "tests" / "requests"
    for path in sorted((requests / "invalid").glob("*.http")):
        name = f"invalid/{path.stem}"
        # Gunicorn reads to the end of the file, so the client ends its side.
        result = exchange(target.port, unescape(path.read_bytes()), ends=True)
        problem = refused(result)
        if problem and (reason := LEGAL.get(path.stem)):
            outcome.excuse(name, str(result), reason)
        else:
            outcome.case(name, str(result), problem)
    for path in sorted((requests / "valid").glob("*.http")):
        result = exchange(target.port, unescape(path.read_bytes()), ends=True)
        name, problem = f"valid/{path.stem}", unparsed(result)
        if problem and (reason := UNPARSED.get(path.stem)):
            outcome.excuse(name, str(result), reason)
        else:
            outcome.case(name, str(result), problem)
    outcome.held = "valid requests are parsed; invalid ones get one rejection or none, and the connection ends"
    return outcome


def unparsed(result: Exchange) -> str | None:
    """Why a valid request was not parsed; `None` if it was. Most statuses of a client's error are right for
    paths that do not exist here."""
    if not result.responses:
        return "no response"
    if result.rest:
        return "not HTTP"
    refusals = {400, 414, 431, 500, 501, 505}.intersection(result.statuses())
    return f"a response {', '.join(map(str, sorted(refusals)))}" if refusals else None


def refused(result: Exchange) -> str | None:
    """Why the request was not refused; `None` if it was."""
    statuses = result.statuses()
    if len(statuses) > 1:
        return "a second response"
    if statuses and statuses[0] not in REJECTIONS:
        return "not refused"
    if not result.closed:
        return "the connection stays open"
    return None


def unescape(data: bytes) -> bytes:
    """The bytes that a file of gunicorn's tests stands for, as its tests read it."""
    data = data.replace(b"\n", b"").replace(b"\\r\\n", b"\r\n")
    data = data.replace(b"\\0", b"\0").replace(b"\\n", b"\n").replace(b"\\t", b"\t")
    return re.sub(rb"\\x([0-9A-Fa-f]{2})", lambda match: bytes([int(match[1], 16)]), data)


def desync(target: Target, source: Path, version: str) -> Outcome:
    """Every request that http_desync_guardian classifies as severe, followed by a second request on the
    same connection. A severe one is refused, or answered on a connection that ends: the second request gets
    no response. Every other one gets a response, which is not a 500."""
    outcome = Outcome(version=version)
    for path in sorted((source / "tests").glob("*.yaml")):
        for case in yaml.safe_load(path.read_text()):
            data = request(case)
            tier = case["expected"]["tier"]
            result = exchange(target.port, data + b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            statuses = result.statuses()
            problem = unanswered(statuses)
            if tier == "Severe":
                if statuses and 200 <= statuses[0] < 300:
                    problem = "a success"
                elif 200 in statuses[1:]:
                    problem = "what follows is read as a second request"
            name = f"{path.stem}: {case['name']} ({tier})"
            if problem and (reason := ACCEPTED.get(case["name"])):
                outcome.excuse(name, str(result), reason)
            else:
                outcome.case(name, str(result), problem)
    outcome.held = "severe requests get no success, and nothing after them is read as a request"
    return outcome


def unanswered(statuses: list[int]) -> str | None:
    """Why these statuses are wrong for any request: a server that does not respond refuses nothing."""
    if not statuses:
        return "no response"
    return "a 500" if 500 in statuses else None


# Requests that http_desync_guardian calls severe and this server answers, with the reason.
ACCEPTED: dict[str, str] = {}


def request(case: dict) -> bytes:
    """The bytes of a case: its characters up to U+00FF are the bytes that it means."""
    version = case.get("version") or ""
    lines = [f"{case['method']} {case['uri']}{' ' if version else ''}{version}"]
    headers = case.get("headers") or []
    if not any(str(header["name"]).strip().lower() == "host" for header in headers):
        lines.append("Host: localhost")
    for header in headers:
        value = header.get("value")
        lines.append(f"{header['name']}: {'' if value is None else value}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1", errors="replace")
