"""The cases of JSONTestSuite, each sent as the body of `POST /api/products`.

Only `y_object_string_unicode` is a valid product. Every other response is a 400 or 413, and its details say
whether the parser refused the text or the contract refused the value. A text that is JSON (`y_`) must reach the
contract, except where JSON allows a limit. A text that is none (`n_`) must be refused by the parser. Either is
right for `i_`.
"""

import http.client
import json
import subprocess
from pathlib import Path

from outcome import Outcome
from target import Target

# Bytes that are not UTF-8, which the package cannot carry: its texts have U+FFFD instead.
BYTES = {
    "n_byte_ff": b'["\xff"]',
    "n_lone_continuation": b'["\x80"]',
    "n_overlong_slash": b'["\xc0\xaf"]',
    "n_overlong_six_bytes": b'["\xfc\x83\xbf\xbf\xbf\xbf"]',
    "n_surrogate_in_utf8": b'["\xed\xa0\x80"]',
    "n_beyond_unicode": b'["\xf4\xbf\xbf\xbf"]',
    "n_truncated": b'["\xe0\xff"]',
    "n_latin_1": b'["\xe9"]',
    "n_byte_in_key": b'{"\xb9":"0"}',
    "n_byte_in_number": b"[123\xe5]",
    "n_byte_after_escape": b'["\\u\xe5"]',
    "n_utf16_le_with_bom": '\ufeff["é"]'.encode("utf-16-le"),
    "n_utf16_be": '["é"]'.encode("utf-16-be"),
}


def cases(package: Path) -> list[tuple[str, bytes]]:
    """The cases of the npm package."""
    script = "import(process.argv[1]).then(m => console.log(JSON.stringify(m.parsing)))"
    module = (package / "index.js").resolve().as_uri()
    printed = subprocess.check_output(["node", "--input-type=module", "-e", script, module], text=True)
    return [(case["name"], case["input"].encode("utf-8", "surrogatepass")) for case in json.loads(printed)]


def suite(target: Target, package: Path, version: str) -> Outcome:
    outcome = Outcome(version=version)
    client = http.client.HTTPConnection("127.0.0.1", target.port, timeout=10)
    for name, body in [*cases(package), *BYTES.items()]:
        client.request("POST", "/api/products", body, {"Content-Type": "application/json", "Connection": "close"})
        response = client.getresponse()
        status, text = response.status, response.read()
        client.close()
        by_parser = is_syntax_error(text)
        result = f"{status}, {'syntax' if by_parser else 'schema'}"
        problem = None
        if status not in (400, 413) and not (status == 201 and name.startswith("y_")):
            problem = "neither 400 nor 413"
        elif name.startswith("y_") and by_parser:
            problem = "JSON was refused"
        elif name.startswith("n_") and not by_parser and status == 400:
            problem = "not JSON, and not refused as such"
        if problem and name in TOO_DEEP and status == 400 and b"levels" in text:
            outcome.excuse(name, result, "refused for its depth, at the limit of 64 levels, before its end is read")
        else:
            outcome.case(name, result, problem)
    outcome.held = "JSON is read, everything else is refused as malformed"
    return outcome


# Texts that end in the middle of 100,000 arrays.
TOO_DEEP = {"n_structure_100000_opening_arrays.json", "n_structure_open_array_object.json"}


def is_syntax_error(text: bytes) -> bool:
    """Whether the response says that the body is not JSON."""
    details = json.loads(text).get("error", {}).get("details", [])
    return any(detail["message"].startswith(SYNTAX) for detail in details)


SYNTAX = ("is not JSON", "must not be empty")
