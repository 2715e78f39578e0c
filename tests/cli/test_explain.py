"""`explain`: one resource, or many, and what a target would get."""

import json
import tracemalloc

import pytest

from gateway.cli import resources
from gateway.mapping.program import HELD
from gateway.scim.names import CORE_USER, ENTERPRISE_USER

ANN = {
    "userName": "ann@example.com",
    "externalId": "00u1",
    "name": {"givenName": "Ann"},
    "phoneNumbers": [{"type": "work", "value": "+44 20 7946 0123"}],
}
WORK = 'phoneNumbers[type eq "work"].value'


def explained(run, resource, *options, target="cx"):
    ended = run("explain", target, "--format", "json", *options, stdin=json.dumps(resource))
    return ended.status, json.loads(ended.out)


def test_a_resource_is_explained_in_json(run):
    status, explanation = explained(run, ANN | {"nickName": "Annie"})

    resource = explanation.pop("resource")
    assert status == 0
    assert explanation == {
        "target": "cx",
        "row": 1,
        "userName": "ann@example.com",
        "externalId": "00u1",
        "accepted": True,
        "steps": [
            {
                "to": WORK,
                "from": WORK,
                "transform": "phone",
                "before": "+44 20 7946 0123",
                "after": "+442079460123",
            }
        ],
        "held": ["nickName"],
        "dropped": [],
        "unsent": [{"what": "held", "path": "nickName", "rule": None, "reason": HELD}],
        "problems": [],
    }
    assert resource["phoneNumbers"] == [{"type": "work", "value": "+442079460123"}]


def test_a_resource_is_explained_to_people(run):
    person = ANN | {"nickName": "Annie", "emails": [{"value": "a@example.com"}, {"value": "b@example.com"}]}

    ended = run("explain", "cx", stdin=json.dumps(person))

    told = ended.out.splitlines()
    assert ended.status == 0
    assert told[0] == "cx: accepted"
    assert f'  {WORK} ← {WORK}  phone: "+44 20 7946 0123" → "+442079460123"' in told
    assert any(line.startswith("held: ") and "nickName" in line for line in told)
    assert json.loads(ended.out.partition("sent: ")[2])["userName"] == "ann@example.com"


def test_what_is_dropped_is_named_to_people(run):
    bad = {"userName": "ann", "phoneNumbers": [{"type": "work", "value": "unknown"}]}

    ended = run("explain", "phonebook", stdin=json.dumps(bad))

    assert ended.status == 0
    assert f"dropped: {WORK}" in ended.out.splitlines()


def test_a_resource_that_would_be_rejected_ends_with_1_and_the_reason(run):
    ended = run("explain", "cx", stdin=json.dumps(ANN | {"phoneNumbers": []}))

    assert ended.status == 1
    assert ended.out.splitlines() == [
        "cx: rejected",
        "row 1 ann@example.com 00u1",
        f"problem: {WORK}: is required by the target (rule require)",
    ]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        pytest.param(
            {"name": "Ann"},
            {"path": "name", "rule": "type", "reason": "must be an object of texts"},
            id="wrong type",
        ),
        pytest.param(
            {"userName": ""},
            {"path": "userName", "rule": "require", "reason": "is required"},
            id="no name where no preset requires one",
        ),
    ],
)
def test_what_the_gateway_would_refuse_by_itself_is_a_problem(run, fields, problem):
    status, explanation = explained(run, ANN | fields, target="phonebook")

    assert (status, explanation["accepted"], explanation["resource"]) == (1, False, None)
    assert explanation["problems"] == [problem]


def test_an_entitlement_that_there_is_not_is_a_problem(run, folder):
    table = '[[targets.phonebook.entitlements]]\ntype = "License"\nvalues = ["talk"]\n'
    (folder / "config.toml").write_text((folder / "config.toml").read_text() + table)
    status, explanation = explained(run, ANN | {"entitlements": ["talk", "sell"]}, target="phonebook")

    reason = '"sell": no License has this value'
    assert (status, explanation["accepted"]) == (1, False)
    assert explanation["problems"] == [
        {"path": "entitlements.value", "rule": "entitlements", "reason": reason}
    ]


