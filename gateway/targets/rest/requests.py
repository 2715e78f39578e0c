"""What to say to a JSON service, and how its entries look, as the configuration has it. Pure."""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final
from urllib.parse import quote, urljoin, urlsplit

import orjson

from gateway.address import RestCall, RestCollection
from gateway.flow.target_port import (
    Attributes,
    Missing,
    Nonsense,
    Refused,
    ResourceType,
)
from gateway.mapping.merging import laid, loses, sparing
from gateway.mapping.templates import (
    ABSENT,
    Record,
    Shape,
    Text,
    Unfit,
    compile_shape,
    compile_spot,
    compile_text,
)
from gateway.scim.documents import is_active, truth
from gateway.scim.names import NAMES, is_urn
from gateway.scim.paths import Place, select
from gateway.targets.transport import Call
from gateway.values import frozen

JSON: Final = "application/json"
BODILESS: Final = frozenset({"GET", "HEAD", "DELETE"})
SENDS: Final = {"PATCH": "changes", "PUT": "merged"}  # method -> what a change sends of an entry; else whole
LINK: Final = "link"  # the next page is in the header (RFC 8288)
DOTS: Final = {".": "%2E", "..": "%2E%2E"}  # quote() leaves them, and a URL parser would walk them

_SIMPLE: Final = re.compile(r"[\w@+-][\w@.+-]*")  # means the same in whatever language surrounds it
_ENDS: Final = ("", "&", "/", "?")
_LINK_SAFE: Final = "%/:=&?~#+!$,;'@()*[]"


@frozen
class Listed:
    """One answer about many: its entries, how many it says there are, and where it says that it goes on."""

    entries: tuple[Any, ...]
    total: int | None = None
    next: str | None = None


@frozen
class Position:
    """Where a page of a list begins."""

    index: int  # entries before it
    number: int  # pages before it
    url: str


class Request:
    """One operation's request; `name` is its key in the configuration."""

    def __init__(
        self,
        name: str,
        spec: RestCall,
        base_url: str,
        *,
        number_ids: bool = False,
        is_look_up: bool = False,  # whose answer may be one entry, or none
    ) -> None:
        self.name = name
        self.method, _, path = spec.request.partition(" ")
        self.spec = spec
        self.item = compile_spot(spec.item)
        self.items, self.total = compile_spot(spec.items), compile_spot(spec.total)
        self.next = None if spec.next in (None, LINK) else compile_spot(spec.next)
        by_method = SENDS.get(self.method, "whole") if spec.body is None else "whole"
        self.sends = spec.sends or by_method
        self.body = None if spec.body is None else compile_shape(spec.body)
        self._base = base_url.rstrip("/")
        self._path = compile_text(path)
        self._headers = {name: compile_text(text) for name, text in spec.headers.items()}
        self._number_ids = number_ids
        self.is_look_up = is_look_up

    def call(self, document: Attributes, body: Any = None, asked: Mapping[str, str] | None = None) -> Call:
        """Return the call about a document; raises Refused where a value is missing, or cannot be sent.

        `body` is sent instead of what the request has of its own, `asked` are further parameters.
        """
        try:
            url = self._url(document, asked or {})
            sent = self.filled(document) if body is None and self.body is not None else body
            headers = tuple(self._header_lines(document))
        except Unfit as error:
            raise Refused(f"{self.name}: {error}") from error
        has_body = sent is not None and (self.body is not None or self.method not in BODILESS)
        return Call(self.method, url, orjson.dumps(sent) if has_body else None, JSON, JSON, headers)

    def filled(self, document: Attributes) -> Any:
        """Return the request's own body about a document."""
        assert self.body is not None
        return fill(self.body, with_number_ids(document) if self._number_ids else document)

    def first(self, document: Attributes, asked: Mapping[str, str], size: int) -> Call:
        """Return the call for the first page of a list."""
        return self.call(document, asked={**asked, **self._paging(0, 0, size)})

    def at(self, first: Call, index: int, size: int) -> Position | None:
        """Return where a page begins with the entry behind `index` others, None where that is not known."""
        if index == 0 or self.spec.offset:
            return Position(index, 0, with_parameters(first.url, self._paging(index, 0, size)))
        return None

    def after(self, at: Position, listed: Listed, size: int) -> Position | None:
        """Return where the next page is, None behind the last one; raises Nonsense where it is elsewhere."""
        reached, number, spec = at.index + len(listed.entries), at.number + 1, self.spec
        if spec.cursor is not None or spec.next is not None:
            if listed.next is None:
                return None
            if spec.cursor is not None:
                return Position(reached, number, with_parameters(at.url, {spec.cursor: listed.next}))
            return Position(reached, number, self._followed(at.url, listed.next))
        is_short = spec.size is not None and len(listed.entries) < size
        is_all = listed.total is not None and reached >= listed.total
        if not (spec.page or spec.offset) or not listed.entries or (is_short and is_all):
            return None
        return Position(reached, number, with_parameters(at.url, self._paging(reached, number, size)))

    def _paging(self, index: int, number: int, size: int) -> dict[str, str]:
        spec, asked = self.spec, {}
        if spec.size is not None:
            asked[spec.size] = str(size)
        if spec.page is not None:
            asked[spec.page] = str(number + (1 if spec.first is None else spec.first))
        if spec.offset is not None:
            asked[spec.offset] = str(index + (spec.first or 0))
        return asked

    def _url(self, document: Attributes, asked: Mapping[str, str]) -> str:
        path, parts = "", self._path.parts
        for n, part in enumerate(parts):
            if isinstance(part, str):
                path += part
                continue
            after = parts[n + 1] if n + 1 < len(parts) else ""
            is_alone = path.endswith(("/", "=")) and isinstance(after, str) and after[:1] in _ENDS
            path += self._spelled(part, document, is_alone)
        return with_parameters(self._base + path, asked)

    def _spelled(self, where: Place, document: Attributes, is_alone: bool) -> str:
        """Return a value in an address; one among other text must not mean anything there."""
        value = Text((where,)).filled(document, str)
        if value is ABSENT:
            if where.attribute == "id":  # would name the whole collection
                raise Missing("an entry without an id does not exist")
            raise Unfit(f"{where.text} is missing, and the address needs it")
        if not is_alone and not _SIMPLE.fullmatch(value):
            raise Unfit(f"{where.text} has characters that would mean something in this address")
        return DOTS.get(value) or percent(value)

    def _header_lines(self, document: Attributes) -> Iterator[tuple[str, str]]:
        for name, text in self._headers.items():
            value = text.fill(document)
            if value is ABSENT:
                continue
            if not value.isascii() or not value.isprintable():
                raise Unfit(f"the header {name} would have characters that no header takes")
            yield name, value

    def _followed(self, here: str, link: str) -> str:
        """Return the address of a page as an answer names it; credentials go to no other host."""
        found = urljoin(here, quote(link, safe=_LINK_SAFE))
        if urlsplit(found)[:2] != urlsplit(self._base)[:2]:
            raise Nonsense("the target's next page is at another host, and none is followed")
        return found


