"""The cases for HTTP/2: what RFC 9113 (named by section) and RFC 7541 forbid, and what they allow. Imports the
module of the frames.
"""

from dataclasses import dataclass
from enum import Enum

from http2_frames import (
    ACK, AUTHORITY, BEGUN, BLOCK, CALM, CANCEL, CLOSED, COMPRESSION, CONTINUATION, DATA, END_HEADERS, END_STREAM, FLOW,
    GET, GOAWAY, HEADERS, METHOD, NUMBER, OPEN, PADDED, PATH, PING, POST, PREFACE, PRIORITISED, PRIORITY, PROTOCOL,
    PUSH, REFUSED, RESET, SCHEME, SETTINGS, SIZE, WINDOW, block, frame, head, literal, replaced, settings, without,
)  # fmt: skip


class Kind(Enum):
    """What the server has to do."""

    # Nothing: no error of the connection or of a stream.
    IGNORE = "ignored"
    # Respond with one of the codes as status.
    SERVE = "a response"
    # End the connection, with one of the codes.
    CONNECTION = "an error of the connection"
    # Reset the stream or end the connection, with one of the codes.
    STREAM = "an error of the stream"
    # The same, or respond with a 400.
    MALFORMED = "a malformed request"


@dataclass
class Case:
    """What is sent after `start`, and what the server has to do."""

    name: str
    data: bytes
    kind: Kind
    codes: tuple[int, ...] = (PROTOCOL,)
    start: bytes = PREFACE + settings()


IGNORE, SERVE, CONNECTION, STREAM, MALFORMED = Kind
FULL = END_STREAM | END_HEADERS
LARGEST = 1 << 14
MAXIMUM = (1 << 31) - 1

FRAMES = [
    Case("3.4 no SETTINGS after the preface", b"", CONNECTION, start=PREFACE),
    Case("4.1 unknown frame type", frame(22, 0, 0, b"x" * 8), IGNORE),
    Case("4.1 unknown frame type on an idle stream", frame(22, 0, 1, b"x" * 8), IGNORE),
    Case("4.1 undefined flags", frame(PING, 0x16, 0, b"x" * 8), IGNORE),
    Case("4.1 reserved bit of the stream identifier", head(GET, 0x80000001), SERVE, (200,)),
    Case("4.2 DATA of the largest size", OPEN + frame(DATA, END_STREAM, 1, b"x" * LARGEST), SERVE, (400,)),
    Case("4.2 DATA over the largest size", OPEN + frame(DATA, END_STREAM, 1, b"x" * (LARGEST + 1)), STREAM, (SIZE,)),
    Case("4.2 HEADERS over the largest size", frame(HEADERS, FULL, 1, BLOCK + b"\0" * LARGEST), CONNECTION, (SIZE,)),
    Case("4.2 CONTINUATION over the largest size", BEGUN + frame(CONTINUATION, 4, 1, b"\0" * (LARGEST + 1)),
         CONNECTION, (SIZE,)),
    Case("4.2 SETTINGS over the largest size", frame(SETTINGS, 0, 0, b"\0" * 6 * 2731), CONNECTION, (SIZE,)),
    Case("4.2 unknown type over the largest size", frame(22, 0, 0, b"x" * (LARGEST + 1)), CONNECTION, (SIZE,)),
    Case("4.3 invalid field block", frame(HEADERS, FULL, 1, b"\xff" * 8), CONNECTION, (COMPRESSION,)),
    Case("4.3 field block in three frames",
         frame(HEADERS, END_STREAM, 1, BLOCK[:2]) + frame(CONTINUATION, 0, 1, BLOCK[2:3])
         + frame(CONTINUATION, END_HEADERS, 1, BLOCK[3:]), SERVE, (200,)),
    *(Case(f"4.3 {name} within a field block", BEGUN + data, CONNECTION) for name, data in {
        "DATA": frame(DATA, END_STREAM, 1, b"x"),
        "HEADERS of the same stream": head(GET),
        "HEADERS of another stream": head(GET, 3),
        "CONTINUATION of another stream": frame(CONTINUATION, END_HEADERS, 3, b""),
        "CONTINUATION on stream 0": frame(CONTINUATION, END_HEADERS, 0, b""),
        "PRIORITY": frame(PRIORITY, 0, 1, NUMBER(0) + b"\1"),
        "RST_STREAM": frame(RESET, 0, 1, NUMBER(CANCEL)),
        "SETTINGS": settings(),
        "PING": frame(PING, 0, 0, b"x" * 8),
        "GOAWAY": frame(GOAWAY, 0, 0, b"\0" * 8),
        "WINDOW_UPDATE": frame(WINDOW, 0, 0, NUMBER(1)),
        "unknown frame type": frame(22, 0, 1, b"x"),
    }.items()),
]  # fmt: skip

