"""A connector under watch does what it did before, and somebody hears of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.flow.target_port import (
    Errand,
    Late,
    Page,
    Paused,
    Query,
    ResourceType,
    Silent,
    TargetError,
    Update,
    errand,
)
from gateway.targets.gate import Gate
from gateway.targets.lanes import Lanes

USER = ResourceType.USER
UPDATE = Update({}, {}, ())


@dataclass
class Heard:
    """Remembers what it was told; `paused` lets no change through."""

    paused: bool = False
    calls: list[Any] = field(default_factory=list)

    def admit(self, target: str) -> None:
        if self.paused:
            raise Paused("not now")

    def called(self, target: str, seconds: float, error: TargetError | None) -> None:
        self.calls.append((target, seconds, error))


@dataclass
class Fake:
    """Answers every call with its name, or fails."""

    fault: TargetError | None = None
    asked: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(*arguments: Any, **named: Any) -> Any:
            self.asked.append(name)
            if self.fault is not None:
                raise self.fault
            return Page(0, ()) if name == "query" else {"id": name}

        return call


CALLS: dict[str, Callable[[Gate], Awaitable[Any]]] = {
    "get": lambda watched: watched.get(USER, "1"),
    "query": lambda watched: watched.query(USER, Query()),
    "check": lambda watched: watched.check(),
    "create": lambda watched: watched.create(USER, {}),
    "change": lambda watched: watched.change(USER, "1", UPDATE),
    "delete": lambda watched: watched.delete(USER, "1"),
}
CHANGES = ("create", "change", "delete")


def watched(fake: Fake, heard: Heard) -> Gate:
    times = iter((1.0, 3.5))
    return Gate(fake, "book", heard, clock=lambda: next(times))


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_is_made_and_told_of(name: str) -> None:
    fake, heard = Fake(), Heard()

    answer = await CALLS[name](watched(fake, heard))

    assert (fake.asked, heard.calls) == ([name], [("book", 2.5, None)])
    assert answer == {"query": Page(0, ()), "delete": None}.get(name, {"id": name})


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_that_fails_is_told_of_and_still_fails(name: str) -> None:
    fault, heard = Silent("no answer"), Heard()

    with pytest.raises(Silent):
        await CALLS[name](watched(Fake(fault), heard))

    assert heard.calls == [("book", 2.5, fault)]


@pytest.mark.parametrize("name", CALLS)
async def test_in_a_pause_reads_go_out_and_changes_do_not(name: str) -> None:
    fake, heard = Fake(), Heard(paused=True)

    refused = False
    try:
        await CALLS[name](watched(fake, heard))
    except Paused:
        refused = True

    assert refused is (name in CHANGES)
    assert fake.asked == [] if refused else [name]


@pytest.mark.parametrize("name", CALLS)
async def test_what_another_gateway_may_be_at_by_now_is_read_and_not_changed(name: str) -> None:
    fake, heard, lanes = Fake(), Heard(), Lanes(1)
    times = iter((1.0, 3.5))
    errand.set(Errand(owned=0.9))

    refused = False
    try:
        await CALLS[name](Gate(fake, "book", heard, lanes, clock=lambda: next(times)))
    except Late:
        refused = True

    assert refused is (name in CHANGES)
    assert fake.asked == [] if refused else [name]
    assert lanes.under_way == 0


@pytest.mark.parametrize("name", ["has_groups", "close"])
async def test_the_rest_is_passed_on_and_nobody_hears_of_it(name: str) -> None:
    fake, heard = Fake(), Heard()

    await getattr(Gate(fake, "book", heard), name)()

    assert (fake.asked, heard.calls) == ([name], [])
