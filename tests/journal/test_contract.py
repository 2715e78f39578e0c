"""What every journal promises, whatever it is kept in."""

import asyncio
from dataclasses import replace

import orjson
import pytest

from gateway.audit.event import Event, Personal
from gateway.errors import Uniqueness
from gateway.flow.journal_port import (
    Begun,
    IdTaken,
    Key,
    KeysTaken,
    Link,
    OperationState,
    Outcome,
    Settlement,
    StaleFence,
    State,
    Transition,
)
from gateway.flow.target_port import ResourceType

DOUBT = Transition(OperationState.DOUBT)
USER, GROUP = ResourceType.USER, ResourceType.GROUP
NAME, EXTERNAL, ID = Key("name", "ann"), Key("external", "x-1"), Key("id", "id-1")


@pytest.fixture
def store(journal, event):
    """Settle resources as if a change had made them."""

    async def settle(*resources):
        for n, resource in enumerate(resources):
            await journal.operations.settle(
                None, Settlement(Outcome.APPLIED, event(f"s-{resource.id}-{n}"), resource)
            )

    return settle


async def test_a_claimed_operation_is_open_under_each_of_its_keys(journal, intent):
    claimed = await journal.operations.claim(intent(keys=(NAME, EXTERNAL, ID)))

    for keys in ([NAME], [EXTERNAL, Key("name", "bob")], [ID], []):
        assert await journal.operations.open("cx", keys) == (claimed,)
    assert (claimed.fence, claimed.attempts, claimed.standing) == (1, 1, OperationState.OPEN)
    assert claimed.opened == "2026-11-22T01:04:09.000000Z"


@pytest.mark.parametrize(
    ("base", "keys"),
    [
        pytest.param("cx", [Key("name", "bob")], id="another name"),
        pytest.param("cx", [Key("external", "ann")], id="another kind of key"),
        pytest.param("dialpad", [NAME], id="another base"),
        pytest.param("dialpad", [], id="all of another base"),
    ],
)
async def test_an_operation_is_not_open_elsewhere(journal, intent, base, keys):
    await journal.operations.claim(intent())

    assert await journal.operations.open(base, keys) == ()


@pytest.mark.parametrize(
    ("other", "is_free"),
    [
        pytest.param({"keys": (ID, NAME)}, False, id="one key of two"),
        pytest.param({"keys": (ID, Key("name", "bob"))}, True, id="other keys"),
        pytest.param({"base": "route"}, False, id="same target by another base"),
        pytest.param({"target": "dialpad"}, True, id="another target"),
        pytest.param({"type": GROUP}, True, id="another type"),
    ],
)
async def test_a_key_is_held_by_one_operation(journal, intent, other, is_free):
    await journal.operations.claim(intent())

    refused = False
    try:
        await journal.operations.claim(intent("op-2", **other))
    except KeysTaken:
        refused = True
    assert refused is not is_free
    assert len(await journal.operations.open(other.get("base", "cx"), [])) == 1 + is_free - ("base" in other)


async def test_of_many_claims_of_a_key_one_wins(journal, intent):
    claims = [journal.operations.claim(intent(f"op-{n}", "ann", f"only-{n}")) for n in range(50)]
    results = await asyncio.gather(*claims, return_exceptions=True)

    assert [type(result) for result in results].count(KeysTaken) == 49
    assert len(await journal.operations.open("cx", [])) == 1


async def test_operations_of_every_base_are_found_together(journal, intent, event):
    claimed = [
        await journal.operations.claim(intent(f"op-{n}", keys=(), base=base)) for n, base in enumerate("ab")
    ]
    other = await journal.operations.claim(intent("op-2", keys=(), base="c"))
    await journal.operations.settle(other, Settlement(Outcome.APPLIED, event()))

    assert await journal.operations.open(None, []) == tuple(claimed)


