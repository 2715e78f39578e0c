"""Values that a directory has beside the one that a rule writes: shown, kept unless removed, and told of."""

from typing import Any

import pytest

from tests.support.ldap_scene import USERS, person, scenes
from tests.support.served import Answer

A, B, C = "+442079460001", "+442079460002", "+442079460003"
MORE = {
    "more": """
[[targets.phonebook.rules]]
to = "description"
"""
}


@pytest.fixture
async def scene(slapd_server, tmp_path):
    async with scenes(slapd_server, tmp_path, **MORE) as opened:
        yield opened


def phones(*values: str, type: str = "work") -> dict[str, Any]:
    return {"phoneNumbers": [{"type": type, "value": value} for value in values]}


def mails(*values: str) -> dict[str, Any]:
    return {"emails": [{"type": "work", "value": value} for value in values]}


def title(value: str) -> dict[str, Any]:
    return {"title": value}


def description(*values: str) -> dict[str, Any]:
    return {"description": values[0] if len(values) == 1 else list(values)}


ATTRIBUTES = [
    pytest.param("telephoneNumber", phones, (A, B, C), id="telephoneNumber"),
    pytest.param("mobile", lambda *texts: phones(*texts, type="mobile"), (A, B, C), id="mobile"),
    pytest.param("mail", mails, ("a@x.org", "b@x.org", "c@x.org"), id="mail"),
    pytest.param("description", description, ("a", "b", "c"), id="description"),
    pytest.param(
        "title", lambda *texts: title(texts[0]), ("a", "b", "c"), id="title, which is one at the provider"
    ),
]


class Ann:
    """A person whom the gateway has made, and who has another value beside."""

    def __init__(self, scene: Any, id: str) -> None:
        self._scene, self.one = scene, f"{USERS}/{id}"

    def there(self, attribute: str) -> list[str]:
        return [
            value.decode() for value in self._scene.there("(uid=ann)")["uid=ann,ou=people"].get(attribute, [])
        ]

    async def shown(self) -> dict[str, Any]:
        return (await self._scene.ask("GET", self.one)).body

    async def put(self, **more: Any) -> Answer:
        return await self._scene.ask("PUT", self.one, person("ann", **more))

    async def patch(self, op: str, path: str, value: Any = None) -> Answer:
        operation = {"op": op, "path": path} | ({} if value is None else {"value": value})
        return await self._scene.ask("PATCH", self.one, {"Operations": [operation]})


async def ann_of(scene: Any, attribute: str, values: tuple[str, ...], said: dict[str, Any]) -> Ann:
    """Adopt a person who has these values already."""
    scene.put("uid=ann", **{attribute: list(values)})
    made = await scene.ask("POST", USERS, person("ann", **said))
    assert made.status == 201
    ann = Ann(scene, made.body["id"])
    assert made.body == await ann.shown()
    return ann


def is_shown(document: dict[str, Any], said: dict[str, Any]) -> bool:
    return {name: document.get(name) for name in said} == said


@pytest.mark.parametrize(("attribute", "said", "values"), ATTRIBUTES)
async def test_a_second_value_is_shown_and_kept(scene, attribute, said, values):
    a, b, c = values
    ann = await ann_of(scene, attribute, (a, b), said(a))
    first = await ann.shown()

    same, there_then = await ann.put(**said(a)), ann.there(attribute)
    changed, there = await ann.put(**said(c)), ann.there(attribute)
    patched = await ann.patch("replace", "displayName", "Ann Lee")

    assert (same.status, changed.status, patched.status) == (200, 200, 200)
    assert is_shown(first, said(a, b))
    assert is_shown(changed.body, said(c, b))
    assert is_shown(await ann.shown(), said(c, b))
    assert (there_then, there, ann.there(attribute)) == ([a, b], [c, b], [c, b])


@pytest.mark.parametrize(("attribute", "said", "values"), ATTRIBUTES)
async def test_a_second_value_that_is_made_the_rules_own_stands_once(scene, attribute, said, values):
    a, b, _ = values
    ann = await ann_of(scene, attribute, (a, b), said(b))

    assert sorted(ann.there(attribute)) == [a, b]
    assert is_shown(await ann.shown(), said(b, a))


