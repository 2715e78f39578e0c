"""Connectors are found by name and opened within their limits."""

import pytest

from gateway.address import Bearer, Secret, TargetAddress
from gateway.flow.target_port import ResourceType, Unreachable
from gateway.targets.embedded.connector import EmbeddedConnector
from gateway.targets.gate import Gate
from gateway.targets.registry import CONNECTORS, Shared, open_connector
from gateway.targets.scim.connector import ScimConnector


@pytest.mark.parametrize(
    ("name", "schemes"),
    [
        pytest.param("embedded", ("sqlite",), id="embedded"),
        pytest.param("scim", ("http", "https"), id="scim"),
        pytest.param("ldap", ("ldap", "ldaps", "ldapi"), id="ldap"),
        pytest.param("dialpad", ("http", "https"), id="dialpad"),
    ],
)
def test_a_connector_says_which_urls_it_takes(name, schemes):
    assert CONNECTORS[name].needs_url_scheme == schemes


@pytest.mark.parametrize(
    ("name", "url", "kind"),
    [
        ("embedded", "sqlite:{}/var/book.db", EmbeddedConnector),
        ("scim", "https://target.test", ScimConnector),
    ],
    ids=["embedded", "scim"],
)
async def test_a_connector_is_opened_by_its_name(name, url, kind, around: Shared, tmp_path):
    target = await CONNECTORS[name].open(TargetAddress("book", url.format(tmp_path)), around)

    assert isinstance(target, kind)
    await target.close()


@pytest.mark.parametrize("limit", [{}, {"rate": 1000.0}, {"concurrency": 2}], ids=["none", "rate", "calls"])
async def test_a_target_with_limits_is_used_within_them(limit, around: Shared, tmp_path):
    address = TargetAddress("book", f"sqlite:{tmp_path}/book.db", **limit)
    target = await open_connector("embedded", address, around)

    assert isinstance(target, Gate)
    assert await target.get(ResourceType.USER, "1") is None
    await target.close()


async def test_a_directory_that_cannot_be_opened_is_unreachable(around: Shared, tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(Unreachable):
        await open_connector("embedded", TargetAddress("book", f"sqlite:{tmp_path}/file/book.db"), around)


def test_an_address_shows_no_secret():
    assert "s3cret" not in repr(TargetAddress("cx", "https://target.test", Bearer(Secret("s3cret"))))
