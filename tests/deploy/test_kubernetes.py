"""The Helm chart as Helm renders it, by the published schemas and the house's rules."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import helm_python
import pytest
import yaml

from kaboom.settings import load_settings
from tests.deploy.rules.kubernetes_rules import house_faults, render, schema_faults
from tests.fixtures.repo.repository import ROOT, load_text

CHART = ROOT / "infra/helm/kaboom"
_HELPERS, _API, _WORKER, _MIGRATE, _NETWORK = (
    f"templates/{name}" for name in ("_helpers.tpl", "api.yaml", "worker.yaml", "migrate.yaml", "network.yaml")
)
IMAGE = {"image": {"repository": "example.net/kaboom", "digest": f"sha256:{'0' * 64}"}}
INGRESS = {"ingress": {"enabled": True, "host": "kaboom.example.com", "tlsSecret": "kaboom-tls"}}
_ALL = {"ScaledObject", "PodMonitor", "NetworkPolicy", "PodDisruptionBudget"}
#: Values of different installations, each with the kinds that they lead to.
INSTALLATIONS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "as it is": (IMAGE, _ALL),
    "with an ingress": (IMAGE | INGRESS, _ALL | {"Ingress"}),
    "without operators": (
        IMAGE | {"scaler": {"enabled": False}, "podMonitor": {"enabled": False}},
        _ALL - {"ScaledObject", "PodMonitor"},
    ),
    "small": (IMAGE | {"api": {"replicas": 1}, "worker": {"maxReplicas": 1}}, _ALL - {"PodDisruptionBudget"}),
    "with files and a secret for images": (
        IMAGE | {"dataClaim": "kaboom", "imagePullSecrets": ["registry"], "podMonitor": {"labels": {"release": "p"}}},
        _ALL,
    ),
}
type Planted = Callable[[str, str, str], list[dict[str, Any]]]


@pytest.fixture
def plant(tmp_path: Path) -> Planted:
    """Render the chart with a text replaced in one of its files."""

    def change(name: str, old: str, new: str) -> list[dict[str, Any]]:
        shutil.copytree(CHART, tmp_path, dirs_exist_ok=True)
        text = (tmp_path / name).read_text("utf-8")
        assert old in text
        (tmp_path / name).write_text(text.replace(old, new), "utf-8")
        return render(tmp_path, IMAGE | INGRESS)

    return change


@pytest.mark.parametrize("name", INSTALLATIONS)
def test_the_chart_fits_the_schemas_and_the_house(name: str) -> None:
    values, kinds = INSTALLATIONS[name]
    things = render(CHART, values)
    assert {thing["kind"] for thing in things} == kinds | {"Deployment", "Service", "Job"}
    assert (schema_faults(things), house_faults(things)) == ([], [])


def test_helm_finds_no_fault_in_it() -> None:
    said = helm_python.lint(CHART, IMAGE, strict=True)
    # 1 is a hint: a chart may have an icon.
    assert [m for m in said["messages"] if m["severity"] > 1] == said["errors"] == []


def test_it_is_packaged_and_installed_from_the_package(tmp_path: Path) -> None:
    path = helm_python.package(CHART, destination=tmp_path, version="1.2.3", app_version="1.2.3")
    things = render(Path(path), IMAGE)
    (job,) = (thing for thing in things if thing["kind"] == "Job")
    env = {each["name"]: each["value"] for each in job["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert env["KABOOM_RELEASE"] == "1.2.3"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "'/image/digest'"),
        ({"image": {"repository": "example.net/kaboom", "digest": "latest"}}, "'/image/digest'"),
        (IMAGE | {"replicas": 3}, "additional properties 'replicas' not allowed"),
        (IMAGE | {"settings": {"KABOOM_SLOTS": "8"}}, "'KABOOM_SLOTS'"),
        (IMAGE | {"settings": {"KABOOM_PROVIDER": 1}}, "got number, want string"),
        (IMAGE | {"ingress": {"enabled": True}}, "'/ingress/host'"),
        (IMAGE | {"worker": {"minReplicas": 0}}, "'/worker/minReplicas'"),
        (IMAGE | {"existingSecret": ""}, "'/existingSecret'"),
        (IMAGE | {"api": {"resources": {"limits": {"cpu": 1, "memory": None}}}}, "'/api/resources/limits'"),
    ],
)
def test_values_that_could_not_run_are_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(helm_python.HelmError) as caught:
        render(CHART, values)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("templates/api.yaml", "replicas: {{ .Values.api.replicas }}", "replicas: two"),
        ("templates/api.yaml", "readinessProbe", "readyProbe"),
        ("templates/api.yaml", "containerPort: 8000", 'containerPort: "8000"'),
        ("templates/api.yaml", "policy/v1", "policy/v1beta9"),
        ("templates/api.yaml", "sleep: {seconds: 5}", "sleep: {for: 5}"),
        ("templates/api.yaml", "pathType: Prefix", "pathKind: Prefix"),
        ("templates/worker.yaml", "terminationGracePeriodSeconds", "terminationGraceSeconds"),
        ("templates/migrate.yaml", "restartPolicy: Never", "restart: Never"),
        ("templates/worker.yaml", "maxReplicaCount:", "maxReplicas:"),
        ("templates/worker.yaml", "pollingInterval: 15", "pollingInterval: often"),
        ("templates/worker.yaml", "  triggers:", "  trigger:"),
        ("templates/metrics.yaml", "podMetricsEndpoints", "podMetricEndpoints"),
        ("templates/network.yaml", "podSelector", "podSelect"),
    ],
)
def test_what_the_schemas_do_not_know_is_found(name: str, old: str, new: str, plant: Planted) -> None:
    assert schema_faults(plant(name, old, new))


@pytest.mark.parametrize(
    ("name", "old", "new", "fault"),
    [
        (_HELPERS, "runAsNonRoot: true", "runAsNonRoot: false", "it may be root"),
        (_HELPERS, "automountServiceAccountToken: false", "hostNetwork: false", "token of the cluster"),
        (_HELPERS, "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "can be written"),
        (_HELPERS, "drop: [ALL]", "drop: [NET_RAW]", "keeps privileges"),
        (_HELPERS, "}}@{{ .root.Values.image.digest }}", "}}:latest", "expected a digest"),
        (_HELPERS, "KABOOM_PROXY_HOPS", "KABOOM_PROXY_HOP", "is no setting"),
        (_HELPERS, "concurrency .root.Values.worker.max", "concurrency .root.Values.worker.min", "expected 20"),
        (_HELPERS, "namespace: {{ .root.Release.Namespace }}", "namespace: default", "no namespace of the"),
        (_MIGRATE, "limits: {memory: 512Mi}", "limits: {cpu: 4}", "memory has no limit"),
        (_MIGRATE, "pre-install,pre-upgrade", "post-upgrade", "does not run before a release"),
        (_MIGRATE, "before-hook-creation,", "", "is in the way"),
        (_MIGRATE, "[kaboom, migrate]", "[kaboom, doctor]", "0 jobs migrate"),
        (_WORKER, "path: /healthz", "path: /health", "no page of health"),
        (_WORKER, "path: /readyz", "path: /healthz", "does not wait until it is ready"),
        (_WORKER, "port: metrics}", "port: http}", "there is no port http"),
        (_WORKER, "backtest,", "", "queues are not"),
        (_WORKER, "name: {{ .Release.Name }}-worker", "name: worker", "no deployment"),
        (_WORKER, "kaboom_queue_depth", "kaboom_queue_length", "no metric of Kaboom's"),
        (
            _WORKER,
            '(kaboom_leases_active{namespace="{{ .Release.Namespace }}"})',
            "(kaboom_leases_active)",
            "of other namespaces",
        ),
        (_WORKER, 'ignoreNullValues: "false"', 'ignoreNullValues: "true"', "no answer would end workers"),
        (_WORKER, "threshold: {{ .Values.worker.concurrency | quote }}", 'threshold: "9"', "wants one for 9"),
        (_WORKER, "if not .Values.scaler.enabled", "if .Values.scaler.enabled", "both the scaler and the"),
        (_API, "preStop:", "postStart:", "while others still send"),
        (
            _API,
            'selector:\n    {{- include "kaboom.selector" $api',
            'selector:\n    a: b\n    {{- include "kaboom.selector" $api',
            "finds no pod",
        ),
        (
            "templates/metrics.yaml",
            "app.kubernetes.io/name: kaboom\n",
            "app.kubernetes.io/name: api\n",
            "PodMonitor kaboom finds no pod",
        ),
        (_NETWORK, 'list "api" "worker"', 'list "api"', "kaboom-worker: anybody may connect"),
        (_NETWORK, "    ports:\n    - {port: metrics}\n", "", "or to every port"),
        (_NETWORK, ", except: [169.254.0.0/16]", "", "may ask the cloud for credentials"),
    ],
)
def test_a_planted_fault_is_found(name: str, old: str, new: str, fault: str, plant: Planted) -> None:
    found = house_faults(plant(name, old, new))
    assert any(fault in sentence for sentence in found), found


def test_the_documented_values_give_what_the_settings_take(tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(.+?)```", load_text("docs/operations/kubernetes.md"), re.DOTALL)
    text = "\n".join(line.removeprefix("   ") for line in block.splitlines())
    values = yaml.safe_load(text.replace("sha256:…", IMAGE["image"]["digest"]))
    things = render(CHART, values)
    assert (schema_faults(things), house_faults(things)) == ([], [])
    (api,) = (t for t in things if t["kind"] == "Deployment" and t["metadata"]["name"] == "kaboom-api")
    given = {each["name"]: each["value"] for each in api["spec"]["template"]["spec"]["containers"][0]["env"]}
    settings = load_settings(**given | {"KABOOM_FILE_DIR": str(tmp_path)})
    assert settings.public_url == "https://kaboom.example.com"


def test_every_value_is_documented() -> None:
    page = load_text("docs/operations/kubernetes.md")
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    assert {name for name in values if f"`{name}" not in page} == set()
