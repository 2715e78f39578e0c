"""`test`: the tests of rules, from the configuration or a file of their own, and those of `explain`."""

import json

import pytest

DESK = """
[[targets.phonebook.tests]]
name = "a number is written in full"
dropped = ['phoneNumbers[type eq "home"].value']
[targets.phonebook.tests.input]
userName = "ann"
phoneNumbers = [{ type = "work", value = "020 7946 0018" }, { type = "home", value = "unknown" }]
[targets.phonebook.tests.form]
userName = "ann"
phoneNumbers = [{ type = "work", value = "+442079460018" }]
"""
REFUSED = """
[[targets.cx.tests]]
name = "nobody without a number"
input = { userName = "ann", externalId = "1", name = { givenName = "Ann" } }
problems = ['phoneNumbers[type eq "work"].value']
"""
WRONG = DESK.replace("+442079460018", "+44207946") + REFUSED.replace("problems = ", "held = ")


@pytest.fixture
def write(folder):
    """Add to the configuration."""

    def add(text):
        (folder / "config.toml").write_text((folder / "config.toml").read_text() + text)

    return add


def test_tests_that_find_what_they_expect_end_with_0(run, write):
    write(DESK + REFUSED)

    ended = run("test")

    assert (ended.status, ended.out.splitlines()) == (
        0,
        [
            "phonebook",
            "  ok    a number is written in full",
            "cx",
            "  ok    nobody without a number",
            "2 tests, 0 failed",
        ],
    )


def test_a_difference_is_told_and_ends_with_1(run, write):
    write(WRONG)

    ended = run("test")

    work = 'phoneNumbers[type eq "work"]'
    assert (ended.status, ended.out.splitlines()) == (
        1,
        [
            "phonebook",
            "  FAIL  a number is written in full (targets.phonebook.tests[0])",
            f'        {work}.value: expected "+44207946", got "+442079460018"',
            "cx",
            "  FAIL  nobody without a number (targets.cx.tests[0])",
            f"        {work}.value: expected accepted, got refused: is required by the target",
            "2 tests, 2 failed",
        ],
    )


def test_a_program_reads_them_as_json(run, write):
    write(WRONG)

    ended = run("test", "phonebook", "--format", "json")

    path = 'phoneNumbers[type eq "work"].value'
    assert ended.status == 1
    assert json.loads(ended.out) == [
        {
            "target": "phonebook",
            "name": "a number is written in full",
            "passed": False,
            "differences": [{"path": path, "expected": "+44207946", "got": "+442079460018"}],
        }
    ]


@pytest.mark.parametrize(
    "argv", [["test", "own.toml"], ["test", "--file", "own.toml"], ["test", "cx", "--file", "own.toml"]]
)
def test_a_file_of_tests_is_run_instead_of_those_of_the_configuration(run, folder, write, argv):
    write(DESK)
    (folder / "own.toml").write_text(REFUSED)

    ended = run(*argv)

    assert (ended.status, ended.out.splitlines()[1:]) == (
        0,
        ["  ok    nobody without a number", "1 test, 0 failed"],
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            "[[targets.cxx.tests]]\ninput = {}\nheld = []", 'no target "cxx"; did you mean "cx"?', id="target"
        ),
        pytest.param('[targets.cx]\nurl = "x"', "has `[[targets.NAME.tests]]` only", id="a target's key"),
        pytest.param("[server]", "has `[[targets.NAME.tests]]` only", id="another table"),
        pytest.param(
            '[[targets.cx.tests]]\nname = "n"\ninput = {}',
            'targets.cx.tests[0] (line 1, "n"): says nothing',
            id="empty",
        ),
        pytest.param("[[targets.cx.tests]]\nheld = []", "input (line 1): is required", id="no input"),
        pytest.param("[[targets.cx.tests]]\ninput = { a = 2024-01-01 }\nheld = []", "a date", id="date"),
        pytest.param(
            "[[targets.cx.tests]]\ninput = {}\nform = {}\nproblems = ['a']",
            "of who is refused",
            id="form of nobody",
        ),
    ],
)
def test_a_fault_of_a_file_of_tests_is_told(run, folder, text, said):
    (folder / "own.toml").write_text(text)

    ended = run("test", "own.toml")

    assert (ended.status, said in ended.err) == (2, True)


def test_a_target_that_there_is_not_is_told_with_the_nearest(run):
    ended = run("test", "phonbook")

    assert (ended.status, ended.err) == (2, 'there is no target "phonbook"; did you mean "phonebook"?\n')


def test_without_a_test_it_is_said_how_to_have_one(run):
    ended = run("test")

    assert (ended.status, ended.out.splitlines()[1]) == (0, "0 tests, 0 failed")
    assert "explain --as-test" in ended.out


PEOPLE = [
    {
        "userName": "ann",
        "phoneNumbers": [{"type": "work", "value": "+44 20 7946 0018"}, {"value": "unknown"}],
    },
    {"userName": "bob", "externalId": "1", "nickName": "B", "active": False, "password": "t0ps3cret"},
    {
        "userName": 'cy "\\',
        "name": {"givenName": "C\u007f\u0001é", "familyName": None},
        "urn:x:2.0:Y": {"a b": [1.5]},
    },
    {"name": "no name"},
]


@pytest.mark.parametrize("target", ["phonebook", "cx"])
def test_the_tests_that_explain_writes_pass(run, write, target):
    lines = "\n".join(map(json.dumps, PEOPLE))

    made = run("explain", target, "--as-test", stdin=lines)

    assert (made.status, "t0ps3cret" in made.out) == (0, False)
    write(made.out)
    ended = run("test", target)
    assert (ended.status, ended.out.splitlines()[-1]) == (0, "4 tests, 0 failed")