async def test_a_claim_that_is_refused_holds_nothing(journal, intent):
    await journal.operations.claim(intent())
    with pytest.raises(KeysTaken):
        await journal.operations.claim(intent("op-2", "bob", "ann", "eve"))

    assert (await journal.operations.claim(intent("op-3", "bob", "eve"))).fence == 1
    with pytest.raises(KeysTaken):
        await journal.operations.claim(intent("op-4"))


async def test_an_operation_without_keys_is_in_nobodys_way(journal, intent):
    claimed = [await journal.operations.claim(intent(f"op-{n}", keys=())) for n in range(2)]

    assert await journal.operations.open("cx", []) == tuple(claimed)


async def test_a_key_named_twice_is_held_once(journal, intent):
    operation = await journal.operations.claim(intent(keys=(NAME, NAME)))

    assert await journal.operations.open("cx", [NAME]) == (operation,)


async def test_settling_frees_the_keys_and_forgets_the_intent(journal, intent, event):
    operation = await journal.operations.claim(intent())

    await journal.operations.settle(operation, Settlement(Outcome.APPLIED, event()))
    assert await journal.operations.open("cx", []) == ()
    assert (await journal.operations.claim(intent("op-2"))).fence == 1


async def test_settling_stores_resource_links_and_event(journal, intent, event, resource):
    operation = await journal.operations.claim(intent())
    made = resource(links={"cx": "t-1"})

    await journal.operations.settle(operation, Settlement(Outcome.APPLIED, event("e-9"), made))
    assert await journal.resources.find("cx", USER, [ID]) == (made,)
    assert [told["id"] for told in await journal.trail.page(None, 9, None, None)] == ["e-9"]


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(Event("e", {"reason": object()}), id="no JSON"),
        pytest.param(Event("e", {"reason": Personal(object())}), id="a personal value that is no JSON"),
        pytest.param(Event("e", {"target": {"#": "0" * 64}}), id="a forged digest"),
    ],
)
async def test_a_settlement_is_stored_whole_or_not_at_all(journal, intent, resource, bad):
    operation = await journal.operations.claim(intent())

    with pytest.raises((TypeError, ValueError)):
        await journal.operations.settle(operation, Settlement(Outcome.APPLIED, bad, resource()))
    assert await journal.operations.open("cx", [NAME]) == (operation,)
    assert await journal.resources.find("cx", USER, [ID]) == ()
    assert await journal.trail.head() == (0, "")


async def test_an_operation_is_settled_once(journal, intent, event, resource):
    operation = await journal.operations.claim(intent())
    await journal.operations.settle(operation, Settlement(Outcome.FAILED, event()))

    with pytest.raises(StaleFence):
        await journal.operations.settle(operation, Settlement(Outcome.APPLIED, event("e-2"), resource()))
    assert (await journal.trail.head())[0] == 1
    assert await journal.resources.find("cx", USER, [ID]) == ()


async def test_a_doubt_keeps_keys_and_intent(journal, intent, event):
    operation = await journal.operations.claim(intent())

    doubtful = await journal.operations.mark(operation, DOUBT, event())
    assert doubtful == replace(operation, standing=OperationState.DOUBT)
    assert await journal.operations.open("cx", [NAME]) == (doubtful,)
    assert (await journal.trail.head())[0] == 1
    with pytest.raises(KeysTaken):
        await journal.operations.claim(intent("op-2"))


async def test_a_doubt_may_have_no_event(journal, intent):
    await journal.operations.mark(await journal.operations.claim(intent()), DOUBT)

    assert (await journal.trail.head())[0] == 0


async def test_taking_over_gives_the_next_fence(journal, intent):
    operation = await journal.operations.mark(await journal.operations.claim(intent()), DOUBT)

    taken = await journal.operations.take_over(operation)
    assert taken == replace(operation, fence=2, attempts=2)
    assert await journal.operations.open("cx", []) == (taken,)


