"""Scanners of web applications: sqlmap and wapiti. Imports only the standard library and the modules beside it.

How many cases they tried is the number of responses in the server's log, not what they say.
"""

import json
import re
from pathlib import Path

from outcome import Outcome
from programs import debian, run
from target import Target

JSON = "Content-Type: application/json\n"
# The requests for sqlmap, by the parameter that each of them is for. sqlmap tests what is marked with `*`, or
# each parameter of the query or the body.
REQUESTS = {
    "lists of products": "GET /api/products?q=lap&page=1&limit=2&sort=id HTTP/1.1\n",
    "lists of users": "GET /api/users?q=al&role=USER&page=1&limit=2&sort=id HTTP/1.1\n",
    "users by email": "GET /api/users?email=alice@example.com HTTP/1.1\n",
    "lists of cart items": "GET /api/cart?page=1&limit=2&sort=id HTTP/1.1\n",
    "carts of a user": "GET /api/users/1*/cart HTTP/1.1\n",
    "carts with a product": "GET /api/products/1*/carts HTTP/1.1\n",
    "ids": "GET /api/users/1* HTTP/1.1\n",
    "If-None-Match": 'GET /api/products/1 HTTP/1.1\nIf-None-Match: "1*"\n',
    "X-Request-Id": "GET /api/products/1 HTTP/1.1\nX-Request-Id: a1*\n",
    "Idempotency-Key": f"POST /api/products HTTP/1.1\n{JSON}Idempotency-Key: a1*\n",
    "bodies of products": f"POST /api/products HTTP/1.1\n{JSON}",
    "updates of products": f"PUT /api/products/1 HTTP/1.1\n{JSON}",
    "bodies of cart items": f"POST /api/cart HTTP/1.1\n{JSON}",
}
BODIES = {
    "Idempotency-Key": {"title": "a", "price": 1},
    "bodies of products": {"title": "a", "description": "b", "price": 1},
    "updates of products": {"title": "a", "description": "b"},
    "bodies of cart items": {"user_id": 1, "product_id": 1},
}


def sqlmap(target: Target, out: Path, short: bool) -> Outcome:
    outcome = Outcome(version=debian("sqlmap"))
    for name, head in REQUESTS.items():
        request = out / f"{name.replace(' ', '-')}.txt"
        body = json.dumps(BODIES[name]) if name in BODIES else ""
        request.write_text(f"{head}Host: 127.0.0.1:{target.port}\n\n{body}")
        command = ["sqlmap", "-r", str(request), "--batch", "--ignore-stdin", "--disable-coloring", "--flush-session"]
        command += ["--threads", "4", "--dbms", "mysql", "--level", "3", "--risk", "2", "--time-sec", "2"]
        command += ["--ignore-code", "400"]
        command += ["-p", "q,email,role,page,limit,sort"] if "?" in head else []
        before = target.responses()
        text = run([*command, "--output-dir", str(out / "sqlmap")], out, 120).text
        requests = target.responses() - before
        outcome.case(name, f"{requests} requests", injectable(text))
        outcome.cases += requests - 1
    outcome.held = f"nothing is injectable, in {len(REQUESTS)} kinds of requests"
    return outcome


def injectable(text: str) -> str | None:
    """Why the output of sqlmap is a finding; `None` if it tested everything and found nothing injectable."""
    found = re.search(r"sqlmap identified the following injection point|is vulnerable|might be injectable", text)
    if found:
        return found[0]
    return None if "all tested parameters do not appear to be injectable" in text else "sqlmap did not finish"


# Without `ssrf` and `xxe`, which need a server on the Internet, and `nikto` and `wapp`, which download lists.
MODULES = "backup,blindsql,cookieflags,crlf,csp,csrf,exec,file,htaccess,http_headers,methods,permanentxss,redirect"
MODULES += ",shellshock,sql,xss"
STARTS = [
    "/api/docs",
    "/api/products?q=laptop&page=1&limit=2&sort=id",
    "/api/users?q=al&role=USER&page=1&limit=2&sort=id",
    "/api/users?email=alice@example.com",
    "/api/users/1/cart?page=1&limit=2&sort=id",
    "/api/products/1/carts?page=1&limit=2&sort=id",
    "/api/cart?page=1&limit=2&sort=id",
    "/api/products/1",
]
# Findings that are no defects, with the reason.
ACCEPTED = {
    "CSP is not set": "`/` is JSON, which no browser renders; the page of the documentation has a policy",
    "X-Frame-Options is not set": "`/` is JSON; the page of the documentation has `frame-ancestors`",
    "X-XSS-Protection is not set": "no browser reads this field any more",
    "Strict-Transport-Security is not set": "RFC 6797, 7.2: not sent over HTTP; the test with TLS has it",
}


def wapiti(target: Target, out: Path, short: bool) -> Outcome:
    report = out / "wapiti.json"
    command = ["wapiti", "-u", f"{target.url}/", "--scope", "domain", "-m", MODULES, "--flush-session"]
    command += [argument for start in STARTS for argument in ("-s", target.url + start)]
    command += ["--store-session", str(out / "session"), "--store-config", str(out / "config"), "--no-bugreport"]
    command += ["--max-scan-time", "60", "--max-attack-time", "30", "-v", "1", "-f", "json", "-o", str(report)]
    before = target.responses()
    run(command, out, 300)
    outcome = judge(json.loads(report.read_text()), Outcome(version=debian("wapiti")))
    outcome.cases += target.responses() - before
    return outcome


def judge(report: dict, outcome: Outcome) -> Outcome:
    """Adds the findings of a report of wapiti to `outcome`."""
    for kind in ["vulnerabilities", "anomalies"]:
        for category, entries in report[kind].items():
            outcome.lines.append(f"{category}: {len(entries)} found")
            for entry in entries:
                name = f"{category}: {entry['method']} {entry['path']} {entry['parameter']}"
                if entry["path"] == "/" and (reason := ACCEPTED.get(entry["info"])):
                    outcome.excuse(name, entry["info"], reason)
                else:
                    outcome.case(name, entry["info"], "a finding of wapiti")
    outcome.held = f"the modules {MODULES.replace(',', ', ')} find nothing"
    return outcome
