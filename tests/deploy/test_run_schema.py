"""The rendered manifests are what Google's description of Cloud Run's API allows, and it finds what is not."""

import pytest

from tests.deploy.rules.discovery import describe
from tests.deploy.rules.manifests import API, MIGRATE, POOL, RUN, SMOKE, WORKER, parse, planted, render, sample_values
from tests.deploy.rules.run_schema import KINDS, REQUIRED, schema_faults

DATABASE_VERSION = sample_values()["VERSION_DATABASE_URL"]


@pytest.mark.parametrize("name", RUN)
def test_a_manifest_is_valid(name: str) -> None:
    assert schema_faults(parse(render(name))) == []


def test_all_kinds_are_there() -> None:
    assert {parse(render(name))["kind"] for name in RUN} == set(KINDS)


def test_what_is_required_by_hand_exists() -> None:
    unknown = {f"{name}.{field}" for name, fields in REQUIRED.items() for field in fields - set(_fields(name))}
    assert unknown == set()


def _fields(name: str) -> dict[str, object]:
    found: dict[str, object] = describe("run.v1")[name]["properties"]
    return found


@pytest.mark.parametrize(
    ("name", "old", "new", "fault"),
    [
        (API, "containerConcurrency", "containerConcurency", "containerConcurency"),
        (WORKER, 'minScale: "1"', "minScale: 1", "1 is not of type 'string'"),
        (WORKER, "failureThreshold: 3", 'failureThreshold: "3"', "failureThreshold: '3' is not of type"),
        (WORKER, "percent: 100", "percentage: 100", "'percentage' was unexpected"),
        (WORKER, "secretKeyRef:", "secretKeyReference:", "secretKeyReference"),
        (API, f'key: "{DATABASE_VERSION}"', f'version: "{DATABASE_VERSION}"', "'key' is a required property"),
        (API, "  serviceAccountName:", "  serviceAccount:", "serviceAccount"),
        (API, "apiVersion: serving.knative.dev/v1", "apiVersion: run.googleapis.com/v1", "$.apiVersion"),
        (API, 'cpu: "1"', "cpu: 1", "1 is not of type 'string'"),
        (API, "mountPath: /etc/kaboom/redis", "path: /etc/kaboom/redis", "mountPath"),
        (API, "timeoutSeconds: 3600", 'timeoutSeconds: "3600"', "timeoutSeconds"),
        (API, 'namespace: "kaboom-472705"', 'project: "kaboom-472705"', "namespace"),
        (POOL, "instanceSplits:", "traffic:", "'traffic' was unexpected"),
        (POOL, "kind: WorkerPool", "kind: Service", "instanceSplits"),
        (POOL, "kind: WorkerPool", "kind: Workerpool", "kind was 'Workerpool'"),
        (SMOKE, "maxRetries: 0", "maxRetries: none", "maxRetries"),
        (SMOKE, "taskCount: 1", "tasks: 1", "tasks"),
        (MIGRATE, "args:", "arguments:", "arguments"),
        (MIGRATE, "            command:", "            securityContext: {}\n            command:", "securityContext"),
        (MIGRATE, "metadata:\n  name", "status: {}\nmetadata:\n  name", "status"),
    ],
)
def test_a_planted_fault_is_found(name: str, old: str, new: str, fault: str) -> None:
    found = schema_faults(planted(name, old, new))
    assert any(fault in each for each in found), found
