"""The autoscaler asks for the work that Kaboom's own metrics count, between one and five instances."""

import pytest

from tests.deploy.rules.crema_rules import crema_faults
from tests.deploy.rules.manifests import CREMA, parse, planted, render, sample_values

VALUES = sample_values()


def test_the_configuration_is_right() -> None:
    assert crema_faults(parse(render(CREMA)), VALUES) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("kaboom_queue_depth", "kaboom_queue_length", "query was"),
        ("max by (queue) (kaboom_leases", "sum by (queue) (kaboom_leases", "query was"),
        ('namespace=~"kaboom-api-staging|"', 'namespace=~"kaboom-api|"', "query was"),
        ('namespace=~"kaboom-api-staging|"', 'namespace="kaboom-api-staging"', "query was"),
        ("sum(max by (queue) (kaboom_queue_depth", "(max by (queue) (kaboom_queue_depth", "query was"),
        ("maxReplicaCount: 5", "maxReplicaCount: 50", "bounds"),
        ("maxReplicaCount: 5", "maxReplicas: 5", "maxReplicaCount"),
        ("maxReplicaCount: 5", 'maxReplicaCount: "5"', "is not of type 'integer'"),
        ('threshold: "4"', 'threshold: "8"', "for each instance, which runs 4"),
        ('threshold: "4"', "threshold: 4", "4 is not of type 'string'"),
        ('ignoreNullValues: "false"', 'ignoreNullValues: "true"', "no answer would end workers"),
        ("/location/global/", "/locations/global/", "server was"),
        ("workerpools/", "services/", "target was"),
        ("kind: CremaConfig", "kind: ScaledObject", "$.kind"),
        ("type: prometheus", "type: redis", "$.spec.scaledObjects[0].spec.triggers[0].type"),
        ("provider: gcp", "provider: none", "provider"),
        (
            "authenticationRef:\n          name: monitoring",
            "authenticationRef:\n          name: me",
            "no authentication",
        ),
    ],
)
def test_a_planted_fault_is_found(old: str, new: str, fault: str) -> None:
    found = crema_faults(planted(CREMA, old, new), VALUES)
    assert any(fault in each for each in found), found
