"""The metrics of the code and those of the reference page are the same, and named as Prometheus wants."""

import re

from kaboom.telemetry.metrics import METRICS, Kind
from tests.fixtures.repo.repository import load_modules, load_text


def test_the_reference_page_lists_every_metric() -> None:
    page = load_text("docs/reference/metrics.md")
    rows = re.findall(r"^\| `(kaboom_\w+)` \| (\w+) \| (.*?) \|", page, re.MULTILINE)
    documented = {name: (kind, re.findall(r"`(\w+)`", labels)) for name, kind, labels in rows}
    assert documented == {m.name: (m.kind.value, list(m.labels)) for m in METRICS}


def test_names_say_their_kind_and_unit() -> None:
    assert len({m.name for m in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER), metric.name
        assert bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM), metric.name
        assert not re.search(r"_(ms|millis|min)(_|$)", metric.name)


def test_no_other_module_names_a_metric() -> None:
    named = [
        module.name
        for module in load_modules("src/kaboom")
        if re.search(r"[\"']kaboom_[a-z_]+_(total|seconds)", load_text(module.name))
    ]
    assert named == ["src/kaboom/telemetry/metrics.py"]