def test_a_missing_name_is_told_once(run):
    _, explanation = explained(run, ANN | {"userName": None})

    assert [problem["path"] for problem in explanation["problems"]] == ["userName"]


def test_a_password_is_never_shown(run):
    ended = run("explain", "phonebook", stdin=json.dumps(ANN | {"password": "t0ps3cret"}))

    assert ended.status == 0
    assert "t0ps3cret" not in ended.out


OUTDATED = "urn:scim:schemas:extension:enterprise:1.0"


@pytest.mark.parametrize(
    ("dialect", "urn"),
    [pytest.param("okta", OUTDATED, id="okta"), pytest.param("rfc", ENTERPRISE_USER, id="rfc")],
)
def test_a_resource_is_read_in_the_dialect_of_the_target_s_provider(run, folder, dialect, urn):
    config = folder / "config.toml"
    config.write_text(config.read_text().replace('dialect = "okta"', f'dialect = "{dialect}"'))

    _, explanation = explained(run, ANN | {OUTDATED: {"department": "Sales"}}, target="phonebook")

    assert explanation["resource"][urn] == {"department": "Sales"}


def test_no_secret_has_to_be_there(run, folder):
    (folder / "okta.token").unlink()
    (folder / "cx.token").unlink()

    assert explained(run, ANN)[0] == 0


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(json.dumps(ANN), id="one line"),
        pytest.param("\n" + json.dumps(ANN, indent=2) + "\n\n", id="many lines"),
        pytest.param("\ufeff" + json.dumps(ANN), id="byte order mark"),
        pytest.param(
            f'userName,externalId,name.givenName,{WORK}\nann@example.com,00u1,"Ann",+44 20 7946 0123\n',
            id="CSV",
        ),
        pytest.param(
            "\ufeffuserName, externalId ,name.givenName,phoneNumbers.^[type=='work'].value\r\n"
            "ann@example.com,00u1,Ann,+44 20 7946 0123\r\n",
            id="CSV of a spreadsheet, in Okta's notation",
        ),
    ],
)
def test_one_resource_is_read_from_every_form(run, folder, content):
    (folder / "people").write_text(content)

    ended = run("explain", "cx", "people", "--format", "json")

    assert ended.status == 0
    assert json.loads(ended.out)["resource"]["phoneNumbers"] == [{"type": "work", "value": "+442079460123"}]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(f'{json.dumps(ANN)}\n\n{{"userName": "bob"}}\n', id="NDJSON"),
        pytest.param("userName,externalId\nann,1\n\nbob,2\n , \n", id="CSV"),
    ],
)
def test_many_give_one_object_a_line(run, content):
    ended = run("explain", "phonebook", stdin=content)

    names = [json.loads(line)["resource"]["userName"] for line in ended.out.splitlines()]
    assert ended.status == 0
    assert [name.partition("@")[0] for name in names] == ["ann", "bob"]


def test_an_attribute_given_twice_rejects_one_resource_of_many(run):
    twice = {"userName": "b", f"{CORE_USER}:userName": "c"}
    lines = "\n".join(json.dumps(resource) for resource in (ANN, twice, ANN))

    ended = run("explain", "cx", stdin=lines)

    told = [json.loads(line) for line in ended.out.splitlines()]
    assert ended.status == 1
    assert [explanation["accepted"] for explanation in told] == [True, False, True]
    assert told[1]["problems"] == [{"path": "userName", "rule": "type", "reason": "is given twice"}]


def test_many_are_told_to_people_who_ask_for_text(run):
    ended = run("explain", "cx", "--format", "text", stdin="userName\nann\nbob\n")

    assert ended.status == 1
    assert ended.out.count("cx: rejected\n") == 2


