"""What a provider is shown and what a target holds, after any sequence of changes by both.

A model of one page stands beside the gateway. It knows four attributes, and of each what the provider last
wanted (`original`), what the target holds (`entry`) and what it held after our last change (`seen`).
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.errors import GatewayError, InvalidValue, NotFound, Uniqueness
from gateway.mapping.target import TargetMapping
from gateway.mapping.transforms import compile_transform
from tests.support.house import House, make_house
from tests.support.rules import make_rule

T = TypeVar("T")
Values = dict[str, Any]  # of the four attributes and `active`, absent ones left out

ATTRIBUTES = ("title", "displayName", "work", "mobile")
TITLES = {"CSR": "Agent", "TL": "Lead"}  # the provider's to the target's, where a target has such a rule
NUMBERS = {  # as written -> as sent; None: nobody can dial it
    "020 7946 0123": "+442079460123",
    "+44 20 7946 0123": "+442079460123",
    "(020) 7946 0999": "+442079460999",
    "+44 20 7946 0999": "+442079460999",
    "+442079460777": "+442079460777",
    "+44 20 7946 0777": "+442079460777",
    "none": None,
}
SPELLED = {sent: written for written, sent in NUMBERS.items() if written.startswith("+44 ")}


class Refused(Exception):
    """The model's word for a change that cannot be made."""


@dataclass(frozen=True)
class Habits:
    """A kind of target."""

    sent: tuple[str, ...] = ATTRIBUTES
    titles: bool = False  # are looked up in TITLES
    bad_number: str = "drop"  # or reject
    removes: bool = False  # who is deactivated has no entry

    def mapping(self) -> TargetMapping:
        phones = "phoneNumbers.value" if "mobile" in self.sent else 'phoneNumbers[type eq "work"].value'
        table = [compile_transform({"name": "map", "table": TITLES}, {})] if self.titles else []
        rules = [
            make_rule(phones, via=[compile_transform("phone", {})], on_invalid=self.bad_number),
            make_rule("title", via=table),
        ]
        return TargetMapping(rules, unlisted="send" if self.sent == ATTRIBUTES else "hold", region="GB")

    def forward(self, name: str, value: Any, active: bool, there: Any) -> Any:
        """Return what the target gets, None for nothing; `there` is what it has, in the form it was sent."""
        if name in ("work", "mobile"):
            sent = NUMBERS.get(value)
            if sent or value is None or self.bad_number == "drop":
                return sent
            if active:
                raise Refused
            return there
        return TITLES.get(value, value) if name == "title" and self.titles else value

    def back(self, name: str, value: Any) -> Any:
        """Return a target's value as the provider would have written it."""
        if name == "title" and self.titles:
            return {there: here for here, there in TITLES.items()}.get(value, value)
        return value


SHIPPED = Habits(titles=True)
STRICT = Habits(bad_number="reject")
DIRECTORY = Habits(("title", "work"), bad_number="reject", removes=True)


@dataclass
class Person:
    """One person in the model."""

    name: str
    external: str
    id: str | None = None  # None: the gateway does not know them
    original: Values = field(default_factory=dict)
    entry: Values | None = None
    seen: Values = field(default_factory=dict)

    @property
    def is_gone(self) -> bool:
        """Say whether they should have an entry and have none: the target's administrator took it away."""
        return self.entry is None and self.original["active"]

    def view(self, habits: Habits) -> Values:
        """Return what GET shows: the original, but what changed at the target as it is there."""
        if self.entry is None:
            return self.original
        now = {name: self._now(name, habits) for name in ATTRIBUTES}
        changed = self.entry["active"] != self.seen["active"]
        now["active"] = self.entry["active"] if changed else self.original["active"]
        return without_absent(now)

    def _now(self, name: str, habits: Habits) -> Any:
        assert self.entry is not None
        there, then = self.entry.get(name), self.seen.get(name)
        is_edited = name in habits.sent and NUMBERS.get(there, there) != NUMBERS.get(then, then)
        return habits.back(name, there) if is_edited else self.original.get(name)

    def become(self, wanted: Values, habits: Habits) -> None:
        """Take the provider's wanted state: send what differs, remember all of it; raises Refused."""
        form = self._form(wanted, wanted["active"], habits)
        view = self.view(habits) if self.original else self.adopted(habits)
        if not wanted["active"] and habits.removes:
            self.entry = None
        elif self.entry is not None:
            before = self._form(view, False, habits)
            differing = {name: value for name, value in form.items() if value != before[name]}
            self.entry = without_absent(self.entry | differing | {"active": wanted["active"]})
        elif wanted["active"] or not self.original:
            self.entry = without_absent(form | {"active": wanted["active"]})
        self.original = wanted
        self.seen = dict(self.entry or {})

    def _form(self, values: Values, active: bool, habits: Habits) -> Values:
        there = {name: NUMBERS.get(value, value) for name, value in (self.entry or {}).items()}
        return {name: habits.forward(name, values.get(name), active, there.get(name)) for name in habits.sent}

    def adopted(self, habits: Habits) -> Values:
        """Return an entry that the gateway does not know as the provider would have written it."""
        return {name: habits.back(name, value) for name, value in (self.entry or {}).items()}


