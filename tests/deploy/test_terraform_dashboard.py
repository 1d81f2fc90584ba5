"""The dashboard is one that Google's API takes, is given what it asks for, and shows metrics that there are."""

import json
import re
from typing import Any

import pytest

from tests.deploy.rules.monitoring_schema import dashboard_faults
from tests.deploy.terraform.hcl import keys_of, load_module
from tests.deploy.terraform.tree import TERRAFORM
from tests.fixtures.repo.repository import load_text

_METRIC = re.compile(r"\bkaboom_[a-z0-9_]+")


def dashboard() -> dict[str, Any]:
    """Return the dashboard as templatefile() gives it, with the name of each value for the value."""
    text = (TERRAFORM / "dashboard.json").read_text(encoding="utf-8")
    filled = re.sub(r"(?<!\$)\$\{(\w+)\}", r"\1", text)
    loaded: dict[str, Any] = json.loads(filled.replace("$${", "${"))
    return loaded


def test_the_dashboard_is_given_what_it_asks_for() -> None:
    (resource,) = (b for b in load_module(TERRAFORM).all("resource") if b.labels[0] == "google_monitoring_dashboard")
    call = resource.arguments["dashboard_json"].children[0]
    given = set(keys_of(call.children[2].children[-1]))
    asked = set(re.findall(r"(?<!\$)\$\{(\w+)\}", (TERRAFORM / "dashboard.json").read_text(encoding="utf-8")))
    assert given == asked == {"title", "services", "redis"}


def test_the_dashboard_fits_googles_description() -> None:
    assert dashboard_faults(dashboard()) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("gridLayout", "columns"), ["2"]),
        (("gridLayout", "widgets", 0, "xyChart", "dataSets", 0, "plotType"), "LINES"),
        (("gridLayout", "widgets", 0, "xyChart", "dataSets", 0, "timeSeriesQuery", "promql"), "up"),
        (("gridLayout", "widgets", 1, "xyChart", "yAxis", "scale"), "LOG"),
        (("gridLayout", "widgets", 0, "xyCharts"), {}),
        (("gridLayout", "widgets", 6, "xyChart", "thresholds", 0, "value"), "70 %"),
    ],
)
def test_a_fault_in_the_dashboard_is_found(path: tuple[str | int, ...], value: object) -> None:
    whole = dashboard()
    *way, last = path
    place: Any = whole
    for step in way:
        place = place[step]
    place[last] = value
    assert dashboard_faults(whole)


def test_the_dashboard_asks_for_metrics_that_there_are() -> None:
    documented = set(re.findall(r"^\| `(kaboom_\w+)`", load_text("docs/reference/metrics.md"), re.MULTILINE))
    asked = set(_METRIC.findall(json.dumps(dashboard())))
    assert len(asked) >= 6
    assert asked <= documented
