"""The version of a resource, as an ETag, and what a request says of versions (RFC 7644 section 3.14). Pure.

A group's version has a second part for its members, where those were read: they may be thousands, and who
leaves them out still has a version of the rest. Tags are compared weakly: ours are all weak.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

import orjson

ANY: Final = "*"
_TAG: Final = re.compile(r'(?:W/)?(?:"([^"]*)"|([^\s",]+))')


def version(document: Mapping[str, Any], members: Iterable[str] | None = None) -> str:
    """Return the weak ETag of a document; a group's is told without members, and their ids where known."""
    content = {name: value for name, value in document.items() if name != "meta"}
    parts = [content] if members is None else [content, sorted(members)]
    return f'W/"{".".join(_digest(part) for part in parts)}"'


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
