"""The set-up pages of targets whose rules people wrote: attributes, addresses, and Markdown that holds."""

import re

import pytest

from gateway.guide.data import Guide, GuideRow, ProviderKind, Subject
from gateway.guide.page import guide
from gateway.guide.parts import code, plain, table
from gateway.guide.rows import rows_of
from gateway.mapping.transforms import compile_transform
from tests.support.pages import cells, section
from tests.support.rules import make_rule

CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
OKTA, AGENT, ENTRA = ProviderKind


def subject(*rules: str, **fields: object) -> Subject:
    compiled = tuple(make_rule(path) for path in rules)
    return Subject("t", "https://gateway.example.com", compiled, **fields)  # type: ignore[arg-type]


def paths(about: Subject, kind: ProviderKind = OKTA) -> list[str]:
    return [row.where.text for row in rows_of(about, kind)][2:]  # without userName and externalId


HELD = {"unlisted": "hold"}
MOBILE = GuideRow(('phoneNumbers[type eq "mobile"].value',), name="Cell")


def test_a_target_that_takes_everything_gets_what_is_usual() -> None:
    assert len(paths(subject())) == 8


def test_a_target_that_takes_what_is_listed_gets_its_rules_and_what_it_requires() -> None:
    about = subject("nickName", "name.familyName", require=(("name.familyName", "name.givenName"),), **HELD)

    assert paths(about) == ["name.familyName", "name.givenName", "nickName"]


def test_a_rule_on_every_element_is_spelled_out() -> None:
    assert paths(subject("phoneNumbers.value", **HELD)) == [
        'phoneNumbers[type eq "work"].value',
        'phoneNumbers[type eq "mobile"].value',
    ]


def test_of_alternatives_the_one_is_taken_that_the_provider_has() -> None:
    rule = make_rule("x", ["emails[primary eq true].value", 'emails[type eq "work"].value'])
    about = Subject("t", "https://g.example.com", (rule,), unlisted="hold")

    assert paths(about, OKTA) == ["emails[primary eq true].value"]
    assert paths(about, ENTRA) == ['emails[type eq "work"].value']


@pytest.mark.parametrize(
    ("about", "names"),
    [
        pytest.param(subject(MOBILE.paths[0], guide=Guide(rows=(MOBILE,)), **HELD), ["Cell"], id="read"),
        pytest.param(subject("phoneNumbers", guide=Guide(rows=(MOBILE,)), **HELD), ["Cell"], id="as a part"),
        pytest.param(
            subject("title", guide=Guide(rows=(MOBILE,)), **HELD), ["Title"], id="not read any more"
        ),
        pytest.param(
            subject('PhoneNumbers[Type eq "Mobile"].value', guide=Guide(rows=(MOBILE,)), **HELD),
            ["Cell"],
            id="in another case",
        ),
    ],
)
def test_a_row_of_the_preset_stays_as_long_as_a_rule_reads_it(about: Subject, names: list[str]) -> None:
    own = ("Username", "External ID")

    assert [row.name for row in rows_of(about, OKTA) if row.name not in own] == names


def test_a_row_of_the_preset_stays_where_everything_is_taken() -> None:
    assert "Cell" in [row.name for row in rows_of(subject(guide=Guide(rows=(MOBILE,))), OKTA)]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        pytest.param(
            'ims[type eq "skype"].value',
            ["Ims skype", "ims_skype", "ims.^[type=='skype'].value", CORE, "string"],
            id="element",
        ),
        pytest.param(
            "urn:x:y:User:shoeSize", ["Shoe size", "shoe_size", "shoeSize", "urn:x:y:User", "string"]
        ),
        pytest.param("*:badge", ["Badge", "badge", "badge", ENTERPRISE, "string"], id="anywhere"),
        pytest.param(
            "*:department",
            ["Department", "department", "department", ENTERPRISE, "string"],
            id="known anywhere",
        ),
        pytest.param("*:title", ["Title", "title", "title", CORE, "string"], id="known at the core"),
        pytest.param("roles", ["Roles", "roles", "roles", CORE, "string array"], id="whole list"),
        pytest.param(
            'ims[type eq "o\'x"].display',
            ["Ims o'x display", "ims_o_x_display", 'ims.^[type=="o\'x"].display', CORE, "string"],
            id="quote",
        ),
    ],
)
def test_an_attribute_nobody_knows_is_named_by_its_path(path: str, shown: list[str]) -> None:
    text = guide(subject(path, **HELD), OKTA)

    assert shown in cells(section(text, "Set up the attributes"))


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("ims.value", id="every element"),
        pytest.param('ims[type eq "a" and primary eq true].value', id="two conditions"),
        pytest.param('ims[type eq "\'\\""].value', id="both quotes"),
    ],
)
def test_what_okta_cannot_name_is_said_and_not_mapped(path: str) -> None:
    text = guide(subject(path, **HELD), OKTA)

    assert f"Okta has no external name for {code(path)}" in section(text, "Set up the attributes")
    assert "Ims" not in section(text, "Map them")


@pytest.mark.parametrize(
    ("path", "is_deleted"),
    [
        pytest.param("roles", False, id="the whole list"),
        pytest.param("roles[primary eq true].value", True, id="one of them"),
    ],
)
def test_the_apps_roles_are_deleted_unless_they_are_what_is_read(path: str, is_deleted: bool) -> None:
    profile = section(guide(subject(path, **HELD), OKTA), "Set up the attributes")

    assert ("delete the app's attribute `roles`" in profile) == is_deleted


