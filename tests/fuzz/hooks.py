"""What Schemathesis cannot make up by itself: tags, and conditions that are met.

Its coverage phase gives a header nothing but letters and digits; of a parameter whose pattern
demands a quote it then sends something wrong even in cases that it means to be right. A format with
a strategy of its own is exempt from that, so the two parameters get one here, in the copy of the
contract that Schemathesis works with. Their pattern still decides what is right and what is wrong.

Its coverage phase also sends a parameter's first example along with whatever else it tries. No
example tag is that of a row, so that nothing would ever be changed: `*` goes before it.
"""

import schemathesis
from hypothesis import strategies as st

FORMAT = "entity-tags"

TAG = st.from_regex(r'(W/)?"[!#-~]{0,40}"', fullmatch=True)
LIST = st.lists(TAG, min_size=1, max_size=8).flatmap(
    lambda tags: st.sampled_from([",", ", ", " ,\t", ",,"]).map(lambda comma: comma.join(tags))
)
schemathesis.openapi.format(FORMAT, st.one_of(st.just("*"), TAG, LIST))


@schemathesis.hook
def before_load_schema(context: schemathesis.HookContext, raw_schema: dict) -> None:
    for name in ["IfMatch", "IfNoneMatch"]:
        parameter = raw_schema["components"]["parameters"][name]
        parameter["schema"]["format"] = FORMAT
        if name == "IfMatch":
            examples = ["*", parameter.pop("example")]
            parameter["examples"] = {value: {"value": value} for value in examples}
