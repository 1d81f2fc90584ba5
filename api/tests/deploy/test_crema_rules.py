"""The autoscaler watches the lists that Kaboom's broker writes, between one and five instances."""

import pytest

from tests.deploy.rules.crema_rules import crema_faults
from tests.deploy.rules.manifests import CREMA, parse, planted, render, sample_values

VALUES = sample_values()


def test_the_configuration_is_right() -> None:
    assert crema_faults(parse(render(CREMA)), VALUES) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("listName: celery:ingest", "listName: ingest", "ingest is no key of a queue"),
        ("listName: celery:ingest", "listName: celery:ai_analysis", "celery:ingest is not watched"),
        ("listName: backtest:leases", "listName: backtest:lease", "backtest:leases is not watched"),
        ("maxReplicaCount: 5", "maxReplicaCount: 50", "bounds"),
        ("maxReplicaCount: 5", "maxReplicas: 5", "maxReplicaCount"),
        ('enableTLS: "true"', 'enableTLS: "false"', "asked without TLS"),
        ('enableTLS: "true"', "enableTLS: true", "True is not one of"),
        ('listLength: "4"', 'listLength: "8"', "for each instance, which runs 4"),
        ('listLength: "4"', "listLength: 4", "4 is not of type 'string'"),
        ("workerpools/", "services/", "target was"),
        ("kind: CremaConfig", "kind: ScaledObject", "$.kind"),
        ("parameter: password", "parameter: passwd", "passwd"),
        (f'version: "{VALUES["VERSION_REDIS_AUTH"]}"', "version: latest", "latest"),
        (
            "authenticationRef:\n          name: redis",
            "authenticationRef:\n          name: valkey",
            "no authentication",
        ),
    ],
)
def test_a_planted_fault_is_found(old: str, new: str, fault: str) -> None:
    found = crema_faults(planted(CREMA, old, new), VALUES)
    assert any(fault in each for each in found), found