STREAMS = [
    *(Case(f"5.1 idle: {name}", data, CONNECTION) for name, data in {
        "DATA": frame(DATA, END_STREAM, 1, b"x"),
        "RST_STREAM": frame(RESET, 0, 1, NUMBER(CANCEL)),
        "WINDOW_UPDATE": frame(WINDOW, 0, 1, NUMBER(100)),
        "CONTINUATION": frame(CONTINUATION, END_HEADERS, 1, BLOCK),
    }.items()),
    Case("5.1 idle: PRIORITY", frame(PRIORITY, 0, 1, NUMBER(0) + b"\1"), IGNORE),
    Case("5.1 half closed: DATA", head(GET) + frame(DATA, END_STREAM, 1, b"x"), STREAM, (CLOSED,)),
    Case("5.1 half closed: HEADERS", head(GET) + head(GET), STREAM, (CLOSED, PROTOCOL)),
    Case("5.1 half closed: CONTINUATION", head(GET) + frame(CONTINUATION, END_HEADERS, 1, BLOCK), CONNECTION,
         (PROTOCOL, CLOSED)),
    Case("5.1 half closed: WINDOW_UPDATE", head(GET) + frame(WINDOW, 0, 1, NUMBER(1)), SERVE, (200,)),
    Case("5.1 half closed: PRIORITY", head(GET) + frame(PRIORITY, 0, 1, NUMBER(0) + b"\1"), SERVE, (200,)),
    Case("5.1 half closed: RST_STREAM", head(GET) + frame(RESET, 0, 1, NUMBER(CANCEL)), IGNORE),
    Case("5.1 closed: DATA", OPEN + frame(RESET, 0, 1, NUMBER(CANCEL)) + frame(DATA, END_STREAM, 1, b"x"), STREAM,
         (CLOSED,)),
    Case("5.1 closed: HEADERS", OPEN + frame(RESET, 0, 1, NUMBER(CANCEL)) + head(GET), STREAM, (CLOSED, PROTOCOL)),
    Case("5.1 closed: CONTINUATION", OPEN + frame(RESET, 0, 1, NUMBER(CANCEL)) + frame(CONTINUATION, 4, 1, BLOCK),
         CONNECTION, (PROTOCOL, CLOSED)),
    Case("5.1 closed: PRIORITY", OPEN + frame(RESET, 0, 1, NUMBER(CANCEL)) + frame(PRIORITY, 0, 1, NUMBER(0) + b"\1"),
         IGNORE),
    Case("5.1.1 even stream", head(GET, 2), CONNECTION),
    Case("5.1.1 smaller stream", head(GET, 5) + head(GET, 3), CONNECTION, (PROTOCOL, CLOSED)),
    Case("5.1.1 the largest stream", head(GET, MAXIMUM), SERVE, (200,)),
    Case("5.1.2 more streams than the limit", b"".join(head(POST, stream, END_HEADERS) for stream in range(1, 1001, 2)),
         STREAM, (PROTOCOL, REFUSED, CALM)),
    Case("7540 5.3.1 PRIORITY on itself", frame(PRIORITY, 0, 1, NUMBER(1) + b"\1"), STREAM),
    Case("7540 5.3.1 HEADERS on itself", frame(HEADERS, FULL | PRIORITISED, 1, NUMBER(1) + b"\1" + BLOCK), STREAM),
]  # fmt: skip