CSV_COLUMNS = f"userName,externalId,title,{WORK}\nann,1,Agent,+44 20 7946 0123\nbob,2,,07\ncid,3,,08\n"
SUMMARY = {"target": "cx", "accepted": 0, "rejected": 3}


def test_a_summary_counts_each_problem_once(run):
    ended = run("explain", "cx", "--summary", stdin=CSV_COLUMNS)

    summary = json.loads(ended.out)
    assert ended.status == 1
    assert {name: summary[name] for name in SUMMARY} == SUMMARY
    assert {problem["path"]: problem["count"] for problem in summary["problems"]} == {
        "name.givenName or name.familyName": 3,
        WORK: 2,
    }


def test_a_summary_can_be_for_people(run):
    ended = run("explain", "cx", "--summary", "--format", "text", stdin=CSV_COLUMNS)

    first, head, *rows = ended.out.splitlines()
    assert first == "cx: 0 accepted, 3 rejected"
    assert head.casefold().split() == ["count", "what", "path", "rule", "reason", "examples"]
    assert [row.split()[:2] for row in rows] == [["3", "refused"], ["2", "refused"]]
    assert "row 2 ann 1; row 3 bob 2; row 4 cid 3" in rows[0]


def test_a_sheet_without_rows_rejects_nothing(run):
    ended = run("explain", "cx", "--summary", stdin="userName\n")

    assert (ended.status, json.loads(ended.out)["accepted"]) == (0, 0)


def test_truth_in_a_sheet_is_text_in_any_dialect(run, folder):
    config = folder / "config.toml"
    config.write_text(config.read_text().replace('dialect = "okta"', 'dialect = "rfc"'))

    ended = run("explain", "phonebook", "--format", "json", stdin="userName,active\nann,FALSE\n")

    assert json.loads(ended.out)["resource"]["active"] is False


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        pytest.param("", "holds no resource", id="nothing"),
        pytest.param("\n  \n", "holds no resource", id="blank lines"),
        pytest.param("[[]]", "line 1: a list stands where a resource belongs", id="list in a list"),
        pytest.param('["a"]', "line 1: a text stands where a resource belongs", id="texts"),
        pytest.param("[1, {}]", "line 1: what stands before this is no JSON object", id="numbers"),
        pytest.param('[{"a": 1}', "the body is not JSON", id="array without an end"),
        pytest.param('{"a": 1', "the body is not JSON", id="broken JSON"),
        pytest.param('{"userName": "a"}\n\n{"a"\n', "line 3: the body is not JSON", id="broken line"),
        pytest.param('{"userName": "a", "username": "b"}', "line 1: the body has the attribute", id="twice"),
        pytest.param("userName\na,b\n", "line 2: 2 cells, but only 1 columns", id="too many cells"),
        pytest.param('\nuserName\n"a"b\n', "line 3: ", id="broken CSV"),
        pytest.param("Work phone\n", 'column 1, "Work phone": no such attribute', id="no path at all"),
        pytest.param("userName,\n", 'column 2, "": path: ', id="empty header"),
        pytest.param(
            "usrName\n",
            'column 1, "usrName": no such attribute; did you mean "userName"?',
            id="unknown attribute",
        ),
        pytest.param("title,userName,title\n", 'column 3, "title": stands there twice', id="twice a column"),
        pytest.param(
            "userName,title,username\n",
            'column 3, "username": stands there twice',
            id="twice in another case",
        ),
        pytest.param(
            "phoneNumbers[type eq \"work\"].value,phoneNumbers.^[type=='work'].value\n",
            "column 2, \"phoneNumbers.^[type=='work'].value\": stands there twice",
            id="twice in another notation",
        ),
        pytest.param(
            'emails[type eq "work"]\n',
            'column 1, "emails[type eq "work"]": name a sub-attribute, such as emails[type eq "work"].value',
            id="element without sub-attribute",
        ),
    ],
)
def test_what_cannot_be_read_ends_with_2_and_says_where(run, content, sentence):
    ended = run("explain", "cx", "-", stdin=content)

    assert ended.status == 2
    assert ended.err.startswith(f"standard input: {sentence}")