async def test_who_was_taken_over_from_can_do_nothing(journal, intent, event, resource):
    old = await journal.operations.claim(intent())
    new = await journal.operations.take_over(old)
    assert await journal.operations.open("cx", []) == (new,)

    with pytest.raises(StaleFence):
        await journal.operations.settle(old, Settlement(Outcome.APPLIED, event(), resource()))
    with pytest.raises(StaleFence):
        await journal.operations.mark(old, DOUBT, event())
    with pytest.raises(StaleFence):
        await journal.operations.take_over(old)
    assert (await journal.trail.head())[0] == 0
    await journal.operations.settle(new, Settlement(Outcome.APPLIED, event(), resource()))


async def test_what_is_settled_is_not_taken_over(journal, intent, event):
    operation = await journal.operations.claim(intent())
    await journal.operations.settle(operation, Settlement(Outcome.APPLIED, event()))

    with pytest.raises(StaleFence):
        await journal.operations.take_over(operation)


@pytest.mark.parametrize("key", [NAME, EXTERNAL, ID], ids=lambda key: key.kind)
@pytest.mark.parametrize("state", State)
async def test_a_resource_is_found_by_its_keys_and_a_deleted_one_by_id_only(
    journal, store, resource, key, state
):
    made = resource(external="x-1", state=state, links={"cx": "t-1", "dialpad": None})
    await store(made)

    is_found = state is not State.DELETED or key.kind == "id"
    assert await journal.resources.find("cx", USER, [key]) == ((made,) if is_found else ())


@pytest.mark.parametrize(
    ("base", "type", "key"),
    [
        pytest.param("dialpad", USER, ID, id="another base"),
        pytest.param("cx", GROUP, ID, id="another type"),
        pytest.param("cx", USER, Key("id", "ID-1"), id="another id"),
        pytest.param("cx", USER, Key("external", "X-1"), id="externalId is exact"),
        pytest.param("cx", USER, Key("name", "Ann"), id="names come folded"),
    ],
)
async def test_a_resource_is_not_found_elsewhere(journal, store, resource, base, type, key):
    await store(resource(external="x-1"))

    assert await journal.resources.find(base, type, [key]) == ()


@pytest.mark.parametrize("state", State)
async def test_an_inactive_person_is_found_by_e_mail_and_nobody_else_is(journal, store, resource, state):
    made = resource(state=State.ACTIVE)
    made = replace(made, original={**made.original, "emails": [{"value": "Ann@X.test"}, {"type": "home"}]})
    left = replace(made, state=state)
    await store(made, replace(made, state=State.INACTIVE), left)

    found = await journal.resources.find("cx", USER, [Key("email", "ann@x.test")])
    assert found == ((left,) if state is State.INACTIVE else ())


async def test_a_resource_found_by_several_keys_is_returned_once(journal, store, resource):
    ann, bob = resource(external="x-1"), resource("id-2", "Bob")
    await store(ann, bob)

    assert await journal.resources.find("cx", USER, [NAME, EXTERNAL, ID, Key("name", "bob")]) == (ann, bob)
    assert await journal.resources.find("cx", USER, []) == ()


async def test_a_name_is_folded_in_python(journal, store, resource):
    await store(resource(name="STRASSE\u0301 İ"))

    assert await journal.resources.find("cx", USER, [Key("name", "strass\u00e9 i̇")])


async def test_a_group_is_found_by_its_display_name(journal, store, resource):
    made = replace(resource(type=GROUP), original={"displayName": "Sales"})
    await store(made)

    assert await journal.resources.find("cx", GROUP, [Key("name", "sales")]) == (made,)


async def test_two_people_cannot_have_one_name(journal, store, resource):
    await store(resource())

    with pytest.raises(Uniqueness):
        await store(resource("id-2", "ANN"))
    assert await journal.resources.find("cx", USER, [Key("id", "id-2")]) == ()
    assert (await journal.trail.head())[0] == 1


