"""Compares what a real Prometheus says of the service with what was sent to it, and runs every expression
of deploy/monitoring. The arguments are the programs: the service, `prometheus` and `promtool`.

Imports only the standard library, and the other modules of this folder.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import load
from processes import Prometheus, Service, eventually

FOLDER = Path(__file__).resolve().parents[2] / "deploy/monitoring"
PREFIX = "ecommerce_api_"
# So long that a client that reads slowly keeps the query going.
PRODUCTS = 20_000
SLOW_CLIENTS = 4
# More than can be hashed or wait for it.
SIGN_UPS = 200

began = time.monotonic()
failures: list[str] = []


def say(text: str) -> None:
    print(f"{time.monotonic() - began:5.1f} s  {text}", flush=True)


def check(what: str, found: object, expected: object) -> None:
    if found == expected:
        say(f"{what}: {found}" if len(str(found)) < 40 else f"{what}: as sent")
    else:
        failures.append(f"{what}: Prometheus says {found}, expected {expected}")
        say(f"WRONG {failures[-1]}")


def main() -> int:
    program, prometheus_program, promtool = (Path(argument).resolve() for argument in sys.argv[1:])
    check_files(promtool)
    with tempfile.TemporaryDirectory(prefix="monitoring-") as directory:
        service = Service(program, Path(directory), PRODUCTS)
        try:
            say("the service runs")
            check_names(promtool, service)
            prometheus = Prometheus(prometheus_program, Path(directory), service, FOLDER / "alerts.yml")
            try:
                say("Prometheus runs")
                run(service, prometheus)
            finally:
                prometheus.stop()
        finally:
            service.stop()
    print("\n".join(failures) or "everything is as it was sent", flush=True)
    return 1 if failures else 0


def run(service: Service, prometheus: Prometheus) -> None:
    check_load(service, prometheus)
    check_slow_clients(service, prometheus)
    check_overload(service, prometheus)
    check_violation(service, prometheus)
    check_expressions(prometheus)
    check_database_away(service, prometheus)
    # The service was read every second, also while it was overloaded and without its database.
    check("readings that failed", prometheus.value("sum(count_over_time(up[10m]) - sum_over_time(up[10m]))"), 0)


def check_files(promtool: Path) -> None:
    for arguments in (["check", "config", "prometheus.yml"], ["test", "rules", "alerts.test.yml"]):
        done = subprocess.run([promtool, *arguments], cwd=FOLDER, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"promtool {' '.join(arguments)}:\n{done.stdout}{done.stderr}")
    tested = re.findall(r"alertname(?:: |=\")(\w+)", (FOLDER / "alerts.test.yml").read_text())
    rules = re.findall(r"alert: (\w+)", (FOLDER / "alerts.yml").read_text())
    check("alerts without a test", sorted(set(rules) - set(tested)), [])


def check_names(promtool: Path, service: Service) -> None:
    """Whether the metrics are valid and keep to the conventions for names."""
    status, text = service.monitoring("/metrics")
    assert status == 200, text
    linted = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True)
    problems = (linted.stdout + linted.stderr).splitlines()
    check("what promtool says of the names", problems, [])


def metric(name: str) -> str:
    return f"{PREFIX}{name}"


def counts(prometheus: Prometheus) -> dict[tuple[str, str], float]:
    """The number of requests of each operation and status, if there were any."""
    series = prometheus.query(f"{metric('http_request_duration_seconds_count')} > 0")
    return {(labels["operation"], labels["status"]): value for labels, value in series}


def await_idle(prometheus: Prometheus) -> None:
    """Waits for a reading after the end of all requests."""
    def is_idle() -> bool:
        prometheus.await_reading()
        idle = f"{metric('http_requests_in_flight')} + {metric('http_connections')}"
        return prometheus.value(idle) == 0
    eventually("no request is in progress", is_idle)


def check_load(service: Service, prometheus: Prometheus) -> None:
    sent = load.send_all(service.port)
    await_idle(prometheus)
    check("requests by operation and status", counts(prometheus), dict(sent.statuses))
    single = sum(count for (operation, status), count in sent.statuses.items() if operation == "getProduct")
    pages, whole = sent.statuses["listProducts", "200"], sent.statuses["listUsers", "200"]
    for name, expected in {
        "http_received_bytes_total": sent.sent,
        "http_sent_bytes_total": sent.received,
        'http_requests_malformed_total{status="400"}': load.MALFORMED,
        "sum:http_requests_shed_total": 0,
        "sum:http_responses_incomplete_total": 0,
        "sum:contract_violations_total": 0,
        "list_subscribers": 0,
        'list_query_requests_sum{kind="pages"}': pages,
        'list_query_requests_sum{kind="whole"}': whole,
        'database_batch_calls_sum{kind="products"}': single,
        'database_batch_wait_seconds_count{kind="products"}': single,
        'database_batch_calls_sum{kind="additions"}': sent.statuses["addCartItem", "201"],
        'database_share_wait_seconds_count{share="changes"}': sent.statuses["updateProduct", "200"],
        'database_pool_max_connections{pool="requests"}': 16,
        'database_pool_connections{pool="requests",state="in_use"}': 0,
        "database_available": 1,
    }.items():
        expression = f"sum({metric(name[4:])})" if name.startswith("sum:") else metric(name)
        check(name, prometheus.value(expression), expected)
    observed = f"sum({metric('http_request_duration_seconds_bucket')}" + '{le="+Inf"})'
    check("durations", prometheus.value(observed), sum(sent.statuses.values()))
    hidden = prometheus.query('{__name__=~".+", operation=~".*hunter2.*"}')
    check("labels with a path", hidden, [])


def check_slow_clients(service: Service, prometheus: Prometheus) -> None:
    before = counts(prometheus)
    clients = [load.begin_to_read(service.port, "/api/products") for _ in range(SLOW_CLIENTS)]
    prometheus.await_reading()
    for name in ("list_subscribers", "http_requests_in_flight", "http_connections"):
        check(f"{name} while clients read slowly", prometheus.value(metric(name)), SLOW_CLIENTS)
    for client in clients:
        client.close()
    await_idle(prometheus)
    incomplete = metric('http_responses_incomplete_total{outcome="client disconnected"}')
    check("clients that disconnected", prometheus.value(incomplete), SLOW_CLIENTS)
    check("list_subscribers afterwards", prometheus.value(metric("list_subscribers")), 0)
    lists = "listProducts", "200"
    check("their requests", counts(prometheus)[lists] - before[lists], SLOW_CLIENTS)


def check_overload(service: Service, prometheus: Prometheus) -> None:
    sign_ups = [load.request("POST", "/api/users", {"email": f"{number}@example.com", "password": "secret", "role": "USER"})
                for number in range(SIGN_UPS)]
    statuses = [load.status_of(it) for it in load.all_at_once(service.port, sign_ups, SIGN_UPS)]
    rejected = statuses.count(503)
    assert 0 < rejected < SIGN_UPS and statuses.count(201) + rejected == SIGN_UPS, statuses
    await_idle(prometheus)
    shed = metric('http_requests_shed_total{operation="createUser"}')
    check("sign-ups that were shed", prometheus.value(shed), rejected)
    found = counts(prometheus)
    found = {status: found.get(("createUser", str(status)), 0) for status in (201, 503)}
    check("sign-ups by status", found, {201: SIGN_UPS - rejected, 503: rejected})


def check_violation(service: Service, prometheus: Prometheus) -> None:
    # Longer than the contract allows.
    service.sql("ALTER TABLE products MODIFY title VARCHAR(400) NOT NULL;"
                "UPDATE products SET title = REPEAT('x', 300) WHERE id = 4;")
    response = load.exchange(service.port, load.request("GET", "/api/products/4"))
    assert load.status_of(response) == 200, response
    await_idle(prometheus)
    violations = metric('contract_violations_total{operation="getProduct"}')
    check("responses that do not conform", prometheus.value(violations), 1)


def check_expressions(prometheus: Prometheus) -> None:
    """Each expression of the dashboard must have a result, and each selector of the rules."""
    dashboard = json.loads((FOLDER / "dashboard.json").read_text())
    sources = dashboard["panels"] + dashboard["annotations"]["list"]
    expressions = [target["expr"] for source in sources for target in source.get("targets", [])]
    variables = {"$__rate_interval": "2m", "$job": "ecommerce-api", "$instance": ".*"}
    for expression in expressions:
        for variable, value in variables.items():
            expression = expression.replace(variable, value)
        if "$" in expression or not prometheus.query(expression):
            failures.append(f"no result in the dashboard: {expression}")
    rules = (FOLDER / "alerts.yml").read_text()
    selectors = re.findall(r"\b\w+\{[^}]*\}", "\n".join(re.findall(r"expr: \|?(.*?)\n {8}(?:for|labels):", rules, re.DOTALL)))
    for selector in selectors:
        if not prometheus.query(selector):
            failures.append(f"no series for a rule: {selector}")
    states = [rule["health"] for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    if not states or set(states) != {"ok"}:
        failures.append(f"rules that cannot be evaluated: {states}")
    say(f"{len(expressions)} expressions of the dashboard, {len(selectors)} selectors of {len(states)} rules")
    # By name, which also finds metrics of rules whose selector has no labels.
    names = set(prometheus.get("label/__name__/values"))
    used = set(re.findall(rf"\b(?:{PREFIX}|process_)\w+", json.dumps(dashboard) + rules))
    check("names that do not exist", sorted(used - names - {"ecommerce_api"}), [])


def check_database_away(service: Service, prometheus: Prometheus) -> None:
    database = service.database_process()
    read = load.request("GET", "/api/products/1")
    available = metric("database_available")
    os.kill(database, signal.SIGSTOP)
    try:
        def is_away() -> bool:
            load.all_at_once(service.port, [read] * 4, 4)
            return prometheus.value(available) == 0
        eventually("the metrics say that the database is away", is_away, 60)
        check("/health/ready without a database", service.monitoring("/health/ready")[0], 503)
        check("/health/live without a database", service.monitoring("/health/live")[0], 200)
        alert = 'ALERTS{alertname="EcommerceApiDatabaseAway"}'
        eventually("the alert is pending", lambda: prometheus.value(alert) == 1)
        say("the metrics say that the database is away, and the alert is pending")
    finally:
        os.kill(database, signal.SIGCONT)
    eventually("the metrics say that the database is back", lambda: prometheus.value(available) == 1, 60)
    response = load.exchange(service.port, read)
    assert load.status_of(response) == 200, response
    check("/health/ready with a database", service.monitoring("/health/ready")[0], 200)


if __name__ == "__main__":
    sys.exit(main())
