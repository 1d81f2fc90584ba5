"""What Helm renders of the chart, by the schemas of Kubernetes and of two operators, and by the house's rules."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import helm_python
import kubernetes_validate
import yaml
from cloudcoil.models.keda.v1alpha1 import ScaledObject
from cloudcoil.models.prometheus_operator.v1 import PodMonitor
from pydantic import ValidationError

from kaboom.jobs.model import Queue
from tests.deploy.rules.grafana_rules import lost, query_faults
from tests.fixtures.repo.compose_files import known_names

#: The oldest that the checks hold for.
VERSION = "1.31"
_MODELS = {"ScaledObject": ScaledObject, "PodMonitor": PodMonitor}
type Thing = Mapping[str, Any]


def render(chart: Path, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what `helm install kaboom CHART --namespace own` would send to a cluster.

    Raises:
        HelmError: the chart cannot be read, the values do not fit its schema, or a template fails.

    """
    with helm_python.Chart.load(chart) as loaded:
        texts = loaded.render(dict(values), name="kaboom", namespace="own")
    found = [thing for name, text in texts.items() if name.endswith(".yaml") for thing in yaml.safe_load_all(text)]
    return [thing for thing in found if thing]


def schema_faults(things: Sequence[Thing]) -> list[str]:
    """Return what the published schemas do not know, a sentence for each thing."""
    return [f"{thing['kind']}: {fault}" for thing in things for fault in _schema(thing)]


def _schema(thing: Thing) -> Iterator[str]:
    if model := _MODELS.get(str(thing["kind"])):
        try:
            read = model.model_validate(thing)
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
    found += [
        f"{_name(t)} is in no namespace of the release" for t in things if t["metadata"].get("namespace") != "own"
    ]
    return [*found, *_worker(things), *_migration(things), *_selectors(things), *_settings(things), *_network(things)]


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
        if not re.fullmatch(r"[\w./:-]+@sha256:[0-9a-f]{64}", container["image"]):
            yield f"its image is {container['image']}, expected a digest"
        if workload["kind"] == "Deployment":
            yield from _health(container)


def _health(container: Mapping[str, Any]) -> Iterator[str]:
    if not {"startupProbe", "livenessProbe"} <= container.keys():
        yield "nobody notices when it hangs"
    if container.get("readinessProbe", {}).get("httpGet", {}).get("path") != "/readyz":
        yield "a rollout does not wait until it is ready"
    ports = {port["name"] for port in container["ports"]}
    asked = {container[p]["httpGet"]["port"] for p in container if p.endswith("Probe")}
    yield from (f"there is no port {port}" for port in sorted(asked - ports))
    paths = {container[p]["httpGet"]["path"] for p in container if p.endswith("Probe")}
    yield from (f"{path} is no page of health" for path in sorted(paths - {"/healthz", "/readyz"}))
    if "http" in ports and "preStop" not in container.get("lifecycle", {}):
        yield "it ends while others still send requests to it"


def _worker(things: Sequence[Thing]) -> Iterator[str]:
    scalers = [thing for thing in things if thing["kind"] == "ScaledObject"]
    (worker,) = (t for t in things if t["kind"] == "Deployment" and _name(t).endswith("-worker"))
    container = worker["spec"]["template"]["spec"]["containers"][0]
    arguments = " ".join(container["args"])
    queues = re.search(r"--queues=(\S+)", arguments)
    if not queues or queues[1].split(",") != [*Queue]:
        yield f"the worker's queues are not {','.join(Queue)}"
    processes = int(re.findall(r"--concurrency=(\d+)", arguments)[0])
    if bool(scalers) is ("replicas" in worker["spec"]):
        yield "both the scaler and the deployment say how many workers there are, or neither"
    for scaler in scalers:
        yield from _scaler(scaler, worker, processes)
        slots = processes * scaler["spec"]["maxReplicaCount"]
        if (given := _env(container).get("KABOOM_SLOTS")) != str(slots):
            yield f"KABOOM_SLOTS was {given}, expected {slots}"