def test_a_missing_file_ends_with_2(run):
    ended = run("explain", "cx", "nobody.json")

    assert (ended.status, ended.err) == (
        2,
        "nobody.json: cannot be read: No such file or directory: "
        "is the name right, from the folder it is relative to?\n",
    )


def test_an_unknown_target_ends_with_2_and_the_nearest_name(run):
    ended = run("explain", "phonbook", stdin="{}")

    assert (ended.status, ended.err) == (2, 'there is no target "phonbook"; did you mean "phonebook"?\n')


SCOPE = """
[targets.phonebook.scope]
people = 'department ne "Board"'
"""
CHAIR = ANN | {ENTERPRISE_USER: {"department": "Board"}}


def test_who_is_out_of_scope_is_told_with_the_filter(run, folder):
    config = folder / "config.toml"
    config.write_text(config.read_text().replace("[targets.cx]", f"{SCOPE}[targets.cx]"))

    status, explanation = explained(run, CHAIR, target="phonebook")
    text = run("explain", "phonebook", stdin=json.dumps(CHAIR))
    lines = "\n".join(json.dumps(person) for person in (CHAIR, ANN))
    summary = run("explain", "phonebook", "--summary", "--format", "text", stdin=lines)

    assert (status, explanation["accepted"], explanation["in_scope"]) == (0, True, False)
    assert (explanation["resource"], explanation["scope"]) == (None, 'department ne "Board"')
    assert text.out.splitlines() == [
        "phonebook: accepted",
        "row 1 ann@example.com 00u1",
        'out of scope, so nothing is sent: department ne "Board" does not hold',
    ]
    assert summary.out.splitlines()[0] == "phonebook: 2 accepted, 0 rejected, 1 out of scope"
    assert explained(run, ANN, target="phonebook")[1]["in_scope"] is True


EXCEPTION = """
[[targets.cx.rules]]
to = "title"
when = 'userType eq "Agent"'
via = ["upper"]
[[targets.cx.rules]]
to = "nickName"
when = 'userType eq "Boss"'
"""


def test_the_rules_that_did_not_run_are_told_with_the_reason(run, folder):
    (folder / "config.toml").write_text((folder / "config.toml").read_text() + EXCEPTION)

    ended = run("explain", "cx", stdin=json.dumps(ANN | {"userType": "Agent", "title": "x"}))

    assert [line for line in ended.out.splitlines() if line.startswith("not run: ")] == [
        'not run: title: config:title holds: userType eq "Agent" (rule cx@1:title)',
        'not run: nickName: its condition does not hold (rule config:nickName, when userType eq "Boss")',
    ]


PEOPLE = [{"userName": "ann"}, {"userName": "bob", "title": "Agent"}]
LIST = {
    "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
    "totalResults": 2,
    "Resources": PEOPLE,
    "itemsPerPage": 2,
}


def who(ended):
    return [(one["row"], one["userName"]) for one in map(json.loads, ended.out.splitlines())]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(json.dumps(PEOPLE), id="array"),
        pytest.param(json.dumps(PEOPLE, indent=2), id="array over many lines"),
        pytest.param(json.dumps(LIST), id="ListResponse"),
        pytest.param(json.dumps(LIST, indent=2), id="ListResponse over many lines"),
        pytest.param("\n".join(json.dumps(person) for person in PEOPLE), id="NDJSON"),
    ],
)
def test_json_of_many_is_read_in_every_shape(run, content, monkeypatch):
    whole = run("explain", "phonebook", stdin=content)
    monkeypatch.setattr(resources, "CHUNK", 3)
    pieces = run("explain", "phonebook", stdin=content)

    assert (whole.status, who(whole)) == (0, [(1, "ann"), (2, "bob")])
    assert pieces == whole


