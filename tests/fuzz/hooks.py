"""What Schemathesis cannot make up by itself: tags, conditions that are met, and text for a header.

Its coverage phase gives a header nothing but letters and digits, so that no condition would ever be
well-formed. A format with a strategy of its own is exempt from that, so the two conditional headers
get one here, in the copy of the contract that Schemathesis works with. Their schema still decides
what is right and what is wrong.

A request id may be any text, for an unusable one is replaced; HTTP itself allows no control
characters in it, which no schema says.
"""

import schemathesis
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
    for name in ["IfMatch", "IfNoneMatch"]:
        parameters[name]["schema"]["format"] = "entity-tags"
    parameters["RequestId"]["schema"]["format"] = "header-text"


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict) -> None:
    """Its stateful phase takes an id from a response for a request id, and sends it as a number."""
    for name, value in (case.headers or {}).items():
        case.headers[name] = str(value)
