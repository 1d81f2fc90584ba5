"""Grafana's dashboards by its own schema; what provisions them points at files and addresses that there are."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.rules.grafana_rules import house_faults, schema_faults
from tests.fixtures.repo.dashboards import FOLDER, load_dashboards
from tests.fixtures.repo.repository import ROOT, load_text

SERVICES: dict[str, Any] = yaml.safe_load(load_text("compose.yaml"))["services"]
type Way = tuple[str | int, ...]


def changed(way: Way, value: object) -> dict[str, Any]:
    """Return a dashboard with one value replaced."""
    dashboard = copy.deepcopy(load_dashboards()["jobs"])
    place: Any = dashboard
    for step in way[:-1]:
        place = place[step]
    place[way[-1]] = value
    return dashboard


@pytest.mark.parametrize("name", load_dashboards())
def test_a_dashboard_fits_grafanas_schema(name: str) -> None:
    assert schema_faults(load_dashboards()[name]) == []


@pytest.mark.parametrize(
    ("way", "value"),
    [
        (("refreshs",), "30s"),
        (("schemaVersion",), "new"),
        (("panels", 0, "gridPos", "width"), 6),
        (("panels", 0, "gridPos", "w"), "wide"),
        (("panels", 0, "options", "colourMode"), "value"),
        (("panels", 0, "options", "reduceOptions", "calcs"), "last"),
        (("panels", 4, "options", "legend", "placement"), "below"),
        (("panels", 4, "fieldConfig", "defaults", "units"), "s"),
        (("panels", 4, "targets", 0, "query"), "up"),
        (("panels", 4, "targets", 0, "expr"), 1),
    ],
)
def test_what_the_schema_does_not_know_is_found(way: Way, value: object) -> None:
    assert schema_faults(changed(way, value))


def test_the_rules_of_the_house_are_kept() -> None:
    assert house_faults(load_dashboards()) == []


@pytest.mark.parametrize(
    ("way", "value", "fault"),
    [
        (("uid",), "kaboom-servers", "uid of two dashboards"),
        (("templating", "list"), [], "does not ask the chosen Prometheus"),
        (("panels", 0, "datasource", "uid"), "prometheus", "does not ask the chosen Prometheus"),
        (("panels", 1, "id"), 1, "two panels have one id"),
        (("panels", 1, "gridPos", "x"), 3, "lies over another panel"),
        (("panels", 3, "gridPos", "w"), 7, "beyond the edge"),
        (("panels", 0, "targets"), [], "has no query"),
        (("panels", 10, "targets", 1, "refId"), "A", "two of one refId"),
        (("panels", 0, "targets", 0, "expr"), "max(kaboom_worker_online)", "is no metric of Kaboom's"),
        (("panels", 3, "targets", 0, "expr"), "sum(kaboom_dead_letters_total)", "without a window"),
    ],
)
def test_a_planted_fault_is_found(way: Way, value: object, fault: str) -> None:
    found = house_faults(load_dashboards() | {"jobs": changed(way, value)})
    assert any(fault in sentence for sentence in found), found


def test_grafana_finds_what_it_is_provisioned_with() -> None:
    mounts = dict(mount.split(":")[:2] for mount in SERVICES["grafana"]["volumes"])
    assert all((ROOT / source).exists() for source in mounts if source.startswith("./"))
    (provider,) = yaml.safe_load(load_text("infra/grafana/dashboards.yaml"))["providers"]
    assert mounts[f"./{FOLDER.relative_to(ROOT)}"] == provider["options"]["path"]
    for kind in ("datasources", "dashboards"):
        assert Path(mounts[f"./infra/grafana/{kind}.yaml"]).parent == Path("/etc/grafana/provisioning") / kind
    (source,) = yaml.safe_load(load_text("infra/grafana/datasources.yaml"))["datasources"]
    port = SERVICES["prometheus"]["ports"][0].rpartition(":")[2]
    assert (source["type"], source["url"]) == ("prometheus", f"http://prometheus:{port}")
