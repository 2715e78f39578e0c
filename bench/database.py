"""What a journal in PostgreSQL costs: beside one in a file, with two gateways, and when it holds much."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from bench.beside import WARM, Pace
from bench.cases import CASES
from bench.people import user_name
from bench.processes import free_port
from bench.server import PASSWORD, Server, home, served
from bench.stats import middle, percentile, rounded
from bench.world import Build, Load, Told, World, make_world

Row = dict[str, Any]
SQLITE: Final = 'url = "sqlite:gateway.db"'
CASES_OF_IT: Final = ("create", "put")
REPLICAS: Final = 2
HANDS: Final = 32  # connections, of all replicas together
CONNECTIONS: Final = 16
SMALL: Final = 1_000
FIRST: Final = 40  # requests, by which it is seen how long one takes
NOTHING: Final = "skipped: there is no PostgreSQL"
FILL_PEOPLE: Final = """
    SET synchronous_commit = off;
    WITH one AS (SELECT * FROM resource LIMIT 1),
    made AS (
        INSERT INTO resource
            (base, type, id, original, name_folded, external_id, state, created, modified, replied)
        SELECT base, type, gen_random_uuid()::text, replace(original, '{name}', 'p' || n || '@example.com'),
            'p' || n || '@example.com', 'p' || n, state, created, modified, replied
        FROM one, generate_series(1, {people}) AS n RETURNING key, id),
    mail AS (INSERT INTO email (resource, folded) SELECT key, 'p' || key || '@example.com' FROM made)
    INSERT INTO link (resource, target, type, target_id, own, sent, seen)
    SELECT made.key, target, type, 'p' || made.key, own, sent, seen
    FROM made, (SELECT * FROM link LIMIT 1) AS one;
    VACUUM ANALYZE resource, link, email;"""
FILL_EVENTS: Final = """
    SET synchronous_commit = off;
    INSERT INTO event (seq, id, published, event, target, result, correlation_id, actor, subject,
        body, hash, personal)
    SELECT (SELECT max(seq) FROM event) + n, gen_random_uuid()::text, published, event, target, result,
        md5('c' || n), actor, md5('s' || n), body, hash, personal
    FROM (SELECT * FROM event WHERE event = 'user.create' LIMIT 1) AS one, generate_series(1, {events}) AS n;
    UPDATE trail_head SET seq = (SELECT max(seq) FROM event);
    VACUUM ANALYZE event;"""


@dataclass(frozen=True, slots=True)
class Round:
    """One round: seconds of CPU of a request, and requests a second."""

    gateway: float
    server: float
    rate: float
    each: Sequence[float]


class Side:
    """Gateways over one journal, each with its share of the load."""

    def __init__(self, worlds: Sequence[World], server: Server | None, case: str, hands: int) -> None:
        self._worlds, self._server = worlds, server
        self._loads: list[Load] = [world.load(case, max(hands // len(worlds), 1)) for world in worlds]
        self._most = CASES[case].most
        self._count = FIRST
        self._rounds: list[Round] = []

    def warm(self, seconds: float) -> None:
        """Find out how many requests take so long, and have the server know its tables."""
        for part in (WARM, 1.0):
            rate = self._round().rate
            self._count = int(min(max(rate * seconds * part, FIRST), self._most))
        if self._server:
            self._server.run("VACUUM ANALYZE")

    def go(self) -> None:
        """Measure one round."""
        self._rounds.append(self._round())

    def row(self) -> Row:
        """Return what the rounds come to."""
        each = [seconds for one in self._rounds for seconds in one.each]
        server = {"server_us": middle([one.server * 1e6 for one in self._rounds])} if self._server else {}
        return {
            "gateway_us": middle([one.gateway * 1e6 for one in self._rounds]),
            **server,
            "gateway_rate": middle([one.rate for one in self._rounds]),
            "gateway_p50": rounded(percentile(each, 0.5) * 1e3),
            "gateway_p99": rounded(percentile(each, 0.99) * 1e3),
        }

    def end(self) -> None:
        """Send no more."""
        for load in self._loads:
            load.end()

    def _round(self) -> Round:
        share = max(self._count // len(self._loads), 1)
        for load in self._loads:
            load.ready(share)
        gateway, server = self._spent()
        with ThreadPoolExecutor(len(self._loads)) as threads:
            told: list[Told] = list(threads.map(Load.run, self._loads, [share] * len(self._loads)))
        gateway_after, server_after = self._spent()
        count = share * len(self._loads)
        took = max(one.seconds for one in told)
        each = [seconds for one in told for seconds in one.each]
        return Round((gateway_after - gateway) / count, (server_after - server) / count, count / took, each)

    def _spent(self) -> tuple[float, float]:
        return sum(one.gateway.cpu() for one in self._worlds), self._server.cpu() if self._server else 0.0


def database(build: Build, connections: Sequence[int], pace: Pace) -> Iterator[Row]:
    """Measure a journal in a file and one in PostgreSQL in turn; the ratio is the CPU of two gateways."""
    if (at := home()) is None:
        yield {"case": NOTHING}
        return
    for case in CASES_OF_IT:
        with ExitStack() as stack:
            file = stack.enter_context(make_world("scim", build, {"": ""}))
            other, server = over_server(stack, build, at)
            file.serve()
            for hands in connections:
                one, two = in_turn(Side([file], None, case, hands), Side([other], server, case, hands), pace)
                named = {"case": case, "connections": hands}
                yield {**named, "journal": "SQLite", **one}
                ratio = rounded(one["gateway_us"] / two["gateway_us"])
                yield {**named, "journal": "PostgreSQL", "ratio": ratio, **two}


def replicas(build: Build, pace: Pace) -> Iterator[Row]:
    """Measure one gateway and two over one database in turn; the ratio is that of their rates."""
    if (at := home()) is None:
        yield {"case": NOTHING}
        return
    with ExitStack() as stack:
        first, server = over_server(stack, build, at)
        worlds = [first, *(beside(first) for _ in range(REPLICAS - 1))]
        for case in CASES_OF_IT:
            alone, all_ = in_turn(
                Side(worlds[:1], server, case, HANDS), Side(worlds, server, case, HANDS), pace
            )
            yield {"case": case, "replicas": 1, **alone}
            ratio = rounded(all_["gateway_rate"] / alone["gateway_rate"])
            yield {"case": case, "replicas": REPLICAS, "ratio": ratio, **all_}


def database_growth(build: Build, events: int, people: int, pace: Pace) -> Iterator[Row]:
    """Measure creates on a database with nothing, with many events and with many people."""
    if (at := home()) is None:
        yield {"events": NOTHING}
        return
    first = 0.0
    for had, known in ((0, SMALL), (events, SMALL), (0, people)):
        with ExitStack() as stack:
            world, server = over_server(stack, build, at)
            fill(world, server, had, known)
            side = Side([world], server, "create", CONNECTIONS)
            row = measured([side], pace)[0]
            first = first or row["gateway_us"] + row["server_us"]
            ratio = rounded((row["gateway_us"] + row["server_us"]) / first)
            yield {"events": had, "people": known, "ratio": ratio, **row}


def fill(world: World, server: Server, events: int, people: int) -> None:
    """Have the journal hold as many of what the gateway has written once."""
    load = world.load("create", 1)
    load.run(1)
    load.end()
    world.stop()
    server.run(FILL_PEOPLE.format(people=people, name=user_name(world.people)))
    if events:
        server.run(FILL_EVENTS.format(events=events))
    server.run("CHECKPOINT")
    world.serve()


def over_server(stack: ExitStack, build: Build, at: Path) -> tuple[World, Server]:
    """Start a gateway over an empty database on a server of its own."""
    world = stack.enter_context(make_world("scim", build, {"": ""}))
    server = stack.enter_context(served(at, world.processes))
    server.empty()
    word = world.folder / "database.password"
    word.touch(0o600)
    word.write_text(PASSWORD)
    told = f'url = "{server.url}"\npassword = {{ file = "{word}" }}'
    world.config.write_text(world.config.read_text().replace(SQLITE, told))
    world.serve()
    return world, server


def beside(world: World) -> World:
    """Start another gateway over the same database."""
    folder = world.folder / "beside"
    folder.mkdir()
    other = replace(world, folder=folder, port=free_port(), started=[], people=world.people + 100_000_000)
    for file in ("okta.token", "alice.token"):
        (folder / file).touch(0o600)
        (folder / file).write_text((world.folder / file).read_text())
    text = world.config.read_text().replace(f":{world.port}", f":{other.port}")
    other.config.write_text(text)
    other.serve()
    return other


def in_turn(one: Side, two: Side, pace: Pace) -> tuple[Row, Row]:
    """Measure two sides, a round each in turn."""
    first, second = measured([one, two], pace)
    return first, second


def measured(sides: Sequence[Side], pace: Pace) -> list[Row]:
    """Measure sides, a round each in turn."""
    try:
        for side in sides:
            side.warm(pace.seconds)
        for _ in range(pace.rounds):
            for side in sides:
                side.go()
    finally:
        for side in sides:
            side.end()
    return [side.row() for side in sides]
