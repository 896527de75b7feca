"""HTTP/2 frames that RFC 9113 and RFC 7541 forbid, on connections of their own.

The judgement is h2spec's: an error of the connection is a GOAWAY with one of the codes or the end of the
connection; an error of a stream is that or a RST_STREAM with one of the codes. After each case the server
must not have sent a 500.
"""

import socket
import struct

from hpack import Encoder

from outcome import Outcome
from target import Target

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RESET, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
NO_ERROR, PROTOCOL, INTERNAL, FLOW, SETTINGS_TIMEOUT, CLOSED, SIZE, REFUSED, CANCEL, COMPRESSION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITISED = 1, 1, 4, 8, 32
GET = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "localhost")]
POST = [(":method", "POST"), *GET[1:2], (":path", "/api/products"), GET[3], ("content-type", "application/json")]


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def head(fields: list[tuple[str, str]], stream: int = 1, flags: int = END_STREAM | END_HEADERS) -> bytes:
    return frame(HEADERS, flags, stream, Encoder().encode(fields))


def setting(name: int, value: int) -> bytes:
    return frame(SETTINGS, 0, 0, struct.pack(">HI", name, value))


def without(name: str) -> list[tuple[str, str]]:
    return [field for field in GET if field[0] != name]


BLOCK = Encoder().encode(GET)
OPEN = head(POST, flags=END_HEADERS)
NUMBER = struct.Struct(">I").pack
CONNECTION, STREAM = "connection", "stream"