def without_absent(values: Values) -> Values:
    return {name: value for name, value in values.items() if value is not None}


def document(person: Person, values: Values) -> dict[str, Any]:
    """Return values as a SCIM document."""
    phones = [{"type": kind, "value": values[kind]} for kind in ("work", "mobile") if kind in values]
    plain = {name: values[name] for name in ("title", "displayName", "active") if name in values}
    listed = {"phoneNumbers": phones} if phones else {}
    return {"userName": person.name, "externalId": person.external, **plain, **listed}


def values_of(found: dict[str, Any]) -> Values:
    """Return a SCIM document as values."""
    plain = {name: found[name] for name in ("title", "displayName", "active") if name in found}
    return plain | {phone["type"]: phone["value"] for phone in found.get("phoneNumbers", ())}


def replaces(**values: Any) -> dict[str, Any]:
    return {"Operations": [{"op": "replace", "value": values}]}


people = st.sampled_from([0, 0, 0, 1])
USUAL = (
    {},
    {"title": "CSR", "work": "020 7946 0123"},
    {"work": "020 7946 0123", "mobile": "(020) 7946 0999"},
    {"work": "none"},
    {"work": "none", "mobile": "020 7946 0123"},
)
profiles = st.sampled_from(USUAL) | st.fixed_dictionaries(
    {},
    optional={
        "title": st.sampled_from([*TITLES, "Boss"]),
        "displayName": st.sampled_from(["A", "B"]),
        "work": st.sampled_from(list(NUMBERS)),
        "mobile": st.sampled_from(list(NUMBERS)),
    },
)
edits = st.one_of(
    st.tuples(st.just("title"), st.sampled_from(["Agent", "Lead", "Chief", None])),
    st.tuples(st.just("displayName"), st.sampled_from(["A", "C", None])),
    st.tuples(st.sampled_from(["work", "mobile"]), st.sampled_from([n for n in NUMBERS if n[0] == "+"])),
    st.tuples(st.sampled_from(["work", "mobile"]), st.none()),
    st.tuples(st.just("active"), st.booleans()),
)


