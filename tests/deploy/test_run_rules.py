"""The manifests run what is specified, as specified, and nothing else."""

import pytest

from tests.deploy.rules import run_rules as rules
from tests.deploy.rules.manifests import (
    ADMIN,
    API,
    MIGRATE,
    NIGHTLY,
    POOL,
    RUN,
    SMOKE,
    WORKER,
    containers,
    parse,
    planted,
    render,
)
from tests.fixtures.repo.repository import load_text
from tests.repo.docs.test_queues import COMMAND

RUN_SMOKE = "kaboom smoke --timeout=240"
RUN_NIGHTLY = "kaboom ingest backfill --interval 1m=5 --wait --timeout=3000"


def has(fault: str, found: list[str]) -> bool:
    return any(fault in each for each in found)


def test_the_worker_command_is_written_once() -> None:
    assert rules.REPORT_COMMAND == COMMAND


@pytest.mark.parametrize("name", [WORKER, POOL])
def test_the_worker_is_as_specified(name: str) -> None:
    assert rules.worker_faults(parse(render(name))) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "fault"),
    [
        (WORKER, "backtest,market_data", "backtest", "command was"),
        (WORKER, "concurrency=4", "concurrency=8", "command was"),
        (POOL, "- --prefetch-multiplier=1", "- --prefetch-multiplier=1\n        - --without-gossip", "command was"),
        (WORKER, 'command: ["celery"]', 'command: ["sh", "-c", "celery"]', "command was"),
        (WORKER, 'memory: "4Gi"', 'memory: "2Gi"', "limits was"),
        (POOL, 'cpu: "2"', 'cpu: "4"', "limits was"),
        (WORKER, "timeoutSeconds: 3600", "timeoutSeconds: 300", "time-out was 300"),
        (WORKER, "ingress: internal", "ingress: all", "ingress was 'all'"),
        (WORKER, 'cpu-throttling: "false"', 'cpu-throttling: "true"', "cpu-throttling was 'true'"),
        (WORKER, 'value: "20"', 'value: "4"', "slots was '4'"),
    ],
)
def test_another_worker_is_found(name: str, old: str, new: str, fault: str) -> None:
    assert has(fault, rules.worker_faults(planted(name, old, new)))


@pytest.mark.parametrize("name", [API, WORKER, POOL])
def test_the_scale_is_as_specified(name: str) -> None:
    assert rules.scale_faults(parse(render(name))) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "fault"),
    [
        (WORKER, 'maxScale: "5"', 'maxScale: "50"', "scale was"),
        (WORKER, "run.googleapis.com/minScale", "run.googleapis.com/description", "scale was"),
        (WORKER, "run.googleapis.com/cpu-throttling", "autoscaling.knative.dev/minScale", "at the revision"),
        (WORKER, "- latestRevision: true", "- latestRevision: true\n    tag: canary", "is tagged canary"),
        (WORKER, "- latestRevision: true", '- revisionName: "w-00001"', "traffic was"),
        (WORKER, "percent: 100", "percent: 90", "sum of shares was 90"),
        (API, "percent: 0", "percent: 10", "sum of shares was 110"),
        (POOL, "percent: 100", "percent: 50", "sum of shares was 50"),
        (POOL, 'manualInstanceCount: "1"', 'manualInstanceCount: "5"', "count was '5'"),
        (POOL, "scalingMode: manual", "scalingMode: automatic", "mode was"),
    ],
)
def test_another_scale_is_found(name: str, old: str, new: str, fault: str) -> None:
    assert has(fault, rules.scale_faults(planted(name, old, new)))


def test_a_new_revision_of_the_api_waits_for_its_trial() -> None:
    assert rules.candidate_faults(parse(render(API))) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("percent: 0", "percent: 100"),
        ("tag: candidate", "tag: latest"),
        ('revisionName: "kaboom-api-staging-00007-abc"', "latestRevision: true"),
        ('revisionName: "kaboom-api-staging-00007-abc"', 'revisionName: ""'),
        ("    tag: candidate\n", ""),
    ],
)
def test_a_revision_that_does_not_wait_is_found(old: str, new: str) -> None:
    assert rules.candidate_faults(planted(API, old, new))


@pytest.mark.parametrize("name", [API, WORKER, POOL])
def test_probes_ask_where_somebody_listens(name: str) -> None:
    assert rules.probe_faults(parse(render(name))) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "fault"),
    [
        (WORKER, "path: /healthz", "path: /health", "livenessProbe: path was"),
        (WORKER, "path: /healthz", "path: /readyz", "which only fails where a restart helps"),
        (WORKER, "containerPort: 8080", "containerPort: 9000", "port was 8080, expected 9000"),
        (
            POOL,
            'KABOOM_SIDE_PORT\n          value: "8080"',
            'KABOOM_SIDE_PORT\n          value: "8081"',
            "expected 8081",
        ),
        (POOL, "failureThreshold: 24", "failureThreshold: 25", "waits 250 s"),
        (API, "timeoutSeconds: 4", "timeoutSeconds: 5", "not shorter than the period"),
        (API, "startupProbe:", "readinessProbe:", "no startupProbe"),
        (API, "livenessProbe:", "readinessProbe:", "no livenessProbe"),
    ],
)
def test_a_probe_that_cannot_pass_is_found(name: str, old: str, new: str, fault: str) -> None:
    assert has(fault, rules.probe_faults(planted(name, old, new)))


