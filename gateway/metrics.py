"""What monitoring reads: numbers in Prometheus' text format. Labels are names of the configuration only."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import accumulate
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from gateway.admin.status import REFUSALS, BreakerState, Counts, TargetHealth, WriterStats
from gateway.flow.journal_port import OperationState, Outcome
from gateway.flow.services import ALERTS as TOLD
from gateway.values import frozen
from gateway.version import VERSION

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)  # seconds


@frozen
class Family:
    """One metric: its name as it is read, and what it says."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    doc: str
    labels: tuple[str, ...] = ()


@frozen
class Look:
    """What is looked up at each reading."""

    targets: Collection[str]
    writer_stats: WriterStats
    counts: Counts | None  # None: the journal cannot be read
    connections: int
    health: Mapping[str, TargetHealth]


NOTHING_CALLED: Final[Mapping[str, TargetHealth]] = MappingProxyType({})
Labels = tuple[str, ...]
Samples = Iterable[tuple[Labels, float]]  # values of the labels, and the number

REQUESTS: Final = Family(
    "scim_gateway_requests_total",
    "counter",
    "Requests answered; without provider, target or operation where the request named none that is known.",
    ("provider", "target", "operation", "status"),
)
REQUEST_SECONDS: Final = Family(
    "scim_gateway_request_seconds",
    "histogram",
    "How long requests took until they were answered.",
    ("target", "operation"),
)
ATTEMPTS: Final = Family(
    "scim_gateway_attempts_total",
    "counter",
    "Calls to a target, each attempt counted, by what came of it: ok, or the kind of fault.",
    ("target", "outcome"),
)
ATTEMPT_SECONDS: Final = Family(
    "scim_gateway_attempt_seconds", "histogram", "How long calls to a target took.", ("target",)
)
CHANGES: Final = Family(
    "scim_gateway_changes_total",
    "counter",
    "Changes by what became of them; one that was pending counts again when it is settled.",
    ("target", "outcome"),
)
ALERTS: Final = Family(
    "scim_gateway_alerts_total",
    "counter",
    "Alerts, those too that were not told again because they were told within 15 minutes.",
    ("alert", "target"),
)
CUTS: Final = Family(
    "scim_gateway_connections_cut_total",
    "counter",
    "Connections cut or requests refused: a header or the taking of an answer took too long, or a crowd.",
    ("reason",),
)
GENERAL: Final = ("auth.", "connections.", "disk.", "journal.", "token.", "trail.")
OF_NO_TARGET: Final = tuple(name for name in TOLD if name.startswith(GENERAL))
COUNTED: Final = (REQUESTS, REQUEST_SECONDS, ATTEMPTS, ATTEMPT_SECONDS, CHANGES, ALERTS, CUTS)


def _operations(look: Look) -> Samples:
    if look.counts is not None:
        for target in look.targets:
            for standing in OperationState:
                yield (target, standing.value), look.counts.unsettled.get((target, standing), 0)


def _held(look: Look) -> Samples:
    if look.counts is not None:
        yield from (((target,), float(target in look.counts.braked)) for target in look.targets)


def _paused(look: Look) -> Samples:
    if look.counts is not None:
        yield from (((target,), float(target in look.counts.paused)) for target in look.targets)


def _bytes(look: Look) -> Samples:
    if look.counts is not None:
        yield (), look.counts.bytes


def _events(look: Look) -> Samples:
    if look.counts is not None:
        yield (), look.counts.seq


def _writable(look: Look) -> Samples:
    yield (), float(look.writer_stats.failure is None)


def _waiting(look: Look) -> Samples:
    yield (), look.writer_stats.waiting


def _batches(look: Look) -> Samples:
    yield (), look.writer_stats.batches


def _writes(look: Look) -> Samples:
    yield (), look.writer_stats.writes


def _breakers(look: Look) -> Samples:
    for target, health in look.health.items():
        yield from (((target, state.value), float(health.state == state)) for state in BreakerState)


def _refused(look: Look) -> Samples:
    for target, health in look.health.items():
        yield from (((target, reason), health.refused.get(reason, 0)) for reason in REFUSALS)


