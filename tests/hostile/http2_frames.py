"""The bytes of HTTP/2 frames, right and wrong ones. Imports the HPACK encoder."""

import struct

from hpack import Encoder

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RESET, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
NO_ERROR, PROTOCOL, INTERNAL, FLOW, SETTINGS_TIMEOUT, CLOSED, SIZE, REFUSED, CANCEL, COMPRESSION = range(10)
CALM = 11
CODES = ["NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED"]
CODES += ["FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM"]
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITISED = 1, 1, 4, 8, 32
METHOD, SCHEME, PATH, AUTHORITY = (":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "localhost")
GET = [METHOD, SCHEME, PATH, AUTHORITY]
POST = [(":method", "POST"), SCHEME, (":path", "/api/products"), AUTHORITY, ("content-type", "application/json")]
NUMBER = struct.Struct(">I").pack


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + NUMBER(stream) + payload


def block(fields: list[tuple[str, str]]) -> bytes:
    """A field block that needs no table of an earlier one."""
    return Encoder().encode(fields)


def head(fields: list[tuple[str, str]], stream: int = 1, flags: int = END_STREAM | END_HEADERS) -> bytes:
    return frame(HEADERS, flags, stream, block(fields))


def literal(name: bytes, value: bytes) -> bytes:
    """A field as HPACK writes it without tables and Huffman codes, whatever its bytes are."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def settings(*values: tuple[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *value) for value in values))


def without(name: str, fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [field for field in fields if field[0] != name]


def replaced(name: str, value: str) -> list[tuple[str, str]]:
    """The fields of a GET, one of them with another value."""
    return [(name, value) if field[0] == name else field for field in GET]


BLOCK = block(GET)
# A request whose body is still to come.
OPEN = head(POST, flags=END_HEADERS)
# The first part of a field block.
BEGUN = frame(HEADERS, END_STREAM, 1, BLOCK)
