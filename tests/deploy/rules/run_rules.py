"""What the specification, the code and Cloud Run ask of a manifest beyond its schema."""

import re
from collections.abc import Mapping
from typing import Any

from tests.deploy.rules.manifests import containers, values_of

#: As specified.
REPORT_COMMAND = (
    "celery -A app.tasks.celery_app worker --loglevel=info"
    " --queues=ingest,ai_analysis,backtest,market_data,notifications --concurrency=4 --prefetch-multiplier=1"
)
REPORT_LIMITS = {"cpu": "2", "memory": "4Gi"}
REPORT_SCALE = {"run.googleapis.com/minScale": "1", "run.googleapis.com/maxScale": "5"}
REPORT_TIMEOUT_S = 3600
CONCURRENCY, LEAST, MOST = 4, 1, 5

_COLLECTOR = "us-docker.pkg.dev/cloud-ops-agents-artifacts/cloud-run-gmp-sidecar/cloud-run-gmp-sidecar"
#: Where the collector looks without a configuration of its own.
_SCRAPED = 8080


def main_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the container that is ours."""
    (found,) = (container for container in containers(document) if container["name"] != "collector")
    return found


def _annotations(document: Mapping[str, Any], *, of_template: bool) -> dict[str, str]:
    place = document["spec"]["template"] if of_template else document
    found: dict[str, str] = place["metadata"].get("annotations", {})
    return found


def _differ(what: str, was: object, expected: object) -> list[str]:
    return [] if was == expected else [f"{what} was {was!r}, expected {expected!r}"]


def worker_faults(document: Mapping[str, Any]) -> list[str]:
    """Return where a worker, service or pool, is not as specified."""
    main = main_of(document)
    command = " ".join([*main.get("command", []), *main.get("args", [])])
    faults = _differ("command", command, REPORT_COMMAND)
    faults += _differ("limits", main["resources"]["limits"], REPORT_LIMITS)
    faults += _differ("slots", values_of(main).get("KABOOM_SLOTS"), str(MOST * CONCURRENCY))
    if document["kind"] == "WorkerPool":
        return faults
    at_service, at_revision = (_annotations(document, of_template=t) for t in (False, True))
    faults += _differ("ingress", at_service.get("run.googleapis.com/ingress"), "internal")
    faults += _differ("cpu-throttling", at_revision.get("run.googleapis.com/cpu-throttling"), "false")
    return faults + _differ("time-out", document["spec"]["template"]["spec"].get("timeoutSeconds"), REPORT_TIMEOUT_S)


def scale_faults(document: Mapping[str, Any]) -> list[str]:
    """Return what would scale outside the specified bounds, or start a revision that nobody meant to run."""
    at_resource, at_revision = (_annotations(document, of_template=t) for t in (False, True))
    faults = [f"{name} at the revision" for name in at_revision if name.startswith("autoscaling.knative.dev/")]
    if document["kind"] == "WorkerPool":
        count = at_resource.get("run.googleapis.com/manualInstanceCount")
        faults += _differ("mode", at_resource.get("run.googleapis.com/scalingMode"), "manual")
        return faults + _differ("count", count, str(LEAST)) + _share_faults(document["spec"]["instanceSplits"])
    scale = {name: at_resource.get(name) for name in REPORT_SCALE}
    faults += _differ("scale", scale, REPORT_SCALE) + _share_faults(document["spec"]["traffic"])
    if "celery" in main_of(document).get("command", []):
        faults += [f"a worker's revision is tagged {t['tag']}" for t in document["spec"]["traffic"] if "tag" in t]
        faults += _differ("traffic", document["spec"]["traffic"], [{"latestRevision": True, "percent": 100}])
    return faults


def public_faults(document: Mapping[str, Any]) -> list[str]:
    """Return why anybody could call what only the API may be: or why nobody could call the API."""
    is_open = _annotations(document, of_template=False).get("run.googleapis.com/invoker-iam-disabled") == "true"
    return _differ("open to everybody", is_open, main_of(document)["name"] == "api")


def candidate_faults(document: Mapping[str, Any]) -> list[str]:
    """Return why a new revision of the API would be served before anybody has tried it."""
    expected = [
        {"revisionName": document["spec"]["traffic"][0].get("revisionName"), "percent": 100},
        {"latestRevision": True, "percent": 0, "tag": "candidate"},
    ]
    faults = _differ("traffic", document["spec"]["traffic"], expected)
    return faults if expected[0]["revisionName"] else [*faults, "no revision keeps the traffic"]


def _share_faults(shares: list[dict[str, Any]]) -> list[str]:
    return _differ("sum of shares", sum(share["percent"] for share in shares), 100)


def probe_faults(document: Mapping[str, Any]) -> list[str]:
    """Return why a probe would not be accepted, or would ask where nobody listens."""
    main = main_of(document)
    port = _listening(main)
    faults = [f"no {kind}" for kind in ("startupProbe", "livenessProbe") if kind not in main]
    for kind in ("startupProbe", "livenessProbe"):
        if kind in main:
            faults += [f"{kind}: {fault}" for fault in _probe_faults(main[kind], port)]
    if main.get("livenessProbe", {}).get("httpGet", {}).get("path") != "/healthz":
        faults.append("livenessProbe: expected /healthz, which only fails where a restart helps")
    return faults


def _probe_faults(probe: Mapping[str, Any], port: int) -> list[str]:
    asked, period_s = probe["httpGet"], probe.get("periodSeconds", 10)
    faults = _differ("path", asked["path"] in {"/healthz", "/readyz"}, expected=True)
    faults += _differ("port", asked["port"], port)
    if probe.get("timeoutSeconds", 1) >= period_s:
        faults.append("the time-out is not shorter than the period")
    if (waited_s := period_s * probe.get("failureThreshold", 3)) > 240:
        faults.append(f"waits {waited_s} s, and 240 are allowed")
    return faults


def _listening(main: Mapping[str, Any]) -> int:
    ports = [port["containerPort"] for port in main.get("ports", [])]
    return int(ports[0]) if ports else int(values_of(main).get("KABOOM_SIDE_PORT", 0))


def metrics_faults(document: Mapping[str, Any]) -> list[str]:
    """Return why Google's collector would not find our metrics, or the public would."""
    collectors = [c for c in containers(document) if c["name"] == "collector"]
    if not collectors:
        return ["no collector"]
    main, (collector, *_) = main_of(document), collectors
    faults = (
        [] if re.fullmatch(rf"{re.escape(_COLLECTOR)}:\d+\.\d+\.\d+", collector["image"]) else ["collector's image"]
    )
    # Above all no K_SERVICE, which Cloud Run takes from nobody: beside a pool the collector names no namespace.
    faults += ["the collector has env"] if "env" in collector else []
    faults += ["the collector has ports"] if "ports" in collector else []
    is_api = main["command"] == ["kaboom"]
    scraped = int(values_of(main).get("KABOOM_METRICS_PORT", 0)) if is_api else _listening(main)
    faults += _differ("port of the metrics", scraped, _SCRAPED)
    if is_api and _listening(main) == _SCRAPED:
        faults.append("the public port is the one of the metrics")
    annotations = _annotations(document, of_template=True)
    awaited = annotations.get("run.googleapis.com/container-dependencies")
    return faults + _differ("dependencies", awaited, f'{{"collector": ["{main["name"]}"]}}')


