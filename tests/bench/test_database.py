"""A database that was filled is one that the gateway goes on with, and what it costs is measured."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from bench.beside import Pace
from bench.database import Side, beside, fill, measured, over_server
from bench.server import Server
from bench.world import Build, World
from tests.support.real_postgres import home_or_skip

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def filled() -> Iterator[tuple[World, Server]]:
    with ExitStack() as stack:
        world, server = over_server(stack, Build(), home_or_skip())
        fill(world, server, events=7, people=5)
        yield world, server


@pytest.mark.parametrize(
    ("table", "count"), [("resource", 5), ("link", 5), ("event WHERE event = 'user.create'", 7)]
)
def test_as_many_are_there_as_were_asked_for_and_what_the_gateway_wrote_itself(filled, table, count):
    _, server = filled
    own = int(server.run("SELECT count(*) FROM resource WHERE name_folded LIKE 'u%'"))

    assert int(server.run(f"SELECT count(*) FROM {table}")) == count + own


def test_two_gateways_share_the_load_and_the_database_and_both_are_measured(filled):
    world, server = filled
    (row,) = measured([Side([world, beside(world)], server, "create", 2)], Pace(1, 0.01))

    assert row["gateway_us"] > 0
    assert row["server_us"] > 0
    assert int(server.run("SELECT count(DISTINCT name) FROM replica")) == 2
