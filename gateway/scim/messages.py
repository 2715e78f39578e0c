"""What SCIM answers are made of: lists, errors, meta, versions, and which attributes they show. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from hashlib import sha256
from heapq import merge
from typing import Any, Final

import orjson

from gateway.errors import InvalidValue
from gateway.scim.names import CORE_URNS, ERROR, LIST_RESPONSE, is_urn, with_colon
from gateway.values import frozen


def error_body(status: int, detail: str, scim_type: str | None = None) -> dict[str, Any]:
    """Return the Error of RFC 7644 section 3.12, whose status is text."""
    body: dict[str, Any] = {"schemas": [ERROR], "status": str(status), "detail": detail}
    return body if scim_type is None else {**body, "scimType": scim_type}


def list_response(resources: Sequence[Any], total: int, start: int) -> dict[str, Any]:
    """Return a page of `total` resources that begins at the 1-based `start` (RFC 7644 section 3.4.2)."""
    return {
        "schemas": [LIST_RESPONSE],
        "totalResults": total,
        "startIndex": start,
        "itemsPerPage": len(resources),
        "Resources": list(resources),
    }


def meta_of(
    kind: str, created: str | None, modified: str | None, location: str, version: str
) -> dict[str, str]:
    """Return the meta of a resource (RFC 7643 section 3.1); times are RFC 3339, left out where unknown."""
    meta = {"resourceType": kind}
    if created is not None:
        meta["created"] = created
    if modified is not None:
        meta["lastModified"] = modified
    return meta | {"location": location, "version": version}


ANY: Final = "*"
_TAG: Final = re.compile(r'(?:W/)?(?:"([^"]*)"|([^\s",]+))')


def version(document: Mapping[str, Any], members: Iterable[str] | None = None) -> str:
    """Return the weak ETag of a document; a group's is told without members, and their ids where known."""
    if "meta" in document:
        document = {name: value for name, value in document.items() if name != "meta"}
    tag = _digest(document)
    return f'W/"{tag}"' if members is None else f'W/"{tag}.{_digest(_in_order(members))}"'


_AT_ONCE: Final = 20_000  # to sort more in one step would keep all threads waiting


def _in_order(members: Iterable[str]) -> list[str]:
    ids = list(members)
    if len(ids) <= _AT_ONCE:
        return sorted(ids)
    return list(merge(*(sorted(ids[start : start + _AT_ONCE]) for start in range(0, len(ids), _AT_ONCE))))


def parse_tags(header: str) -> tuple[str, ...]:
    """Return the tags of an If-Match or If-None-Match header without W/ and quotes; `*` is any."""
    return tuple(quoted or bare for quoted, bare in _TAG.findall(header))


def is_meant(tags: Sequence[str], present: str) -> bool:
    """Say whether tags (If-Match) name the present version, as far as they say which one they mean."""
    now = _bare(present)
    return ANY in tags or any(tag == now or ("." not in tag and tag == _without_members(now)) for tag in tags)


def is_known(tags: Sequence[str], answer: str) -> bool:
    """Say whether tags (If-None-Match) hold all that an answer of this version would tell."""
    now = _bare(answer)
    return ANY in tags or any(tag == now or ("." not in now and _without_members(tag) == now) for tag in tags)


def tells_members(tags: Sequence[str]) -> bool:
    """Say whether a tag is of a group with its members."""
    return any("." in tag for tag in tags)


def _bare(version: str) -> str:
    return version.removeprefix("W/").strip('"')


def _without_members(tag: str) -> str:
    return tag.partition(".")[0]


def _digest(value: Any) -> str:
    return sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


ALWAYS: Final = frozenset({"schemas", "id"})  # `returned` is "always" in RFC 7643
_CORE: Final = tuple(f"{urn}:".casefold() for urn in CORE_URNS.values())
_EMPTY: Final[tuple[Any, ...]] = (None, [], {})

Names = dict[str, Any]  # folded name -> Names of its sub-attributes; empty: the attribute as a whole


@frozen
class Projection:
    """What to show of a document: all, nothing but what is named, or all but that."""

    named: Mapping[str, Any] = field(default_factory=dict)
    excludes: bool = True

    def shows(self, attribute: str) -> bool:
        """Say whether anything of an attribute at the core level is shown."""
        named = self.named.get(attribute.casefold())
        return named != {} if self.excludes else named is not None

    def of(self, document: dict[str, Any]) -> dict[str, Any]:
        """Return what is shown of a resource; what is always returned stays."""
        if not self.named:
            return document
        shown = _without(document, self.named) if self.excludes else _only(document, self.named)
        shown |= {name: value for name, value in document.items() if name.casefold() in ALWAYS}
        return {name: shown[name] for name in document if name in shown}


EVERYTHING: Final = Projection()


def projection(attributes: Iterable[str], excluded: Iterable[str]) -> Projection:
    """Return the projection that a request asks for; raises InvalidValue. Unknown names select nothing."""
    only, without = _tree(attributes), _tree(excluded)
    if only and without:
        raise InvalidValue("attributes and excludedAttributes exclude each other: send one of them")
    return Projection(only, excludes=False) if only else Projection(without)


def _tree(names: Iterable[str]) -> Names:
    tree: Names = {}
    for name in names:
        for first, *subs in _readings(name.strip().casefold()):
            if not subs:
                tree[first] = {}
            elif tree.get(first) != {}:
                _plant(tree.setdefault(first, {}), subs)
    return tree


def _plant(tree: Names, steps: list[str]) -> None:
    for step in steps[:-1]:
        if tree.get(step) == {}:  # the whole of it is named already
            return
        tree = tree.setdefault(step, {})
    tree[steps[-1]] = {}


def _readings(name: str) -> Iterator[list[str]]:
    """Yield the steps a folded name may stand for: a URN alone is an extension, or an attribute of one."""
    name = with_colon(name)
    name = next((name[len(core) :] for core in _CORE if name.startswith(core)), name)
    if not name:
        return
    if not is_urn(name):
        yield name.split(".", 1)
        return
    urn, _, attribute = name.rpartition(":")
    yield [name]
    yield [urn, *attribute.split(".", 1)]


def _only(value: Any, named: Mapping[str, Any]) -> Any:
    if not named:
        return value
    if isinstance(value, list):
        return [kept for item in value if (kept := _only(item, named)) not in _EMPTY]
    if isinstance(value, dict):
        found = ((name, named.get(name.casefold()), inner) for name, inner in value.items())
        kept = ((name, _only(inner, subs)) for name, subs, inner in found if subs is not None)
        return {name: inner for name, inner in kept if inner not in _EMPTY}
    return value if "value" in named else None  # a plain text is its own `value`


def _without(value: Any, named: Mapping[str, Any] | None) -> Any:
    if named is None:
        return value
    if isinstance(value, list):
        return [left for item in value if (left := _without(item, named)) not in _EMPTY]
    if isinstance(value, dict):
        found = ((name, named.get(name.casefold()), inner) for name, inner in value.items())
        left = ((name, _without(inner, subs)) for name, subs, inner in found if subs != {})
        return {name: inner for name, inner in left if inner not in _EMPTY}
    return None if "value" in named else value
