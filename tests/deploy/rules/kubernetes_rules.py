"""What Kustomize builds, by the schemas of Kubernetes and KEDA, and by the house's rules."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml
from cloudcoil.models.keda.v1alpha1 import ScaledObject
from pydantic import ValidationError

from kaboom.jobs.model import Queue
from tests.deploy.rules.grafana_rules import lost, query_faults
from tests.fixtures.repo.compose_files import known_names

#: The oldest that Debian's kubectl is made for.
VERSION = "1.31"
type Thing = Mapping[str, Any]


def build(folder: Path) -> tuple[list[dict[str, Any]], str]:
    """Return what `kubectl kustomize` makes of a folder, and what it has against it."""
    program = shutil.which("kubectl")
    assert program, "kubectl is not on PATH: on Debian and Ubuntu `apt-get install kubernetes-client`"
    done = subprocess.run([program, "kustomize", str(folder)], capture_output=True, text=True, timeout=60, check=False)
    return [*yaml.safe_load_all(done.stdout)], done.stderr


def schema_faults(things: Sequence[Thing]) -> list[str]:
    """Return what the published schemas do not know, a sentence for each thing."""
    return [f"{thing['kind']}: {fault}" for thing in things for fault in _schema(thing)]


def _schema(thing: Thing) -> Iterator[str]:
    if thing["kind"] == "ScaledObject":
        try:
            read = ScaledObject.model_validate(thing)
        except ValidationError as e:
            yield str(e)
        else:
            # Its models ignore what they do not know.
            yield from lost(thing, read.model_dump(mode="json", by_alias=True, exclude_unset=True))
        return
    try:
        kubernetes_validate.validate(thing, VERSION, strict=True)
    except kubernetes_validate.ValidationError as e:
        yield f"{'.'.join(map(str, e.path))}: {e.message}"
    except kubernetes_validate.SchemaNotFoundError as e:
        yield str(e.message)


def house_faults(things: Sequence[Thing]) -> list[str]:
    """Return what would not run, or not as it should, as a sentence each."""
    workloads = [thing for thing in things if "template" in thing.get("spec", {})]
    found = [f"{_name(w)}: {fault}" for w in workloads for fault in _workload(w)]
    return [*found, *_worker(things), *_selectors(things), *_settings(things)]


def _workload(workload: Thing) -> Iterator[str]:
    pod = workload["spec"]["template"]["spec"]
    if pod.get("securityContext", {}).get("runAsNonRoot") is not True or pod.get("automountServiceAccountToken", True):
        yield "it may be root, or has a token of the cluster"
    for container in pod["containers"]:
        security = container.get("securityContext", {})
        dropped = security.get("capabilities", {}).get("drop")
        if (security.get("readOnlyRootFilesystem"), security.get("allowPrivilegeEscalation")) != (True, False):
            yield "its root can be written, or it may gain privileges"
        if dropped != ["ALL"]:
            yield "it keeps privileges"
        if "memory" not in container.get("resources", {}).get("limits", {}):
            yield "its memory has no limit"
        if workload["kind"] == "Deployment" and not {"startupProbe", "livenessProbe"} <= container.keys():
            yield "nobody notices when it hangs"
        paths = {container[p]["httpGet"]["path"] for p in container if p.endswith("Probe")}
        yield from (f"{path} is no page of health" for path in sorted(paths - {"/healthz", "/readyz"}))


def _worker(things: Sequence[Thing]) -> Iterator[str]:
    (scaler,) = (thing for thing in things if thing["kind"] == "ScaledObject")
    named = {_name(t): t for t in things if t["kind"] == "Deployment"}
    worker = named.get(scaler["spec"]["scaleTargetRef"]["name"])
    if worker is None or "replicas" in worker["spec"]:
        yield "the scaler has no deployment, or one that says its replicas itself"
        return
    arguments = " ".join(worker["spec"]["template"]["spec"]["containers"][0]["args"])
    queues = re.search(r"--queues=(\S+)", arguments)
    if not queues or queues[1].split(",") != [*Queue]:
        yield f"the worker's queues are not {','.join(Queue)}"
    slots = int(re.findall(r"--concurrency=(\d+)", arguments)[0]) * scaler["spec"]["maxReplicaCount"]
    (settings,) = (thing["data"] for thing in things if thing["kind"] == "ConfigMap")
    if int(settings["KABOOM_SLOTS"]) != slots:
        yield f"KABOOM_SLOTS was {settings['KABOOM_SLOTS']}, expected {slots}"
    for trigger in scaler["spec"]["triggers"]:
        yield from query_faults(trigger["metadata"].get("query", "kaboom_none"))


def _selectors(things: Sequence[Thing]) -> Iterator[str]:
    pods = [thing["spec"]["template"]["metadata"]["labels"] for thing in things if thing["kind"] == "Deployment"]
    for thing in things:
        if thing["kind"] in {"Service", "PodDisruptionBudget"}:
            wanted = thing["spec"]["selector"]
            wanted = wanted.get("matchLabels", wanted)
            if not any(wanted.items() <= labels.items() for labels in pods):
                yield f"{thing['kind']} {_name(thing)} finds no pod"


def _settings(things: Sequence[Thing]) -> Iterator[str]:
    for thing in things:
        names = set(thing["data"]) if thing["kind"] == "ConfigMap" else set()
        for container in thing.get("spec", {}).get("template", {}).get("spec", {}).get("containers", ()):
            names |= {variable["name"] for variable in container.get("env", ())}
        yield from (f"{_name(thing)}: {name} is no setting" for name in sorted(names - known_names()))


def _name(thing: Thing) -> str:
    return str(thing["metadata"]["name"])
