"""Resources as JSON text, right and wrong ones, as a provider may spell them."""

import json

from hypothesis import strategies as st

from gateway.scim.names import CORE_GROUP, CORE_USER, ENTERPRISE_USER, RESOURCES

CORE_1 = "urn:scim:schemas:core:1.0"
ENTERPRISE_1 = "urn:scim:schemas:extension:enterprise:1.0"

Pair = tuple[str, str]
_RARELY = st.integers(0, 15).map(lambda number: number == 9)


def respelled(name: str, how: int) -> str:
    """Return a name as JSON text: as it is, in other cases, with its first letter escaped."""
    cased = (name, name, name, name.upper(), name.lower(), name.swapcase())[how % 6]
    text = json.dumps(cased)
    return f'"\\u{ord(cased[0]):04x}{json.dumps(cased[1:])[1:]}' if how % 7 == 6 and cased else text


def paired(names: st.SearchStrategy[str], values: st.SearchStrategy[str]) -> st.SearchStrategy[Pair]:
    """Return a name, by which it is told from others, and its text with that of its value."""
    colons = st.sampled_from([":", ":", ":", ": ", " :", "\n\t:\r"])
    return st.builds(
        lambda name, how, colon, value: (name.casefold(), respelled(name, how) + colon + value),
        names,
        st.integers(0, 41),
        colons,
        values,
    )


def joined(pairs: list[Pair], may_repeat: bool) -> str:
    """Return pairs as the text of an object, the last of each name unless they may repeat."""
    return f"{{{','.join(text for _, text in pairs) if may_repeat else ','.join(dict(pairs).values())}}}"


def objects(pairs: st.SearchStrategy[Pair], most: int = 5) -> st.SearchStrategy[str]:
    """Return objects of at most so many pairs; a few have a name twice."""
    return st.builds(joined, st.lists(pairs, max_size=most), _RARELY)


def lists(items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(items, max_size=3).map(lambda own: "[" + ",".join(own) + "]")


_SUBS = (
    *("value", "type", "primary", "display", "$ref", "managerId", "manager", "department", "givenName", "x"),
    *("ſ", "ss", "password", ":", 'a":'),
)
_TEXTS = (
    *("", "", "a", "b", "True", "false", "work", "É", "ss", " ", "a:b", '":', 'a" : b', "\\u0000"),
    *(CORE_USER, "urn:x:y"),
)
_WORDS = st.sampled_from(_TEXTS).map(json.dumps)
_OTHERS = (
    *("null", "null", "true", "false", "0", "1.5", "1e30", "-1e300"),
    *('"\\u0022:"', '"\\u0000"', "{}", "[]"),
)
_LONG = ("18446744073709551615", "18446744073709551616", "-9223372036854775808", "-9223372036854775809")
_LEAVES = _WORDS | st.sampled_from((*_OTHERS, *_OTHERS, *_OTHERS, *_LONG))
ANY = st.recursive(
    _LEAVES,
    lambda inner: lists(inner) | objects(paired(st.sampled_from(_SUBS), inner), 4),
    max_leaves=8,
)
_ELEMENT = objects(
    paired(st.just("value"), _WORDS | ANY)
    | paired(st.sampled_from(("type", "display", "x")), _WORDS)
    | paired(st.just("primary"), st.sampled_from(["true", '"True"', '"x"', "null"])),
    3,
)
_MEMBER = objects(
    paired(st.just("value"), st.sampled_from(['"1"', '"2"', '"3"', '""']))
    | paired(st.sampled_from(("type", "display", "$ref", "x")), _WORDS)
)
_MANAGER = _WORDS | objects(paired(st.sampled_from(("managerId", "value", "$ref", "displayName")), _WORDS), 3)
_ENTERPRISE = objects(
    paired(st.just("manager"), _MANAGER | lists(_MANAGER) | ANY)
    | paired(st.sampled_from(("department", "costCenter", "x")), _WORDS),
    3,
)
_STANDARD = sorted({sub.name for known in RESOURCES.values() for sub in known.sub.values()})
_QUALIFIED = ("userName", "emails", "active", "externalId", "displayName", "members", "name", "x")
_NAMES = st.sampled_from(
    (
        *_STANDARD,
        *("licenseType", "password", "urn:example:schemas:space", "urn:", ":", "", "É", "ß", "ſ", "a.b"),
    )
)
_URNS = st.sampled_from((CORE_USER, CORE_GROUP, CORE_1, ENTERPRISE_USER, ENTERPRISE_1, f"{CORE_1}0"))
_PLURALS = st.sampled_from(("emails", "phoneNumbers", "members", "addresses", "groups", "schemas"))
_PLAIN_PAIRS = (
    paired(_NAMES, _WORDS)
    | paired(_NAMES, ANY)
    | paired(st.just("active"), _WORDS | _LEAVES)
    | paired(st.just("password"), _WORDS)
    | paired(st.just("members"), _MEMBER | lists(_MEMBER))
    | paired(_PLURALS, _ELEMENT | lists(_ELEMENT) | lists(_WORDS))
    | paired(st.sampled_from((ENTERPRISE_USER, ENTERPRISE_1)), _ENTERPRISE | lists(_ENTERPRISE))
)
_PAIRS = (
    _PLAIN_PAIRS
    | paired(_URNS, objects(_PLAIN_PAIRS, 2) | _LEAVES)
    | paired(
        st.builds("{}:{}".format, _URNS, st.sampled_from((*_QUALIFIED, "manager"))), ANY | _MANAGER | _ELEMENT
    )
)
_NAMED = st.sampled_from(
    [
        [],
        [("username", '"userName":"a"')],
        [("username", '"userName":"É"'), ("displayname", '"displayName":"B"')],
        [("displayname", '"displayName" : "g"'), ("username", '"USERNAME":"\\u0061"')],
    ]
)
BODIES = st.builds(
    lambda named, pairs, may_repeat: joined([*pairs, *named], may_repeat).encode(),
    _NAMED,
    st.lists(_PAIRS, max_size=5),
    _RARELY,
)
