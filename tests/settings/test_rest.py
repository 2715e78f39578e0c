"""JSON services: every key, every fault at its path, and what presets say."""

import pytest

from gateway.address import RestCall, RestErrors, SessionLogin
from gateway.settings.rest import overlaid

HEAD = '[targets.t]\nconnector = "rest"\nurl = "https://x.example.com/api"\n'
AUTH = 'auth = { bearer = { env = "DIALPAD_TOKEN" } }\n'
USERS = {
    "entry": '{ login = "{userName}", on = "{active}" }',
    "create": '"POST /p"',
    "get": '"GET /p/{id}"',
    "change": '"PUT /p/{id}"',
    "list": '"GET /p"',
}
GROUPS = {
    "entry": '{ title = "{displayName}", who = "{members.value}" }',
    "create": '"POST /g"',
    "get": '"GET /g/{id}"',
    "change": '"PUT /g/{id}"',
    "list": '"GET /g"',
}


def text(users=USERS, groups=None, head="", **tables: str) -> str:
    parts = [HEAD, AUTH, head, "\n[targets.t.rest.users]\n", *lines(users)]
    if groups is not None:
        parts += ["[targets.t.rest.groups]\n", *lines(groups)]
    parts += [f"[targets.t.rest.{name}]\n{table}\n" for name, table in tables.items()]
    return "".join(parts)


def lines(table) -> list[str]:
    return [f"{key} = {value}\n" for key, value in table.items() if value is not None]


def rest_of(load, written: str):
    return load(written).targets["t"].rest


def test_a_target_of_five_lines_is_a_target(load):
    service = rest_of(load, text())

    assert service.groups is None
    assert service.users.calls["get"] == RestCall("GET /p/{id}")
    assert (service.users.id, service.page_size, service.errors.meanings["exists"]) == ("id", 100, ())


def test_every_key_is_read(load):
    listed = (
        '{ request = "POST /p/all", headers = { X-A = "b" }, body = { a = 1 }, items = ["a", "b"], '
        'total = "n", next = "meta.next", cursor = "c", size = "s", first = 3 }'
    )
    errors = 'code = "e.code"\nreason = "e.text"\nok = [0]\nexists = [1, "x"]\nabsent = [2]\nbusy = [3]\n'
    users = USERS | {
        "list": listed,
        "id": '"no"',
        "number_ids": "true",
        "active": '{ yes = "A", no = "L" }',
        "change": '{ request = "POST /p/{id}", body = { a = "{title}" }, item = "x", sends = "changes" }',
        "delete": '"DELETE /p/{id}"',
        "search": '{ "emails.value" = "mail" }',
        "find": '{ userName = "GET /p/all?login={userName}" }',
    }
    groups = GROUPS | {"members": '{ request = "GET /g/{id}/m", items = "m", id = "p.no" }'}
    head = "page_size = 7"
    service = rest_of(load, text(users, groups, head, errors=f"{errors}refused = [4]\ndenied = [5]"))

    meanings = {"exists": (1, "x"), "absent": (2,), "busy": (3,), "refused": (4,), "denied": (5,)}
    assert service.errors == RestErrors("e.code", "e.text", (0,), meanings)
    assert service.page_size == 7
    people = service.users
    assert (people.id, people.number_ids, people.active) == ("no", True, ("A", "L"))
    assert people.search == {"emails": "mail"}
    every = RestCall(
        "POST /p/all",
        {"X-A": "b"},
        {"a": 1},
        items=("a", "b"),
        total="n",
        next="meta.next",
        cursor="c",
        size="s",
        first=3,
    )
    assert people.calls["list"] == every
    change = RestCall("POST /p/{id}", {}, {"a": "{title}"}, item="x", sends="changes")
    assert people.calls["change"] == change
    paged = RestCall("GET /p/all?login={userName}", items=("a", "b"), total="n", next="meta.next", cursor="c")
    assert people.find["username"].items == paged.items
    assert people.find["username"].total is None  # another address than that of `list`
    assert service.groups.calls["members"].id == "p.no"


def test_a_look_up_at_the_address_of_the_list_is_read_as_the_list(load):
    listed = '{ request = "GET /p", items = "d", total = "n", page = "p", size = "s" }'
    users = USERS | {"list": listed, "find": '{ userName = "GET /p?login={userName}" }'}

    found = rest_of(load, text(users)).users.find["username"]

    assert (found.items, found.total, found.page, found.size) == ("d", "n", "p", "s")


