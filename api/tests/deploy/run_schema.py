"""Google's own description of Cloud Run's API (`run.v1`, in the wheel of google-api-python-client) as a JSON schema."""

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator

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
_UNUSABLE = re.compile(r"^(\[Deprecated\] |Optional\. )?(Not supported|Output only)|^This field should not be used")


@cache
def description() -> dict[str, Any]:
    """Return the schemas of the discovery document."""
    path = files("googleapiclient") / "discovery_cache/documents/run.v1.json"
    schemas: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["schemas"]
    return schemas


@cache
def _validator(kind: str) -> Draft202012Validator:
    definitions = {name: _convert(schema, name) for name, schema in description().items()}
    root = {"$ref": f"#/$defs/{kind}", "properties": {"metadata": _NAMED, "apiVersion": {"const": KINDS[kind]}}}
    return Draft202012Validator({"$defs": definitions, **root})


def _convert(node: dict[str, Any], name: str = "") -> dict[str, Any]:
    if "$ref" in node:
        return {"$ref": f"#/$defs/{node['$ref']}"}
    kind = node.get("type")
    if kind == "object":
        return _convert_object(node, name)
    if kind == "array":
        return {"type": "array", "items": _convert(node["items"])}
    if kind == "string":
        # A number of 64 bits is written as either.
        types = ["string", "integer"] if node.get("format") == "int64" else "string"
        return {"type": types} | ({"enum": node["enum"]} if "enum" in node else {})
    return {} if kind == "any" else {"type": kind}


def _convert_object(node: dict[str, Any], name: str) -> dict[str, Any]:
    usable = {n: p for n, p in node.get("properties", {}).items() if not _is_unusable(p)}
    prose = {n for n, p in usable.items() if p.get("description", "").startswith("Required.")}
    # A template's metadata needs no namespace.
    required = REQUIRED.get(name, set()) | (prose - {"namespace"})
    more = _convert(node["additionalProperties"]) if "additionalProperties" in node else "properties" not in node
    properties = {n: _convert(p) for n, p in usable.items()}
    return {"type": "object", "properties": properties, "required": sorted(required), "additionalProperties": more}


def _is_unusable(field: dict[str, Any]) -> bool:
    is_told = bool(_UNUSABLE.search(field.get("description", "")))
    return is_told or bool(field.get("deprecated") or field.get("readOnly"))


def schema_faults(document: dict[str, Any]) -> list[str]:
    """Return what of a manifest Google's description does not allow, each with its path."""
    kind = document.get("kind")
    if kind not in KINDS:
        return [f"kind was {kind!r}, expected one of {', '.join(KINDS)}"]
    errors = _validator(kind).iter_errors(document)
    return sorted(f"{error.json_path}: {error.message}" for error in errors)
