"""Sends the cases for HTTP/2, each on a connection of its own, and judges what the server does.

An error of the connection is a GOAWAY with one of the codes of the case and the end of the connection, or only
the end. An error of a stream is that or a RST_STREAM with one of the codes. A case whose result differs is a
finding unless it is listed in `ACCEPTED` with exactly this result.
"""

import socket
from collections import Counter
from collections.abc import Iterator

from hpack import Decoder

from http2_cases import CASES, Case, Kind
from http2_frames import ACK, CODES, GOAWAY, HEADERS, PING, PROTOCOL, RESET, frame
from outcome import Outcome
from target import Target

END = ("end", 0)
GENERIC = "RFC 9113, 5.4: a generic code such as PROTOCOL_ERROR can always be used in place of a more specific one"
# Cases whose result is right although it is not the expected one: the result, and the reason.
ACCEPTED: dict[str, tuple[list[tuple[str, int]], str]] = {
    name: ([("GOAWAY", PROTOCOL), END], GENERIC)
    for name in [
        "4.3 invalid field block",
        "5.1 half closed: DATA",
        "6.3 PRIORITY of another length",
        "6.4 RST_STREAM of another length",
        "6.5 SETTINGS ACK with a payload",
        "6.5 SETTINGS of another length",
        "6.5.2 INITIAL_WINDOW_SIZE of 2^31",
        "6.7 PING of another length",
        "6.8 GOAWAY that is too short",
        "6.9 WINDOW_UPDATE of another length",
        "7541 2.3.3 index beyond the tables",
        "7541 2.3.3 index of an empty dynamic table",
        "7541 4.2 size update after a field",
        "7541 5.1 integer without its end",
        "7541 5.1 integer over 2^32",
        "7541 5.2 string without its end",
        "7541 5.2 padding over 7 bits",
        "7541 5.2 padding of zeros",
        "7541 5.2 EOS",
        "7541 6.1 index 0",
        "7541 6.2 name beyond the tables",
        "7541 6.3 size update over the limit",
    ]
} | {
    "3.4 no SETTINGS after the preface": ([], "a defect of the crate h2: the initial values hold"),
    "8.1 pseudo-header in trailers":
        ([("status", 400)], "a defect of the crate h2; the service reads no trailers (400 is for the empty body)"),
    "8.2.1 space before a value": ([("status", 200)], "a defect of the crate h2; the service forwards no field"),
    "8.2.1 tab after a value": ([("status", 200)], "a defect of the crate h2; the service forwards no field"),
    "8.3.1 :path of *, with GET": ([("status", 404)], "refused, with 404"),
    "8.3.1 empty :scheme": ([("status", 200)], "a defect of the crate h2; the service does not use the scheme"),
    "8.3.1 :authority with a user": ([("status", 200)], "8.3.1 forbids clients to send it, not servers to read it"),
    "8.5 CONNECT without :authority": ([("status", 404)], "refused, with 404"),
}  # fmt: skip


def cases(target: Target, selected: list[Case] = CASES) -> Outcome:
    outcome = Outcome(version="RFC 9113, RFC 7541")
    outcome.held = "errors are a GOAWAY, RST_STREAM, 400 or the end, with the right code; what is allowed is served"
    for case in selected:
        seen = talk(target.port, case)
        result = ", ".join(text(*event, times) for event, times in Counter(seen).items()) or "nothing"
        problem = judge(seen, case)
        accepted, reason = ACCEPTED.get(case.name, (None, ""))
        if problem and [event for event in seen if event[0] != "PING"] == accepted:
            outcome.excuse(case.name, result, reason)
        elif accepted is not None and not problem:
            outcome.case(case.name, result, "listed as an exception, but as expected")
        else:
            outcome.case(case.name, result, problem)
    return outcome


def text(what: str, value: int, times: int) -> str:
    """An event in words."""
    if what in ("GOAWAY", "RST_STREAM"):
        what += f" {CODES[value] if value < len(CODES) else value}"
    elif what == "status":
        what += f" {value}"
    return what if times == 1 else f"{times} x {what}"


def talk(port: int, case: Case) -> list[tuple[str, int]]:
    """What the server does, up to the end of the connection or the result that the case waits for."""
    seen: list[tuple[str, int]] = []
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        try:
            # The response to this PING is the signal that the server has read everything before it.
            connection.sendall(case.start + case.data + frame(PING, 0, 0, b"the end!"))
            for event in events(connection):
                seen.append(event)
                names = {what for what, _ in seen}
                if "PING" in names:
                    # What follows the PING belongs to a stream: wait for it if the case needs it.
                    connection.settimeout(0.5 if case.kind in (Kind.IGNORE, Kind.CONNECTION) else 5)
                    if case.kind is not Kind.IGNORE and names & {"status", "RST_STREAM"}:
                        break
        except TimeoutError:
            return seen or [("silence", 0)]
        except OSError:
            seen.append(END)
    return seen


def events(connection: socket.socket) -> Iterator[tuple[str, int]]:
    """The frames of the server that matter, and the end of the connection."""
    decoder = Decoder()
    buffer = b""
    while True:
        while len(buffer) < 9 or len(buffer) < 9 + int.from_bytes(buffer[:3], "big"):
            part = connection.recv(65536)
            if not part:
                yield END
                return
            buffer += part
        length, kind, flags = int.from_bytes(buffer[:3], "big"), buffer[3], buffer[4]
        payload, buffer = buffer[9 : 9 + length], buffer[9 + length :]
        if kind == GOAWAY:
            yield "GOAWAY", int.from_bytes(payload[4:8], "big")
        elif kind == RESET:
            yield "RST_STREAM", int.from_bytes(payload[:4], "big")
        elif kind == HEADERS:
            fields = dict(decoder.decode(payload))
            yield "status", int(fields.get(":status", 0))
        elif kind == PING and flags & ACK and payload == b"the end!":
            yield "PING", 0


def judge(seen: list[tuple[str, int]], case: Case) -> str | None:
    """Why this is not what the server has to do; `None` if it is."""
    errors = [(what, code) for what, code in seen if what in ("GOAWAY", "RST_STREAM")]
    statuses = [status for what, status in seen if what == "status"]
    codes = " or ".join(CODES[code] if case.kind not in (Kind.IGNORE, Kind.SERVE) else str(code) for code in case.codes)
    match case.kind:
        case Kind.IGNORE:
            return None if ("PING", 0) in seen and not errors else "not ignored"
        case Kind.SERVE:
            return None if not errors and statuses and statuses[0] in case.codes else f"expected a response {codes}"
        case Kind.MALFORMED if statuses == [400]:
            return None
    if END in seen and (not errors or any(what == "GOAWAY" and code in case.codes for what, code in errors)):
        return None
    if case.kind is not Kind.CONNECTION and any(what == "RST_STREAM" and code in case.codes for what, code in errors):
        return None
    return f"expected {case.kind.value} with {codes}"
