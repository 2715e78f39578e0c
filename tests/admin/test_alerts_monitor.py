"""What is known of a target from the calls to it."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from gateway.admin.alerts import TargetMonitor
from gateway.admin.sick import Illnesses
from gateway.admin.status import Counts, Seen, Standing
from gateway.flow.model import Services
from gateway.flow.services import Alert, Unmetered
from gateway.flow.target_port import (
    CannotFilter,
    Conflict,
    Denied,
    Missing,
    Paused,
    Refused,
    Silent,
    TargetError,
    Throttled,
    Unreachable,
)

NOW = "2026-11-22T00:00:00.000000Z"
LATER = "2026-11-22T00:00:05.000000Z"


def monitor_of(services: Services) -> TargetMonitor:
    """Return one that nobody is told by."""

    async def counts() -> Counts:
        return Counts()

    return TargetMonitor(services, Illnesses(services, counts))


@dataclass
class Counted(Unmetered):
    """Remembers which calls were counted."""

    calls: list[Any] = field(default_factory=list)

    def called(self, target: str, outcome: str, seconds: float) -> None:
        self.calls.append((target, outcome, seconds))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(None, Seen(answered=NOW), id="done"),
        pytest.param(Refused("no"), Seen(answered=NOW), id="the data are refused"),
        pytest.param(Conflict("no"), Seen(answered=NOW), id="conflict"),
        pytest.param(Missing("no"), Seen(answered=NOW), id="missing"),
        pytest.param(CannotFilter("no"), Seen(answered=NOW), id="a filter too much"),
        pytest.param(Denied("no", 401), Seen(failed=NOW, failure="denied"), id="denied"),
        pytest.param(Throttled("no"), Seen(failed=NOW, failure="throttled"), id="throttled"),
        pytest.param(Silent("no"), Seen(failed=NOW, failure="silent"), id="silent"),
        pytest.param(Unreachable("no"), Seen(failed=NOW, failure="unreachable"), id="unreachable"),
    ],
)
def test_a_target_is_as_its_newest_call_has_it(house, error: TargetError | None, expected: Seen) -> None:
    monitor = monitor_of(replace(house().services, alarm=lambda alert: None))

    monitor.called("phonebook", 0.1, error)

    assert monitor.seen("phonebook") == expected
    assert monitor.seen("other") == Seen()


@pytest.mark.parametrize(
    ("errors", "state"),
    [
        pytest.param([], "unknown", id="never called"),
        pytest.param([None], "ok", id="well"),
        pytest.param([Silent("no")], "failing", id="silent"),
        pytest.param([None, Silent("no")], "failing", id="silent by now"),
        pytest.param([Silent("no"), None], "ok", id="well again"),
    ],
)
def test_the_newest_call_says_whether_a_target_can_be_reached(house, errors, state: str) -> None:
    gateway = house()
    monitor = monitor_of(gateway.services)

    for error in errors:
        gateway.clock[0] += 5
        monitor.called("phonebook", 0.1, error)

    assert monitor.seen("phonebook").state == state


def test_every_call_is_counted_by_what_came_of_it(house) -> None:
    meter = Counted()
    monitor = monitor_of(replace(house().services, meter=meter))

    for error in (None, Refused("no"), Silent("no")):
        monitor.called("phonebook", 0.5, error)

    outcomes = ("ok", "refused", "silent")
    assert meter.calls == [("phonebook", outcome, 0.5) for outcome in outcomes]


def test_refused_credentials_raise_the_alarm_without_the_targets_words(house) -> None:
    alerts: list[Alert] = []
    monitor = monitor_of(replace(house().services, alarm=alerts.append))

    for error in (Denied("canary", 403), Silent("canary")):
        monitor.called("phonebook", 0.1, error)

    reason = "the target does not accept targets.phonebook.auth (status 403)"
    assert alerts == [Alert("target.denied", "phonebook", reason, in_trail=False)]


def test_credentials_that_could_not_be_had_are_told_in_our_own_words(house) -> None:
    alerts: list[Alert] = []
    monitor = monitor_of(replace(house().services, alarm=alerts.append))

    monitor.called("phonebook", 0.1, Denied("the token endpoint answered 401"))

    assert [alert.reason for alert in alerts] == ["the token endpoint answered 401"]


def test_no_change_passes_a_pause(house) -> None:
    pauses = {"phonebook": NOW}
    monitor = monitor_of(replace(house().services, paused_since=pauses.get))

    monitor.admit("other")
    with pytest.raises(Paused, match="an administrator paused it at 2026-11-22T00:00:00Z"):
        monitor.admit("phonebook")


def test_credentials_that_are_taken_again_are_told_as_such_once(house) -> None:
    alerts: list[Alert] = []
    monitor = monitor_of(replace(house().services, alarm=alerts.append))

    for error in (Denied("no", 401), Silent("no"), None, Refused("no")):
        monitor.called("phonebook", 0.1, error)

    assert [(alert.name, alert.is_good) for alert in alerts] == [
        ("target.denied", False),
        ("target.denied", True),
    ]


@pytest.mark.parametrize("name", ["target.denied", "target.sick"])
def test_what_an_earlier_process_told_of_a_target_ends_with_its_first_answer(house, name: str) -> None:
    alerts: list[Alert] = []
    monitor = monitor_of(replace(house().services, alarm=alerts.append))
    monitor.remember([Standing(name, "phonebook", "", NOW, NOW, "so it was")])

    monitor.called("other", 0.1, None)
    monitor.called("phonebook", 0.1, Silent("no"))
    before = (len(alerts), set(monitor.illnesses.unproven))
    monitor.called("phonebook", 0.1, None)

    is_sick = name == "target.sick"
    assert before == (0, {"phonebook"} if is_sick else set())
    assert monitor.illnesses.unproven == set()
    assert [alert.is_good for alert in alerts] == ([] if is_sick else [True])