async def test_a_name_is_free_again_after_a_rename_or_a_deletion(journal, store, resource):
    await store(resource(), resource(name="Bob"), resource("id-2"))
    await store(resource("id-2", state=State.DELETED), resource("id-3"), resource("id-4", None))

    assert [found.id for found in await journal.resources.find("cx", USER, [NAME])] == ["id-3"]


async def test_links_that_a_settlement_does_not_name_stay(journal, store, resource):
    await store(resource(links={"cx": "t-1", "dialpad": "d-1"}), resource(links={"cx": None}))

    (found,) = await journal.resources.find("cx", USER, [ID])
    assert {name: link.target_id for name, link in found.links.items()} == {"cx": None, "dialpad": "d-1"}


async def test_a_link_may_not_have_been_seen(journal, store, resource):
    made = replace(resource(), links={"cx": Link("cx", "t-1", {}, None)})
    await store(made)

    assert await journal.resources.find("cx", USER, [ID]) == (made,)


SENT = {"userName": "Ann", "active": True, "n": 1, "emails": [{"value": "a", "primary": True}], "z": {"a": 1}}


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param({**SENT, "id": "t-1", "meta": {"version": "1"}}, id="with an id"),
        pytest.param({"id": "t-1", **dict(reversed(SENT.items()))}, id="in another order"),
        pytest.param({"id": "t-1"}, id="nothing of it"),
        pytest.param({}, id="nothing at all"),
        pytest.param({**SENT, "active": 1, "n": True}, id="a number for a boolean"),
        pytest.param(
            {**SENT, "emails": [{"value": "a", "primary": 1}], "z": {"a": 1.0}}, id="within a value"
        ),
        pytest.param({**SENT, "userName": None, "n": None}, id="null for a value"),
        pytest.param({**SENT, "z": {"b": 2, "a": 1}, "userName": "ann"}, id="other values"),
    ],
)
async def test_what_a_target_showed_is_kept_to_the_letter(journal, store, resource, seen):
    await store(replace(resource(), links={"cx": Link("cx", "t-1", SENT, seen)}))

    (found,) = await journal.resources.find("cx", USER, [ID])
    shown = found.links["cx"].seen
    assert orjson.dumps(shown, option=orjson.OPT_SORT_KEYS) == orjson.dumps(seen, option=orjson.OPT_SORT_KEYS)
    assert found.links["cx"].sent == SENT


@pytest.mark.parametrize("ids", [("id-1", "t-9"), ("t-9", "id-1"), ("id-1", "id-1"), ("id-1", None)])
async def test_an_entry_is_found_by_its_id_whether_or_not_that_is_ours(journal, store, resource, ids):
    await store(*(resource(links={"cx": entry}) for entry in ids))

    for entry in ("id-1", "t-9"):
        found = await journal.resources.read("cx", USER, "cx", [entry])
        owners = await journal.memberships.owners("cx", "cx", [entry])
        is_theirs = entry == ids[-1]
        assert (list(found), owners) == ([entry] * is_theirs, {entry: "id-1"} if is_theirs else {})


async def test_resources_are_paged_in_order_of_id_without_tombstones(journal, store, resource):
    people = [resource(id, id, links={"cx": id}) for id in ("b", "a", "c", "e")]
    await store(*people, resource("d", "d", state=State.DELETED), resource("z", "z", base="dialpad"))

    pages = [await journal.resources.page("cx", USER, after, 2) for after in ("", "b", "e")]
    assert [[found.id for found in page] for page in pages] == [["a", "b"], ["c", "e"], []]


async def test_resources_are_read_by_the_ids_of_a_target(journal, store, resource):
    linked, elsewhere = resource(links={"cx": "t-1"}), resource("id-2", "Bob", links={"dialpad": "t-2"})
    gone = resource("id-3", "Eve", links={"cx": "t-3"}, state=State.DELETED)
    removed = resource("id-4", "Dan", links={"cx": None})
    await store(linked, elsewhere, gone, removed)

    found = await journal.resources.read("cx", USER, "cx", ["t-1", "t-2", "t-3", "t-9"])
    assert found == {"t-1": linked}
    assert await journal.resources.read("dialpad", USER, "cx", ["t-1"]) == {}