def _retries(look: Look) -> Samples:
    yield from (((target,), health.retries) for target, health in look.health.items())


def _retries_refused(look: Look) -> Samples:
    yield from (((target,), health.retries_refused) for target, health in look.health.items())


def _calls(look: Look) -> Samples:
    yield from (((target,), health.under_way) for target, health in look.health.items())


def _calls_waiting(look: Look) -> Samples:
    yield from (((target,), health.waiting) for target, health in look.health.items())


def _connections(look: Look) -> Samples:
    yield (), look.connections


def _build(look: Look) -> Samples:
    yield (VERSION,), 1.0


LOOKED_UP: Final[Mapping[Family, Callable[[Look], Samples]]] = {
    Family(
        "scim_gateway_operations",
        "gauge",
        "Operations that are not settled: open, in doubt, pending, held, dead.",
        ("target", "standing"),
    ): _operations,
    Family(
        "scim_gateway_removals_held", "gauge", "1 where the removal brake of the target holds.", ("target",)
    ): _held,
    Family(
        "scim_gateway_target_paused", "gauge", "1 where an administrator has paused the target.", ("target",)
    ): _paused,
    Family(
        "scim_gateway_target_breaker",
        "gauge",
        "1 at the state of the target's circuit breaker: closed (well), open (sick), half-open (tried).",
        ("target", "state"),
    ): _breakers,
    Family(
        "scim_gateway_calls_refused_total",
        "counter",
        "Calls to a target that were not made: it is sick, or throttles, too many wait, or it is too late.",
        ("target", "reason"),
    ): _refused,
    Family(
        "scim_gateway_retries_total", "counter", "Calls to a target that were sent once more.", ("target",)
    ): _retries,
    Family(
        "scim_gateway_retries_refused_total",
        "counter",
        "Times that nothing was sent once more, as the target's retry budget was spent.",
        ("target",),
    ): _retries_refused,
    Family(
        "scim_gateway_calls_under_way", "gauge", "Calls to a target that are under way.", ("target",)
    ): _calls,
    Family(
        "scim_gateway_calls_waiting", "gauge", "Calls to a target that wait for their turn.", ("target",)
    ): _calls_waiting,
    Family("scim_gateway_journal_writable", "gauge", "1 where the journal can be written."): _writable,
    Family("scim_gateway_journal_waiting", "gauge", "Writes that wait for the journal."): _waiting,
    Family(
        "scim_gateway_journal_batches_total", "counter", "Transactions of the journal since the start."
    ): _batches,
    Family(
        "scim_gateway_journal_writes_total",
        "counter",
        "Writes in these; divided by them, the size of a batch.",
    ): _writes,
    Family("scim_gateway_journal_bytes", "gauge", "The size of the journal's file."): _bytes,
    Family("scim_gateway_journal_events", "gauge", "The seq of the newest event of the trail."): _events,
    Family("scim_gateway_open_connections", "gauge", "Connections that are open."): _connections,
    Family("scim_gateway_build_info", "gauge", "1, with the release that runs.", ("version",)): _build,
}
FAMILIES: Final = (*COUNTED, *LOOKED_UP)