def kept_faults(document: Mapping[str, Any]) -> list[str]:
    """Return why what users asked to keep would be lost with the instance, or written by who only reads it."""
    main = main_of(document)
    mounts = {mount["mountPath"]: mount["name"] for mount in main.get("volumeMounts", [])}
    volumes = {volume["name"]: volume.get("csi", {}) for volume in document["spec"]["template"]["spec"]["volumes"]}
    folder = values_of(main)["KABOOM_DATA_DIR"]
    bucket = volumes.get(mounts.get(folder, ""), {})
    if bucket.get("driver") != "gcsfuse.run.googleapis.com":
        return [f"{folder} is lost with the instance"]
    attributes = bucket["volumeAttributes"]
    faults = _differ("read only", bucket.get("readOnly", False), main["command"] == ["kaboom"])
    # A list that a person has copied into the bucket lies in no folder of gcsfuse's own, and no file would be writable.
    options = set(attributes.get("mountOptions", "").split(","))
    faults += _differ("options", options, {"implicit-dirs", "uid=10001", "gid=10001"})
    generation = _annotations(document, of_template=True).get("run.googleapis.com/execution-environment")
    faults += _differ("execution environment", generation, "gen2")
    return faults + ([] if attributes.get("bucketName") else ["no bucket"])


def image_faults(document: Mapping[str, Any]) -> list[str]:
    """Return our images that are not told by digest: a tag may be another image tomorrow."""
    image = main_of(document)["image"]
    return [] if re.fullmatch(r"[\w./-]+@sha256:[0-9a-f]{64}", image) else [f"image was {image}, expected a digest"]


def job_faults(document: Mapping[str, Any], command: str, *, retries: int) -> list[str]:
    """Return where a job does not run `command` once, within the time that it is given."""
    execution = document["spec"]["template"]["spec"]
    task, main = execution["template"]["spec"], main_of(document)
    faults = _differ("command", " ".join([*main.get("command", []), *main.get("args", [])]), command)
    faults += _differ("retries", task.get("maxRetries"), retries)
    faults += _differ("tasks", (execution.get("taskCount"), execution.get("parallelism")), (1, 1))
    waits = re.search(r"--timeout=(\d+)", command)
    # Beyond its time a smoke still ends the round that it is in, of at most 30 s.
    if waits and int(task["timeoutSeconds"]) < int(waits[1]) + 30:
        faults.append(f"the task may take {task['timeoutSeconds']} s, its command {waits[1]} and a round")
    return faults