async def test_a_delivered_answer_is_known_at_once(journal, store, resource):
    await store(resource())

    await journal.resources.note_replied("cx", USER, "id-1")
    await journal.resources.note_replied("cx", USER, "nobody")
    assert [found.replied for found in await journal.resources.find("cx", USER, [ID])] == [True]


async def test_a_resource_is_stored_as_it_is_given(journal, store, resource):
    again = resource(external="x-2", state=State.INACTIVE, created="2028", modified="2029", replied=True)
    await store(resource(external="x-1"), again)

    assert await journal.resources.find("cx", USER, [ID]) == (again,)


async def test_a_new_creation_is_not_answered_yet(journal, store, resource):
    await store(resource(replied=True), resource(replied=False))

    assert [found.replied for found in await journal.resources.find("cx", USER, [ID])] == [False]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Zoë 田中 \U0001f600", id="four bytes"),
        pytest.param("x" * 1000, id="1,000 characters"),
        pytest.param("'; DROP TABLE op; --", id="SQL"),
    ],
)
async def test_any_text_is_kept_as_it_is(journal, intent, store, resource, event, text):
    claimed = await journal.operations.claim(intent(keys=(Key("external", text),), wanted={text[:9]: text}))
    await store(resource(name=text, external=text, links={"cx": text}))
    await journal.trail.append([event(name=text)])

    assert await journal.operations.open("cx", [Key("external", text)]) == (claimed,)
    (found,) = await journal.resources.find("cx", USER, [Key("external", text)])
    assert await journal.resources.read("cx", USER, "cx", [text]) == {text: found}
    assert (await journal.trail.page(None, 1, None, None))[0]["target"]["user_name"] == text


BOB = Key("name", "bob")


async def test_where_nothing_stands_an_intent_is_recorded(journal, intent):
    made = intent(keys=(NAME, EXTERNAL))

    begun = await journal.operations.begin("cx", USER, made.keys, made)
    assert (begun.resources, begun.unsettled) == ((), ())
    assert (begun.operation.intent, begun.operation.standing) == (made, OperationState.OPEN)
    assert await journal.operations.open("cx", [EXTERNAL]) == (begun.operation,)


async def test_where_a_resource_stands_nothing_is_recorded_and_nothing_held(journal, store, intent, resource):
    known = resource(external="x-1", links={"cx": "t-1"})
    await store(known, resource("id-2", "Bob"))

    begun = await journal.operations.begin("cx", USER, (NAME, EXTERNAL), intent(keys=(NAME, EXTERNAL)))
    assert begun == Begun(None, (known,))
    assert await journal.operations.open("cx", []) == ()
    await journal.operations.claim(intent("op-2"))


async def test_where_an_operation_stands_it_is_told_and_nothing_is_recorded(journal, store, intent, resource):
    await store(resource())
    doubted = await journal.operations.mark(await journal.operations.claim(intent()), DOUBT)

    begun = await journal.operations.begin("cx", USER, (BOB, NAME), intent("op-2", keys=(BOB, NAME)))
    assert (begun.operation, begun.unsettled) == (None, (doubted,))
    assert [known.id for known in begun.resources] == ["id-1"]
    assert await journal.operations.open("cx", []) == (doubted,)
    assert (await journal.operations.claim(intent("op-3", "bob"))).fence == 1


async def test_an_intent_is_not_recorded_whose_key_another_base_holds_on_the_target(journal, intent):
    held = await journal.operations.claim(intent(base="route"))

    begun = await journal.operations.begin("cx", USER, (NAME,), intent("op-2"))
    assert begun == Begun(None, (), (held,))