TYPES = [
    Case("6.1 DATA on stream 0", frame(DATA, END_STREAM, 0, b"x"), CONNECTION),
    Case("6.1 DATA with padding", OPEN + frame(DATA, END_STREAM | PADDED, 1, b"\3{}\0\0\0"), SERVE, (400,)),
    Case("6.1 DATA with more padding than payload", OPEN + frame(DATA, 9, 1, b"\x06test"), CONNECTION),
    Case("6.1 DATA with as much padding as payload", OPEN + frame(DATA, 9, 1, b"\x05test"), CONNECTION),
    Case("6.1 DATA without the length of its padding", OPEN + frame(DATA, 9, 1), CONNECTION, (PROTOCOL, SIZE)),
    Case("6.2 HEADERS on stream 0", frame(HEADERS, FULL, 0, BLOCK), CONNECTION),
    Case("6.2 HEADERS with padding", frame(HEADERS, FULL | PADDED, 1, b"\3" + BLOCK + b"\0\0\0"), SERVE, (200,)),
    Case("6.2 HEADERS with a priority", frame(HEADERS, FULL | PRIORITISED, 1, NUMBER(0) + b"\1" + BLOCK), SERVE,
         (200,)),
    Case("6.2 HEADERS with too much padding", frame(HEADERS, FULL | PADDED, 1, b"\xff" + BLOCK), CONNECTION),
    Case("6.2 HEADERS without the length of its padding", frame(HEADERS, FULL | PADDED, 1), CONNECTION,
         (PROTOCOL, SIZE)),
    Case("6.2 HEADERS without its priority", frame(HEADERS, FULL | PRIORITISED, 1, b"\0\0"), CONNECTION,
         (PROTOCOL, SIZE)),
    Case("6.3 PRIORITY on stream 0", frame(PRIORITY, 0, 0, NUMBER(0) + b"\1"), CONNECTION),
    Case("6.3 PRIORITY of another length", OPEN + frame(PRIORITY, 0, 1, NUMBER(0)), STREAM, (SIZE,)),
    Case("6.4 RST_STREAM on stream 0", frame(RESET, 0, 0, NUMBER(CANCEL)), CONNECTION),
    Case("6.4 RST_STREAM of another length", OPEN + frame(RESET, 0, 1, b"xyz"), CONNECTION, (SIZE,)),
    Case("6.4 RST_STREAM with an unknown code", OPEN + frame(RESET, 0, 1, NUMBER(1 << 31)), IGNORE),
    Case("6.5 SETTINGS ACK with a payload", frame(SETTINGS, ACK, 0, b"x"), CONNECTION, (SIZE,)),
    Case("6.5 SETTINGS on a stream", frame(SETTINGS, 0, 1), CONNECTION),
    Case("6.5 SETTINGS of another length", frame(SETTINGS, 0, 0, b"xyz"), CONNECTION, (SIZE,)),
    *(Case(f"6.5.2 {name}", settings(*values) + head(GET), SERVE, (200,)) for name, values in {
        "unknown setting": [(255, 1)],
        "HEADER_TABLE_SIZE of 0": [(1, 0)],
        "HEADER_TABLE_SIZE of 2^32-1": [(1, (1 << 32) - 1)],
        "ENABLE_PUSH of 0": [(2, 0)],
        "MAX_CONCURRENT_STREAMS of 0": [(3, 0)],
        "INITIAL_WINDOW_SIZE of 2^31-1": [(4, MAXIMUM)],
        "MAX_FRAME_SIZE of 2^24-1": [(5, (1 << 24) - 1)],
        "the last of two values counts": [(4, 0), (4, 65535)],
    }.items()),
    Case("6.5.2 ENABLE_PUSH of 2", settings((2, 2)), CONNECTION),
    Case("6.5.2 INITIAL_WINDOW_SIZE of 2^31", settings((4, 1 << 31)), CONNECTION, (FLOW,)),
    Case("6.5.2 MAX_FRAME_SIZE of 16383", settings((5, 16383)), CONNECTION),
    Case("6.5.2 MAX_FRAME_SIZE of 2^24", settings((5, 1 << 24)), CONNECTION),
    Case("6.6 PUSH_PROMISE on an idle stream", frame(PUSH, END_HEADERS, 1, NUMBER(2) + BLOCK), CONNECTION),
    Case("6.6 PUSH_PROMISE on an open stream", OPEN + frame(PUSH, END_HEADERS, 1, NUMBER(2) + BLOCK), CONNECTION),
    Case("6.6 PUSH_PROMISE on stream 0", frame(PUSH, END_HEADERS, 0, NUMBER(2) + BLOCK), CONNECTION),
    Case("6.7 PING on a stream", frame(PING, 0, 1, b"x" * 8), CONNECTION),
    Case("6.7 PING of another length", frame(PING, 0, 0, b"x" * 6), CONNECTION, (SIZE,)),
    Case("6.7 PING ACK that nobody waits for", frame(PING, ACK, 0, b"x" * 8), IGNORE),
    Case("6.8 GOAWAY on a stream", frame(GOAWAY, 0, 1, b"\0" * 8), CONNECTION),
    Case("6.8 GOAWAY that is too short", frame(GOAWAY, 0, 0, b"\0" * 7), CONNECTION, (SIZE,)),
    Case("6.9 WINDOW_UPDATE of 0", frame(WINDOW, 0, 0, NUMBER(0)), CONNECTION),
    Case("6.9 WINDOW_UPDATE of 0 on a stream", OPEN + frame(WINDOW, 0, 1, NUMBER(0)), STREAM),
    Case("6.9 WINDOW_UPDATE of another length", frame(WINDOW, 0, 0, b"xyz"), CONNECTION, (SIZE,)),
    Case("6.9 WINDOW_UPDATE with the reserved bit", frame(WINDOW, 0, 0, NUMBER(1 << 31 | 1)), IGNORE),
    Case("6.9.1 window over 2^31-1", frame(WINDOW, 0, 0, NUMBER(MAXIMUM)) * 2, CONNECTION, (FLOW,)),
    Case("6.9.1 window of a stream over 2^31-1", OPEN + frame(WINDOW, 0, 1, NUMBER(MAXIMUM)) * 2, STREAM, (FLOW,)),
    Case("6.9.2 INITIAL_WINDOW_SIZE puts a window over 2^31-1",
         OPEN + frame(WINDOW, 0, 1, NUMBER(MAXIMUM - 65535)) + settings((4, 65536)), CONNECTION, (FLOW,)),
    Case("6.9.2 window of 0, then of 65535", settings((4, 0)) + head(GET) + settings((4, 65535)), SERVE, (200,)),
]  # fmt: skip


