"""What `check` says of rules: where they are, what they name that nobody has, and which never count."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigError
from gateway.scim.grammar import parse_filter
from gateway.settings.faults import TomlLines
from gateway.settings.rule_check import implies

TARGET = '[targets.t]\nconnector = "embedded"\nurl = "sqlite:t.db"\n'
SCIM = '[targets.t]\nconnector = "scim"\nauth = { bearer = { env = "DIALPAD_TOKEN" } }\n'


def rule(**keys: str) -> str:
    return "\n".join(["[[targets.t.rules]]", *(f"{key} = {value}" for key, value in keys.items()), ""])


def warnings(load, *rules: str, head: str = TARGET) -> list[str]:
    """Return what is said of the target's rules."""
    return [
        line
        for line in load(head + "".join(rules)).warnings
        if line.startswith(("targets.t.rules", "targets.t.url"))
    ]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        pytest.param({"to": '"titel"'}, ['.to (line 4, "titel"): ', 'did you mean "title"?'], id="to"),
        pytest.param({"to": '"title"', "from": '"tilte"'}, [".from", 'did you mean "title"?'], id="from"),
        pytest.param(
            {"to": '"title"', "from": '"badge"'}, ["attribute badge; if it is", 'say "*:badge"'], id="no near"
        ),
        pytest.param({"to": '"title"', "when": "'userTyp eq 1'"}, [".when", '"userType"'], id="when"),
        pytest.param({"to": '"title"', "when": "'emails.valeu pr'"}, [".when", '"value"'], id="part of when"),
        pytest.param(
            {"to": '"title"', "from": '"department"'}, ["the standard department is urn:"], id="level"
        ),
    ],
)
def test_a_rule_that_names_what_nobody_has_is_told_with_the_nearest(load, keys, said):
    (found,) = warnings(load, rule(**keys))

    assert found.startswith("targets.t.rules[0]")
    assert [part for part in said if part not in found] == []


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param(
            [rule(to='"title"', when="'emails[type eq \"work\"] and active eq true'")], id="standard"
        ),
        pytest.param([rule(to='"title"', **{"from": '"*:badge"'})], id="anywhere"),
        pytest.param([rule(to='"urn:x:2.0:User:badge"')], id="extension"),
        pytest.param(
            [rule(to='"title"', **{"from": '"*:badge"'}), rule(to='"nickName"', when="'badge pr'")],
            id="a rule's",
        ),
    ],
)
def test_a_name_of_the_standard_of_an_extension_or_of_another_rule_is_known(load, rules):
    assert warnings(load, *rules) == []


def test_the_names_of_a_directory_are_its_own(load):
    ldap = (
        '[targets.t]\nconnector = "ldap"\nurl = "ldaps://h"\non_deactivate = "delete"\nldap.base = "dc=x"\n'
    )

    assert warnings(load, rule(to='"telephoneNumber"', **{"from": '"title"'}), head=ldap) == []


@pytest.mark.parametrize("end", ["/Users", "/users/", "/Groups"])
def test_an_address_that_ends_with_what_is_added_to_it_is_told(load, end):
    (found,) = warnings(load, head=f'{SCIM}url = "https://x.example.com/scim{end}"\n')

    assert found.startswith("targets.t.url: ends in /")


ALL, PART = rule(to='"name"', **{"from": '"displayName"'}), rule(to='"name.givenName"')
PHONES, WORK = rule(to='"phoneNumbers.value"'), rule(to="'phoneNumbers[type eq \"work\"].value'")


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        pytest.param([PART, ALL], True, id="all of an attribute"),
        pytest.param([ALL, PART], False, id="a part comes later"),
        pytest.param([WORK, PHONES], True, id="every element"),
        pytest.param([PHONES, WORK], False, id="some elements come later"),
        pytest.param([PART, ALL + "when = 'active eq true'\n"], False, id="only for some"),
    ],
)
def test_a_rule_that_a_later_one_covers_is_told(load, rules, told):
    found = warnings(load, *rules)

    assert [("targets.t.rules[0]" in line, "rules[1] (line" in line) for line in found] == [
        (True, True)
    ] * told


CONSTANT = '[{{ name = "constant", value = "{}" }}]'


