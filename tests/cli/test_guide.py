"""`guide`: the set-up page of a target, on standard output."""

import pytest


@pytest.mark.parametrize(
    ("options", "title"),
    [
        pytest.param((), "# From Okta to CX", id="Okta unless you say"),
        pytest.param(("--provider", "okta"), "# From Okta to CX", id="okta"),
        pytest.param(("--provider", "okta-agent"), "# From Okta's Provisioning Agent to CX", id="agent"),
        pytest.param(("--provider", "entra"), "# From Microsoft Entra ID to CX", id="entra"),
    ],
)
def test_a_page_is_printed_for_the_provider(run, options, title):
    ended = run("guide", "cx", *options)

    assert (ended.status, ended.err) == (0, "")
    assert ended.out.splitlines()[0] == title
    assert ended.out.endswith("\n")
    assert not ended.out.endswith("\n\n")


def test_the_page_has_the_base_url_and_the_provider_of_the_configuration(run, folder):
    config = folder / "config.toml"
    public = 'listen = "127.0.0.1:0"\npublic_url = "https://scim.example.com/gw/"'
    config.write_text(config.read_text().replace('listen = "127.0.0.1:0"', public))

    ended = run("guide", "cx")

    assert "| `https://scim.example.com/gw/scim/cx/v2` |" in ended.out
    assert "`python gateway.py token new okta`" in ended.out


def test_a_target_without_a_preset_has_a_page_of_its_rules(run):
    ended = run("guide", "phonebook")

    assert ended.status == 0
    assert ended.out.startswith("# From Okta to phonebook\n")
    assert "| `phoneNumbers.value` | `phoneNumbers.value` | `phone` | leaves it out |" in ended.out


def test_a_rule_of_the_configuration_is_on_the_page_of_its_preset(run, folder):
    with (folder / "config.toml").open("a") as config:
        config.write(
            '[[targets.cx.rules]]\nto = "title"\noff = true\n[[targets.cx.rules]]\nto = "nickName"\n'
        )

    ended = run("guide", "cx")

    assert "| Nickname (`nickName`) |" in ended.out
    assert "`title`" not in ended.out


def test_no_secret_has_to_be_there(run, folder):
    (folder / "okta.token").unlink()
    (folder / "cx.token").unlink()

    assert run("guide", "cx").status == 0


def test_an_unknown_target_ends_with_2_and_the_nearest_name(run):
    ended = run("guide", "phonbook")

    assert (ended.status, ended.out) == (2, "")
    assert ended.err == 'there is no target "phonbook"; did you mean "phonebook"?\n'


def test_an_unknown_provider_ends_with_2_and_the_known_ones(run):
    ended = run("guide", "cx", "--provider", "google")

    assert (ended.status, ended.out) == (2, "")
    assert all(name in ended.err for name in ("okta", "okta-agent", "entra"))
