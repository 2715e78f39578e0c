"""How long the trail takes to answer what it has indexes for, whatever its length."""

import json
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from bench.events import correlation_id, event_id
from bench.fill import Filling
from bench.growth import SMALL as PEOPLE
from bench.growth import put_journal
from bench.people import user_name
from bench.startup import run_command
from bench.stats import middle
from bench.world import AUDITOR, Build, World, make_world

SMALL: Final = 10_000
COMMANDS: Final = 3  # rounds of what mostly starts Python
KNOWN: Final = 5_005  # an event of any trail
QUESTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "the newest 100": {},
    'target.name eq "crm"': {"filter": 'target.name eq "crm"'},
    'actor.name eq "entra"': {"filter": 'actor.name eq "entra"'},
    'outcome.result eq "rejected"': {"filter": 'outcome.result eq "rejected"'},
    "correlation_id eq …": {"filter": f'correlation_id eq "{correlation_id(KNOWN)}"'},
    "id eq …": {"filter": f'id eq "{event_id(KNOWN)}"'},
    "seq eq …": {"filter": f"seq eq {KNOWN}"},
    "target.user_name eq …": {"filter": f'target.user_name eq "{user_name(KNOWN)}"'},
    "since and until, an hour": {"since": "50d", "until": "1199h"},
    'since 7d and target.name eq "crm"': {"since": "7d", "filter": 'target.name eq "crm"'},
}


def asked(build: Build, events: int, kept: Path, rounds: int) -> Iterator[dict[str, Any]]:
    """Ask everything of a short trail and of a long one, over HTTP and with `audit query`."""
    for count in (SMALL, events):
        with make_world("scim", build, {"": ""}) as world:
            put_journal(world, Filling("scim", PEOPLE, count), kept)
            world.serve()
            for name, question in QUESTIONS.items():
                yield {"events": count, "question": name, **answered(world, question, rounds)}


def answered(world: World, question: Mapping[str, str], rounds: int) -> dict[str, float]:
    """Ask one question some times; of HTTP the first time does not count."""
    found, _ = over_http(world, question)
    http = [over_http(world, question)[1] for _ in range(rounds)]
    options = [word for name, value in question.items() for word in (f"--{name}", value)]
    commands = [run_command(world, "audit", "query", *options) for _ in range(min(rounds, COMMANDS))]
    return {"found": found, "http_ms": middle(http), "query_ms": middle([one["wall_ms"] for one in commands])}


def over_http(world: World, question: Mapping[str, str]) -> tuple[int, float]:
    """Return how many events an auditor gets, and after how many milliseconds."""
    url = f"http://127.0.0.1:{world.port}/audit/v1/events?{urlencode(question)}"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {AUDITOR}"})
    begun = time.perf_counter()
    with urllib.request.urlopen(request, timeout=60) as answer:
        body = answer.read()
    return len(json.loads(body)), (time.perf_counter() - begun) * 1e3
