"""The load: requests on sockets, so that every byte is counted. Imports only the standard library."""

import collections
import concurrent.futures
import json
import random
import socket
from dataclasses import dataclass, field

THREADS = 8
TIMEOUT = 60

# The requests of the load: how often, the operation, the status, the method, the path and the body.
REQUESTS = [
    (200, "getProduct", 200, "GET", "/api/products/1", None),
    (30, "getProduct", 404, "GET", "/api/products/999999", None),
    (20, "getUser", 400, "GET", "/api/users/0", None),
    (10, "listProducts", 200, "GET", "/api/products?limit=10", None),
    (12, "listUsers", 200, "GET", "/api/users", None),
    (100, "addCartItem", 201, "POST", "/api/cart", {"user_id": 1, "product_id": 2}),
    (10, "updateProduct", 200, "PUT", "/api/products/3", {"title": "Samovar"}),
    (5, "none", 200, "GET", "/health", None),
    (7, "none", 404, "GET", "/nowhere/hunter2", None),
]
# Requests that are not valid HTTP.
MALFORMED = 6


@dataclass
class Sent:
    """What was sent and received."""
    statuses: collections.Counter = field(default_factory=collections.Counter)
    sent: int = 0
    received: int = 0


def request(method: str, path: str, body: object = None) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    if content:
        head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
    return f"{head}\r\n".encode() + content


def exchange(port: int, message: bytes) -> bytes:
    """The whole response to a request on a connection of its own."""
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as connection:
        connection.sendall(message)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def status_of(response: bytes) -> int:
    return int(response[9:12])


def all_at_once(port: int, messages: list[bytes], threads: int) -> list[bytes]:
    """The responses to these requests, which so many threads send."""
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda message: exchange(port, message), messages))


def send_all(port: int) -> Sent:
    """Sends the load, in an order that is the same in each run."""
    planned = [(operation, status, request(method, path, body))
               for times, operation, status, method, path, body in REQUESTS for _ in range(times)]
    planned += [(None, 400, b"this is not HTTP\r\n\r\n")] * MALFORMED
    random.Random(1).shuffle(planned)
    responses = all_at_once(port, [message for _, _, message in planned], THREADS)
    result = Sent()
    for (operation, status, message), response in zip(planned, responses):
        assert status_of(response) == status, f"{message!r}: {response!r}"
        result.sent += len(message)
        result.received += len(response)
        if operation:
            result.statuses[operation, str(status)] += 1
    return result


def begin_to_read(port: int, path: str) -> socket.socket:
    """A connection whose client has read only the beginning of a long response."""
    connection = socket.socket()
    # Before the connection, so that the window is small.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(TIMEOUT)
    connection.connect(("127.0.0.1", port))
    connection.sendall(request("GET", path))
    beginning = connection.recv(12, socket.MSG_WAITALL)
    assert beginning == b"HTTP/1.1 200", beginning
    return connection