class Views(RuleBasedStateMachine):
    """A provider and a target's administrator, both changing two people as they like."""

    habits: Habits

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        policy = {"on_deactivate": "delete"} if self.habits.removes else {}
        self.house: House = make_house(self.habits.mapping(), **policy)
        self.people = [Person("ann@example.com", "00u1"), Person("bob@example.com", "00u2")]
        self.past_ids: set[str] = set()
        self.changes = 0

    def teardown(self) -> None:
        self.runner.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    # --- the provider

    def sent(self, person: Person, wanted: Values, operation: str, body: dict[str, Any]) -> None:
        """Send a change, and have the model make the same one."""
        self.changes += 1
        try:
            person.become(wanted, self.habits)
        except Refused:
            with pytest.raises(InvalidValue):
                self.run(self.house.send(operation, body, person.id))
            return
        reply = self.run(self.house.send(operation, body, person.id if operation != "create" else None))
        assert person.id in (None, reply.document["id"])
        person.id = reply.document["id"]
        assert person.id not in self.past_ids
        assert values_of(reply.document) == wanted

    @initialize(profile=profiles)
    def begin(self, profile: Values) -> None:
        self.create(0, profile)

    @rule(who=people, profile=profiles)
    def create(self, who: int, profile: Values) -> None:
        person = self.people[who]
        wanted = profile | {"active": True}
        if person.id is not None and person.original["active"] and person.entry is not None:
            self.changes += 1
            with pytest.raises(GatewayError) as refusal:
                self.run(self.house.send("create", document(person, profile)))
            assert refusal.type in (Uniqueness, InvalidValue)
            return
        self.sent(person, wanted, "create", document(person, profile))
        if person.id is not None:
            self.run(self.house.replied(person.id))

    @rule(who=people, profile=profiles, active=st.sampled_from([None, True, False]), named=st.booleans())
    def put(self, who: int, profile: Values, active: bool | None, named: bool) -> None:
        """Push everything; what is left out of `active` and `externalId` is unchanged."""
        person = self.people[who]
        if person.id is None:
            return
        kept = person.view(self.habits)["active"] if active is None else active
        body = document(person, profile | ({} if active is None else {"active": active}))
        if not named:
            del body["externalId"]
        self.sent(person, profile | {"active": kept}, "replace", body)

    @rule(who=people, title=st.sampled_from([None, "CSR", "Boss"]))
    def put_what_was_read(self, who: int, title: str | None) -> None:
        """Read, merge, write all of it back, as Okta does."""
        person = self.people[who]
        if person.id is None or person.is_gone:
            return
        read = self.run(self.house.get(person.id))
        change = {} if title is None else {"title": title}
        writes = len(self.house.fake.writes)
        self.sent(person, person.view(self.habits) | change, "replace", read | change)
        if title is None and person.entry is not None:
            assert len(self.house.fake.writes) == writes

    @rule(who=people, title=st.sampled_from([*TITLES, "Boss"]))
    def patch(self, who: int, title: str) -> None:
        person = self.people[who]
        if person.id is not None:
            wanted = person.view(self.habits) | {"title": title}
            self.sent(person, wanted, "patch", replaces(title=title))

    @rule(who=people, active=st.booleans())
    def switch(self, who: int, active: bool) -> None:
        person = self.people[who]
        if person.id is not None:
            wanted = person.view(self.habits) | {"active": active}
            self.sent(person, wanted, "patch", replaces(active=active))

    @rule(who=people)
    def delete(self, who: int) -> None:
        person = self.people[who]
        if person.id is None:
            return
        self.changes += 1
        assert self.run(self.house.send("delete", None, person.id)).status == 204
        self.past_ids.add(person.id)
        self.people[who] = Person(person.name, person.external)

    # --- the target's administrator

    def entry_id(self, person: Person) -> str:
        entries = self.house.fake.entries
        return next(id for id, entry in entries.items() if entry["userName"] == person.name)

    def written(self, person: Person, id: str, values: Values) -> None:
        person.entry = values
        self.house.fake.entries[id] = document(person, values) | {"id": id}
        self.house.clock[0] += 60.0

    @rule(who=people, edit=edits)
    def edit(self, who: int, edit: tuple[str, Any]) -> None:
        person = self.people[who]
        if person.entry is not None and edit != ("active", None):
            changed = without_absent(person.entry | dict([edit]))
            self.written(person, self.entry_id(person), changed)

    @rule(who=people)
    def spell(self, who: int) -> None:
        """Write every number in another way, as some targets do on their own."""
        person = self.people[who]
        if person.entry is not None:
            spelled = {name: SPELLED.get(value, value) for name, value in person.entry.items()}
            self.written(person, self.entry_id(person), spelled)

    @rule(who=people)
    def remove(self, who: int) -> None:
        person = self.people[who]
        if person.entry is not None:
            del self.house.fake.entries[self.entry_id(person)]
            person.entry = None
            self.house.clock[0] += 60.0

    @rule(who=people, values=st.fixed_dictionaries({}, optional={"title": st.just("Chief")}))
    def make(self, who: int, values: Values) -> None:
        """Make an entry for somebody who should have one, or whom the gateway has not heard of."""
        person = self.people[who]
        if person.entry is None and (person.id is None or person.original["active"]):
            self.written(person, f"t{next(self.house.fake.ids)}", values | {"active": True})

    # --- what must hold at any time

    @invariant()
    def the_target_holds_what_the_model_says(self) -> None:
        held = {entry["userName"]: values_of(entry) for entry in self.house.fake.entries.values()}

        assert held == {person.name: person.entry for person in self.people if person.entry is not None}

    @invariant()
    def everybody_is_shown_as_the_model_says(self) -> None:
        for person in self.people:
            if person.id is not None:
                self.check_person(person, person.id)

    def check_person(self, person: Person, id: str) -> None:
        found = self.run(self.house.search(f'userName eq "{person.name}"')).entries
        if person.is_gone:
            assert found == ()
            with pytest.raises(NotFound):
                self.run(self.house.get(id))
            return
        shown = self.run(self.house.get(id))
        assert values_of(shown) == person.view(self.habits)
        assert (shown["userName"], shown["externalId"]) == (person.name, person.external)
        assert found == (shown,)

    @invariant()
    def a_deleted_id_is_of_no_use(self) -> None:
        for id in self.past_ids:
            with pytest.raises(NotFound):
                self.run(self.house.get(id))

    @invariant()
    def every_change_has_one_event(self) -> None:
        assert self.run(self.house.journal.trail.head())[0] == self.changes


def machine(kind: Habits) -> Any:
    case = type("Views", (Views,), {"habits": kind}).TestCase
    case.settings = settings(max_examples=100, stateful_step_count=20, deadline=None)
    return case


TestTheShippedRules = machine(SHIPPED)
TestRulesThatReject = machine(STRICT)
TestADirectoryWithoutLeavers = machine(DIRECTORY)
