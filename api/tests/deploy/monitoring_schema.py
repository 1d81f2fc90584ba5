"""Google's own description of dashboards (`monitoring.v1`, in google-api-python-client) as a JSON schema."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator


def dashboard_faults(dashboard: dict[str, Any]) -> list[str]:
    """Return what of a dashboard Google's description does not allow, each with its path."""
    return sorted(f"{error.json_path}: {error.message}" for error in _validator().iter_errors(dashboard))


@cache
def _validator() -> Draft202012Validator:
    path = files("googleapiclient") / "discovery_cache/documents/monitoring.v1.json"
    schemas = json.loads(path.read_text(encoding="utf-8"))["schemas"]
    definitions = {name: _convert(schema) for name, schema in schemas.items()}
    return Draft202012Validator({"$defs": definitions, "$ref": "#/$defs/Dashboard"})


def _convert(node: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in node:
        return {"$ref": f"#/$defs/{node['$ref']}"}
    kind = node.get("type")
    if kind == "object":
        properties = {name: _convert(field) for name, field in node.get("properties", {}).items()}
        more = _convert(node["additionalProperties"]) if "additionalProperties" in node else not properties
        return {"type": "object", "properties": properties, "additionalProperties": more}
    if kind == "array":
        return {"type": "array", "items": _convert(node["items"])}
    # A number of 64 bits is written as text.
    return {} if kind == "any" else {"type": kind} | ({"enum": node["enum"]} if "enum" in node else {})