def test_the_rules_are_told_as_they_are() -> None:
    phone = compile_transform("phone", {})
    rules = (
        make_rule("a", ["b", "c"], [phone, phone], on_invalid="drop"),
        make_rule("d", default="x", when=lambda _: True),
        make_rule("e", ["*:f"]),
    )
    text = guide(Subject("t", "https://g.example.com", rules, unlisted="drop"), OKTA)

    found = cells(section(text, "What the gateway does"))
    assert ["a", "b` or `c", "phone`, then `phone", "leaves it out"] in found
    assert ["d", "d` or a default of its own where its `when` matches", "nothing", ""] in found
    assert ["e", "f` (at the core level or in any extension)", "nothing", ""] in found
    assert "forgotten" in text


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        pytest.param(("title",), "Leave **Sync Password** unticked", id="none"),
        pytest.param(("password",), "Tick **Sync Password** too", id="taken"),
    ],
)
def test_passwords_are_synced_only_where_a_rule_takes_them(rules: tuple[str, ...], words: str) -> None:
    about = subject(*rules, **HELD)

    assert words in guide(about, OKTA)
    assert "password" not in paths(about)


@pytest.mark.parametrize("kind", ProviderKind)
@pytest.mark.parametrize(
    ("how", "words"), [("send", "becomes inactive at t"), ("delete", "is removed from t")]
)
def test_what_becomes_of_leavers_is_said(kind: ProviderKind, how: str, words: str) -> None:
    assert words in guide(subject(on_deactivate=how), kind)


# --- the gateway's own part


@pytest.mark.parametrize(
    ("url", "kind", "words"),
    [
        pytest.param("http://127.0.0.1:8080", OKTA, "public https addresses only", id="Okta"),
        pytest.param("http://127.0.0.1:8080", ENTRA, "public https addresses only", id="Entra"),
        pytest.param("https://my_host.example.com", OKTA, "Okta refuses `_`", id="underscore"),
        pytest.param("https://my_host.example.com", AGENT, "Okta refuses `_`", id="underscore, agent"),
    ],
)
def test_an_address_that_the_provider_cannot_call_is_told(url: str, kind: ProviderKind, words: str) -> None:
    assert words in section(guide(Subject("t", url), kind), "Before you begin")


@pytest.mark.parametrize(
    ("url", "bad", "kind"),
    [
        pytest.param("https://gateway.example.com", "http://127.0.0.1:8080", OKTA, id="https"),
        pytest.param("http://gateway.internal:8080", "http://my_host.internal", AGENT, id="agent inside"),
        pytest.param(
            "https://my_host.example.com", "http://127.0.0.1:8080", ENTRA, id="Entra takes underscores"
        ),
    ],
)
def test_an_address_that_works_is_not_complained_of(url: str, bad: str, kind: ProviderKind) -> None:
    def first(address: str) -> list[str]:
        return section(guide(Subject("t", address), kind), "Before you begin").splitlines()

    complaints = [line for line in first(bad) if line not in first(url)]

    assert len(complaints) == 1
    assert [line for line in first(bad) if line not in complaints] == first(url)


@pytest.mark.parametrize(
    ("writers", "words"),
    [
        pytest.param({"okta": ("a", "b")}, "the token of `[providers.a]` or `[providers.b]`", id="two"),
        pytest.param({"rfc": ("a",)}, 'No provider may write `t` with `dialect = "okta"`', id="none"),
    ],
)
def test_the_token_is_one_that_may_write_the_target(writers: dict[str, tuple[str, ...]], words: str) -> None:
    assert words in guide(subject(writers=writers), OKTA)


# --- Markdown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("a_b*c", r"a\_b\*c", id="emphasis"),
        pytest.param("<img>[x](y)", r"\<img\>\[x\](y)", id="HTML and links"),
        pytest.param("a`b\\c", "a\\`b\\\\c", id="code and backslash"),
        pytest.param("one\n\n# two\x1b[0m\u202e", "one # two \\[0m", id="lines and marks nobody sees"),
    ],
)
def test_a_text_is_shown_as_it_is(text: str, shown: str) -> None:
    assert plain(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("a_b<c>", "`a_b<c>`", id="plain"),
        pytest.param("a`b", "``a`b``", id="backtick"),
        pytest.param("``a`", "``` ``a` ```", id="backticks at the ends"),
        pytest.param("a\nb", "`a b`", id="lines"),
    ],
)
def test_code_ends_where_it_ends(text: str, shown: str) -> None:
    assert code(text) == shown


def test_a_cell_holds_its_bars() -> None:
    assert table(("a",), [("x|y",)]) == "| a |\n| --- |\n| x\\|y |"


def test_a_table_without_rows_is_none() -> None:
    assert table(("a",), []) == ""


def test_a_path_that_somebody_wrote_breaks_no_table() -> None:
    path = 'ims[type eq "a|b`</td>"].value'
    text = guide(subject(path, **HELD), OKTA)

    rows = [line for line in section(text, "What the gateway does").splitlines() if line.startswith("|")]
    assert [len(re.split(r"(?<!\\)\|", row)) for row in rows] == [6] * 3
    assert 'a\\|b`</td>"].value``' in rows[2]
    assert r"Ims a\|b\`\</td\>" in section(text, "Set up the attributes")


@pytest.mark.parametrize(
    ("kind", "types", "is_told"),
    [
        (OKTA, ("License", "Role"), True),
        (AGENT, ("License", "Role"), True),
        (OKTA, (), False),
        (ENTRA, ("Role",), False),
    ],
)
def test_entitlements_are_told_where_there_are_some_and_okta_asks_for_them(kind, types, is_told) -> None:
    text = guide(subject("title", entitlements=types), kind)

    assert ("given: `License`, `Role`. The app needs entitlement management" in text) == is_told
    assert ("## Offer entitlements" in text) == is_told
