"""The schema of hashicorp/google, distilled from the jsii assembly that its Python bindings carry."""

import fcntl
import hashlib
import importlib.util
import json
import re
import sys
import tarfile
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

_BINDINGS = "cdktn-provider-google"
# Each property's documentation links to the argument that it stands for, under the name that Terraform knows.
_ANCHOR = re.compile(r"/hashicorp/google/([\d.]+)/docs(?:/(resources|data-sources)/(\w+))?#(\w+) ")
_VALUES = re.compile(r"Possible values: \[([^\]]*)\]")


@dataclass(frozen=True, slots=True)
class Argument:
    """An attribute that may be set: its type, and the values that it is said to take."""

    type: str
    required: bool = False
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BlockSchema:
    """What a block may hold."""

    arguments: dict[str, Argument] = field(default_factory=dict)
    blocks: dict[str, "NestedBlock"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NestedBlock:
    """A block inside of a block."""

    schema: BlockSchema
    required: bool
    repeats: bool


@dataclass(frozen=True, slots=True)
class ResourceSchema:
    """A resource type: what may be set, and what may be read."""

    block: BlockSchema
    attributes: frozenset[str]


@dataclass(frozen=True, slots=True)
class ProviderSchema:
    """The provider, its resources, and its data sources under `data.<type>`."""

    version: str
    provider: BlockSchema
    resources: dict[str, ResourceSchema]


@cache
def load_schema() -> ProviderSchema:
    """Return the schema: from the file beside the venv, or distilled, which takes 5 s and 600 MB once for a version."""
    distiller = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
    path = Path(sys.prefix) / f"{_BINDINGS}-{version(_BINDINGS)}-{distiller}.schema.json"
    with path.with_suffix(".lock").open("w") as lock:
        # Two processes of pytest-xdist shall not both take the memory.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            whole = json.dumps(distil(read_assembly()), separators=(",", ":"))
            path.with_suffix(".part").write_text(whole, encoding="utf-8")
            path.with_suffix(".part").replace(path)
    return parse_schema(json.loads(path.read_text(encoding="utf-8")))


def read_assembly() -> dict[str, Any]:
    """Return the types of the bindings. They are not imported, which would start Node."""
    spec = importlib.util.find_spec(_BINDINGS.replace("-", "_"))
    assert spec, f"{_BINDINGS} is not installed: `make deploy-check` installs it"
    assert spec.origin
    (archive,) = (Path(spec.origin).parent / "_jsii").glob("*.tgz")
    with tarfile.open(archive) as tar:
        assembly = tar.extractfile("package/.jsii")
        assert assembly
        types: dict[str, Any] = json.load(assembly)["types"]
    return types


def distil(types: dict[str, Any]) -> dict[str, Any]:
    """Return version, provider and resources as plain data."""
    found: dict[str, Any] = {"version": "", "provider": {}, "resources": {}}
    for name, struct in types.items():
        if struct["kind"] != "interface" or not name.endswith("Config"):
            continue
        anchors = (_ANCHOR.search(json.dumps(p.get("docs", {}))) for p in struct.get("properties", []))
        anchor = next((a for a in anchors if a), None)
        if not anchor:
            continue
        found["version"], kind, resource, _ = anchor.groups()
        block = _distil_block(types, name)
        if name.rsplit(".", 1)[-1] == "GoogleProviderConfig":
            found["provider"] = block
        # A block of a resource may be called config, too: only the whole has its class.
        elif attributes := _attributes_of(types, name.removesuffix("Config")):
            key = f"google_{resource}" if kind == "resources" else f"data.google_{resource}"
            found["resources"][key] = {"block": block, "attributes": attributes}
    return found


def _distil_block(types: dict[str, Any], fqn: str, above: tuple[str, ...] = ()) -> dict[str, Any]:
    block: dict[str, Any] = {"arguments": {}, "blocks": {}}
    for p in types[fqn].get("properties", []):
        docs = json.dumps(p.get("docs", {}))
        if not (anchor := _ANCHOR.search(docs)):
            continue
        name, required = anchor[4], not p.get("optional", False)
        kind, of = _kind_of(p["type"])
        if of:
            # One type, of no use here, holds itself: it is cut off there.
            inner = {"arguments": {}, "blocks": {}} if of in above else _distil_block(types, of, (*above, fqn))
            block["blocks"][name] = {"block": inner, "required": required, "repeats": kind == "list"}
        else:
            values = _VALUES.search(docs.replace('\\"', "'"))
            listed = re.findall(r"'([^']+)'", values[1]) if values else []
            block["arguments"][name] = {"type": kind, "required": required, "values": listed}
    return block


def _kind_of(type_: dict[str, Any]) -> tuple[str, str]:
    """Return string, number, bool, list, map or any, and for a block the struct that it holds."""
    if "primitive" in type_:
        return {"boolean": "bool"}.get(type_["primitive"], str(type_["primitive"])), ""
    if "collection" in type_:
        _, of = _kind_of(type_["collection"]["elementtype"])
        return {"array": "list", "map": "map"}[type_["collection"]["kind"]], of
    if "union" in type_:
        kinds = {_kind_of(t) for t in type_["union"]["types"] if t.get("fqn") != "cdktn.IResolvable"}
        return kinds.pop() if len(kinds) == 1 else ("any", "")
    fqn = str(type_["fqn"])
    return ("block", fqn) if fqn.startswith("@cdktn/provider-google.") else ("any", "")


def _attributes_of(types: dict[str, Any], fqn: str) -> list[str]:
    """Return the names that the class lets one read, computed ones too."""
    if types.get(fqn, {}).get("kind") != "class":
        return []
    names = (str(p["name"]) for p in types[fqn].get("properties", []) if not p.get("static"))
    return sorted(_snake(name) for name in names if not name.endswith("Input"))


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def parse_schema(whole: dict[str, Any]) -> ProviderSchema:
    """Return plain data as a schema."""
    resources = {
        name: ResourceSchema(_parse_block(r["block"]), frozenset(r["attributes"]))
        for name, r in whole["resources"].items()
    }
    return ProviderSchema(whole["version"], _parse_block(whole["provider"]), resources)


def _parse_block(block: dict[str, Any]) -> BlockSchema:
    arguments = {
        name: Argument(a["type"], required=a["required"], values=tuple(a["values"]))
        for name, a in block["arguments"].items()
    }
    blocks = {
        name: NestedBlock(_parse_block(b["block"]), required=b["required"], repeats=b["repeats"])
        for name, b in block["blocks"].items()
    }
    return BlockSchema(arguments, blocks)