class Collection:
    """People, or groups: their requests, and how an entry is written and read."""

    def __init__(self, kind: ResourceType, spec: RestCollection, base_url: str) -> None:
        place = f"rest.{kind.value.lower()}s"
        self.kind = kind
        self.name = NAMES[kind]
        self.search = spec.search
        self.requests = {
            name: Request(f"{place}.{name}", call, base_url, number_ids=spec.number_ids)
            for name, call in spec.calls.items()
        }
        self.find = {
            name: Request(f"{place}.find.{name}", call, base_url, is_look_up=True)
            for name, call in spec.find.items()
        }
        self._id = compile_spot(spec.id)
        members = spec.calls.get("members")
        self._member = compile_spot(members.id if members and members.id else spec.id)
        self._entry = compile_shape(dict(spec.entry), kind)
        self._active = spec.active
        self._number_ids = spec.number_ids
        self.named = frozenset(where.attribute for where in self._entry.places())

    def unsent(self, form: Attributes) -> Iterator[str]:
        """Yield the attributes of a new entry, and parts of them, that nothing tells the service of."""
        body = self.requests["create"].body
        places = list((self._entry if body is None else body).places())
        named = {(where.urn, where.attribute.casefold()) for where in places}
        named |= {(None, "schemas"), (None, "id")}
        if "deactivate" in self.requests:
            named.add((None, "active"))
        for name, value in form.items():
            if is_urn(name) and isinstance(value, dict):
                yield from (f"{name}:{sub}" for sub in value if (name, sub.casefold()) not in named)
            elif (None, name.casefold()) not in named:
                yield name
            elif own := [p for p in places if (p.urn, p.attribute.casefold()) == (None, name.casefold())]:
                yield from _parts_unsent(name, value, own)

    def need(self, operation: str) -> Request:
        """Return a request; raises Refused where the configuration has none."""
        if operation not in self.requests:
            raise Refused(f"rest.{self.kind.value.lower()}s has no `{operation}`, so that cannot be done")
        return self.requests[operation]

    def document(self, form: Attributes, id: str | None = None) -> Attributes:
        """Return what templates are filled from: an entry, with what says there whether it is active."""
        document = form if id is None else form | {"id": id}
        if "active" not in form or self._active is None:
            return document
        yes, no = self._active
        return document | {"active": yes if is_active(form) else no}

    def body(self, document: Attributes) -> Attributes:
        """Return an entry as the service writes it."""
        found: Attributes = fill(self._entry, with_number_ids(document) if self._number_ids else document)
        return found

    def laid(self, raw: Any, body: Attributes) -> Attributes:
        """Return a body with what the service holds of the entry besides, as it showed it."""
        found: Attributes = laid(self._entry, raw, body)
        return found

    def loses(self, patch: Attributes) -> bool:
        """Say whether what only the service knows would go with what differs of an entry."""
        return loses(self._entry, patch)

    def sparing(self, raw: Any, patch: Attributes) -> Attributes:
        """Return what differs with what the service holds in its lists besides, as it showed it."""
        found: Attributes = sparing(self._entry, raw, patch)
        return found

    def id_of(self, raw: Any) -> str | None:
        """Return the id that JSON shows, None where it shows none."""
        return as_id(self._id.of(raw))

    def member_of(self, raw: Any) -> str | None:
        """Return whose id an element of a list of members is, or has."""
        return as_id(self._member.of(raw) if isinstance(raw, dict) else raw)

    def shown(self, raw: Any, id: str | None = None) -> Attributes:
        """Return an entry as our form has it; raises Nonsense for one without an id, or with another's."""
        found = self.id_of(raw)
        if found is None and id is None:
            raise Nonsense("the target's answer has no id where `id` says that it is")
        if id is not None and found not in (None, id):
            raise Nonsense("the target answered with another entry than the one asked for")
        entry = self._entry.unfill(raw, {})
        entry.pop("password", None)
        if "active" in entry:
            value = entry["active"]
            entry["active"] = truth(value) if self._active is None else value == self._active[0]
        return {"id": id or found, **entry}

    def is_whole(self, raw: Any, body: Attributes) -> bool:
        """Say whether an answer shows an entry with all that it was sent, and not only a part of it."""
        entry = self._entry.unfill(raw, {})
        return isinstance(entry.get(self.name), str) and all(name in raw for name in body)


