"""What the gateway knows of whole documents: their canonical form, their types, who they are. Pure."""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from types import NoneType
from typing import Any, Final

from gateway.errors import InvalidPath, InvalidSyntax, InvalidValue
from gateway.scim.names import (
    COMPANIONS,
    CORE_GROUP,
    CORE_URNS,
    CORE_USER,
    EMPTY,
    ENTERPRISE_USER,
    NAMES,
    NO_RESOURCES,
    READ_ONLY,
    UNKNOWN,
    Attribute,
    get,
    is_of_type,
    is_urn,
    key_of,
    resource,
    strays,
    with_colon,
)

BOOLEANS: Final[Mapping[str, bool]] = {"true": True, "false": False}

# Absent from a PUT they mean unchanged, so one that empties them must show it (RFC 7644 section 3.5.1).
ABSENT_IS_UNCHANGED: Final = ("externalId", "members")
_KEPT: Final = (*ABSENT_IS_UNCHANGED, "active")  # taken from the view where a PUT leaves them out


def fold(name: str) -> str:
    """Return a name as names are compared: NFC of its casefold."""
    if name.isascii():
        return name.casefold()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def truth(value: Any) -> Any:
    """Return "True", "false" and their like as booleans, anything else as it is."""
    return BOOLEANS.get(value.casefold(), value) if isinstance(value, str) else value


def single(value: Any) -> Any:
    """Return what a list of one, or an object of nothing but a `value`, is around."""
    found = value[0] if isinstance(value, list) and len(value) == 1 else value
    if isinstance(found, dict) and (key := key_of(found, "value")) is not None:
        found = found[key] if found.keys() <= {key, *COMPANIONS} else found
    return value if isinstance(found, list | dict) else found


def unwrapped(value: Any) -> Any:
    """Return the value that an object, or a list of one object, is around; a list of texts is none."""
    is_plain = isinstance(value, list) and not any(isinstance(element, dict) for element in value)
    return value if is_plain else single(value)


def unlisted(value: Any, known: Attribute) -> Any:
    """Return the one object of a list where the standard has one object."""
    is_listed = isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict)
    return value[0] if is_listed and known.sub and not known.multi_valued else value


def singles(value: Any, known: Attribute) -> Any:
    """Return a value with one text or boolean wherever the standard has one: "True" is true."""
    if known.is_simple:
        return truth(single(value)) if known.boolean else unwrapped(value)
    value = unlisted(value, known)
    if isinstance(value, list):
        return [singles(item, known) for item in value]
    if isinstance(value, dict):
        return {name: singles(inner, known.find(name) or UNKNOWN) for name, inner in value.items()}
    return value


def check_single(value: Any, known: Attribute) -> None:
    """Raise InvalidValue where the standard has one text and this is something else."""
    if known.is_simple and not known.boolean and not known.read_only and not isinstance(value, str | None):
        refuse(known.name, value, "text")


def check_primary(value: Any, known: Attribute) -> None:
    """Raise InvalidValue where more than one element of a list is primary (RFC 7643 section 2.4)."""
    if known.find("primary") is not None and len(_primaries(value)) > 1:
        raise InvalidValue(f"{known.name}: no more than one value can be primary")


def last_primary(value: Any, known: Attribute) -> Any:
    """Return a list whose last primary element is its only one."""
    others = _primaries(value)[:-1] if known.find("primary") is not None else []
    if not others:
        return value
    return [{**own, "primary": False} if at in others else own for at, own in enumerate(value)]


def _primaries(value: Any) -> list[int]:
    elements = enumerate(value if isinstance(value, list) else ())
    return [at for at, one in elements if isinstance(one, dict) and truth(get(one, "primary")) is True]


def as_object(value: Any) -> Any:
    """Return what stands for one object as that object: text is its `value`, a list of one its item."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return {"value": value} if isinstance(value, str) and value else value


def resolved(document: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """Return the document with fully qualified names (RFC 7643 section 3.1.1) where they belong.

    Raises InvalidSyntax where an attribute is then there twice.
    """
    if not any(":" in name for name in document):
        return document
    result: dict[str, Any] = {}
    listed = get(document, "schemas")
    urns = (
        {name.casefold() for name in listed if isinstance(name, str)} if isinstance(listed, list) else set()
    )
    urns.update(name.casefold() for name, value in document.items() if isinstance(value, dict))
    taken: dict[tuple[str, ...], str] = {}  # by folded path: the name under which it was given
    spelled: dict[str, str] = {}
    for name, value in document.items():
        for path, inner in _places(name, value, CORE_URNS[kind], urns):
            folded = tuple(map(str.casefold, path))
            holder = (
                result if len(path) == 1 else result.setdefault(spelled.setdefault(folded[0], path[0]), {})
            )
            other = taken.setdefault(folded, name)
            is_twice = path[-1] in holder or (other != name and ":" in other + name)
            if is_twice or not isinstance(holder, dict):
                raise InvalidSyntax(f"{path[-1]} is given twice")
            holder[path[-1]] = dict(inner) if isinstance(inner, dict) else inner
    return result


def _places(name: str, value: Any, core: str, urns: Collection[str]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield where a name's value belongs: the core level, or inside an extension, maybe one of `urns`."""
    name = with_colon(name, lambda urn: is_of_type(urn) or urn.casefold() in urns)
    folded = name.casefold()
    if folded == core.casefold() and isinstance(value, dict):
        for inner, own in value.items():
            yield from _places(inner, own, core, urns)
    elif folded.startswith(f"{core.casefold()}:"):
        yield (name[len(core) + 1 :],), value
    elif folded == ENTERPRISE_USER.casefold() and isinstance(value, dict):
        yield from (((ENTERPRISE_USER, inner), own) for inner, own in value.items())
    elif folded.startswith(f"{ENTERPRISE_USER.casefold()}:"):
        yield (ENTERPRISE_USER, name[len(ENTERPRISE_USER) + 1 :]), value
    elif is_urn(name) and isinstance(value, dict):
        yield from (((name, inner), own) for inner, own in value.items())
    elif (found := _QUALIFIED.fullmatch(name)) and not is_of_type(name) and value not in EMPTY:
        urn, attribute = found.groups()
        if "." in attribute and not is_of_type(urn) and urn.casefold() not in urns:
            raise unknown_extension(name)
        yield (urn, attribute), value
    else:
        yield (name,), value