def test_several_resources_over_many_lines_are_read_with_their_lines(run):
    content = "\n\n".join(json.dumps(person, indent=2) for person in PEOPLE)

    assert who(run("explain", "phonebook", stdin=content)) == [(1, "ann"), (5, "bob")]


def test_a_list_without_anybody_rejects_nobody(run):
    ended = run("explain", "cx", "--summary", stdin=json.dumps(LIST | {"Resources": []}))

    assert (ended.status, json.loads(ended.out)["rejected"]) == (0, 0)


def test_a_resource_that_does_not_end_is_not_read_to_the_end(run, monkeypatch):
    monkeypatch.setattr(resources, "LARGEST", 100)

    ended = run("explain", "cx", stdin='{"userName": "a"}\n{"userName": "' + "b" * 70_000)

    assert ended.status == 2
    assert ended.err.startswith("standard input: line 2: what begins here does not end within 100")


SHEET = "userName;title\nann;Chef de caf\u00e9\nbob;\n"


@pytest.mark.parametrize(
    ("encoding", "options"),
    [
        pytest.param("utf-8", [], id="UTF-8"),
        pytest.param("utf-8-sig", [], id="with a byte order mark"),
        pytest.param("utf-16", [], id="UTF-16"),
        pytest.param("utf-16-le", [], id="UTF-16 without a mark"),
        pytest.param("utf-16-be", [], id="UTF-16 without a mark, the other way round"),
        pytest.param("windows-1252", [], id="Windows-1252"),
        pytest.param("cp850", ["--encoding", "cp850"], id="said"),
        pytest.param("utf-8-sig", ["--encoding", "UTF-8"], id="said, with a mark"),
    ],
)
@pytest.mark.parametrize("is_file", [True, False], ids=["file", "standard input"])
def test_the_encoding_is_told_from_the_bytes_or_said(run, folder, encoding, options, is_file):
    content = SHEET.encode(encoding)
    (folder / "people.csv").write_bytes(content)
    name, stdin = ("people.csv", b"") if is_file else ("-", content)

    ended = run("explain", "phonebook", name, *options, stdin=stdin)

    assert [json.loads(line)["resource"].get("title") for line in ended.out.splitlines()] == [
        "Chef de caf\u00e9",
        None,
    ]


def test_all_of_a_file_says_what_its_encoding_is(run, folder, monkeypatch):
    monkeypatch.setattr(resources, "SNIFFED", 16)
    (folder / "people.csv").write_bytes(SHEET.encode("windows-1252"))

    assert "Chef de caf\u00e9" in run("explain", "phonebook", "people.csv", "--format", "json").out


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        pytest.param(
            ["--encoding", "utf-9"], "--encoding: utf-9: is not known; usual ones are", id="unknown"
        ),
        pytest.param(["--encoding", "base64"], "--encoding: base64: is not known; usual ones", id="no text"),
        pytest.param(
            ["--encoding", "idna"], "--encoding: idna: is not known; usual ones", id="not for files"
        ),
        pytest.param(["--encoding", "utf-8"], "standard input: is not utf-8 text: name its", id="wrong"),
        pytest.param(["--delimiter", ";;"], "--delimiter: must be one character, or tab", id="delimiter"),
        pytest.param(["--columns", "no.csv"], "no.csv: cannot be read: No such file", id="no such map"),
    ],
)
def test_how_a_file_is_to_be_read_is_checked(run, options, sentence):
    ended = run("explain", "phonebook", *options, stdin=SHEET.encode("windows-1252"))

    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(sentence)


