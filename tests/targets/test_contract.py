"""What every connector promises, whatever it reaches."""

import pytest

from gateway.flow.target_port import (
    Attributes,
    CannotFilter,
    Conflict,
    Missing,
    Page,
    Query,
    Refused,
    ResourceType,
    Update,
)
from gateway.scim.difference import compare
from gateway.scim.grammar import parse_filter
from gateway.scim.names import CORE_USER
from gateway.scim.predicate import predicate
from gateway.targets.gate import NOBODY
from gateway.targets.registry import OpenTarget
from gateway.targets.survey import survey
from tests.support.forms import ENTERPRISE, SCIM, Form

USER = ResourceType.USER


def person(name: str, **more: object) -> Attributes:
    return {"schemas": [CORE_USER], "userName": name, "active": True, **more}


def update(present: Attributes, **changed: object) -> Update:
    wanted = {name: value for name, value in (present | changed).items() if value is not None}
    return Update(present, wanted, compare(present, wanted))


async def created(target: OpenTarget, wanted: Attributes) -> Attributes:
    shown = await target.create(USER, wanted)
    assert shown is not None
    return shown


async def page_of(target: OpenTarget, form: Form, query: Query) -> Page:
    """Return a page of a filter; of one that the target leaves to us, over all its entries."""
    assert query.filter is not None
    try:
        return await target.query(USER, query)
    except CannotFilter:
        if form.filters_all:
            raise
    holds = predicate(query.filter)
    matching = [entry for entry in (await target.query(USER, Query())).entries if holds(entry)]
    return Page(len(matching), tuple(matching[query.start - 1 : query.start - 1 + query.count]))


async def found(target: OpenTarget, text: str, form: Form = SCIM) -> list[str]:
    page = await page_of(target, form, Query(parse_filter(text)))
    assert page.total == len(page.entries)
    return [entry["userName"] for entry in page.entries]


async def test_a_probe_finds_nobody(target: OpenTarget) -> None:
    assert await target.get(USER, NOBODY) is None


async def test_what_is_created_is_read_back_by_its_id(target, form):
    ann = await created(target, form.ann)

    shown = await target.get(USER, ann["id"])

    assert {name: shown[name] for name in form.ann if name != "schemas"} == {
        name: value for name, value in form.ann.items() if name != "schemas"
    }
    assert shown["id"] == ann["id"]


async def test_an_entry_is_nobodys_by_its_id_in_another_case(target):
    id = (await created(target, person("ann@example.test")))["id"]

    assert id.swapcase() == id or await target.get(USER, id.swapcase()) is None


async def test_a_second_entry_of_that_name_is_a_conflict_in_any_case(target):
    await created(target, person("Straße@example.test"))

    with pytest.raises(Conflict):
        await target.create(USER, person("straße@EXAMPLE.test"))


async def test_somebody_is_made_beside_another_who_is_known_to_have_the_same_external_id(target, form):
    ann = await created(target, person("ann@example.test", externalId="1"))

    bob = await target.create(USER, person("bob@example.test", externalId="1"), beside=[ann["id"]])

    assert bob["id"] != ann["id"]
    both = ["ann@example.test", "bob@example.test"] if form.keeps_external_ids else []
    assert sorted(await found(target, 'externalId eq "1"')) == both


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('userName eq "ann.example@EXAMPLE.test"', id="user name in any case"),
        pytest.param('externalId eq "00uAnn"', id="externalId"),
        pytest.param('emails.value eq "ANN@example.test"', id="an address"),
        pytest.param('emails[type eq "work" and value eq "ann@example.test"]', id="an address of a type"),
        pytest.param('phoneNumbers.value eq "+442079460018"', id="a number"),
        pytest.param('displayName eq "Ann \\"the \\\\ Ace\\" Exämple 例"', id="quotes, backslash, Unicode"),
        pytest.param('name.familyName eq "exämple"', id="a sub-attribute"),
        pytest.param('userName sw "ann" and active eq true', id="and"),
        pytest.param('userName eq "nobody" or externalId eq "00uAnn"', id="or"),
        pytest.param(f'{ENTERPRISE}:department eq "Sales"', id="an extension's attribute"),
    ],
)
async def test_an_entry_is_found_by(target, form, text):
    await created(target, person("bob@example.test", externalId="00uBob"))
    await created(target, form.ann)

    assert await found(target, form.filter(text), form) == [form.ann["userName"]]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('userName eq "ann"', id="part of a name"),
        pytest.param('externalId eq "00uann"', id="externalId in another case"),
        pytest.param('userName eq "\' OR 1=1 --"', id="SQL"),
        pytest.param('userName eq "x\\" or userName pr or userName eq \\"x"', id="a filter in a filter"),
        pytest.param('userName eq "ann.example@example.test" and active eq false', id="one term of two"),
        pytest.param('userName eq "?&count=0#%00"', id="URL syntax"),
    ],
)
async def test_nothing_is_found_by(target, form, text):
    await created(target, form.ann)

    assert await page_of(target, form, Query(parse_filter(form.filter(text)))) == Page(0, ())


