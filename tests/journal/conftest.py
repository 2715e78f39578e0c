"""Journals of every kind on a clock that the test turns."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.event import Event, Personal
from gateway.flow.journal_port import Intent, Key, Link, Outcome, Resource, State
from gateway.flow.target_port import ResourceType
from gateway.journal.journal import SqliteJournal
from gateway.journal.postgresql.journal import PostgresJournal
from tests.support.inline import InlineJournal
from tests.support.old_events import write_as_before
from tests.support.real_postgres import RealPostgres

USER = ResourceType.USER


class Clock:
    """Stands still until it is turned."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 1, 4, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def turn(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["new", "old"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have the trail written as it is now, or as releases before schema 5 did."""
    if request.param == "old":
        write_as_before(monkeypatch)
    return str(request.param)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "var" / "gateway.db"


@pytest.fixture
async def reopen(path: Path, clock: Clock) -> AsyncIterator[Callable[[], Awaitable[SqliteJournal]]]:
    """Open the file, first closing what had it open, as a restart does."""
    journals: list[SqliteJournal] = []

    async def restart() -> SqliteJournal:
        if journals:
            await journals.pop().close()
        journals.append(await SqliteJournal.open(path, "full", clock, print, owner="this run"))
        return journals[0]

    async with AsyncExitStack() as stack:
        yield restart
        for journal in journals:
            stack.push_async_callback(journal.close)


@pytest.fixture
async def sqlite(reopen: Callable[[], Awaitable[SqliteJournal]]) -> SqliteJournal:
    return await reopen()


EMPTIED = """
    DO $$ DECLARE one text; BEGIN
        FOR one IN SELECT quote_ident(relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace
            AND relkind = 'r' AND relname NOT IN ('meta', 'schema_version', 'trail_head', 'trail_base')
        LOOP EXECUTE 'DELETE FROM ' || one; END LOOP;
    END $$;
    SELECT setval(oid::regclass, 1, false) FROM pg_class
    WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace;
    UPDATE trail_head SET seq = 0, hash = '', published = ''; UPDATE trail_base SET seq = 0, hash = '';
    DELETE FROM meta WHERE name <> 'salt'"""


@pytest.fixture(scope="session")
def kept_database(postgres: RealPostgres) -> Iterator[str]:
    """A database that tests have one after the other: to make one takes longer than most of them."""
    with postgres.room() as url:
        yield url


@pytest.fixture
def database_url(kept_database: str) -> str:
    """The url of a database with nothing in it but, as a rule, the schema."""
    import psycopg

    with psycopg.connect(kept_database, autocommit=True) as connection:
        if connection.execute("SELECT to_regclass('schema_version')").fetchone() != (None,):
            connection.execute(EMPTIED)
    return kept_database


@pytest.fixture
async def postgresql(path: Path, clock: Clock, database_url: str) -> AsyncIterator[PostgresJournal]:
    journal = await PostgresJournal.reach(database_url, path, "full", clock, print, owner="this run")
    yield journal
    await journal.close()


@pytest.fixture(params=["inline", "sqlite", "postgresql"])
def journal(request: pytest.FixtureRequest, clock: Clock) -> Any:
    return InlineJournal(clock) if request.param == "inline" else request.getfixturevalue(request.param)


@pytest.fixture
def intent() -> Callable[..., Intent]:
    """Make an intent to create Ann, with whatever is to differ."""

    def make(op_id: str = "op-1", *names: str, **other: Any) -> Intent:
        keys = tuple(Key("name", name) for name in names or ("ann",))
        fields = {"base": "cx", "target": "cx", "type": USER, "operation": "create", "keys": keys}
        fields |= {
            "resource_id": "id-1",
            "target_id": None,
            "wanted": {"userName": "ann", "n": [1, {"x": True}]},
        }
        fields |= {"original": {"userName": "Ann"}, "state": State.ACTIVE, "correlation_id": "c-1"}
        return Intent(op_id, **(fields | other))

    return make


@pytest.fixture
def resource() -> Callable[..., Resource]:
    """Make a resource with the links given as target: target id."""

    def make(id: str = "id-1", name: str | None = "Ann", **other: Any) -> Resource:
        links = {
            target: Link(target, of, {"sent": id}, {"seen": id})
            for target, of in other.pop("links", {}).items()
        }
        original = {"userName": name, "externalId": other.pop("external", None)}
        fields = {"base": "cx", "type": USER, "state": State.ACTIVE, "created": "2026", "modified": "2027"}
        return Resource(id=id, original=original, links=links, **(fields | other))

    return make


@pytest.fixture
def event() -> Callable[..., Event]:
    """Make an event about a person."""

    def make(id: str = "e-1", name: Any = "Ann", **other: Any) -> Event:
        target = {"name": "cx", "type": "User", "id": "1", "user_name": Personal(name)}
        diff = [{"path": "title", "before": None, "after": Personal({"b": [1], "a": "Ag€nt"})}]
        outcome = {"result": Outcome.APPLIED, "status": 201, "reason": None}
        fields = {"event": "user.create", "outcome": outcome, "actor": {"name": "okta"}, "target": target}
        return Event(id, fields | {"diff": diff, "correlation_id": f"c-{id}"} | other)

    return make
