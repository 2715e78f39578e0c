"""What monitoring reads."""

import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from gateway.admin.status import BreakerState, Counts, TargetHealth, WriterStats
from gateway.flow.journal_port import OperationState, Outcome
from gateway.metrics import ATTEMPT_SECONDS, BUCKETS, FAMILIES, Metrics

PULSE = WriterStats(None, 3, 10, 40)
SINCE = "2026-11-22T00:00:00.000000Z"
HEALTH = {
    "book": TargetHealth(BreakerState.CLOSED, SINCE, None, 0, {}, 0, 0, 0, 0),
    "cx": TargetHealth(BreakerState.OPEN, SINCE, SINCE, 5, {"sick": 7, "crowded": 2}, 3, 1, 4, 9),
}
CENSUS = Counts({("cx", "dead"): 2, ("gone", "open"): 1}, {"cx": "2026"}, {"book": "2026"}, 7, 4096)


def make() -> Metrics:
    return Metrics(("okta",), ("book", "cx"))


def read(
    metrics: Metrics, writer_stats: WriterStats = PULSE, counts: Counts | None = CENSUS
) -> dict[Any, float]:
    """Return what Prometheus makes of it: name and labels -> number."""
    text = metrics.render(writer_stats, counts, health=HEALTH).decode()
    families = text_string_to_metric_families(text)
    return {
        (sample.name.removeprefix("scim_gateway_"), *sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def test_a_request_is_counted_and_timed_under_its_names() -> None:
    metrics = make()

    metrics.answered("okta", "cx", "create", 201, 0.2)

    found = read(metrics)
    names = (("operation", "create"), ("provider", "okta"), ("status", "201"), ("target", "cx"))
    assert found["requests_total", *names] == 1
    assert found["request_seconds_sum", ("operation", "create"), ("target", "cx")] == 0.2


def test_a_name_that_nobody_configured_is_no_label() -> None:
    metrics = make()

    for n in range(100):
        metrics.answered(f"canary-{n}", f"canary-{n}", "", 404, 0.1)

    assert "canary" not in metrics.render(PULSE, CENSUS).decode()
    names = (("operation", ""), ("provider", ""), ("status", "404"), ("target", ""))
    assert read(metrics)["requests_total", *names] == 100


def test_what_the_flow_tells_is_counted() -> None:
    metrics = make()

    metrics.called("cx", "silent", 0.5)
    metrics.changed("cx", Outcome.PENDING)
    metrics.alerted("journal.unwritable", "")

    found = read(metrics)
    assert found["attempts_total", ("outcome", "silent"), ("target", "cx")] == 1
    assert found["attempt_seconds_sum", ("target", "cx")] == 0.5
    assert found["changes_total", ("outcome", "pending"), ("target", "cx")] == 1
    assert found["changes_total", ("outcome", "failed"), ("target", "book")] == 0
    assert found["alerts_total", ("alert", "journal.unwritable"), ("target", "")] == 1


@given(st.lists(st.floats(0, 100) | st.sampled_from(BUCKETS), min_size=1))
def test_times_are_told_as_the_library_of_prometheus_tells_them(times) -> None:
    metrics, registry = make(), CollectorRegistry()
    family = ATTEMPT_SECONDS
    theirs = Histogram(family.name, family.doc, family.labels, registry=registry, buckets=BUCKETS)

    for seconds in times:
        metrics.called("cx", "ok", seconds)
        theirs.labels("cx").observe(seconds)

    expected = [line for line in generate_latest(registry).decode().splitlines() if "_created" not in line]
    said = metrics.render(PULSE, CENSUS).decode().splitlines()
    assert [line for line in said if family.name in line] == expected


def test_a_label_cannot_break_its_line() -> None:
    metrics = make()

    metrics.alerted('a"b\\c\nd', "")

    assert read(metrics)["alerts_total", ("alert", 'a"b\\c\nd'), ("target", "")] == 1


def test_every_target_has_every_standing_and_nobody_else_has() -> None:
    found = {key[1:]: value for key, value in read(make()).items() if key[0] == "operations"}

    expected = {(("standing", s.value), ("target", t)): 0.0 for s in OperationState for t in ("book", "cx")}
    assert found == expected | {(("standing", "dead"), ("target", "cx")): 2.0}


def test_the_journal_the_brake_and_the_pauses_are_looked_up() -> None:
    found = read(make())

    assert (found["removals_held", ("target", "cx")], found["removals_held", ("target", "book")]) == (1, 0)
    assert (found["target_paused", ("target", "cx")], found["target_paused", ("target", "book")]) == (0, 1)
    names = ("writable", "waiting", "batches_total", "writes_total", "bytes", "events")
    assert [found[f"journal_{name}",] for name in names] == [1, 3, 10, 40, 4096, 7]


@pytest.mark.parametrize(
    ("target", "breaker", "refused", "calls"),
    [
        pytest.param("book", [1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], id="one that is well"),
        pytest.param("cx", [0, 1, 0], [7, 0, 2, 0], [3, 1, 4, 9], id="one that is sick"),
    ],
)
def test_each_target_has_its_breaker_and_the_calls_that_were_not_made(
    target, breaker, refused, calls
) -> None:
    found = read(make())

    states = [
        found["target_breaker", ("state", s), ("target", target)] for s in ("closed", "open", "half-open")
    ]
    assert states == breaker
    reasons = ("sick", "throttled", "crowded", "late")
    assert [found["calls_refused_total", ("reason", r), ("target", target)] for r in reasons] == refused
    names = ("retries_total", "retries_refused_total", "calls_under_way", "calls_waiting")
    assert [found[name, ("target", target)] for name in names] == calls


def test_a_journal_that_cannot_be_read_leaves_out_what_it_would_say() -> None:
    found = read(make(), WriterStats("the disk is full", 0, 0, 0), None)

    assert found["journal_writable",] == 0
    assert {key[0] for key in found} & {
        "operations",
        "removals_held",
        "target_paused",
        "journal_bytes",
    } == set()


def test_the_process_and_its_release_are_there() -> None:
    text = make().render(PULSE, CENSUS).decode()

    for name in ("cpu_seconds_total", "max_fds", "open_fds", "resident_memory_bytes", "virtual_memory_bytes"):
        assert re.search(rf"^process_{name} \d", text, re.MULTILINE)
    assert (
        0
        < time.time() - float(re.search(r"^process_start_time_seconds (.+)$", text, re.MULTILINE)[1])
        < 86400
    )
    assert re.search(r'^scim_gateway_build_info\{version="[^"]+"\} 1\.0$', text, re.MULTILINE)
    assert "_created" not in text


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_metric_is_named_as_the_table_says(family) -> None:
    metrics = make()
    metrics.answered("okta", "cx", "create", 201, 0.2)
    metrics.called("cx", "ok", 0.5)
    metrics.alerted("target.denied", "cx")
    metrics.cut("header")

    text = metrics.render(PULSE, CENSUS, health=HEALTH).decode()

    assert f"# TYPE {family.name} {family.kind}\n" in text
    sample = next(line for line in text.splitlines() if line.startswith(family.name))
    assert set(re.findall(r'(\w+)="', sample)) - {"le"} == set(family.labels)