_QUALIFIED: Final = re.compile(r"(urn:[^:]+:.*[^:]):([A-Za-z$][^:]*)", re.DOTALL | re.IGNORECASE)


def unknown_extension(name: str) -> InvalidPath:
    """Return the error of a name that may mean an extension's attribute, or a part of another's."""
    return InvalidPath(
        f"{name[:_SHOWN]}: nobody knows the extension; a colon stands behind its URN, not a dot"
    )


_SHOWN: Final = 120  # characters of a name in an error


def canonical(document: Mapping[str, Any], kind: str, *, keep: Collection[str] = ()) -> dict[str, Any]:
    """Return the document with the standard's spelling, without null, "", [] and {} (RFC 7643 section 2.5).

    Top-level attributes named in `keep` stay when they are empty, as None: for a PUT, `ABSENT_IS_UNCHANGED`.
    """
    known = resource(kind)
    cleaned = clean(resolved(document, kind), known) or {}
    emptied = {name: None for name in keep if key_of(document, name) and name not in cleaned}
    return {**cleaned, **emptied}


def clean(value: Any, known: Attribute) -> Any:
    """Return a value with known names spelled out and what is empty left out; None where nothing is left."""
    if isinstance(value, dict):
        return _clean_object(value, known) or None
    if isinstance(value, list):
        kept = [left for item in value if (left := _clean_element(item, known)) is not None]
        return one_form(kept, known) or None
    return None if value == "" else value


def one_form(elements: list[Any], known: Attribute) -> list[Any]:
    """Return a list as the standard has it: of objects with a `value`, where it is of texts and objects."""
    has_object = any(isinstance(element, dict) for element in elements)
    if not has_object or not known.multi_valued or known.find("value") is None:
        return elements
    return [{"value": element} if isinstance(element, str) else element for element in elements]


def _clean_element(item: Any, known: Attribute) -> Any:
    """Return a cleaned element, None where it was emptied: a type alone says nothing of a number."""
    cleaned = clean(item, known)
    if not isinstance(item, dict) or not isinstance(cleaned, dict) or len(cleaned) == len(item):
        return cleaned
    return None if is_emptied(item, cleaned) else cleaned


def is_emptied(item: Mapping[str, Any], cleaned: Mapping[str, Any]) -> bool:
    """Say whether an element had a value, and only what says which element it is was left of it."""
    return key_of(item, "value") is not None and cleaned.keys() <= COMPANIONS


def _clean_object(value: Mapping[str, Any], known: Attribute) -> dict[str, Any]:
    cleaned = {}
    for key, inner in value.items():
        attribute = known.find(key)
        if (kept := clean(inner, attribute or UNKNOWN)) is not None:
            cleaned[attribute.name if attribute else key] = kept
    return cleaned


def check(document: Mapping[str, Any], kind: str, names: Collection[str] | None = None) -> None:
    """Check the types of what the gateway acts on; raises InvalidValue.

    `names` are the top-level attributes to look at; None means all, mandatory ones included.
    """
    asked = None if names is None else {name.casefold() for name in names}
    for name, is_right, wanted in CHECKS.get(kind, ()):
        if asked is None or name.casefold() in asked:
            value = get(document, name)
            if value is None or not is_right(value):
                refuse(name, value, wanted)
    known = resource(kind)
    for name, value in document.items() if names is None else ():
        attribute = known.find(name) or UNKNOWN
        check_single(value, attribute)
        if is_urn(attribute.name) and isinstance(value, dict):
            for inner, own in value.items():
                check_single(own, attribute.find(inner) or UNKNOWN)
    schemas = get(document, "schemas") if names is None else None
    if kind in MISFITS and not MISFITS[kind].isdisjoint(map(str.casefold, schemas or ())):
        raise misfit(kind)
    for name, value in document.items() if names is None else ():
        check_primary(value, known.find(name) or UNKNOWN)