@pytest.mark.parametrize(
    ("mark", "options"),
    [
        pytest.param(",", [], id="comma"),
        pytest.param(";", [], id="semicolon"),
        pytest.param("\t", [], id="tab"),
        pytest.param("|", [], id="bar"),
        pytest.param("\t", ["--delimiter", "tab"], id="tab, said"),
        pytest.param("^", ["--delimiter", "^"], id="any, said"),
    ],
)
def test_the_delimiter_is_told_from_the_headings_or_said(run, mark, options):
    sheet = f"userName{mark}name.givenName\nann{mark}A; b, c\nbob{mark}B\n".replace("A; b, c", '"A; b, c"')

    ended = run("explain", "phonebook", *options, stdin=sheet)

    names = [json.loads(line)["resource"]["name"]["givenName"] for line in ended.out.splitlines()]
    assert names == ["A; b, c", "B"]


def test_a_sheet_that_says_its_delimiter_is_believed(run):
    assert who(run("explain", "phonebook", stdin="sep=;\r\nuserName;title\r\nann;a,b\r\nbob;\r\n")) == [
        (3, "ann"),
        (4, "bob"),
    ]


def test_rows_are_counted_as_a_spreadsheet_does(run):
    sheet = 'userName,title\nann,"two\nlines"\n\nbob,x\n'

    assert who(run("explain", "phonebook", stdin=sheet)) == [(2, "ann"), (4, "bob")]


def test_headings_of_one_s_own_are_named_by_a_map(run, folder):
    (folder / "map.csv").write_text(f"heading;path\nLogin name;userName\nOffice phone;{WORK}\nNotes;\n")
    sheet = "LOGIN NAME,Office phone,Notes,title\nann,020 7946 0123,likes tea,Agent\n"

    ended = run("explain", "phonebook", "--columns", "map.csv", "--format", "json", stdin=sheet)

    explanation = json.loads(ended.out)
    assert explanation["resource"]["phoneNumbers"] == [{"type": "work", "value": "+442079460123"}]
    assert (explanation["resource"]["title"], explanation["ignored"]) == ("Agent", ["Notes"])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        pytest.param("", "map.csv: holds no headings", id="empty"),
        pytest.param("Login\n", "map.csv: line 1: must be a heading and an attribute", id="one cell"),
        pytest.param("Login,user name\n", 'map.csv: line 1, "user name": ', id="no path"),
        pytest.param("A,title\na,userName\n", 'map.csv: line 2, "a": stands there twice', id="twice"),
    ],
)
def test_a_map_that_cannot_be_read_says_where(run, folder, content, sentence):
    (folder / "map.csv").write_text(content)

    ended = run("explain", "phonebook", "--columns", "map.csv", stdin="Login\nann\n")

    assert ended.status == 2
    assert ended.err.startswith(sentence)


def test_what_the_target_has_no_attribute_for_is_ignored_and_counted(run):
    sheet = "userName,Shoe size,usrType\nann,38,\nbob,44,x\n"

    ended = run("explain", "phonebook", "--summary", stdin=sheet)

    assert (ended.status, json.loads(ended.out)["accepted"]) == (0, 2)
    assert json.loads(ended.out)["ignored"] == {"Shoe size": 2, "usrType": 1}
    assert ended.err.splitlines() == [
        'ignored, 2 values: "Shoe size" is no attribute of the target; --columns says what is what',
        'ignored, 1 value: "usrType" is no attribute of the target; did you mean "userType"?'
        "; --columns says what is what",
    ]


OKTA = (
    "login,firstName,lastName,email,title,primaryPhone,mobilePhone,countryCode,department,managerId\n"
    "ann@x.example,Ann,Lee,ann@x.example,Agent,020 7946 0123,07911 123456,GB,Sales,m1\n"
)
ENTRA = (
    "userPrincipalName,displayName,surname,mail,givenName,id,jobTitle,department,accountEnabled,country,"
    "telephoneNumber,mobilePhone\n"
    "ann@x.example,Ann Lee,Lee,ann@x.example,Ann,4711,Agent,Sales,True,GB,020 7946 0123,07911 123456\n"
)