def request(*fields: tuple[bytes, bytes]) -> bytes:
    """A GET with fields that no encoder would write."""
    return frame(HEADERS, FULL, 1, BLOCK + b"".join(literal(*field) for field in fields))


MESSAGES = [
    Case("8.1 pseudo-header in trailers", OPEN + head([METHOD]), STREAM),
    Case("8.1 trailers without END_STREAM", OPEN + head([("x", "1")], flags=END_HEADERS), STREAM),
    Case("8.1 trailers", OPEN + frame(DATA, 0, 1, b"{}") + head([("x", "1")]), SERVE, (400,)),
    Case("8.1.1 content-length over DATA",
         head([*POST, ("content-length", "4")], flags=END_HEADERS) + frame(DATA, END_STREAM, 1, b"x"), MALFORMED),
    Case("8.1.1 content-length under DATA",
         head([*POST, ("content-length", "1")], flags=END_HEADERS) + frame(DATA, END_STREAM, 1, b"test"), MALFORMED),
    Case("8.1.1 content-length without DATA", head([*POST, ("content-length", "1")]), MALFORMED),
    Case("8.1.1 content-length that is no number", head([*POST, ("content-length", "x")]), MALFORMED),
    Case("8.1.1 content-length below 0", head([*POST, ("content-length", "-1")]), MALFORMED),
    Case("8.1.1 two content-length", head([*POST, ("content-length", "0"), ("content-length", "1")]), MALFORMED),
    *(Case(f"8.2.1 {name}", request(field), MALFORMED) for name, field in {
        "upper case in a name": (b"X-Test", b"1"),
        "space in a name": (b"x y", b"1"),
        "colon in a name": (b"x:y", b"1"),
        "NUL in a name": (b"x\0", b"1"),
        "DEL in a name": (b"x\x7f", b"1"),
        "byte over 0x7f in a name": (b"x\xe9", b"1"),
        "empty name": (b"", b"1"),
        "NUL in a value": (b"x", b"a\0b"),
        "LF in a value": (b"x", b"a\nb"),
        "CR in a value": (b"x", b"a\rb"),
        "space before a value": (b"x", b" a"),
        "tab after a value": (b"x", b"a\t"),
    }.items()),
    *(Case(f"8.2.2 {name}", head([*GET, field]), MALFORMED) for name, field in {
        "connection": ("connection", "keep-alive"),
        "keep-alive": ("keep-alive", "timeout=5"),
        "proxy-connection": ("proxy-connection", "keep-alive"),
        "upgrade": ("upgrade", "h2c"),
        "transfer-encoding": ("transfer-encoding", "chunked"),
        "te other than trailers": ("te", "trailers, deflate"),
    }.items()),
    Case("8.2.2 te: trailers", head([*GET, ("te", "trailers")]), SERVE, (200,)),
    Case("8.2.3 cookies in two fields", head([*GET, ("cookie", "a=b"), ("cookie", "c=d")]), SERVE, (200,)),
    *(Case(f"8.3 {name}", head(fields), MALFORMED) for name, fields in {
        "unknown pseudo-header": [*GET, (":test", "1")],
        "pseudo-header of responses": [*GET, (":status", "200")],
        "pseudo-header after a field": [METHOD, SCHEME, PATH, ("x", "1"), AUTHORITY],
        "no :method": without(":method", GET),
        "no :scheme": without(":scheme", GET),
        "no :path": without(":path", GET),
        "two :method": [*GET, METHOD],
        "two :scheme": [*GET, SCHEME],
        "two :path": [*GET, PATH],
        "two :authority": [*GET, AUTHORITY],
    }.items()),
    *(Case(f"8.3.1 {name}", head(fields), MALFORMED) for name, fields in {
        "empty :path": replaced(":path", ""),
        ":path without a slash": replaced(":path", "health"),
        ":path of *, with GET": replaced(":path", "*"),
        ":path with a space": replaced(":path", "/ health"),
        "empty :method": replaced(":method", ""),
        ":method with a space": replaced(":method", "GET /"),
        "empty :scheme": replaced(":scheme", ""),
        ":scheme with a space": replaced(":scheme", "ht tp"),
        ":authority with a user": replaced(":authority", "user@localhost"),
        "host that is not :authority": [*GET, ("host", "example.com")],
    }.items()),
    Case("8.3.1 host in place of :authority", head([*without(":authority", GET), ("host", "localhost")]), SERVE,
         (200,)),
    Case("8.5 CONNECT with :path", head(replaced(":method", "CONNECT")), MALFORMED),
    Case("8.5 CONNECT without :authority", head([(":method", "CONNECT")]), MALFORMED),
]  # fmt: skip

