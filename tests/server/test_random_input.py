"""Whatever stands in a path or a header is read, or refused in an error of ours."""

import hashlib
from contextlib import suppress
from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import InvalidSyntax, NotFound, Unauthorized
from gateway.scim.messages import is_known, is_meant, parse_tags, version
from gateway.server.auth import Credential, authenticate
from gateway.server.request import client_address, parse_endpoint

PROXIES = (ip_network("10.0.0.0/8"), ip_network("::/0"))
WHO = Credential("provider", "okta", "config:1", hashlib.sha256(b"canary").digest())
STEPS = st.sampled_from(["scim", "v2", "Users", ".search", "", "%2F", "%00", "%ff", "a?b"]) | st.text()
HEADERS = st.binary(max_size=20).map(lambda sent: sent.decode("utf-8", "surrogateescape"))
WORDS = st.sampled_from(["Bearer ", "basic ", "Y2FuYXJ5", "10.0.0.1", "[::1]:80", ", ", ":", "%eth0"])
SPOKEN = st.lists(HEADERS | WORDS, max_size=4).map("".join)


@given(st.lists(STEPS, max_size=6).map("/".join))
def test_a_path_names_an_endpoint_or_nothing(path):
    with suppress(NotFound):
        assert parse_endpoint(f"/scim/people/v2/{path}").route.startswith("/scim/people/v2")
    with suppress(NotFound):
        parse_endpoint(path)


@given(st.lists(st.builds("{}{}".format, st.sampled_from(["", "Bearer ", "Basic "]), SPOKEN), max_size=2))
def test_only_who_has_the_token_is_let_in(headers):
    with pytest.raises((Unauthorized, InvalidSyntax)):
        authenticate(headers, {WHO.digest: WHO})


@given(SPOKEN, st.lists(SPOKEN, max_size=3))
def test_whoever_speaks_for_whom_has_an_address_that_can_be_stored(peer, forwarded):
    address = client_address(peer, forwarded, PROXIES)

    assert len(address.encode()) <= 64 * 4
    assert address.isprintable()


@settings(max_examples=50)
@given(SPOKEN | st.text('W/",*. ab'), st.dictionaries(st.text(), st.text()))
def test_a_version_is_meant_by_itself_and_whatever_else_is_said_means_none(header, document):
    own, tags = version(document), parse_tags(header)

    assert is_meant(parse_tags(own), own)
    assert is_known(parse_tags(own), own)
    assert is_meant(tags, own) is is_known(tags, own) is ("*" in tags)
