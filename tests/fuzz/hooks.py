"""Generators for values that Schemathesis does not generate itself: entity tags and header text.

Its coverage phase uses only letters and digits in headers, so that no precondition would be well
formed. Formats with a generator of their own are exempt. The two conditional headers therefore get
such a format here, in the copy of the contract that Schemathesis uses. Their schemas still decide which
values are valid.

A request id may be any text, since an unusable one is replaced. HTTP forbids control characters in it,
which the schema does not express.
"""

import itertools
import re

import schemathesis
import sessions
from hypothesis import strategies as st

TAG = st.from_regex(r'(W/)?"[!#-~]{0,40}"', fullmatch=True)
LIST = st.lists(TAG, min_size=1, max_size=8).flatmap(
    lambda tags: st.sampled_from([",", ", ", " ,\t", ",,"]).map(lambda comma: comma.join(tags))
)
NO_TAG = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40)
schemathesis.openapi.format("entity-tags", st.one_of(st.just("*"), TAG, LIST, NO_TAG))

TEXT = st.characters(min_codepoint=0x20, max_codepoint=0x7E)
schemathesis.openapi.format("header-text", st.text(TEXT, max_size=200).map(str.strip))


@schemathesis.hook
def before_load_schema(context: schemathesis.HookContext, raw_schema: dict) -> None:
    parameters = raw_schema["components"]["parameters"]
    for name in {"IfMatch", "IfNoneMatch"} & parameters.keys():
        parameters[name]["schema"]["format"] = "entity-tags"
    parameters["RequestId"]["schema"]["format"] = "header-text"


CALLS = itertools.count()


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict) -> None:
    """Makes header values strings: the stateful phase may use a number from a response as a request id.

    Makes three of four valid idempotency keys new ones: nearly every request with one would be a 422, since
    an earlier request with that key had another body.
    """
    for name, value in (case.headers or {}).items():
        case.headers[name] = str(value)
    sessions.complete(case)
    key = (case.headers or {}).get("Idempotency-Key", "")
    if re.fullmatch("[!-~]{1,240}", key) and (number := next(CALLS)) % 4:
        case.headers["Idempotency-Key"] = f"{key}{number}"