FAULTS = [
    ({"entry": None}, "entry", "is required"),
    ({"create": None}, "create", "is required"),
    ({"lst": '"GET /p"'}, "lst", 'unknown key; did you mean "list"?'),
    ({"list": '{ request = "GET /p", itms = "d" }'}, "list.itms", 'did you mean "items"?'),
    ({"get": '"FETCH /p/{id}"'}, "get", "must be a method and a path"),
    ({"get": '"GET p/{id}"'}, "get", "must be a method and a path"),
    ({"get": '"GET /p a/{id}"'}, "get", "write them percent-encoded"),
    ({"get": '"GET /p#{id}"'}, "get", "write them percent-encoded"),
    ({"get": '"GET /p"'}, "get", "needs {id}"),
    ({"get": '"GET /p/{userName}"'}, "get", "has {userName}; here may be only {id}"),
    ({"get": '"GET /p/{id"'}, "get", "has a { by itself"),
    ({"change": '"PUT /p"'}, "change", "needs {id}"),
    ({"list": '"GET /p/{title}"'}, "list", "here may be no {…}"),
    ({"list": "7"}, "list", "must be a table"),
    ({"entry": '{ a = "{userNam}" }'}, "entry.a", 'and no rule writes it; did you mean "userName"?'),
    ({"entry": '{ b = ["x", { c = "{name.givenNam}" }] }'}, "entry.b[1].c", 'did you mean "givenName"?'),
    ({"entry": '{ a = "{userName}", b = "{title.x}" }'}, "entry.b", "title has no x"),
    ({"entry": '{ a = "{userName}", b = "{a..b}" }'}, "entry.b", "which is no path"),
    ({"entry": '{ b = { each = "emails", as = { c = "{valu}" } } }'}, "entry.b.as.c", "emails has no valu"),
    (
        {"entry": '{ b = { each = "mails", as = { c = "{value}" } } }'},
        "entry.b.each",
        'did you mean "emails"?',
    ),
    ({"entry": '{ a = "x {userName}", on = "{active}" }'}, "entry", 'has no "{userName}" by itself'),
    ({"entry": '{ a = "{userName}" }'}, "deactivate", "is required, or {active} in entry"),
    ({"entry": '{ a = "{userName}" }', "deactivate": '"POST /p/{id}/off"'}, "reactivate", "is required"),
    ({"create": '{ request = "POST /p", body = { a = "{departmnt}" } }'}, "create.body.a", "no attribute"),
    (
        {"create": '{ request = "POST /p", headers = { Host = "x" } }'},
        "create.headers.Host",
        "is the gateway's own",
    ),
    (
        {"create": '{ request = "POST /p", headers = { "a b" = "x" } }'},
        'create.headers."a b"',
        "must be one word",
    ),
    (
        {"change": '{ request = "PUT /p/{id}", sends = "all" }'},
        "change.sends",
        'must be "changes", "merged" or "whole"',
    ),
    (
        {"change": '{ request = "PUT /p/{id}", sends = "merged", body = { a = "{title}" } }'},
        "change.sends",
        "cannot be merged beside a body",
    ),
    ({"list": '{ request = "GET /p", items = 7 }'}, "list.items", "must be a path in quotes"),
    ({"list": '{ request = "GET /p", total = "@odata.count" }'}, "list.total", "keys one inside the other"),
    ({"list": '{ request = "GET /p", page = "p", offset = "o" }'}, "list.offset", "cannot be beside page"),
    ({"list": '{ request = "GET /p", page = "p", next = "n" }'}, "list.next", "cannot be beside page"),
    ({"list": '{ request = "GET /p", cursor = "c" }'}, "list.next", "is required with cursor"),
    ({"search": '{ logn = "x" }'}, "search.logn", "no attribute of the standard"),
    (
        {"search": '{ "name.givenName" = "x" }'},
        'search."name.givenName"',
        "must be an attribute such as userName",
    ),
    ({"find": '{ userName = "GET /p/x" }'}, "find.userName", "needs {userName}"),
    ({"find": '{ userName = "GET /p/{title}" }'}, "find.userName", "here may be only {userName}"),
    ({"active": '{ yes = "A" }'}, "active.no", "is required"),
    ({"active": '{ yes = "A", no = "A" }'}, "active", "needs two values that differ"),
    ({"add": '"PUT /p/{id}/{member}"'}, "add", "is for groups only"),
]


@pytest.mark.parametrize(
    ("keys", "path", "reason"), FAULTS, ids=[f"{path}: {reason}" for _, path, reason in FAULTS]
)
def test_a_fault_of_people_is_named_where_it_is(faults_of, keys, path, reason):
    assert reason in faults_of(text(USERS | keys))[f"targets.t.rest.users.{path}"]


@pytest.mark.parametrize(
    ("keys", "path", "reason"),
    [
        ({"entry": '{ t = "{displayName}" }'}, "entry", "needs {members.value}, or the table add and remove"),
        ({"add": '"PUT /g/{id}/{member}"'}, "remove", "is required beside the other"),
        ({"add": '"PUT /g/{id}"', "remove": '"DELETE /g/{id}/{member}"'}, "add", "needs {member}"),
        ({"deactivate": '"POST /g/{id}"'}, "deactivate", "is for users only"),
        ({"entry": '{ t = "{userName}", m = "{members}" }'}, "entry", 'has no "{displayName}" by itself'),
    ],
)
def test_a_fault_of_groups_is_named_where_it_is(faults_of, keys, path, reason):
    assert reason in faults_of(text(groups=GROUPS | keys))[f"targets.t.rest.groups.{path}"]