COMPRESSED = [
    *(Case(f"7541 {name}", frame(HEADERS, FULL, 1, data), CONNECTION, (COMPRESSION,)) for name, data in {
        "2.3.3 index beyond the tables": BLOCK + b"\xc6",
        "2.3.3 index of an empty dynamic table": b"\xbe" + BLOCK,
        "4.2 size update after a field": BLOCK + b"\x20",
        "5.1 integer without its end": BLOCK + b"\x7f\xff",
        "5.1 integer over 2^32": BLOCK + b"\xff" + b"\xff" * 9 + b"\x0f",
        "5.2 string without its end": BLOCK + b"\x00\x05ab",
        "5.2 padding over 7 bits": BLOCK + b"\x00\x86\xf2\xb2\x4a\x84\xff\xff\x01a",
        "5.2 padding of zeros": BLOCK + b"\x00\x85\xf2\xb2\x4a\x87\x00\x01a",
        "5.2 EOS": BLOCK + b"\x00\x84\xff\xff\xff\xff\x01a",
        "6.1 index 0": BLOCK + b"\x80",
        "6.2 name beyond the tables": BLOCK + b"\x7f\x80\x01\x011",
        "6.3 size update over the limit": b"\x3f\xe1\xff\x0f" + BLOCK,
    }.items()),
    Case("7541 4.2 two size updates before the fields", frame(HEADERS, FULL, 1, b"\x20\x3f\xe1\x1f" + BLOCK), SERVE,
         (200,)),
    Case("7541 6.2.3 field that is never indexed", frame(HEADERS, FULL, 1, BLOCK + b"\x10\x01x\x01y"), SERVE, (200,)),
]  # fmt: skip

CASES = [*FRAMES, *STREAMS, *TYPES, *MESSAGES, *COMPRESSED]
