"""What must be true when all is quiet: nothing lost, nothing twice, every write accounted for."""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from gateway.journal.reader import reading
from gateway.journal.verify import TrailState
from tests.support.lives import House
from tests.support.workers import Ack, Provider

Line = dict[str, Any]
COMPARED = ("userName", "externalId", "title", "active")
UNKNOWN = ("Traceback", "request.crashed", "never retrieved")


def verdict(house: House, provider: Provider) -> list[str]:
    """Return what is wrong once nothing is on its way any more and the gateway has ended; [] is well."""
    ledger, acks = house.ledger(), provider.acks
    return [*provider.problems, *misdone(ledger, acks), *unaccounted(ledger, acks, house.journal)]


def misdone(ledger: list[Line], acks: list[Ack]) -> Iterator[str]:
    """Nothing is lost, nothing is twice, and nothing older comes after something newer."""
    yield from wrong_states(ledger, acks)
    yield from applied_twice(ledger)
    yield from overwritten(ledger, acks)


def wrong_states(ledger: list[Line], acks: list[Ack]) -> Iterator[str]:
    """Each person exists once, in the last state that was acknowledged."""
    entries: dict[str, dict[str, Any]] = {}
    for line in ledger:
        entries[line["entry"]["id"]] = line["entry"]
    people = defaultdict(list)
    for entry in entries.values():
        people[entry["externalId"]].append(entry)
    for external, ack in {ack.external: ack for ack in acks}.items():
        if len(people[external]) != 1:
            yield f"{external}: {len(people[external])} entries"
        for entry in people[external]:
            shown, wanted = [[document.get(n) for n in COMPARED] for document in (entry, ack.wanted)]
            if shown != wanted:
                yield f"{external}: {shown}, acknowledged was {wanted}"
    yield from (f"{external}: in no answer" for external in people.keys() - {ack.external for ack in acks})


def applied_twice(ledger: list[Line]) -> Iterator[str]:
    """Nobody is created twice, and no change is made twice.

    Of a leaver whose other data the target seems to refuse the deactivation is sent alone: another change.
    """
    for what in (_creates(ledger), _versions(ledger)):
        yield from (f"{key}: applied {n} times" for key, n in Counter(what).items() if n > 1)


def _creates(ledger: list[Line]) -> Iterator[str]:
    return (f"POST {line['entry']['externalId']}" for line in ledger if line["method"] == "POST")


def _versions(ledger: list[Line]) -> Iterator[str]:
    for line in ledger:
        entry = line["entry"]
        yield f"{entry['externalId']} version {entry['title']}, {'active' if entry['active'] else 'inactive'}"


def overwritten(ledger: list[Line], acks: list[Ack]) -> Iterator[str]:
    """No state is written after a newer one was acknowledged."""
    by_person = defaultdict(list)
    for ack in acks:
        by_person[ack.external].append(ack)
    for line in ledger:
        entry = line["entry"]
        for ack in by_person[entry["externalId"]]:
            if ack.version > int(entry["title"]) and ack.at < line["at"]:
                yield f"{ack.external}: {entry['title']} by {line['cid']} after {ack.version} by {ack.cid}"


def unaccounted(ledger: list[Line], acks: list[Ack], journal: Path) -> Iterator[str]:
    """Every write has its operation, every acknowledged change its event; file and chain are whole.

    A change that found all as it was is no write: its event goes with the next batch, if there is one.
    """
    with closing(sqlite3.connect(f"{journal.as_uri()}?mode=ro", uri=True)) as connection:
        operations = {cid for (cid,) in connection.execute("SELECT correlation_id FROM recorded")}
        events = {
            cid for (cid,) in connection.execute("SELECT correlation_id FROM event WHERE result <> 'pending'")
        }
        if (whole := connection.execute("PRAGMA integrity_check").fetchall()) != [("ok",)]:
            yield f"integrity: {whole}"
    yield from unexplained(ledger, acks, operations, events)
    with reading(journal) as reader:
        found = reader.verify()
        if found.state is not TrailState.WHOLE:
            yield f"trail: {found}"


def unexplained(ledger: list[Line], acks: list[Ack], operations: set[str], events: set[str]) -> Iterator[str]:
    """Every write has its operation, every acknowledged change its event."""
    for line in ledger:
        if line["cid"] not in operations:
            yield f"{line['entry']['externalId']}: {line['method']} {line['cid']} without an operation"
    written = {line["cid"] for line in ledger}
    there = {(line["entry"]["externalId"], int(line["entry"]["title"])) for line in ledger}
    for ack in acks:
        was_there = ack.cid not in written and (ack.external, ack.version) in there
        if ack.cid not in events and not was_there:
            yield f"{ack.external}: {ack.version} by {ack.cid} without an event"


def crashes(log: str) -> list[str]:
    """The gateway never failed in a way that it does not know."""
    return [line for line in log.splitlines() if any(word in line for word in UNKNOWN)]
