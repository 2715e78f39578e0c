"""Okta's recorded traffic, in order, against a real gateway: every answer is one Okta takes."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "okta_traffic.json"
TARGET = """
[targets.phonebook]
connector = "embedded"
url = "sqlite:var/phonebook.db"
region = "US"
"""
BASE: Final = "/scim/phonebook/v2"
JANE = {"userName": "jane@test.com", "name": {"givenName": "Jane", "familyName": "Smith"}, "active": True}

SHARED: Final = frozenset({"okta-create", "okta-create-aiw"})  # rows of both variants name their people
LAST: Final = frozenset({"okta-upd-put-2019"})  # of another tenant: renames user_1 and rebinds it

Names = dict[str, str]
Check = Callable[[Any, Names], bool]


def is_list_of(count: int) -> Check:
    return lambda body, names: body["totalResults"] == body["itemsPerPage"] == len(body["Resources"]) == count


def is_error(status: int) -> Check:
    return lambda body, names: (
        body["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
        and int(body["status"]) == status
        and bool(body["detail"])
    )


def is_person(name: str, *, active: bool = True) -> Check:
    return lambda body, names: (
        (body["id"], body["active"]) == (names[name], active) and "password" not in body
    )


def is_page(body: Any, names: Names) -> bool:
    numbers = [body[name] for name in ("totalResults", "startIndex", "itemsPerPage")]
    return all(type(number) is int for number in numbers) and numbers[2] == len(body["Resources"])


def is_page_past_the_end(body: Any, names: Names) -> bool:
    return body["Resources"] == [] and body["itemsPerPage"] == 0 and body["totalResults"] >= 3


def is_found(name: str) -> Check:
    return lambda body, names: [person["id"] for person in body["Resources"]] == [names[name]]


def is_group(name: str) -> Check:
    return lambda body, names: body["displayName"] == name and body["id"] in names.values()


def is_nothing(body: Any, names: Names) -> bool:
    return body is None


RULES: Final[Mapping[str, Check]] = {  # what the answer to a record must be besides its status
    "okta-cred-users": is_page,
    "okta-cred-groups": is_list_of(0),
    "okta-cred-bad": is_error(401),
    "okta-lookup-miss": is_list_of(0),
    "okta-create": is_person("user_1"),
    "okta-create-aiw": is_person("user_2"),
    "okta-create-rich": is_person("user_3"),
    "okta-create-dup": is_error(409),
    "okta-lookup-case": is_found("user_1"),
    "okta-link-lookup": is_found("user_4"),
    "okta-link-put": is_person("user_4"),
    "okta-upd-put": is_person("user_1"),
    "okta-upd-put-2019": is_person("user_1"),
    "okta-phone-put": is_person("user_3"),
    "okta-pwd-patch": is_person("user_1"),
    "okta-pwd-put": is_person("user_1"),
    "okta-deact-patch": is_person("user_1", active=False),
    "okta-deact-put": is_person("user_4", active=False),
    "okta-react-lookup": is_found("user_1"),
    "okta-react-patch": is_person("user_1"),
    "okta-react-put": is_person("user_1"),
    "okta-react-stale": is_person("user_1", active=False),
    "okta-reprov-post": is_person("user_1"),
    "okta-grp-lookup": is_list_of(0),
    "okta-grp-create": is_group("Test SCIMv2"),
    "okta-grp-create-members": is_group("Droids"),
    **dict.fromkeys(
        [
            "okta-grp-add",
            "okta-grp-addremove",
            "okta-grp-rename",
            "okta-grp-fullpush",
            "okta-grp-pushnow-empty",
            "okta-grp-pushnow-empty2",
            "okta-grp-delete",
        ],
        is_nothing,
    ),
    "okta-grp-aiw-put": is_group("Test SCIMv2"),
    "okta-grp-aiw-put-null": is_group("KOTestGroup Test"),
    "okta-imp-users-1": is_page,
    "okta-imp-users-2": is_page_past_the_end,
    "okta-imp-groups": is_page,
}


MEMBERS: Final[Mapping[str, set[str]]] = {  # who is in the group after a record
    "okta-grp-create": set(),
    "okta-grp-create-members": {"user_1", "user_2", "user_3"},
    "okta-grp-add": {"user_1", "user_2", "user_3"},
    "okta-grp-addremove": {"user_1"},
    "okta-grp-rename": {"user_1"},
    "okta-grp-fullpush": {"user_1", "user_3"},
    "okta-grp-pushnow-empty": set(),
    "okta-grp-pushnow-empty2": set(),
    "okta-grp-aiw-put": {"user_1"},
    "okta-grp-aiw-put-null": {"user_1", "user_3"},
}


def records(variant: str) -> Iterator[dict[str, Any]]:
    wanted = {"both", variant}
    found = [
        r for r in json.loads(DATA.read_text())["records"] if r["variant"] in wanted or r["id"] in SHARED
    ]
    yield from sorted(found, key=lambda record: (record["id"] in LAST, record["seq"]))


@pytest.fixture
def gateway(start: Callable[..., Any], tmp_path: Path) -> Any:
    """A gateway whose directory has somebody that its journal does not know."""
    if not DATA.exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("shared/data is not beside the checkout")
    before = start(TARGET)
    assert before.ask("POST", f"{BASE}/Users", JANE).status == 201
    before.stop()
    for file in (tmp_path / "var").glob("gateway.db*"):
        file.unlink()
    return start(TARGET)


@pytest.mark.parametrize("variant", ["oin", "aiw"])
def test_okta_hears_what_it_expects_from_the_first_probe_to_the_import(gateway: Any, variant: str) -> None:
    names: Names = {}

    for record in records(variant):
        answer = replayed(gateway, record, names)
        assert answer.status in record["expect"]["status"], (record["id"], answer.body)
        names |= captured(record, answer.body)
        assert RULES.get(record["id"], is_known)(answer.body, names), (record["id"], answer.body)
        if record["id"] in MEMBERS:
            assert members_of(gateway, record, names) == MEMBERS[record["id"]], record["id"]

    check_afterwards(gateway)


def members_of(gateway: Any, record: Mapping[str, Any], names: Names) -> set[str]:
    """Return who is in the group that a record was about, by the names of the records."""
    path = record["path"].removeprefix("/scim/v2")
    made = "".join(f"/{{{{{name}}}}}" for name in record.get("capture", ()))
    body = gateway.ask("GET", filled(BASE + path + made, names)).body
    ours = {id: name for name, id in names.items()}
    return {ours[member["value"]] for member in body.get("members", ())}


def is_known(body: Any, names: Names) -> bool:
    return body["id"] in names.values()


def replayed(gateway: Any, record: Mapping[str, Any], names: Names) -> Any:
    path = BASE + record["path"].removeprefix("/scim/v2") + (f"?{record['query']}" if record["query"] else "")
    body = None if record["body"] is None else json.loads(filled(json.dumps(record["body"]), names))
    headers = record["headers"]
    said = None if isinstance(headers, str) else dict(headers)["Authorization"]
    return gateway.ask(record["method"], filled(path, names), body, authorization=said)


def filled(text: str, names: Names) -> str:
    for name, value in names.items():
        text = text.replace("{{" + name + "}}", value)
    assert "{{" not in text, text
    return text


def captured(record: Mapping[str, Any], body: Any) -> Names:
    """Return what later records call by name."""
    where = {"$.id": lambda: body["id"], "$.Resources[0].id": lambda: body["Resources"][0]["id"]}
    return {name: where[path]() for name, path in record.get("capture", {}).items()}


def check_afterwards(gateway: Any) -> None:
    assert gateway.command("audit", "verify").returncode == 0
    files = [file for file in (gateway.config.parent / "var").glob("*.db*") if file.is_file()]
    kept = b"".join(file.read_bytes() for file in files)
    assert b"jane@test.com" in kept
    for password in (b"1mz050nq", b"TkdFNVdIVkxhM2c9", b"[redacted]"):
        assert password not in kept
