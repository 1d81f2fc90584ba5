"""A meter that keeps plain numbers, for tests and for processes without Prometheus."""

from collections import defaultdict
from collections.abc import Sequence

from app.telemetry.metrics import Kind, Metric, Reading


class MemoryMeter:
    """`Meter` in memory: counters exact, of histograms the count and the sum."""

    def __init__(self) -> None:
        self._values: dict[str, float] = defaultdict(float)

    def count(self, metric: Metric, labels: Sequence[str], by: float) -> None:
        self._add(metric.name, metric, labels, by)

    def observe(self, metric: Metric, labels: Sequence[str], value: float) -> None:
        self._add(f"{metric.name}_count", metric, labels, 1)
        self._add(f"{metric.name}_sum", metric, labels, value)

    def render(self, readings: Sequence[Reading]) -> bytes:
        lines = [f"{name} {float(value)}" for name, value in self._values.items()]
        lines += [
            f"{_series(reading.metric.name, reading.metric, reading.labels)} {float(reading.value)}"
            for reading in readings
            if reading.metric.kind is Kind.GAUGE
        ]
        return "".join(f"{line}\n" for line in sorted(lines)).encode()

    def _add(self, name: str, metric: Metric, labels: Sequence[str], value: float) -> None:
        self._values[_series(name, metric, labels)] += value


def _series(name: str, metric: Metric, labels: Sequence[str]) -> str:
    pairs = ",".join(f'{label}="{value}"' for label, value in sorted(zip(metric.labels, labels, strict=True)))
    return f"{name}{{{pairs}}}" if pairs else name