# Section, what is sent after the preface and SETTINGS, the kind of the error, its codes.
CASES = [
    ("9113 4.1 unknown frame type is ignored", frame(22, 0, 0, b"x" * 8), None, ()),
    ("9113 4.1 undefined flags are ignored", frame(PING, 0x16, 0, b"x" * 8), None, ()),
    ("9113 4.2 DATA over the largest size", OPEN + frame(DATA, 1, 1, b"x" * 16385), STREAM, (SIZE,)),
    ("9113 4.2 HEADERS over the largest size", frame(HEADERS, 5, 1, BLOCK + b"\x00" * 16384), CONNECTION, (SIZE,)),
    ("9113 4.3 invalid field block", frame(HEADERS, 5, 1, b"\xff" * 8), CONNECTION, (COMPRESSION,)),
    ("9113 4.3 PRIORITY within a block", frame(HEADERS, 1, 1, BLOCK) + frame(PRIORITY, 0, 1, NUMBER(0) + b"\1"),
     CONNECTION, (PROTOCOL,)),
    ("9113 4.3 HEADERS of another stream within a block", frame(HEADERS, 1, 1, BLOCK) + head(GET, 3),
     CONNECTION, (PROTOCOL,)),
    ("9113 5.1 idle: DATA", frame(DATA, 1, 1, b"x"), CONNECTION, (PROTOCOL,)),
    ("9113 5.1 idle: RST_STREAM", frame(RESET, 0, 1, NUMBER(CANCEL)), CONNECTION, (PROTOCOL,)),
    ("9113 5.1 idle: WINDOW_UPDATE", frame(WINDOW, 0, 1, NUMBER(100)), CONNECTION, (PROTOCOL,)),
    ("9113 5.1 idle: CONTINUATION", frame(CONTINUATION, 4, 1, BLOCK), CONNECTION, (PROTOCOL,)),
    ("9113 5.1 half closed: DATA", head(GET) + frame(DATA, 1, 1, b"x"), STREAM, (CLOSED,)),
    ("9113 5.1 half closed: HEADERS", head(GET) + head(GET), STREAM, (CLOSED, PROTOCOL)),
    ("9113 5.1.1 even stream", head(GET, 2), CONNECTION, (PROTOCOL,)),
    ("9113 5.1.1 smaller stream", head(GET, 5) + head(GET, 3), CONNECTION, (PROTOCOL, CLOSED)),
    ("9113 6.1 DATA on stream 0", frame(DATA, 1, 0, b"x"), CONNECTION, (PROTOCOL,)),
    ("9113 6.1 DATA with too much padding", OPEN + frame(DATA, 9, 1, b"\x06test"), CONNECTION, (PROTOCOL,)),
    ("9113 6.2 HEADERS on stream 0", frame(HEADERS, 5, 0, BLOCK), CONNECTION, (PROTOCOL,)),
    ("9113 6.2 HEADERS with too much padding", frame(HEADERS, 13, 1, b"\xff" + BLOCK), CONNECTION, (PROTOCOL,)),
    ("9113 6.3 PRIORITY on stream 0", frame(PRIORITY, 0, 0, NUMBER(0) + b"\1"), CONNECTION, (PROTOCOL,)),
    ("9113 6.3 PRIORITY of another length", OPEN + frame(PRIORITY, 0, 1, NUMBER(0)), STREAM, (SIZE,)),
    ("9113 6.4 RST_STREAM on stream 0", frame(RESET, 0, 0, NUMBER(CANCEL)), CONNECTION, (PROTOCOL,)),
    ("9113 6.4 RST_STREAM of another length", OPEN + frame(RESET, 0, 1, b"xyz"), CONNECTION, (SIZE,)),
    ("9113 6.5 SETTINGS ACK with a payload", frame(SETTINGS, ACK, 0, b"x"), CONNECTION, (SIZE,)),
    ("9113 6.5 SETTINGS on a stream", frame(SETTINGS, 0, 1, b""), CONNECTION, (PROTOCOL,)),
    ("9113 6.5 SETTINGS of another length", frame(SETTINGS, 0, 0, b"xyz"), CONNECTION, (SIZE,)),
    ("9113 6.5.2 ENABLE_PUSH of 2", setting(2, 2), CONNECTION, (PROTOCOL,)),
    ("9113 6.5.2 INITIAL_WINDOW_SIZE of 2^31", setting(4, 1 << 31), CONNECTION, (FLOW,)),
    ("9113 6.5.2 MAX_FRAME_SIZE of 16383", setting(5, 16383), CONNECTION, (PROTOCOL,)),
    ("9113 6.5.2 MAX_FRAME_SIZE of 2^24", setting(5, 1 << 24), CONNECTION, (PROTOCOL,)),
    ("9113 6.5.2 unknown setting is ignored", setting(255, 1), None, ()),
    ("9113 6.6 PUSH_PROMISE of a client", frame(PUSH, 4, 1, NUMBER(2) + BLOCK), CONNECTION, (PROTOCOL,)),
    ("9113 6.7 PING on a stream", frame(PING, 0, 1, b"x" * 8), CONNECTION, (PROTOCOL,)),
    ("9113 6.7 PING of another length", frame(PING, 0, 0, b"x" * 6), CONNECTION, (SIZE,)),
    ("9113 6.8 GOAWAY on a stream", frame(GOAWAY, 0, 1, b"\0" * 8), CONNECTION, (PROTOCOL,)),
    ("9113 6.9 WINDOW_UPDATE of 0", frame(WINDOW, 0, 0, NUMBER(0)), CONNECTION, (PROTOCOL,)),
    ("9113 6.9 WINDOW_UPDATE of 0 on a stream", OPEN + frame(WINDOW, 0, 1, NUMBER(0)), STREAM, (PROTOCOL,)),
    ("9113 6.9 WINDOW_UPDATE of another length", frame(WINDOW, 0, 0, b"xyz"), CONNECTION, (SIZE,)),
    ("9113 6.9.1 window over 2^31-1", frame(WINDOW, 0, 0, NUMBER(2**31 - 1)) * 2, CONNECTION, (FLOW,)),
    ("9113 6.9.1 window of a stream over 2^31-1", OPEN + frame(WINDOW, 0, 1, NUMBER(2**31 - 1)) * 2, STREAM, (FLOW,)),
    ("9113 6.10 CONTINUATION after a block", head(GET) + frame(CONTINUATION, 4, 1, BLOCK), CONNECTION, (PROTOCOL, CLOSED)),
    ("9113 6.10 CONTINUATION on stream 0", frame(HEADERS, 1, 1, BLOCK) + frame(CONTINUATION, 4, 0, b""),
     CONNECTION, (PROTOCOL,)),
    ("9113 6.10 DATA within a block", frame(HEADERS, 1, 1, BLOCK) + frame(DATA, 1, 1, b"x"), CONNECTION, (PROTOCOL,)),
    *((f"9113 8.2 {name}", head([*GET, field]), STREAM, (PROTOCOL,)) for name, field in {
        "upper case in a name": ("X-TEST", "1"),
        "connection": ("connection", "keep-alive"),
        "te other than trailers": ("te", "trailers, deflate"),
        "transfer-encoding": ("transfer-encoding", "chunked"),
    }.items()),
    *((f"9113 8.3 {name}", head(fields), STREAM, (PROTOCOL,)) for name, fields in {
        "unknown pseudo-header": [*GET, (":test", "1")],
        "pseudo-header of responses": [*GET, (":status", "200")],
        "pseudo-header after a field": [*GET[:3], ("x", "1"), GET[3]],
        "empty :path": [*without(":path"), (":path", "")],
        "no :method": without(":method"),
        "no :scheme": without(":scheme"),
        "no :path": without(":path"),
        "two :method": [*GET, GET[0]],
        "two :scheme": [*GET, GET[1]],
        "two :path": [*GET, GET[2]],
    }.items()),
    ("9113 8.1 pseudo-header in trailers", OPEN + head([(":method", "GET")]), STREAM, (PROTOCOL,)),
    ("9113 8.1 trailers without END_STREAM", OPEN + head([("x", "1")], flags=END_HEADERS), STREAM, (PROTOCOL,)),
    ("9113 8.1.1 content-length is not the length of DATA",
     head([*POST, ("content-length", "1")], flags=END_HEADERS) + frame(DATA, 1, 1, b"test"), STREAM, (PROTOCOL,)),
    *((f"7541 {name}", frame(HEADERS, 5, 1, block), CONNECTION, (COMPRESSION,)) for name, block in {
        "2.3.3 index beyond the tables": BLOCK + b"\xc6",
        "4.2 size update after a field": BLOCK + b"\x20",
        "5.2 padding over 7 bits": BLOCK + b"\x00\x86\xf2\xb2\x4a\x84\xff\xff\x01a",
        "5.2 padding of zeros": BLOCK + b"\x00\x85\xf2\xb2\x4a\x87\x00\x01a",
        "5.2 EOS": BLOCK + b"\x00\x84\xff\xff\xff\xff\x01a",
        "6.1 index 0": BLOCK + b"\x80",
        "6.3 size update over the limit": b"\x3f\xe1\xff\x0f" + BLOCK,
    }.items()),
]

