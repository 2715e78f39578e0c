"""Who is behind a proxy."""

from ipaddress import ip_network

import pytest

from gateway.server.request import client_address

PROXIES = (ip_network("10.0.0.0/8"), ip_network("::1/128"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        pytest.param("192.0.2.1", [], "192.0.2.1", id="no proxy"),
        pytest.param("192.0.2.1", ["198.51.100.7"], "192.0.2.1", id="a stranger's word counts for nothing"),
        pytest.param("10.0.0.1", ["198.51.100.7"], "198.51.100.7", id="a trusted proxy"),
        pytest.param("::1", ["198.51.100.7"], "198.51.100.7", id="over IPv6"),
        pytest.param(
            "10.0.0.1", ["6.6.6.6, 198.51.100.7"], "198.51.100.7", id="what a client adds is not read"
        ),
        pytest.param("10.0.0.1", ["198.51.100.7, 10.0.0.2"], "198.51.100.7", id="two proxies"),
        pytest.param("10.0.0.1", ["198.51.100.7", "10.0.0.2"], "198.51.100.7", id="two headers"),
        pytest.param("10.0.0.1", [], "10.0.0.1", id="a proxy that says nothing"),
        pytest.param("10.0.0.1", ["10.0.0.2"], "10.0.0.2", id="nothing but proxies"),
        pytest.param("10.0.0.1", ["not an address"], "not an address", id="nonsense is shown, not trusted"),
        pytest.param("10.0.0.1", ["6.6.6.6, unknown"], "unknown", id="nonsense speaks for nobody"),
        pytest.param("10.0.0.1", ["198.51.100.7:5678"], "198.51.100.7", id="with a port"),
        pytest.param("10.0.0.1", ["[2001:DB8::7]:5678"], "2001:db8::7", id="IPv6 with a port"),
        pytest.param("10.0.0.1", ["198.51.100.7, 10.0.0.2:80"], "198.51.100.7", id="a proxy with a port"),
        pytest.param("::ffff:10.0.0.1", ["198.51.100.7"], "198.51.100.7", id="IPv4 on an IPv6 socket"),
        pytest.param("10.0.0.1", ["a\x00b" + "c" * 99], "ab" + "c" * 62, id="printable and short"),
    ],
)
def test_the_client_is_the_first_that_is_no_trusted_proxy(
    peer: str, forwarded: list[str], expected: str
) -> None:
    assert client_address(peer, forwarded, PROXIES) == expected
