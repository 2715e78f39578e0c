"""One kind of entries below a base: found by id, listed page by page in order, and what that remembers."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.address import Directory
from gateway.flow.target_port import Attributes, CannotFilter, Query, ResourceType, Silent, TargetError
from gateway.scim.predicate import predicate
from gateway.targets.ldap.entries import Raw, read_id, sought_id
from gateway.targets.ldap.filters import NOBODY, Ask, LdapFilter, Vocabulary, any_of, both, equal, translate
from gateway.targets.ldap.inactive import habit_of
from gateway.targets.ldap.session import PAGE, Session, chunks, in_doubt
from gateway.values import frozen

LASTS: Final = 60.0  # seconds that the order of a long list is kept after its last page was asked for
LISTS: Final = 4  # long lists kept at a time
PLACES: Final = 10_000  # entries whose place is remembered
READ: Final = ("objectClass", "createTimestamp", "modifyTimestamp")  # of everybody


@dataclass(slots=True)
class PagedList:
    """The DNs of a long list, in the order in which its pages show them."""

    dns: list[str]
    used: float  # monotonic seconds


@dataclass(slots=True)
class PagingState:
    """The long lists that somebody reads page by page; every connection shares them."""

    clock: Callable[[], float] = time.monotonic
    _kept: dict[str, PagedList] = field(default_factory=dict)  # by filter
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, text: str, dns: list[str]) -> PagedList:
        """Keep a list; those that nobody reads any more, or has asked for longest, are forgotten."""
        walk = PagedList(dns, self.clock())
        with self._lock:
            self._kept = {text: kept for text, kept in self._kept.items() if not self._is_over(kept)}
            self._kept[text] = walk
            while len(self._kept) > LISTS:
                del self._kept[min(self._kept, key=lambda text: self._kept[text].used)]
        return walk

    def recall(self, text: str) -> PagedList | None:
        """Return a list that was read from lately."""
        walk = self._kept.get(text)
        if walk is None or self._is_over(walk):
            return None
        walk.used = self.clock()
        return walk

    def _is_over(self, walk: PagedList) -> bool:
        return self.clock() - walk.used > LASTS


class Places:
    """Where entries stood when they were last seen: a guess that spares a search without an index."""

    def __init__(self) -> None:
        self._dns: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def note(self, id: str, dn: str) -> None:
        """Remember where an entry stands; whoever was not seen longest is forgotten."""
        with self._lock:
            self._dns[id] = dn
            self._dns.move_to_end(id)
            if len(self._dns) > PLACES:
                self._dns.popitem(last=False)

    def recall(self, id: str) -> str | None:
        """Return where an entry stood."""
        return self._dns.get(id)


Show = Callable[[Raw], Attributes]


@frozen
class Listing:
    """People, or groups: where they are, which entries they are, and how each is shown."""

    kind: ResourceType
    base: str
    filter: str  # every entry of this kind
    id: str  # the attribute
    names: tuple[str, ...]  # of the attributes that are read
    words: Vocabulary
    paging_state: PagingState = field(default_factory=PagingState)
    places: Places = field(default_factory=Places)

    def find(self, session: Session, id: str) -> Raw | None:
        """Return the entry with exactly this id, None where there is none."""
        text = both(self.filter, id_is(self.id, id))
        dn = self.places.recall(id)
        found = session.read(dn, self.names, text) if dn is not None else None
        if found is None:
            found = next(iter(session.find(self.base, text, self.names)), None)
        if found is None or self.id_of(found) != id:  # a directory reads more than one spelling of an id
            return None
        self.places.note(id, found.dn)
        return found

    def reread(self, session: Session, dn: str) -> Raw:
        """Return an entry that was just written; what fails now leaves the change in doubt."""
        try:
            raw = session.read(dn, self.names)
        except TargetError as error:
            raise in_doubt(error) from error
        if raw is None:
            raise Silent("the entry is not where it was written")
        self.places.note(self.id_of(raw) or "", dn)
        return raw

    def found(self, session: Session, ids: Sequence[str]) -> dict[str, Raw]:
        """Return entries by their ids, in the order of these; who is not there is left out."""
        there: dict[str, Raw] = {}
        for some in chunks(ids):
            text = both(self.filter, any_of([id_is(self.id, id) for id in some]))
            for raw in session.find(self.base, text, self.names):
                there[self.id_of(raw) or ""] = raw
        return {id: there[id] for id in ids if id in there}

    def id_of(self, raw: Raw) -> str | None:
        """Return an entry's id."""
        values = raw.all(self.id)
        return read_id(self.id, values[0]) if values else None

    def page(self, session: Session, query: Query, show: Show) -> tuple[int, list[Raw]]:
        """Return how many match, and those of one page; raises CannotFilter where that cannot be asked."""
        asked = LdapFilter(self.filter) if query.filter is None else translate(query.filter, self.words)
        text = both(self.filter, asked.text)
        walk = self.paging_state.recall(text) if query.start > 1 else None
        if walk is None:
            few = self._few(session, text, query, show)
            if few is not None:
                return few
            if not asked.exact:
                raise CannotFilter("the directory compares less exactly, and that would be too many")
            walk = self.paging_state.keep(text, self._all(session, text))
        return self._window(session, walk, query)

    def _few(self, session: Session, text: str, query: Query, show: Show) -> tuple[int, list[Raw]] | None:
        """Return the page where all matches come at once, None where they are more."""
        pages = session.pages(self.base, text, self.names)
        raws = next(pages)
        if len(raws) >= PAGE or next(pages, None) is not None:
            return None
        if query.filter is not None:  # as SCIM compares: a directory folds more than case
            holds = predicate(query.filter, self.kind)
            raws = [raw for raw in raws if holds(show(raw))]
        raws.sort(key=lambda raw: raw.dn)
        first = max(query.start, 1) - 1
        return len(raws), raws[first : first + max(query.count, 0)]

    def _all(self, session: Session, text: str) -> list[str]:
        dns: list[str] = []
        for page in session.pages(self.base, text, [self.id]):
            dns += [raw.dn for raw in page]
            session.go_on()
        dns.sort()
        return dns

    def _window(self, session: Session, walk: PagedList, query: Query) -> tuple[int, list[Raw]]:
        """Return a part of a long list; who has gone or moved since it was made leaves it."""
        first, count = max(query.start, 1) - 1, max(query.count, 0)
        while True:
            wanted = walk.dns[first : first + count]
            found = {dn: session.read(dn, self.names, self.filter) for dn in wanted}
            gone = {dn for dn, raw in found.items() if raw is None}
            if not gone:
                return len(walk.dns), [raw for raw in found.values() if raw is not None]
            walk.dns = [dn for dn in walk.dns if dn not in gone]


def id_is(attribute: str, id: str) -> str:
    """Return the filter for the entry with an id."""
    sought = sought_id(attribute, id)
    return NOBODY if sought is None else equal(attribute, sought)


def asks_for_id(attribute: str) -> Ask:
    """Return how `id eq …` is asked."""

    def ask(literal: object) -> LdapFilter:
        return LdapFilter(id_is(attribute, literal)) if isinstance(literal, str) else LdapFilter(NOBODY)

    return ask


def people_listing(directory: Directory) -> Listing:
    """Return where people are, and how they are asked for."""
    names = directory.attributes or ("*",)
    own = (directory.id, directory.user_name, directory.external_id, *habit_of(directory).reads)
    words = Vocabulary(
        {"username": directory.user_name, "externalid": directory.external_id},
        {"active": habit_of(directory).asks, "id": asks_for_id(directory.id)},
        loose=frozenset({"externalid"}),
    )
    return Listing(
        ResourceType.USER, directory.base, directory.people, directory.id, (*names, *own, *READ), words
    )
