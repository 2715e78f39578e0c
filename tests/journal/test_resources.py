"""What a target showed is kept as its difference from what was sent, and comes back as it was."""

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from gateway.journal.resources import _seen, _seen_text

VALUES = st.recursive(
    st.sampled_from([None, True, False, 0, 1, 1.0, "", "a"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=4,
)
DOCUMENTS = st.dictionaries(st.sampled_from("abcdef"), VALUES)


def text(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


@given(DOCUMENTS, DOCUMENTS, st.booleans())
def test_what_was_shown_comes_back_and_only_what_differs_is_kept(
    sent: dict[str, Any], beside: dict[str, Any], is_taken_as_sent: bool
) -> None:
    seen = beside | sent if is_taken_as_sent else beside
    before = text([sent, seen])

    other, absent = orjson.loads(_seen_text(sent, seen, orjson.dumps(sent)))

    assert text(_seen(sent, (other, absent))) == text(seen)
    assert absent == [name for name in sent if name not in seen]
    assert list(other) == [
        name for name in seen if name not in sent or orjson.dumps(sent[name]) != orjson.dumps(seen[name])
    ]
    assert text([sent, seen]) == before