# Defects of the crate h2 that have no effect here, with the reason.
KNOWN = {"9113 8.1 pseudo-header in trailers": "a defect of the crate h2; the service reads no trailers"}


def cases(target: Target) -> Outcome:
    outcome = Outcome(version="RFC 9113, RFC 7541", held="errors are a GOAWAY, RST_STREAM or the end, with the right code")
    for name, data, kind, codes in CASES:
        seen = talk(target.port, data)
        result = ", ".join(f"{what} {code}" for what, code in seen) or "nothing"
        problem = judge(seen, kind, codes)
        if problem and kind and ("GOAWAY", PROTOCOL) in seen and ("end", 0) in seen:
            outcome.excuse(name, result, "the connection ends, with PROTOCOL_ERROR; h2spec accepts any end")
        elif problem and name in KNOWN:
            outcome.excuse(name, result, KNOWN[name])
        else:
            outcome.case(name, result, problem)
    return outcome


def talk(port: int, data: bytes) -> list[tuple[str, int]]:
    """The errors that the server sends, up to the response to a PING or the end of the connection."""
    seen: list[tuple[str, int]] = []
    buffer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        try:
            # The PING in the end is the signal that the server has read everything before it.
            connection.sendall(PREFACE + frame(SETTINGS, 0, 0) + data + frame(PING, 0, 0, b"the end!"))
            while True:
                while len(buffer) < 9 or len(buffer) < 9 + int.from_bytes(buffer[:3], "big"):
                    part = connection.recv(65536)
                    if not part:
                        return [*seen, ("end", 0)]
                    buffer += part
                length, kind, flags = int.from_bytes(buffer[:3], "big"), buffer[3], buffer[4]
                payload, buffer = buffer[9 : 9 + length], buffer[9 + length :]
                if kind == GOAWAY:
                    seen.append(("GOAWAY", int.from_bytes(payload[4:8], "big")))
                elif kind == RESET:
                    seen.append(("RST_STREAM", int.from_bytes(payload[:4], "big")))
                elif kind == PING and flags & ACK and payload == b"the end!":
                    seen.append(("PING", 0))
                    # An error of a stream may follow the response to the PING.
                    connection.settimeout(0.5)
        except TimeoutError:
            return seen or [("silence", 0)]
        except OSError:
            return [*seen, ("end", 0)]


def judge(seen: list[tuple[str, int]], kind: str | None, codes: tuple[int, ...]) -> str | None:
    if kind is None:
        return None if ("PING", 0) in seen and not any(what == "GOAWAY" for what, _ in seen) else "not ignored"
    errors = [(what, code) for what, code in seen if what in ("GOAWAY", "RST_STREAM")]
    right = [what for what, code in errors if code in codes]
    if "GOAWAY" in right or (kind == STREAM and "RST_STREAM" in right):
        return None
    # The end of the connection is an answer to any error; a code that is sent has to be right.
    if ("end", 0) in seen and not errors:
        return None
    return f"expected an error of the {kind} with code {' or '.join(map(str, codes))}"