async def test_a_change_replaces_adds_and_removes(target, form):
    ann = await created(target, form.ann)

    await target.change(USER, ann["id"], update(ann, **form.change))

    shown = await target.get(USER, ann["id"])
    assert {name: shown.get(name) for name in form.ann | form.change if name != "schemas"} == {
        name: value for name, value in (form.ann | form.change).items() if name != "schemas"
    }


async def test_a_renamed_entry_is_found_by_its_new_name_only(target, form):
    ann = await created(target, form.ann)

    await target.change(USER, ann["id"], update(ann, userName="anna@example.test"))

    assert await found(target, 'userName eq "Anna@example.test"') == ["anna@example.test"]
    assert await found(target, f'userName eq "{form.ann["userName"]}"') == []


async def test_a_name_that_is_taken_cannot_be_renamed_to(target, form):
    await created(target, person("bob@example.test"))
    ann = await created(target, form.ann)

    with pytest.raises(Conflict):
        await target.change(USER, ann["id"], update(ann, userName="Bob@example.test"))


async def test_an_entry_is_deactivated_and_reactivated(target, form):
    ann = await created(target, form.ann)

    for active in (False, True):
        present = await target.get(USER, ann["id"])
        await target.change(USER, ann["id"], update(present, active=active))
        assert (await target.get(USER, ann["id"]))["active"] is active


async def test_a_deleted_entry_is_gone_and_its_name_free(target, form):
    ann = await created(target, form.ann)

    await target.delete(USER, ann["id"])

    assert await target.get(USER, ann["id"]) is None
    assert await found(target, form.filter('emails.value eq "ann@example.test"')) == []
    assert (await created(target, form.ann))["id"] != ann["id"]


async def test_what_does_not_exist_can_be_neither_changed_nor_deleted(target, form):
    ann = await created(target, form.ann)
    await target.delete(USER, ann["id"])

    with pytest.raises(Missing):
        await target.change(USER, ann["id"], update(ann, title="Agent"))
    with pytest.raises(Missing):
        await target.delete(USER, ann["id"])


@pytest.mark.parametrize("id", ["unknown", "..", ".", "a b", "é", "?filter=x", "#", "%2e%2e", "'", "a;b", ""])
async def test_an_unknown_id_shows_nothing(target, form, id):
    await created(target, form.ann)

    assert await target.get(USER, id) is None


async def test_pages_show_everybody_once_in_a_stable_order(target):
    names = {(await created(target, person(f"p{number}@example.test")))["userName"] for number in range(7)}

    pages = [await target.query(USER, Query(start=start, count=3)) for start in (1, 4, 7)]

    assert [page.total for page in pages] == [7, 7, 7]
    assert [len(page.entries) for page in pages] == [3, 3, 1]
    assert {entry["userName"] for page in pages for entry in page.entries} == names
    assert await target.query(USER, Query(start=4, count=3)) == pages[1]


@pytest.mark.parametrize(
    "text", ['userName sw "p"', 'userName eq "p1@example.test" or userName eq "p2@example.test"']
)
async def test_pages_of_a_filter_count_all_matches(target, form, text):
    for number in range(1, 3):
        await created(target, person(f"p{number}@example.test"))
    await created(target, form.ann)

    pages = [await page_of(target, form, Query(parse_filter(text), start, 1)) for start in (1, 2, 3)]

    assert [page.total for page in pages] == [2, 2, 2]
    assert [len(page.entries) for page in pages] == [1, 1, 0]


async def test_a_page_of_none_tells_how_many_there_are(target, form):
    await created(target, form.ann)

    assert await target.query(USER, Query(count=0)) == Page(1, ())


async def test_groups_are_entries_of_their_own_or_there_are_none(target):
    group = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Sales"}
    if not await target.has_groups():
        with pytest.raises(Refused):
            await target.create(ResourceType.GROUP, group)
        assert await target.query(ResourceType.GROUP, Query()) == Page(0, ())
        return

    made = await target.create(ResourceType.GROUP, group)

    assert (await target.get(ResourceType.GROUP, made["id"]))["displayName"] == "Sales"
    assert await target.get(USER, made["id"]) is None
    assert (await target.query(USER, Query())).total == 0


async def test_a_target_that_can_be_used_passes_its_check_and_has_nothing_to_mend(target):
    for name in ("ann", "ben"):
        await target.create(USER, person(name))

    found = [*await target.check(), *await survey(target)]

    to_mend = [finding.about for finding in found if finding.fix]
    assert to_mend == ([] if await target.has_groups() else ["groups"])
