"""Where requests come in: any free port, and addresses that nobody can have."""

import socket

import pytest

from gateway.errors import CannotListen
from gateway.server.runner import take_any_port


@pytest.mark.parametrize(
    ("host", "family"),
    [
        pytest.param("127.0.0.1", socket.AF_INET, id="IPv4"),
        pytest.param("::1", socket.AF_INET6, id="IPv6"),
    ],
)
async def test_any_port_is_taken_at_once(host, family):
    if family is socket.AF_INET6 and not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")

    with await take_any_port(host) as taken, socket.create_connection(taken.getsockname()[:2]) as client:
        assert (taken.family, client.getpeername()[1]) == (family, taken.getsockname()[1])


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
async def test_an_address_that_is_not_here_cannot_be_listened_on(host):
    with pytest.raises(CannotListen, match=f"cannot listen on {host}:0: "):
        await take_any_port(host)
