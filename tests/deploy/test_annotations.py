"""Each annotation is one that Cloud Run knows, where it takes it, and holds what it may."""

import pytest

from tests.deploy.rules.annotations import annotation_faults, annotation_table
from tests.deploy.rules.manifests import API, POOL, RUN, SMOKE, WORKER, parse, planted, render

INTERFACES = "run.googleapis.com/network-interfaces"


@pytest.mark.parametrize("name", RUN)
def test_a_manifest_has_no_wrong_annotation(name: str) -> None:
    assert annotation_faults(parse(render(name))) == []


def test_googles_table_is_read_whole() -> None:
    table = annotation_table()
    assert len(table) > 40
    assert table["autoscaling.knative.dev/minScale"] == {"Revision"}
    assert table["run.googleapis.com/minScale"] == {"Service"}
    assert table["run.googleapis.com/binary-authorization"] == {"Service", "Job", "Execution", "WorkerPool"}
    assert table["run.googleapis.com/vpc-access-egress"] == {"Revision", "Execution", "Instance"}
    assert "WorkerPool" not in table["run.googleapis.com/minScale"]


@pytest.mark.parametrize(
    ("name", "old", "new", "fault"),
    [
        (WORKER, "run.googleapis.com/minScale", "autoscaling.knative.dev/minScale", "belongs to Revision"),
        (WORKER, "cpu-throttling", "cpu-throtling", "run.googleapis.com/cpu-throtling is unknown"),
        (
            WORKER,
            "run.googleapis.com/cpu-throttling",
            "run.googleapis.com/ingress",
            "Revision: run.googleapis.com/ingress",
        ),
        (WORKER, "ingress: internal", "ingress: internel", "ingress was 'internel'"),
        (WORKER, 'minScale: "1"', 'minScale: "one"', "minScale was 'one'"),
        (WORKER, '["worker"]', '["web"]', "container-dependencies was"),
        (WORKER, '{"collector": ["worker"]}', '{"worker": ["worker"]}', "container-dependencies was"),
        (WORKER, '{"collector": ["worker"]}', "collector", "container-dependencies was"),
        (API, "environment: gen2", "environment: gen3", "execution-environment was 'gen3'"),
        (API, INTERFACES, "run.googleapis.com/vpc-access-connector", "no way into the network"),
        (API, INTERFACES, "run.googleapis.com/vpc-access-connector", "a connector, which costs"),
        (API, "startup-cpu-boost", "sessionAffinity", "nobody has written down"),
        (API, "private-ranges-only", "private-only", "vpc-access-egress was 'private-only'"),
        (POOL, "run.googleapis.com/manualInstanceCount", "run.googleapis.com/minScale", "belongs to Service"),
        (POOL, '[{"network": "kaboom-staging"', '[{"net": "kaboom-staging"', "network-interfaces was"),
        (SMOKE, "run.googleapis.com/execution-environment", "run.googleapis.com/cpu-throttling", "Execution: run"),
    ],
)
def test_a_planted_fault_is_found(name: str, old: str, new: str, fault: str) -> None:
    found = annotation_faults(planted(name, old, new))
    assert any(fault in each for each in found), found