def exception(when: str, value: str = "x") -> str:
    return rule(to='"title"', when=f"'{when}'", via=CONSTANT.format(value))


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        pytest.param("userType pr", 'userType eq "A"', "never runs", id="covered"),
        pytest.param('userType eq "A" or active eq true', 'userType eq "a"', "never runs", id="one of two"),
        pytest.param('userType eq "A"', 'userName sw "X"', "something else", id="both may hold"),
        pytest.param(
            'userType eq "A"', 'emails[type eq "work" and value ew "@x"]', "something else", id="in brackets"
        ),
        pytest.param('userType eq "A"', "active eq true and userType pr", "something else", id="of two"),
        pytest.param('userType eq "A"', "not (active eq false)", "something else", id="negated"),
        pytest.param('userType eq "A"', 'userType eq "B"', "", id="never both"),
        pytest.param('userType eq "A"', 'userType eq "B" and active eq true', "", id="never both of two"),
    ],
)
def test_two_exceptions_for_one_person_are_told(load, first, second, said):
    found = warnings(load, exception(first), exception(second, "y"))

    assert [(line.partition(" (")[0], said in line) for line in found] == [
        ("targets.t.rules[1]", True)
    ] * bool(said)


def test_two_exceptions_that_come_to_the_same_are_not_told(load):
    assert warnings(load, exception('userType eq "A"'), exception("active eq true")) == []


def test_a_warning_is_told_beside_a_fault(load):
    with pytest.raises(ConfigError) as caught:
        load(TARGET + rule(to='"titel"') + rule(to='"title"', via='["tirm"]'))

    assert [str(fault).partition(": ")[0] for fault in caught.value.faults] == [
        'targets.t.rules[1].via[0] (line 6, "title")'
    ]
    assert 'targets.t.rules[0].to (line 4, "titel"): ' in caught.value.warnings[0]


def test_the_rules_of_every_preset_are_in_no_doubt(load):
    for name in ("acall", "cx", "dialpad"):
        head = f'[targets.t]\npreset = "{name}"\nurl = "https://x.example.com"\n'
        assert warnings(load, head=f'{head}auth = {{ bearer = {{ env = "DIALPAD_TOKEN" }} }}\n') == []


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a pr", "A pr", True),
        ('a eq "x" and b pr', "b pr", True),
        ('a eq "x" or b pr', "b pr", False),
        ('b eq "x" or b pr', "b pr", True),
        ("a pr", "a pr or b pr", True),
        ("a pr", "a pr and b pr", False),
        ('a ne "x"', "a pr", False),
        ("not (a pr)", "a pr", False),
    ],
)
def test_a_filter_that_is_sure_to_match_with_another_is_known(one, other, expected):
    assert implies(parse_filter(one), parse_filter(other)) is expected


TEXT = """a = [1, [2, # [3]
3], { b = [ { c = 1 } ] }]
# [[targets.x.rules]]
[[targets.x.rules]]
to = "a [[b]] \\" ]"
k = '''
[[no]]
'''
[targets.x.rules.sub]
[[ targets . "x" . rules ]]
to = 'b#'
[targets."y z"]
rules = [
  { to = "a", via = [
    "x", ["y"],
  ] },
  { to = \"\"\"
    b\"\"\" }, 1.5
]
"""


def test_every_table_and_every_element_has_its_line():
    assert TomlLines(TEXT).found == {
        **{"a[0]": 1, "a[1]": 1, "a[1][0]": 1, "a[1][1]": 2, "a[2]": 2, "a[2].b[0]": 2},
        **{"targets.x.rules[0]": 4, "targets.x.rules[0].sub": 9, "targets.x.rules[1]": 10},
        **{'targets."y z"': 12, 'targets."y z".rules[0]': 14, 'targets."y z".rules[0].via[0]': 15},
        **{'targets."y z".rules[0].via[1]': 15, 'targets."y z".rules[0].via[1][0]': 15},
        **{'targets."y z".rules[1]': 17, 'targets."y z".rules[2]': 18},
    }
    assert tomllib.loads(TEXT)["targets"]["y z"]["rules"][1]["to"] == "    b"


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("a", 1),
        ("a[2].b[0].c", 2),
        ("targets.x.rules[0].k", 6),
        ("targets.x.rules[0].via[3].name", 4),
        ('targets."y z".rules[1].to', 17),
        ('targets."y z".url', 12),
        ("targets.y", None),
        ("server.listen", None),
        ("", None),
    ],
)
def test_whatever_has_a_fault_has_the_line_of_it_or_of_what_it_is_in(path, line):
    assert TomlLines(TEXT).nearest(path) == line


@given(st.text(alphabet="ab[]{}=,.#\"'\\\n ", max_size=40))
def test_lines_are_looked_for_in_any_text(text):
    lines = TomlLines(text)

    assert all(1 <= line <= text.count("\n") + 1 for line in (*lines.found.values(), *lines.keys.values()))