@pytest.mark.parametrize(("attribute", "said", "values"), ATTRIBUTES)
async def test_who_has_nothing_any_more_has_no_second_value(scene, attribute, said, values):
    ann = await ann_of(scene, attribute, values[:2], said(values[0]))

    assert (await ann.put()).status == 200

    assert ann.there(attribute) == []
    assert not set(said(values[0])) & set(await ann.shown())


@pytest.mark.parametrize(("attribute", "said", "values"), ATTRIBUTES[:3])
async def test_a_second_value_that_the_provider_has_said_goes_when_it_does_not_say_it_any_more(
    scene, attribute, said, values
):
    a, b, _ = values
    ann = await ann_of(scene, attribute, (a, b), said(a))

    await ann.put(**said(a, b))
    there = ann.there(attribute)
    await ann.put(**said(a))

    assert (there, ann.there(attribute)) == ([a, b], [a])
    assert is_shown(await ann.shown(), said(a))
    diff = (await scene.last())["diff"]
    assert [(line["path"], line["op"]) for line in diff] == [(attribute, "remove")]


@pytest.mark.parametrize(
    ("op", "path", "value", "left"),
    [
        pytest.param("remove", f'phoneNumbers[value eq "{B}"]', None, [A], id="the second"),
        pytest.param("remove", f'phoneNumbers[value eq "{A}"]', None, [B], id="the first"),
        pytest.param("remove", 'phoneNumbers[type eq "work"]', None, [], id="both"),
        pytest.param("remove", "phoneNumbers", None, [], id="all"),
        pytest.param("replace", f'phoneNumbers[value eq "{A}"].value', C, [C, B], id="another first"),
        pytest.param(
            "replace", 'phoneNumbers[type eq "work"].value', C, [C, B], id="whatever the work number is"
        ),
        pytest.param("replace", "phoneNumbers", [{"type": "work", "value": C}], [C, B], id="others"),
    ],
)
async def test_a_patch_of_what_is_shown_means_what_is_there(scene, op, path, value, left):
    ann = await ann_of(scene, "telephoneNumber", (A, B), phones(A))

    patched = await ann.patch(op, path, value)

    assert patched.status == 200
    assert ann.there("telephoneNumber") == left
    assert [number["value"] for number in (await ann.shown()).get("phoneNumbers", [])] == left


async def test_who_is_not_known_yet_is_shown_with_all_values(scene):
    scene.put("uid=ann", telephoneNumber=[A, B], mobile=[C])

    (found,) = (await scene.ask("GET", f'{USERS}?filter=userName%20eq%20"ann"')).body["Resources"]

    assert sorted((number["type"], number["value"]) for number in found["phoneNumbers"]) == [
        ("mobile", C),
        ("work", A),
        ("work", B),
    ]


async def test_what_a_patch_takes_of_something_else_leaves_a_second_value(scene):
    ann = await ann_of(scene, "telephoneNumber", (A, B), phones(A) | title("Agent"))

    await ann.patch("remove", "title")

    assert (ann.there("telephoneNumber"), ann.there("title")) == ([A, B], [])


async def test_a_second_address_is_shown_so_that_the_primary_stays_the_first(scene):
    primary = {"emails": [{"primary": True, "value": "a@x.org"}]}
    ann = await ann_of(scene, "mail", ("b@x.org", "a@x.org"), primary)

    shown = (await ann.shown())["emails"]
    same = await ann.put(emails=shown)

    assert shown == [*primary["emails"], {"value": "b@x.org"}]
    assert (same.status, ann.there("mail")) == (200, ["b@x.org", "a@x.org"])


async def test_a_number_of_one_kind_beside_another_is_shown_under_both(scene):
    ann = await ann_of(scene, "telephoneNumber", (A, B), phones(A) | title("Agent"))
    both = [*phones(A)["phoneNumbers"], {"type": "mobile", "value": B}]

    changed = await ann.put(phoneNumbers=both)

    shown = [(number["type"], number["value"]) for number in changed.body["phoneNumbers"]]
    assert sorted(shown) == [("mobile", B), ("work", A), ("work", B)]
    assert (ann.there("telephoneNumber"), ann.there("mobile")) == ([A, B], [B])
