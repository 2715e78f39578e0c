"""`explain`: one resource, or many, and what a target would get."""

import json

import pytest

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
    assert head.split() == ["count", "path", "rule", "reason"]
    assert [row.split()[0] for row in rows] == ["3", "2"]


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
        pytest.param("[{}]", "a JSON array is not taken: write one object a line", id="array"),
        pytest.param('{"a": 1', "the body is not JSON", id="broken JSON"),
        pytest.param('{"userName": "a"}\n\n{"a"\n', "line 3: the body is not JSON", id="broken line"),
        pytest.param('{"userName": "a", "username": "b"}', "line 1: the body has the attribute", id="twice"),
        pytest.param(b"userName\n\xff\n", "is not UTF-8 text", id="not UTF-8"),
        pytest.param("userName\na,b\n", "line 2: 2 cells, but only 1 columns", id="too many cells"),
        pytest.param('\nuserName\n"a"b\n', "line 3: ", id="broken CSV"),
        pytest.param("userName,Work phone\n", 'column 2, "Work phone": path: ', id="no path"),
        pytest.param("userName,\n", 'column 2, "": path: ', id="empty header"),
        pytest.param(
            "usrName\n",
            'column 1, "usrName": no such attribute; did you mean "userName"?',
            id="unknown attribute",
        ),
        pytest.param("title,userName,title\n", 'column 3, "title": stands there twice', id="twice a column"),
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