class Timings:
    """How many took how long, by the bucket each falls into; the last is for what takes longer than any."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0

    def quantile(self, share: float) -> float | None:
        """Return how many seconds that share of them took at most, by its bucket; None for more than any."""
        wanted, passed = share * sum(self.counts), 0
        for bound, count in zip(BUCKETS, self.counts, strict=False):
            passed += count
            if passed >= wanted:
                return bound
        return None

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.seconds += seconds


class Metrics:
    """Counts, and renders what it counted together with a look at the rest; a `Meter` of the flow."""

    def __init__(self, providers: Collection[str] = (), targets: Collection[str] = ()) -> None:
        self._requests: dict[tuple[str, str, str, int], int] = defaultdict(int)
        self._request_seconds: dict[Labels, Timings] = defaultdict(Timings)
        self._attempts: dict[Labels, int] = defaultdict(int)
        self._attempt_seconds: dict[Labels, Timings] = defaultdict(Timings)
        self._changes: dict[Labels, int] = defaultdict(int)
        self._alerts: dict[Labels, int] = defaultdict(int)
        self._cuts: dict[Labels, int] = defaultdict(int)
        self._alerts |= {(name, ""): 0 for name in OF_NO_TARGET}
        self.know(providers, targets)

    def know(self, providers: Collection[str], targets: Collection[str]) -> None:
        """Take these names for known; what was counted stays."""
        self._providers, self._targets = frozenset(providers), frozenset(targets)
        for target in self._targets:  # from the start on, so that a first one is seen to be one more
            for outcome in Outcome:
                self._changes[target, outcome.value] += 0

    def answered(self, provider: str, target: str, operation: str, status: int, seconds: float) -> None:
        """Count a request; names that the configuration does not have are left out."""
        who = provider if provider in self._providers else ""
        known = target if target in self._targets else ""
        self._requests[who, known, operation, status] += 1
        self._request_seconds[known, operation].add(seconds)

    def called(self, target: str, outcome: str, seconds: float) -> None:
        """Count one call to a target: what came of it, and how long it took."""
        self._attempts[target, outcome] += 1
        self._attempt_seconds[target,].add(seconds)

    def timings(self, target: str) -> Timings | None:
        """Return how long calls to a target took since the start; None where there was none."""
        return self._attempt_seconds.get((target,))

    def changed(self, target: str, outcome: Outcome) -> None:
        """Count what became of a change."""
        self._changes[target, outcome] += 1

    def changes(self) -> dict[tuple[str, str], int]:
        """Return how many changes came to what so far: by target and outcome."""
        return {(target, outcome): count for (target, outcome), count in self._changes.items()}

    def alerted(self, alert: str, target: str) -> None:
        """Count an alert; `target` "" where it is about none."""
        self._alerts[alert, target] += 1

    def cut(self, reason: str) -> None:
        """Count a connection that was cut."""
        self._cuts[reason,] += 1

    def render(
        self,
        writer_stats: WriterStats,
        counts: Counts | None,
        connections: int = 0,
        health: Mapping[str, TargetHealth] = NOTHING_CALLED,
    ) -> bytes:
        """Return everything in Prometheus' text format; `counts` None leaves out what it would say."""
        from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

        registry = CollectorRegistry()
        look = Look(sorted(self._targets), writer_stats, counts, connections, health)
        registry.register(_Collected(lambda: self._families(look)))
        ProcessCollector(registry=registry)
        return generate_latest(registry)

    def _families(self, look: Look) -> Iterator["Metric"]:
        requests = (((*who, str(status)), n) for (*who, status), n in self._requests.items())
        yield _counted(REQUESTS, requests)
        yield _timed(REQUEST_SECONDS, self._request_seconds)
        yield _counted(ATTEMPTS, self._attempts.items())
        yield _timed(ATTEMPT_SECONDS, self._attempt_seconds)
        yield _counted(CHANGES, self._changes.items())
        yield _counted(ALERTS, self._alerts.items())
        yield _counted(CUTS, self._cuts.items())
        for family, samples in LOOKED_UP.items():
            yield _counted(family, samples(look))


class _Collected(NamedTuple):
    """What a registry of the library asks for its metrics."""

    collect: Callable[[], Iterator["Metric"]]


def _counted(family: Family, samples: Samples) -> "Metric":
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = kind(family.name, family.doc, labels=family.labels)
    for labels, number in samples:
        metric.add_metric(labels, number)
    return metric


def _timed(family: Family, timings: Mapping[Labels, Timings]) -> "Metric":
    """Return a histogram: each bucket counts what those before it do, too."""
    from prometheus_client.metrics_core import HistogramMetricFamily

    metric = HistogramMetricFamily(family.name, family.doc, labels=family.labels)
    for labels, timing in timings.items():
        bounds = (*map(str, BUCKETS), "+Inf")
        buckets = [(bound, float(n)) for bound, n in zip(bounds, accumulate(timing.counts), strict=True)]
        metric.add_metric(labels, buckets, timing.seconds)
    return metric