def refuse(name: str, value: Any, wanted: str) -> None:
    """Raise InvalidValue for a value of those in `CHECKS` that is not right, or absent and mandatory."""
    if value is not None:
        raise InvalidValue(f"{name} must be {wanted}")
    if name in _MANDATORY:
        raise InvalidValue(f"{name} is missing")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_boolean(value: Any) -> bool:
    return isinstance(value, bool)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and _TEXT.issuperset(map(type, value))


def _is_object_of_texts(value: Any) -> bool:
    return isinstance(value, dict) and _TEXT_OR_NONE.issuperset(map(type, value.values()))


def _are_values(value: Any) -> bool:
    if not isinstance(value, list):
        return False
    for element in value:
        if not isinstance(element, dict) or type(element.get("value")) not in _TEXT_OR_NONE:
            return False
        if type(truth(element.get("primary"))) not in _BOOLEAN_OR_NONE:
            return False
    return True


_TEXT: Final = frozenset({str})
_TEXT_OR_NONE: Final = frozenset({str, NoneType})
_BOOLEAN_OR_NONE: Final = frozenset({bool, NoneType})


def _are_members(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(member, dict) and _is_name(member.get("value")) for member in value
    )


_Check = tuple[str, Callable[[Any], bool], str]  # attribute, what makes it right, how it must be
_MANDATORY: Final = frozenset({"userName", "displayName"})
_VALUES_WANTED: Final = "a list of objects, each value text and each primary true or false"
_SCHEMAS: Final[_Check] = ("schemas", _are_texts, "a list of URNs")
_EXTERNAL_ID: Final[_Check] = ("externalId", _is_text, "text")
CHECKS: Final[Mapping[str, tuple[_Check, ...]]] = {
    "User": (
        _SCHEMAS,
        ("userName", _is_name, "text that is not empty"),
        _EXTERNAL_ID,
        ("active", _is_boolean, "true or false"),
        ("name", _is_object_of_texts, "an object of texts"),
        ("emails", _are_values, _VALUES_WANTED),
        ("phoneNumbers", _are_values, _VALUES_WANTED),
        (ENTERPRISE_USER, dict.__instancecheck__, "an object of attributes"),
    ),
    "Group": (
        _SCHEMAS,
        ("displayName", _is_name, "text that is not empty"),
        _EXTERNAL_ID,
        ("members", _are_members, "a list of objects, each with a value that is text"),
    ),
}


MISFITS: Final = {  # folded URNs that are of something else than a resource of this type
    "User": frozenset(map(str.casefold, (CORE_GROUP, *NO_RESOURCES))),
    "Group": frozenset(map(str.casefold, (CORE_USER, ENTERPRISE_USER, *NO_RESOURCES))),
}


def misfit(kind: str) -> InvalidSyntax:
    """Return the error of a document whose `schemas` are those of something else."""
    return InvalidSyntax(f"schemas names one that no {kind} has")


def replacement(view: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a PUT of `body` makes of `view` (RFC 7644 section 3.5.1).

    Absent externalId, members and active are unchanged; null, "" and [] clear the first two.
    """
    wanted = without_read_only(body)
    if not all(wanted.values()):
        wanted = {name: value for name, value in wanted.items() if value not in EMPTY}
    for name in _KEPT:
        present = get(view, name)
        if present is None or key_of(wanted, name) is not None:
            continue
        if name not in ABSENT_IS_UNCHANGED or key_of(body, name) is None:
            wanted[name] = present
    return wanted


def without_read_only(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document without id, meta and groups."""
    left = dict(document)
    for name in READ_ONLY:
        left.pop(name, None)
    if READ_ONLY.isdisjoint(map(str.casefold, strays(left))):
        return left
    return {name: value for name, value in left.items() if name.casefold() not in READ_ONLY}


def take_password(document: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Return the document without a password in any spelling, and the password where it is text."""
    left = dict(document)
    password = left.pop("password", None)
    if "password" in map(str.casefold, strays(left)):
        password = get(document, "password")
        left = {name: value for name, value in left.items() if name.casefold() != "password"}
    return left, password if isinstance(password, str) and password else None


def identity(document: Mapping[str, Any], kind: str = "User") -> tuple[str | None, str | None]:
    """Return the folded name and the exact externalId, each None where there is none."""
    name, external = get(document, NAMES[kind]), get(document, "externalId")
    return (
        fold(name) if isinstance(name, str) and name else None,
        external if isinstance(external, str) and external else None,
    )


def is_active(document: Mapping[str, Any]) -> bool:
    """Say whether the person is active, as everybody is of whom it is not denied."""
    return truth(get(document, "active")) is not False


def schemas_of(document: Mapping[str, Any], kind: str = "User") -> list[str]:
    """Return the `schemas` a document needs: the core's, then the extensions it holds, in its order."""
    core = CORE_URNS[kind]
    if ":" not in "".join(strays(document)):
        return [core, ENTERPRISE_USER] if document.get(ENTERPRISE_USER) else [core]
    urns = [name for name in document if ":" in name and is_urn(name)]
    return [core, *[urn for urn in urns if urn != core and document[urn]]]