def _scaler(scaler: Thing, worker: Thing, processes: int) -> Iterator[str]:
    if scaler["spec"]["scaleTargetRef"]["name"] != _name(worker):
        yield "the scaler has no deployment"
    for trigger in scaler["spec"]["triggers"]:
        told = trigger["metadata"]
        yield from query_faults(told.get("query", "kaboom_none"))
        if told.get("query", "").count('{namespace="own"}') != 2:
            yield "the scaler counts the work of other namespaces"
        if told.get("ignoreNullValues") != "false":
            yield "no answer would end workers"
        if told["threshold"] != str(processes):
            yield f"a worker runs {processes} chunks, and the scaler wants one for {told['threshold']}"


def _migration(things: Sequence[Thing]) -> Iterator[str]:
    """Give why pods of a release would start on the schema of the last one."""
    jobs = [t for t in things if t["kind"] == "Job" and _command(t) == ["kaboom", "migrate"]]
    if len(jobs) != 1:
        yield f"{len(jobs)} jobs migrate"
    for job in jobs:
        hooks = job["metadata"].get("annotations", {})
        if set(hooks.get("helm.sh/hook", "").split(",")) != {"pre-install", "pre-upgrade"}:
            yield "the migration does not run before a release"
        # Else the second release finds the job of the first, which cannot be changed.
        if "before-hook-creation" not in hooks.get("helm.sh/hook-delete-policy", ""):
            yield "the migration of the last release is in the way"
        pod = job["spec"]["template"]["spec"]
        # What the release itself makes is not there yet.
        if any("configMapRef" in source for c in pod["containers"] for source in c.get("envFrom", ())):
            yield "the migration needs what is made after it"


def _command(workload: Thing) -> list[str]:
    command: list[str] = workload["spec"]["template"]["spec"]["containers"][0].get("command", [])
    return command


def _env(container: Mapping[str, Any]) -> dict[str, str]:
    return {variable["name"]: variable.get("value", "") for variable in container.get("env", ())}


def _network(things: Sequence[Thing]) -> Iterator[str]:
    """Give which pods anybody may connect to, and which could ask the cloud for credentials."""
    policies = [thing["spec"] for thing in things if thing["kind"] == "NetworkPolicy"]
    for deployment in (thing for thing in things if thing["kind"] == "Deployment"):
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        own = [p for p in policies if p["podSelector"].get("matchLabels", {}).items() <= labels.items()]
        if not any({"Ingress", "Egress"} <= set(p["policyTypes"]) for p in own):
            yield f"{_name(deployment)}: anybody may connect to it"
        for policy in own:
            if any("from" not in rule or "ports" not in rule for rule in policy.get("ingress", ())):
                yield f"{_name(deployment)}: a rule lets everybody in, or to every port"
            blocks = [to["ipBlock"] for rule in policy.get("egress", ()) for to in rule["to"] if "ipBlock" in to]
            wide = [b for b in blocks if b["cidr"] == "0.0.0.0/0" and "169.254.0.0/16" not in b.get("except", ())]
            if wide:
                yield f"{_name(deployment)}: it may ask the cloud for credentials"


def _selectors(things: Sequence[Thing]) -> Iterator[str]:
    pods = [thing["spec"]["template"]["metadata"]["labels"] for thing in things if thing["kind"] == "Deployment"]
    for thing in things:
        if thing["kind"] in {"Service", "PodDisruptionBudget", "PodMonitor"}:
            wanted = thing["spec"]["selector"]
            wanted = wanted.get("matchLabels", wanted)
            if not any(wanted.items() <= labels.items() for labels in pods):
                yield f"{thing['kind']} {_name(thing)} finds no pod"


def _settings(things: Sequence[Thing]) -> Iterator[str]:
    for thing in things:
        for container in thing.get("spec", {}).get("template", {}).get("spec", {}).get("containers", ()):
            names = {variable["name"] for variable in container.get("env", ())}
            yield from (f"{_name(thing)}: {name} is no setting" for name in sorted(names - known_names()))


def _name(thing: Thing) -> str:
    return str(thing["metadata"]["name"])
