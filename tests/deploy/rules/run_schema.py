"""A manifest against Google's own description of Cloud Run's API."""

from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from tests.deploy.rules.discovery import definitions

#: The kinds that we write, and what `apiVersion` must be: the description says it in prose alone.
KINDS = {
    "Service": "serving.knative.dev/v1",
    "WorkerPool": "run.googleapis.com/v1",
    "Job": "run.googleapis.com/v1",
}
#: What is missing without an error of the schema; beside what the description itself begins with "Required.".
REQUIRED = {
    "Service": {"apiVersion", "kind", "metadata", "spec"},
    "WorkerPool": {"apiVersion", "kind", "metadata", "spec"},
    "Job": {"apiVersion", "kind", "metadata", "spec"},
    "ServiceSpec": {"template", "traffic"},
    "WorkerPoolSpec": {"template", "instanceSplits"},
    "JobSpec": {"template"},
    "RevisionTemplate": {"spec"},
    "RevisionSpec": {"containers", "serviceAccountName"},
    "ExecutionTemplateSpec": {"spec"},
    "ExecutionSpec": {"template"},
    "TaskTemplateSpec": {"spec"},
    "TaskSpec": {"containers", "serviceAccountName"},
    "Container": {"image", "name"},
    "SecretKeySelector": {"name", "key"},
    "SecretVolumeSource": {"secretName", "items"},
    "KeyToPath": {"key", "path"},
    "Volume": {"name"},
    "ContainerPort": {"containerPort"},
    "HTTPGetAction": {"path", "port"},
    "TrafficTarget": {"percent"},
    "InstanceSplit": {"percent"},
}
#: Required of what is made by name; a template's metadata has neither.
_NAMED = {"required": ["name", "namespace"]}


@cache
def _validator(kind: str) -> Draft202012Validator:
    root = {"$ref": f"#/$defs/{kind}", "properties": {"metadata": _NAMED, "apiVersion": {"const": KINDS[kind]}}}
    return Draft202012Validator({"$defs": definitions("run.v1", REQUIRED), **root})


def schema_faults(document: dict[str, Any]) -> list[str]:
    """Return what of a manifest Google's description does not allow, each with its path."""
    kind = document.get("kind")
    if kind not in KINDS:
        return [f"kind was {kind!r}, expected one of {', '.join(KINDS)}"]
    errors = _validator(kind).iter_errors(document)
    return sorted(f"{error.json_path}: {error.message}" for error in errors)
