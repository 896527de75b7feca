"""Clients that read long lists: one that measures the time to the first byte, and slow ones. Imports no
neighbour.
"""

import socket
import threading
import time
from dataclasses import dataclass

CHUNK = 256 * 1024
RESPONSE_LIMIT = 300
# Bytes. The buffer is small, so that the kernel does not store much that a slow client has not read.
SLOW_BUFFER = 64 * 1024


@dataclass
class Transfer:
    """The times of one response, in seconds from the request, and its size, headers included."""

    first_byte: float
    total: float
    bytes: int


def fetch(port: int, path: str) -> Transfer:
    """Reads a whole response. `first_byte` is the time of the first byte of the body."""
    with socket.create_connection(("127.0.0.1", port), timeout=RESPONSE_LIMIT) as client:
        started = time.perf_counter()
        send(client, path)
        response, head, body = b"", b"", b""
        while not body:
            received = client.recv(CHUNK)
            if not received:
                raise ConnectionError(f"{path}: no body")
            response += received
            head, _, body = response.partition(b"\r\n\r\n")
        first_byte = time.perf_counter() - started
        if not head.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(f"{path}: {head.splitlines()[0].decode()}")
        length, end = len(body), body[-5:]
        while received := client.recv(CHUNK):
            length, end = length + len(received), (end + received[-5:])[-5:]
        if not is_whole(head, length, end):
            raise ConnectionError(f"{path}: broke off after {length} bytes")
        return Transfer(first_byte, time.perf_counter() - started, len(head) + 4 + length)


def send(client: socket.socket, path: str) -> None:
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())


def is_whole(head: bytes, length: int, end: bytes) -> bool:
    """Whether a body of `length` bytes with this `end` is complete according to its headers."""
    headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    if b"content-length" in headers:
        return int(headers[b"content-length"]) == length
    return end == b"0\r\n\r\n"


class SlowClients:
    """`count` concurrent clients that each read `path` at `rate` bytes per second until `disconnect`."""

    def __init__(self, port: int, path: str, count: int, rate: int) -> None:
        self.is_disconnected = threading.Event()
        # The number of clients whose connection the server closed before `disconnect`.
        self.ended_early = 0
        self._threads = [threading.Thread(target=self._read, args=(port, path, rate)) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def disconnect(self) -> None:
        self.is_disconnected.set()
        for thread in self._threads:
            thread.join()

    def _read(self, port: int, path: str, rate: int) -> None:
        client = socket.socket()
        with client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BUFFER)
            client.connect(("127.0.0.1", port))
            client.settimeout(0.1)
            send(client, path)
            started, received = time.monotonic(), 0
            while not self.is_disconnected.is_set():
                allowed = int((time.monotonic() - started) * rate) - received
                if allowed < SLOW_BUFFER // 2:
                    self.is_disconnected.wait(SLOW_BUFFER / rate)
                    continue
                try:
                    got = len(client.recv(min(allowed, SLOW_BUFFER)))
                except TimeoutError:
                    continue
                except ConnectionError:
                    got = 0
                if not got:
                    self.ended_early += 1
                    return
                received += got