@pytest.mark.parametrize(
    ("base", "kind", "keys"),
    [
        pytest.param("dialpad", USER, (NAME,), id="another base"),
        pytest.param("cx", GROUP, (NAME,), id="another type"),
        pytest.param("cx", USER, (BOB,), id="another name"),
        pytest.param("cx", USER, (), id="no key"),
    ],
)
async def test_without_an_intent_a_question_records_nothing(
    journal, store, intent, resource, base, kind, keys
):
    await store(resource())
    operation = await journal.operations.claim(intent())

    assert await journal.operations.begin(base, kind, keys) == Begun()
    begun = await journal.operations.begin("cx", USER, (NAME, ID, BOB))
    assert (begun.operation, begun.unsettled) == (None, (operation,))
    assert [known.id for known in begun.resources] == ["id-1"]


async def test_many_keys_are_asked_for_at_once(journal, store, resource):
    people = [resource(f"id-{n:02}", f"P{n}") for n in range(30)]
    await store(*people)

    for count in (1, 5, 30):
        begun = await journal.operations.begin("cx", USER, [Key("name", f"p{n}") for n in range(count)])
        assert begun.resources == tuple(people[:count])


async def test_of_many_who_begin_with_a_key_one_is_recorded(journal, intent):
    intents = [intent(f"op-{n}", "ann", f"only-{n}") for n in range(50)]
    begun = await asyncio.gather(*(journal.operations.begin("cx", USER, made.keys, made) for made in intents))

    assert [result.operation is None for result in begun].count(False) == 1
    assert len(await journal.operations.open("cx", [])) == 1


async def test_an_answer_that_was_delivered_is_known_to_who_begins(journal, store, intent, resource):
    await store(resource())
    await journal.resources.note_replied("cx", USER, "id-1")

    for made in (None, intent()):
        begun = await journal.operations.begin("cx", USER, (NAME,), made)
        assert [known.replied for known in begun.resources] == [True]


async def test_the_id_of_a_new_resource_must_not_be_of_an_entry_that_is_somebodys(
    journal, store, intent, event, resource
):
    await store(resource("g-1", "Bob", links={"cx": "t-2"}), resource("g-2", "Eve", links={"dialpad": "t-3"}))
    newcomers = {"t-2": "ann", "t-3": "dan"}
    operations = [await journal.operations.claim(intent(id, name)) for id, name in newcomers.items()]
    made = [resource(id, name, links={"cx": id}) for id, name in newcomers.items()]
    settlements = [Settlement(Outcome.APPLIED, event(who.id), who, is_new=True) for who in made]

    results = await asyncio.gather(
        *map(journal.operations.settle, operations, settlements), return_exceptions=True
    )

    assert [type(result) for result in results] == [IdTaken, type(None)]


@pytest.mark.parametrize("state", State)
async def test_the_id_of_a_new_resource_must_never_have_been_used(
    journal, store, intent, event, resource, state
):
    await store(resource("id-1", "Bob", state=state))
    operation = await journal.operations.claim(intent())
    made = Settlement(Outcome.APPLIED, event("e-9"), resource(links={"cx": "id-1"}), is_new=True)

    with pytest.raises(IdTaken):
        await journal.operations.settle(operation, made)
    assert await journal.operations.open("cx", [NAME]) == (operation,)
    assert (await journal.trail.head())[0] == 1
    spare = replace(made.resource, id="id-9")
    await journal.operations.settle(operation, replace(made, resource=spare))
    assert await journal.resources.find("cx", USER, [NAME]) == (spare,)
    assert await journal.operations.open("cx", [NAME]) == ()


async def test_the_name_of_a_new_resource_must_be_free(journal, store, event, resource):
    await store(resource())

    made = Settlement(Outcome.APPLIED, event("e-9"), resource("id-2", "ANN"), is_new=True)
    with pytest.raises(Uniqueness):
        await journal.operations.settle(None, made)
    assert await journal.resources.find("cx", USER, [Key("id", "id-2")]) == ()


