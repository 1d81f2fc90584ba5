"""Google's own descriptions of its APIs, in the wheel of google-api-python-client, as JSON schemas."""

import json
import re
from collections.abc import Collection, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

type Schema = dict[str, Any]

_UNUSABLE = re.compile(r"^(\[Deprecated\] |Optional\. )?(Not supported|Output only)|^This field should not be used")


@cache
def describe(api: str) -> dict[str, Schema]:
    """Return the schemas of an API's discovery document, such as `run.v1`."""
    path = files("googleapiclient") / f"discovery_cache/documents/{api}.json"
    schemas: dict[str, Schema] = json.loads(path.read_text(encoding="utf-8"))["schemas"]
    return schemas


def definitions(api: str, required: Mapping[str, Collection[str]] | None = None) -> dict[str, Schema]:
    """Return the schemas of an API as JSON schemas that refer to each other by `#/$defs/…`.

    What is deprecated or only read may not be set. What must be set is what the description begins with "Required.",
    and what is given here besides, by schema.
    """
    return {name: _convert(node, (required or {}).get(name, ())) for name, node in describe(api).items()}


def _convert(node: Schema, required: Collection[str] = ()) -> Schema:
    if "$ref" in node:
        return {"$ref": f"#/$defs/{node['$ref']}"}
    kind = node.get("type")
    if kind == "object":
        return _convert_object(node, required)
    if kind == "array":
        return {"type": "array", "items": _convert(node["items"])}
    if kind == "string":
        # A number of 64 bits is written as either.
        types = ["string", "integer"] if node.get("format") == "int64" else "string"
        return {"type": types} | ({"enum": node["enum"]} if "enum" in node else {})
    return {} if kind == "any" else {"type": kind}


def _convert_object(node: Schema, required: Collection[str]) -> Schema:
    usable = {name: field for name, field in node.get("properties", {}).items() if not _is_unusable(field)}
    # A template's metadata needs no namespace.
    prose = {n for n, f in usable.items() if f.get("description", "").startswith("Required.")} - {"namespace"}
    more = _convert(node["additionalProperties"]) if "additionalProperties" in node else "properties" not in node
    properties = {name: _convert(field) for name, field in usable.items()}
    wanted = sorted(prose.union(required))
    return {"type": "object", "properties": properties, "required": wanted, "additionalProperties": more}


def _is_unusable(field: Schema) -> bool:
    is_told = bool(_UNUSABLE.search(field.get("description", "")))
    return is_told or bool(field.get("deprecated") or field.get("readOnly"))
