"""What monitoring reads: numbers in Prometheus' text format. Labels are names of the configuration only."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.admin.status import Counts, WriterStats
from gateway.flow.journal_port import OperationState, Outcome
from gateway.version import VERSION

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)  # seconds
INTERNAL: Final = "_created"  # samples of the library that nobody asked for


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: its name as it is read, and what it says."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    doc: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """What is looked up at each reading."""

    targets: Collection[str]
    writer_stats: WriterStats
    counts: Counts | None  # None: the journal cannot be read


Samples = Iterator[tuple[tuple[str, ...], float]]  # values of the labels, and the number

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
COUNTED: Final = (REQUESTS, REQUEST_SECONDS, ATTEMPTS, ATTEMPT_SECONDS, CHANGES, ALERTS)


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
    Family("scim_gateway_build_info", "gauge", "1, with the release that runs.", ("version",)): _build,
}
FAMILIES: Final = (*COUNTED, *LOOKED_UP)


class Metrics:
    """Counts, and renders what it counted together with a look at the rest; a `Meter` of the flow."""

    def __init__(self, providers: Collection[str], targets: Collection[str]) -> None:
        self._providers = frozenset(providers)
        self._targets = frozenset(targets)
        self._registry = CollectorRegistry()
        self._looked = _LookedUp()
        self._requests = _counter(REQUESTS, self._registry)
        self._request_seconds = _histogram(REQUEST_SECONDS, self._registry)
        self._attempts = _counter(ATTEMPTS, self._registry)
        self._attempt_seconds = _histogram(ATTEMPT_SECONDS, self._registry)
        self._changes = _counter(CHANGES, self._registry)
        self._alerts = _counter(ALERTS, self._registry)
        self._registry.register(self._looked)
        ProcessCollector(registry=self._registry)
        self._answered: dict[tuple[str, str, str, int], tuple[Counter, Histogram]] = {}
        self._called: dict[tuple[str, str], tuple[Counter, Histogram]] = {}
        self._changed = {  # from the start on, so that a first one is seen to be one more
            (target, outcome): self._changes.labels(target, outcome.value)
            for target in self._targets
            for outcome in Outcome
        }

    def answered(self, provider: str, target: str, operation: str, status: int, seconds: float) -> None:
        """Count a request; names that the configuration does not have are left out."""
        who = provider if provider in self._providers else ""
        known = target if target in self._targets else ""
        found = self._answered.get((who, known, operation, status))
        if found is None:  # the library takes longer to find them
            counter = self._requests.labels(who, known, operation, str(status))
            found = counter, self._request_seconds.labels(known, operation)
            self._answered[who, known, operation, status] = found
        found[0].inc()
        found[1].observe(seconds)

    def called(self, target: str, outcome: str, seconds: float) -> None:
        """Count one call to a target: what came of it, and how long it took."""
        found = self._called.get((target, outcome))
        if found is None:
            found = self._attempts.labels(target, outcome), self._attempt_seconds.labels(target)
            self._called[target, outcome] = found
        found[0].inc()
        found[1].observe(seconds)

    def changed(self, target: str, outcome: Outcome) -> None:
        """Count what became of a change."""
        (self._changed.get((target, outcome)) or self._changes.labels(target, outcome.value)).inc()

    def alerted(self, alert: str, target: str) -> None:
        """Count an alert; `target` "" where it is about none."""
        self._alerts.labels(alert, target).inc()

    def render(self, writer_stats: WriterStats, counts: Counts | None) -> bytes:
        """Return everything in Prometheus' text format; `counts` None leaves out what it would say."""
        self._looked.look = Look(sorted(self._targets), writer_stats, counts)
        return generate_latest(_Plain(self._registry))


class _LookedUp(Collector):
    """The numbers of the newest look."""

    look = Look((), WriterStats(None, 0, 0, 0), None)

    def collect(self) -> Iterator[Metric]:
        for family, samples in LOOKED_UP.items():
            kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
            metric = kind(family.name, family.doc, labels=family.labels)
            for labels, value in samples(self.look):
                metric.add_metric(labels, value)
            yield metric


class _Plain(CollectorRegistry):
    """A registry without the samples that say when the library began to count."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith(INTERNAL)]
            yield metric


def _counter(family: Family, registry: CollectorRegistry) -> Counter:
    return Counter(family.name, family.doc, family.labels, registry=registry)


def _histogram(family: Family, registry: CollectorRegistry) -> Histogram:
    return Histogram(family.name, family.doc, family.labels, registry=registry, buckets=BUCKETS)