async def test_a_new_resource_is_stored_with_its_links_and_found_as_any_other(journal, event, resource):
    made = resource(external="x-1", state=State.INACTIVE, links={"cx": "t-1", "dialpad": None})
    made.original["emails"] = [{"value": "Ann@X.test"}]
    await journal.operations.settle(None, Settlement(Outcome.APPLIED, event(), made, is_new=True))

    for key in (NAME, EXTERNAL, ID, Key("email", "ann@x.test")):
        assert await journal.resources.find("cx", USER, [key]) == (made,)
    assert await journal.resources.read("cx", USER, "cx", ["t-1"]) == {"t-1": made}


async def test_keys_are_held_on_while_a_settlement_is_refused(journal, intent, event):
    old = await journal.operations.claim(intent())
    new = await journal.operations.take_over(old)

    with pytest.raises(StaleFence):
        await journal.operations.settle(old, Settlement(Outcome.APPLIED, event()))
    with pytest.raises(KeysTaken):
        await journal.operations.claim(intent("op-2"))
    await journal.operations.settle(new, Settlement(Outcome.APPLIED, event()))
    await journal.operations.claim(intent("op-2"))


# --- marks and removals


@pytest.mark.parametrize("standing", OperationState)
async def test_a_mark_says_how_an_operation_stands_and_keeps_its_keys(journal, intent, standing):
    operation = await journal.operations.claim(intent())

    marked = await journal.operations.mark(operation, Transition(standing, "because", "2026", 7))

    assert await journal.operations.open("cx", intent().keys) == (marked,)
    assert (marked.standing, marked.reason, marked.due, marked.attempts) == (standing, "because", "2026", 7)


async def test_a_mark_without_a_number_leaves_the_tries(journal, intent):
    operation = await journal.operations.take_over(await journal.operations.claim(intent()))

    assert (await journal.operations.mark(operation, DOUBT)).attempts == 2


EARLY, LATE = "2000-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z"


@pytest.mark.parametrize(
    ("removes", "standing", "outcome", "since", "expected"),
    [
        pytest.param(True, None, Outcome.APPLIED, EARLY, 1, id="applied"),
        pytest.param(True, None, Outcome.ADOPTED, EARLY, 1, id="adopted"),
        pytest.param(True, None, Outcome.APPLIED, LATE, 0, id="too long ago"),
        pytest.param(True, None, Outcome.FAILED, EARLY, 0, id="failed"),
        pytest.param(False, None, Outcome.APPLIED, EARLY, 0, id="no removal"),
        pytest.param(True, OperationState.OPEN, None, LATE, 1, id="under way"),
        pytest.param(True, OperationState.DOUBT, None, LATE, 1, id="in doubt"),
        pytest.param(True, OperationState.PENDING, None, LATE, 1, id="pending"),
        pytest.param(True, OperationState.HELD, None, LATE, 0, id="held"),
        pytest.param(True, OperationState.DEAD, None, LATE, 0, id="dead"),
    ],
)
async def test_removals_are_counted_that_happened_or_may_happen(
    journal, intent, event, removes, standing, outcome, since, expected
):
    operation = await journal.operations.claim(replace(intent(), removes=removes))
    if standing is not None:
        await journal.operations.mark(operation, Transition(standing))
    else:
        await journal.operations.settle(operation, Settlement(outcome, event()))

    assert await journal.removals.count("cx", since) == expected
    assert await journal.removals.count("another", since) == 0


async def test_a_brake_holds_from_its_trip_to_its_release(journal):
    seen = [await journal.removals.brake("cx")]
    await journal.removals.trip("cx", "1")
    seen.append(await journal.removals.brake("cx"))
    await journal.removals.release("cx", "2")
    seen.append(await journal.removals.brake("cx"))
    await journal.removals.trip("cx", "3")
    seen.append(await journal.removals.brake("cx"))

    assert seen == [(None, None), ("1", None), (None, "2"), ("3", "2")]
    assert await journal.removals.brake("another") == (None, None)