@pytest.mark.parametrize(
    ("sheet", "external_id"), [pytest.param(OKTA, None, id="okta"), pytest.param(ENTRA, "4711", id="entra")]
)
def test_an_export_of_a_provider_is_understood(run, sheet, external_id):
    ended = run("explain", "phonebook", "--format", "json", stdin=sheet)

    explanation = json.loads(ended.out)
    found = explanation["resource"]
    assert (ended.err, explanation["userName"], explanation["externalId"]) == (
        "",
        "ann@x.example",
        external_id,
    )
    assert found["name"] == {"givenName": "Ann", "familyName": "Lee"}
    assert (found["title"], found[ENTERPRISE_USER]["department"]) == ("Agent", "Sales")
    assert found["emails"][0]["value"] == "ann@x.example"
    numbers = {phone["type"]: phone["value"] for phone in found["phoneNumbers"]}
    assert numbers == {"work": "+442079460123", "mobile": "+447911123456"}
    assert found["addresses"][0]["country"] == "GB"


def test_what_is_dropped_or_held_has_its_reason_and_the_value_where_it_is_asked(run):
    bad = {"userName": "ann", "phoneNumbers": [{"type": "work", "value": "n/a"}]}

    plain = run("explain", "phonebook", stdin=json.dumps(bad))
    shown = run("explain", "phonebook", "--show-values", stdin=json.dumps(bad))
    refused = run(
        "explain",
        "cx",
        "--show-values",
        stdin=json.dumps(bad | {"externalId": "1", "name": {"givenName": "A"}}),
    )

    rule = "(rule config:phoneNumbers.value)"
    assert f"dropped: {WORK}: has no digits {rule}" in plain.out.splitlines()
    assert "n/a" not in plain.out
    assert f'dropped: {WORK}: has no digits {rule}: "n/a"' in shown.out.splitlines()
    assert any(line.startswith(f"problem: {WORK}: ") and '"n/a"' in line for line in refused.out.splitlines())


def test_a_password_is_not_shown_among_values(run):
    ended = run(
        "explain",
        "cx",
        "--show-values",
        "--format",
        "json",
        stdin=json.dumps(ANN | {"password": "t0ps3cret"}),
    )

    assert "t0ps3cret" not in ended.out


def test_a_summary_tells_what_is_dropped_with_three_examples(run):
    rows = "".join(f"b{n},x{n},n/a\n" for n in range(5))

    ended = run(
        "explain", "phonebook", "--summary", "--show-values", stdin=f"userName,externalId,{WORK}\n{rows}"
    )

    (part,) = json.loads(ended.out)["unsent"]
    assert (part["what"], part["path"], part["count"]) == ("dropped", WORK, 5)
    assert part["examples"] == [
        {"row": n + 2, "userName": f"b{n}", "externalId": f"x{n}", "value": "n/a"} for n in range(3)
    ]


def test_a_summary_is_a_table_on_a_terminal(run, monkeypatch):
    monkeypatch.setattr("gateway.cli.explain._is_for_people", lambda format: True)

    ended = run("explain", "cx", "--summary", stdin=CSV_COLUMNS)

    assert ended.out.startswith("cx: 0 accepted, 3 rejected\n")


@pytest.mark.parametrize(
    ("before", "between", "after"),
    [
        pytest.param("[", ",", "]", id="array"),
        pytest.param('{"Resources": [', ",", "]}", id="ListResponse"),
        pytest.param("", "\n", "", id="NDJSON"),
        pytest.param("userName\n", "\n", "", id="CSV"),
    ],
)
def test_a_file_of_many_is_read_in_bounded_memory(folder, before, between, after):
    name = "b" * 1000
    one = name if before.startswith("userName") else json.dumps({"userName": name})
    with (folder / "people").open("w") as file:
        file.write(before)
        file.writelines(f"{one}{between}" for _ in range(7999))
        file.write(one + after)

    tracemalloc.start()
    count = sum(1 for _ in resources.read_resources("people"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert count == 8000
    assert peak < 4 * 1024 * 1024  # half of the file
