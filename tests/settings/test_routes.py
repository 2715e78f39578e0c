"""Routes: several targets behind one address, and every fault in what a file says of them."""

import pytest

from gateway.settings.compiled import subject_of

TARGETS = "".join(
    f'[targets.{name}]\nconnector = "embedded"\nurl = "sqlite:{name}.db"\n'
    for name in ("phonebook", "dialpad", "cx")
)
OKTA = f'[providers.okta]\ndialect = "okta"\ntoken = {{ sha256 = "{"a" * 64}" }}\n'
EVERYONE = '[routes.everyone]\ntargets = ["phonebook", "dialpad"]\n'


def test_a_route_is_an_address_and_its_targets_have_none_of_their_own(load):
    settings = load(TARGETS + EVERYONE)

    assert settings.addresses == {"cx": ("cx",), "everyone": ("phonebook", "dialpad")}
    assert settings.followers == {"phonebook": ("dialpad",)}
    assert [settings.route_of(name) for name in settings.targets] == ["everyone", "everyone", None]


@pytest.mark.parametrize(
    ("named", "opened"),
    [
        pytest.param("", ("cx", "everyone"), id="all"),
        pytest.param('targets = ["everyone"]\n', ("everyone",), id="the route"),
        pytest.param('targets = ["cx"]\n', ("cx",), id="a target beside it"),
    ],
)
def test_a_provider_writes_targets_and_routes(load, named, opened):
    assert load(TARGETS + EVERYONE + OKTA + named).providers["okta"].targets == opened


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        pytest.param("[routes.everyone]\n", "routes.everyone.targets", "is required", id="no targets"),
        pytest.param(
            "[routes.everyone]\ntargets = []\n", "routes.everyone.targets", "at least one", id="empty"
        ),
        pytest.param(
            '[routes.everyone]\ntargets = ["phonbook"]\n',
            "routes.everyone.targets[0]",
            'there is no target "phonbook"; did you mean "phonebook"?',
            id="unknown target",
        ),
        pytest.param(
            '[routes.a]\ntargets = ["cx"]\n[routes.b]\ntargets = ["phonebook", "cx"]\n',
            "routes.b.targets[1]",
            "is in a route already, at routes.a.targets[0]",
            id="target in two routes",
        ),
        pytest.param(
            '[routes.a]\ntargets = ["cx", "cx"]\n',
            "routes.a.targets[1]",
            "is in a route already, at routes.a.targets[0]",
            id="target twice",
        ),
        pytest.param('[routes.cx]\ntargets = ["dialpad"]\n', "routes.cx", "the name of a target", id="name"),
        pytest.param('[routes.A_b]\ntargets = ["cx"]\n', "routes.A_b", "a-z", id="spelling"),
        pytest.param(
            '[routes.a]\ntargets = ["cx"]\nmode = 1\n', "routes.a.mode", "unknown key", id="unknown key"
        ),
        pytest.param(
            EVERYONE + OKTA + 'targets = ["dialpad"]\n',
            "providers.okta.targets[0]",
            'is reached by its route only: say "everyone"',
            id="provider of a target in a route",
        ),
        pytest.param(
            EVERYONE + OKTA + 'targets = ["everyon"]\n',
            "providers.okta.targets[0]",
            'there is no target or route "everyon"; did you mean "everyone"?',
            id="provider of an unknown route",
        ),
        pytest.param(
            EVERYONE + OKTA + OKTA.replace("okta", "entra"),
            "targets.dialpad.shared",
            "written by okta and entra",
            id="two providers of one target, by its route",
        ),
    ],
)
def test_every_fault_of_a_route_is_told_with_its_path(faults_of, text, path, words):
    assert words in faults_of(TARGETS + text)[path]


def test_the_set_up_page_of_a_route_has_what_any_of_its_targets_reads(load):
    rule = '[[targets.{}.rules]]\nto = "{}"\nvia = ["strip_spaces"]\n'
    held = TARGETS.replace(
        "[targets.dialpad]\n", '[targets.dialpad]\nunlisted = "hold"\nrequire = ["title"]\n'
    )
    rules = rule.format("phonebook", "nickName") + rule.format("dialpad", "locale")

    subject = subject_of(load(held + rules + EVERYONE + OKTA), "everyone")

    assert subject.base_url == "http://127.0.0.1:8080/scim/everyone/v2"
    assert [rule.to.text for rule in subject.rules] == ["nickName", "locale"]
    assert subject.require == (("title",),)
    assert (subject.unlisted, dict(subject.writers)) == ("send", {"okta": ("okta",)})