@pytest.mark.parametrize(
    ("table", "path", "reason"),
    [
        ('exists = ["X"]', "exists[0]", "`code` does not say where"),
        ('code = "c"\nexists = [409]\nbusy = [409]', "busy[0]", "is among `exists` already"),
        ("exists = [true]", "exists[0]", "must be a status, or a code in quotes"),
        ('exits = ["X"]', "exits", 'did you mean "exists"?'),
    ],
)
def test_a_fault_of_errors_is_named_where_it_is(faults_of, table, path, reason):
    assert reason in faults_of(text(errors=table))[f"targets.t.rest.errors.{path}"]


def test_all_faults_are_told_at_once(faults_of):
    users = {"entry": '{ a = "{userNam}" }', "list": '"GET p"', "search": '{ x = "y" }'}

    found = faults_of(text(users, {"entry": "{}"}, errors="x = 1"))

    assert {path.removeprefix("targets.t.rest.") for path in found} == {
        "users.entry.a",
        "users.list",
        "users.search.x",
        "users.create",
        "users.get",
        "users.change",
        "groups.entry",
        "groups.create",
        "groups.list",
        "groups.get",
        "groups.change",
        "errors.x",
    }


def test_who_leaves_is_deleted_only_where_that_can_be_asked(faults_of):
    found = faults_of(text(head='on_deactivate = "delete"'))

    assert found == {"targets.t.rest.users.delete": 'is required with on_deactivate = "delete"'}


def test_a_template_may_name_what_a_rule_writes(load):
    rule = '[[targets.t.rules]]\nto = "badge"\nfrom = "externalId"\n'
    users = USERS | {"entry": '{ a = "{userName}", b = "{badge}", on = "{active}" }'}

    assert rest_of(load, text(users) + rule).users.entry["b"] == "{badge}"


def test_the_table_is_for_its_connector_and_the_connector_needs_it(faults_of):
    other = '[targets.t]\nconnector = "scim"\nurl = "https://x.example.com"\nrest = {}\n'

    assert faults_of(other) == {"targets.t.rest": "is for the connector rest only"}
    assert "is required" in faults_of(HEAD + AUTH)["targets.t.rest.users"]


def test_what_a_file_says_lies_over_what_a_preset_says_key_by_key():
    preset = {"users": {"entry": {"a": "1", "b": "2"}, "get": "GET /x"}, "errors": {"code": "c"}}

    assert overlaid(preset, {"users": {"entry": {"b": "3"}, "get": {"request": "GET /y"}}}) == {
        "users": {"entry": {"a": "1", "b": "3"}, "get": {"request": "GET /y"}},
        "errors": {"code": "c"},
    }


SESSION = (
    'auth = { session = { request = "POST /in", body = { who = "g", secrets = [{ env = "DIALPAD_TOKEN" }] }'
)


def test_a_login_is_read_and_its_secrets_stay_hidden(load):
    session = (
        f'{SESSION}, token = ["a.b"], header = "X-S", value = "S {{token}}", expired = [401, 440] }} }}\n'
    )
    auth = load(text().replace(AUTH, session)).targets["t"].auth

    assert isinstance(auth, SessionLogin)
    assert auth.body["secrets"][0].reveal() == "dp-secret-1"
    assert "dp-secret-1" not in repr(auth)
    assert (auth.token, auth.header, auth.value, auth.expired) == (("a.b",), "X-S", "S {token}", (401, 440))


@pytest.mark.parametrize(
    ("said", "path", "reason"),
    [
        ('request = "POST in"', "request", "must be a method and a path"),
        ('request = "POST /in/{userName}"', "request", "a login is about nobody"),
        ('request = "POST /in", value = "x"', "value", "must be a header's value with {token}"),
        ('request = "POST /in", body = { env = "NONE" }', "body.env", "the environment has no NONE"),
        ('request = "POST /in", token = "a..b"', "token", "must be a path such as"),
        ('request = "POST /in", tokn = "a"', "tokn", 'did you mean "token"?'),
    ],
)
def test_a_fault_of_a_login_is_named_where_it_is(faults_of, said, path, reason):
    written = text().replace(AUTH, f"auth = {{ session = {{ {said} }} }}\n")

    assert reason in faults_of(written)[f"targets.t.auth.session.{path}"]


def test_a_login_is_for_json_services_only(faults_of):
    scim = f'[targets.t]\nconnector = "scim"\nurl = "https://x.example.com"\n{SESSION} }} }}\n'

    assert "scim takes bearer" in faults_of(scim)["targets.t.auth.session"]
