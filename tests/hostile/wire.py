"""Raw HTTP/1 exchanges over a socket. Imports only the standard library."""

import socket
from dataclasses import dataclass, field


@dataclass
class Exchange:
    """The responses to some bytes, in order, and whether the server then closed the connection."""

    responses: list[tuple[int, bytes]] = field(default_factory=list)
    closed: bool = False
    rest: bytes = b""

    def statuses(self) -> list[int]:
        return [status for status, _ in self.responses]

    def __str__(self) -> str:
        statuses = " ".join(map(str, self.statuses())) or "no response"
        return f"{statuses}, {'closed' if self.closed else 'kept open'}"


def exchange(port: int, data: bytes, silence: float = 0.4, ends: bool = False) -> Exchange:
    """Sends `data` and reads until the server closes or has sent nothing for `silence` seconds. With `ends`
    closes the sending side after the data."""
    received, closed = bytearray(), False
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        try:
            connection.sendall(data)
            if ends:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        # The first byte may take longer on a loaded machine than the pause after a response.
        connection.settimeout(silence * 3)
        while True:
            try:
                part = connection.recv(65536)
            except TimeoutError:
                break
            except OSError:
                closed = True
                break
            if not part:
                closed = True
                break
            received += part
            connection.settimeout(silence)
    result = parse(bytes(received))
    result.closed = closed
    return result


def parse(received: bytes) -> Exchange:
    """Splits what a server sent into its responses."""
    result = Exchange()
    while received.startswith(b"HTTP/1."):
        head, end, rest = received.partition(b"\r\n\r\n")
        if not end:
            break
        status = int(head[9:12])
        headers = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
        if 100 <= status < 200:
            received = rest
            continue
        if headers.get(b"transfer-encoding", b"").strip() == b"chunked":
            body, _, received = rest.partition(b"0\r\n\r\n")
        else:
            length = int(headers.get(b"content-length", b"0"))
            # The response to HEAD has a length and no body.
            length = 0 if rest[:7] == b"HTTP/1." else length
            body, received = rest[:length], rest[length:]
        result.responses.append((status, body))
    result.rest = received
    return result