def _parts_unsent(name: str, value: Any, places: list[Place]) -> Iterator[str]:
    """Yield the parts of an attribute that are at none of the places; of those that pick one, one is."""
    if isinstance(value, dict) and all(where.sub for where in places):
        told = {where.sub.casefold() for where in places if where.sub}
        yield from (f"{name}.{sub}" for sub in value if sub.casefold() not in told)
    if isinstance(value, list) and all(where.where for where in places):
        picked = {index for where in places for index, _ in islice(select({name: value}, where), 1)}
        for index, one in enumerate(value):
            if index not in picked:
                kind = one.get("type") if isinstance(one, dict) else None
                yield name if kind is None else f'{name}[type eq "{kind}"]'


def creation(spec: RestCollection, base_url: str, form: Attributes) -> tuple[Call, list[str]]:
    """Return the call that makes a person, and the attributes that it does not tell; raises Refused."""
    own = Collection(ResourceType.USER, spec, base_url)
    document = own.document(form)
    request = own.need("create")
    body = own.body(document) if request.body is None else None
    return request.call(document, body), list(own.unsent(form))


def fill(shape: Shape, document: Attributes) -> Any:
    """Return a body, whatever it says."""
    if isinstance(shape, Record):
        return shape.filled(document)
    found = shape.fill(document)
    return [] if found is ABSENT else found


def as_id(value: Any) -> str | None:
    """Return an id, which may be a whole number, as text."""
    is_one = isinstance(value, str | int) and not isinstance(value, bool) and "\0" not in str(value)
    return str(value) or None if is_one else None


def with_number_ids(document: Attributes) -> Attributes:
    """Return a document whose ids, and those of members, are numbers."""
    numbered: Attributes = {name: _number(document[name]) for name in ("id", "member") if name in document}
    if document.get("members"):
        numbered["members"] = [one | {"value": _number(one["value"])} for one in document["members"]]
    return document | numbered


def _number(id: Any) -> Any:
    return int(id) if isinstance(id, str) and id.isascii() and id.isdecimal() and len(id) < 19 else id


def percent(text: str) -> str:
    return quote(text, safe="", errors="surrogatepass")


def with_parameters(url: str, asked: Mapping[str, str]) -> str:
    """Return an address with these parameters, instead of any that it has of the same names."""
    if not asked:
        return url
    base, _, query = url.partition("?")
    named = {percent(name): percent(value) for name, value in asked.items()}
    kept = [part for part in query.split("&") if part and part.partition("=")[0] not in named]
    return f"{base}?{'&'.join([*kept, *(f'{name}={value}' for name, value in named.items())])}"