@pytest.mark.parametrize("name", [API, WORKER, POOL])
def test_the_collector_finds_the_metrics_and_the_public_does_not(name: str) -> None:
    assert rules.metrics_faults(parse(render(name))) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "fault"),
    [
        (WORKER, "name: collector", "name: otel", "no collector"),
        (WORKER, "cloud-run-gmp-sidecar:1.2.0", "cloud-run-gmp-sidecar:latest", "collector's image"),
        (WORKER, "containerPort: 8080", "containerPort: 9000", "port of the metrics was 9000"),
        (API, "containerPort: 8000", "containerPort: 8080", "the public port is the one of the metrics"),
        (API, "KABOOM_METRICS_PORT", "KABOOM_SIDE_PORT", "port of the metrics was 0"),
        (API, '{"collector": ["api"]}', "{}", "dependencies was"),
        (
            WORKER,
            "- name: collector",
            "- name: collector\n        ports: [{containerPort: 1}]",
            "the collector has ports",
        ),
        (
            POOL,
            "- name: collector",
            "- name: collector\n        env: [{name: K_SERVICE, value: kaboom-celery-worker}]",
            "the collector has env",
        ),
    ],
)
def test_metrics_that_would_be_lost_are_found(name: str, old: str, new: str, fault: str) -> None:
    document = planted(name, old, new)
    if fault == "no collector":
        del document["spec"]["template"]["spec"]["containers"][1]
    assert has(fault, rules.metrics_faults(document))


@pytest.mark.parametrize("name", [API, WORKER, POOL])
def test_what_users_keep_outlives_the_instance(name: str) -> None:
    assert rules.kept_faults(parse(render(name))) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "fault"),
    [
        (WORKER, "value: /mnt/kaboom", "value: /tmp/kaboom", "/tmp/kaboom is lost with the instance"),
        (WORKER, "mountPath: /mnt/kaboom", "mountPath: /mnt/other", "/mnt/kaboom is lost with the instance"),
        (POOL, "gcsfuse.run.googleapis.com", "gcsfuse.csi.storage.gke.io", "is lost with the instance"),
        (POOL, "implicit-dirs,uid=10001", "implicit-dirs,uid=0", "options was"),
        (WORKER, "uid=10001,gid=10001", "uid=10001;gid=10001", "options was"),
        (WORKER, 'bucketName: "kaboom-472705-kaboom-staging"', 'bucketName: ""', "no bucket"),
        (WORKER, "execution-environment: gen2", "execution-environment: gen1", "execution environment was 'gen1'"),
        (API, "          readOnly: true\n", "", "read only was False"),
        (
            WORKER,
            "          volumeAttributes:",
            "          readOnly: true\n          volumeAttributes:",
            "read only was True",
        ),
    ],
)
def test_files_that_would_be_lost_are_found(name: str, old: str, new: str, fault: str) -> None:
    assert has(fault, rules.kept_faults(planted(name, old, new)))


def test_the_page_tells_the_same_numbers() -> None:
    page = load_text("docs/operations/manifests.md")
    (version,) = {containers(parse(render(name)))[1]["image"].rsplit(":", 1)[1] for name in (API, WORKER, POOL)}
    assert f"Version {version} is used in public configurations" in page
    for name in (API, WORKER):
        limits = rules.main_of(parse(render(name)))["resources"]["limits"]
        assert f"{limits['cpu']} vCPU and {limits['memory'].replace('Gi', ' GiB')}" in page
    assert f"`KABOOM_SLOTS={rules.MOST * rules.CONCURRENCY}`" in page


@pytest.mark.parametrize("name", RUN)
def test_an_image_is_named_by_its_digest(name: str) -> None:
    assert rules.image_faults(parse(render(name))) == []


@pytest.mark.parametrize("new", [":latest", "", "@sha256:a1", "@sha512:" + "a1" * 32, ":v1@sha256:" + "A1" * 32])
def test_a_tag_is_found(new: str) -> None:
    assert rules.image_faults(planted(API, "@sha256:" + "a1" * 32, new))


def test_the_jobs_run_once_and_in_time() -> None:
    assert rules.job_faults(parse(render(MIGRATE)), "kaboom migrate", retries=1) == []
    assert rules.job_faults(parse(render(SMOKE)), RUN_SMOKE, retries=0) == []
    assert rules.job_faults(parse(render(NIGHTLY)), RUN_NIGHTLY, retries=1) == []
    assert rules.job_faults(parse(render(ADMIN)), "kaboom doctor", retries=0) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("- smoke", "- smoke\n            - --only", "command was"),
        ("maxRetries: 0", "maxRetries: 3", "retries was 3"),
        ("          maxRetries: 0\n", "", "retries was None"),
        ("taskCount: 1", "taskCount: 2", "tasks was"),
        ("timeoutSeconds: 300", "timeoutSeconds: 240", "the task may take 240 s"),
        ('command: ["kaboom"]', 'command: ["celery"]', "command was"),
    ],
)
def test_another_job_is_found(old: str, new: str, fault: str) -> None:
    assert has(fault, rules.job_faults(planted(SMOKE, old, new), RUN_SMOKE, retries=0))


@pytest.mark.parametrize("name", [API, WORKER])
def test_only_the_api_is_open_to_everybody(name: str) -> None:
    assert rules.public_faults(parse(render(name))) == []


def test_another_openness_is_found() -> None:
    flag = 'run.googleapis.com/invoker-iam-disabled: "true"'
    assert rules.public_faults(planted(API, flag, 'x: "true"'))
    assert rules.public_faults(planted(WORKER, "run.googleapis.com/ingress: internal", f"{flag}"))
