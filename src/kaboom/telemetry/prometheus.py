"""The meter with prometheus-client: exact numbers of one process, or of all processes of a worker."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, values
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector

from kaboom.telemetry.metrics import METRICS, Kind, Metric, Reading


class PrometheusMeter:
    """`Meter` of prometheus-client.

    With a folder, each process writes a file of its own there, and `render` adds them up. The files of ended
    children stay, because a counter would go backward each time that the pool replaces one.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._registry = CollectorRegistry()
        if folder:
            # prometheus-client chooses this class on import, and Flower, a plugin of `celery`, may have imported it.
            values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call]
        # With a folder, `render` reads the files: metrics that were also registered here would count twice.
        registry = None if folder else self._registry
        self._counters = {m: Counter(m.name, m.text, m.labels, registry=registry) for m in _of(Kind.COUNTER)}
        self._histograms = {
            m: Histogram(m.name, m.text, m.labels, buckets=m.buckets, registry=registry) for m in _of(Kind.HISTOGRAM)
        }

    def count(self, metric: Metric, labels: Sequence[str], by: float) -> None:
        counter = self._counters[metric]
        (counter.labels(*labels) if labels else counter).inc(by)

    def observe(self, metric: Metric, labels: Sequence[str], value: float) -> None:
        histogram = self._histograms[metric]
        (histogram.labels(*labels) if labels else histogram).observe(value)

    def render(self, readings: Sequence[Reading]) -> bytes:
        registry = self._registry
        if self._folder:
            registry = CollectorRegistry()
            MultiProcessCollector(registry, path=str(self._folder))  # type: ignore[no-untyped-call]
        return generate_latest(registry) + generate_latest(_Gauges(readings))


class _Gauges(CollectorRegistry):
    """Gauges with values that were just read; they are not stored."""

    def __init__(self, readings: Sequence[Reading]) -> None:
        super().__init__()
        self._readings = readings

    def collect(self) -> Iterable[GaugeMetricFamily]:
        families: dict[Metric, GaugeMetricFamily] = {}
        for reading in self._readings:
            metric = reading.metric
            family = families.setdefault(metric, GaugeMetricFamily(metric.name, metric.text, labels=metric.labels))
            family.add_metric(reading.labels, reading.value)
        return families.values()


def _of(kind: Kind) -> list[Metric]:
    return [metric for metric in METRICS if metric.kind is kind]
