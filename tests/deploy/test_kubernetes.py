"""infra/kubernetes as `kubectl kustomize` builds it, by the published schemas and the house's rules."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from kaboom.settings import load_settings
from tests.deploy.rules.kubernetes_rules import build, house_faults, schema_faults
from tests.fixtures.repo.repository import ROOT

BASE = ROOT / "infra/kubernetes"
type Plant = Callable[[str, str, str], list[dict[str, Any]]]


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """Build the base with a text replaced in one of its files."""

    def change(name: str, old: str, new: str) -> list[dict[str, Any]]:
        shutil.copytree(BASE, tmp_path, dirs_exist_ok=True)
        text = (tmp_path / name).read_text("utf-8")
        assert old in text
        (tmp_path / name).write_text(text.replace(old, new), "utf-8")
        things, said = build(tmp_path)
        assert things, said
        return things

    return change


def test_the_base_is_built_and_fits_the_schemas() -> None:
    things, said = build(BASE)
    assert said == ""
    kinds = sorted(str(thing["kind"]) for thing in things)
    assert kinds == ["ConfigMap", "Deployment", "Deployment", "Job", "PodDisruptionBudget", "ScaledObject", "Service"]
    assert schema_faults(things) == []


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("api.yaml", "replicas: 2", "replicas: two"),
        ("api.yaml", "readinessProbe", "readyProbe"),
        ("api.yaml", "containerPort: 8000", 'containerPort: "8000"'),
        ("api.yaml", "policy/v1", "policy/v1beta9"),
        ("worker.yaml", "terminationGracePeriodSeconds", "terminationGraceSeconds"),
        ("migrate.yaml", "restartPolicy: Never", "restart: Never"),
        ("scaler.yaml", "maxReplicaCount: 5", "maxReplicas: 5"),
        ("scaler.yaml", "pollingInterval: 15", "pollingInterval: often"),
        ("scaler.yaml", "  triggers:", "  trigger:"),
    ],
)
def test_what_the_schemas_do_not_know_is_found(name: str, old: str, new: str, plant: Plant) -> None:
    assert schema_faults(plant(name, old, new))


def test_the_rules_of_the_house_are_kept() -> None:
    assert house_faults(build(BASE)[0]) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "fault"),
    [
        ("worker.yaml", "runAsNonRoot: true", "runAsNonRoot: false", "it may be root"),
        ("api.yaml", "automountServiceAccountToken: false", "hostNetwork: false", "token of the cluster"),
        ("api.yaml", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "can be written"),
        ("migrate.yaml", "drop: [ALL]", "drop: [NET_RAW]", "keeps privileges"),
        ("worker.yaml", "limits: {memory: 4Gi}", "limits: {cpu: 4}", "memory has no limit"),
        ("worker.yaml", "path: /healthz", "path: /health", "no page of health"),
        ("worker.yaml", "backtest,", "", "queues are not"),
        ("worker.yaml", "concurrency=4", "concurrency=8", "KABOOM_SLOTS was 20, expected 40"),
        ("scaler.yaml", "    name: kaboom-worker", "    name: worker", "no deployment"),
        ("scaler.yaml", "kaboom_queue_depth", "kaboom_queue_length", "no metric of Kaboom's"),
        ("api.yaml", "selector: {app.kubernetes.io/name: kaboom-api}", "selector: {app: api}", "finds no pod"),
        ("kustomization.yaml", "KABOOM_PROVIDER", "KABOOM_PROVIDERS", "is no setting"),
    ],
)
def test_a_planted_fault_is_found(name: str, old: str, new: str, fault: str, plant: Plant) -> None:
    found = house_faults(plant(name, old, new))
    assert any(fault in sentence for sentence in found), found


def test_the_documented_overlay_gives_what_the_settings_take(tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(.+?)```", (ROOT / "docs/operations/kubernetes.md").read_text("utf-8"), re.DOTALL)
    overlay = yaml.safe_load(block)
    (tmp_path / "infra").mkdir()
    shutil.copytree(BASE, tmp_path / "infra/kubernetes")
    (tmp_path / "own").mkdir()
    image = {"newName": "example.net/kaboom", "digest": f"sha256:{'0' * 64}"}
    overlay["images"] = [each | image for each in overlay["images"]]
    (tmp_path / "own/kustomization.yaml").write_text(yaml.safe_dump(overlay))
    things, said = build(tmp_path / "own")
    assert (schema_faults(things), house_faults(things)) == ([], []), said
    (given,) = (thing["data"] for thing in things if thing["kind"] == "ConfigMap")
    settings = load_settings(**given | {"KABOOM_FILE_DIR": str(tmp_path)})
    assert settings.public_url == "https://kaboom.example.com"


def test_an_overlay_sets_the_image_and_the_bounds(tmp_path: Path) -> None:
    shutil.copytree(BASE, tmp_path / "base")
    (tmp_path / "own").mkdir()
    bound = {"op": "replace", "path": "/spec/maxReplicaCount", "value": 10}
    overlay = {
        "resources": ["../base"],
        "images": [{"name": "registry.example.com/kaboom", "newName": "example.net/kaboom", "newTag": "1"}],
        "configMapGenerator": [{"name": "kaboom", "behavior": "merge", "literals": ["KABOOM_SLOTS=40"]}],
        "patches": [{"target": {"kind": "ScaledObject"}, "patch": json.dumps([bound])}],
    }
    (tmp_path / "own/kustomization.yaml").write_text(yaml.safe_dump(overlay))
    things, said = build(tmp_path / "own")
    assert (schema_faults(things), house_faults(things)) == ([], []), said
    pods = [thing["spec"]["template"]["spec"] for thing in things if thing["kind"] in {"Deployment", "Job"}]
    assert {container["image"] for pod in pods for container in pod["containers"]} == {"example.net/kaboom:1"}
