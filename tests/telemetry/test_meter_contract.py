"""The promises of the port to metrics, kept by prometheus-client and by its memory twin."""

from collections.abc import Callable

import pytest

from kaboom.telemetry.metrics import (
    BARS_WRITTEN,
    CHUNK_SECONDS,
    DEAD_LETTERS,
    JOBS_SUBMITTED,
    LEASES_ACTIVE,
    METRICS,
    WORKERS_ONLINE,
    Kind,
    Meter,
    Reading,
)
from kaboom.telemetry.prometheus import PrometheusMeter
from tests.fixtures.jobs.memory_meter import MemoryMeter


@pytest.fixture(params=[PrometheusMeter, MemoryMeter], ids=["prometheus", "memory"])
def meter(request: pytest.FixtureRequest) -> Meter:
    make: Callable[[], Meter] = request.param
    return make()


def series(meter: Meter, *readings: Reading) -> dict[str, float]:
    """Return every series that a meter shows, by name and labels."""
    lines = [line for line in meter.render(readings).decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


class TestMeter:
    def test_a_counter_adds_up_for_its_labels(self, meter: Meter) -> None:
        for how, times in (("new", 3), ("joined", 1)):
            for _ in range(times):
                meter.count(JOBS_SUBMITTED, ("ingest", how), 1)
        meter.count(BARS_WRITTEN, ("ingest",), 327.0)
        shown = series(meter)
        assert shown['kaboom_jobs_submitted_total{how="new",queue="ingest"}'] == 3
        assert shown['kaboom_jobs_submitted_total{how="joined",queue="ingest"}'] == 1
        assert shown['kaboom_bars_written_total{queue="ingest"}'] == 327

    def test_a_histogram_tells_how_many_and_how_much(self, meter: Meter) -> None:
        for seconds in (0.25, 1.5, 40.0):
            meter.observe(CHUNK_SECONDS, ("ingest.chunk",), seconds)
        shown = series(meter)
        assert shown['kaboom_chunk_seconds_count{task="ingest.chunk"}'] == 3
        assert shown['kaboom_chunk_seconds_sum{task="ingest.chunk"}'] == 41.75

    def test_gauges_are_those_that_are_given_and_none_is_kept(self, meter: Meter) -> None:
        readings = [Reading(LEASES_ACTIVE, 2, ("ingest",)), Reading(WORKERS_ONLINE, 1)]
        shown = series(meter, *readings)
        assert (shown['kaboom_leases_active{queue="ingest"}'], shown["kaboom_workers_online"]) == (2, 1)
        assert "kaboom_workers_online" not in series(meter)

    def test_what_was_counted_as_nothing_is_shown_as_0(self, meter: Meter) -> None:
        meter.count(DEAD_LETTERS, ("ingest",), 0)
        assert series(meter)['kaboom_dead_letters_total{queue="ingest"}'] == 0

    def test_every_metric_can_be_counted(self, meter: Meter) -> None:
        readings = []
        for metric in METRICS:
            labels = tuple("x" for _ in metric.labels)
            if metric.kind is Kind.GAUGE:
                readings.append(Reading(metric, 1, labels))
            elif metric.kind is Kind.COUNTER:
                meter.count(metric, labels, 1)
            else:
                meter.observe(metric, labels, 1)
        shown = series(meter, *readings)
        for metric in METRICS:
            name = f"{metric.name}_count" if metric.kind is Kind.HISTOGRAM else metric.name
            assert [value for key, value in shown.items() if key.partition("{")[0] == name] == [1]
