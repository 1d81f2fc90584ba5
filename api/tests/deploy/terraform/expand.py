"""An environment as Terraform would plan it, as far as variables tell: tfparse evaluates it and expands `for_each`."""

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tfparse

type Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource: its type, its address, and its arguments."""

    type: str
    address: str
    values: Values

    def __getitem__(self, name: str) -> Any:
        """Return an argument, None where it is not set."""
        return self.values.get(name)


@dataclass(frozen=True, slots=True)
class Environment:
    """What one environment consists of."""

    name: str
    resources: tuple[Resource, ...]
    outputs: Values

    def all(self, *types: str) -> list[Resource]:
        """Return the resources of some types."""
        return [resource for resource in self.resources if resource.type in types]


def expand(terraform: Path, alerts: Path, name: str, folder: Path, *, variables: str = "") -> Environment:
    """Return an environment of a Terraform tree, with the values of its example file and further ones.

    tfparse sees nothing above the folder that it is given: the environment becomes the root there, with the modules
    below it as they lie in the repository.
    """
    shutil.copytree(terraform / "modules", folder / "infra/terraform/modules")
    (folder / "infra/alerts").mkdir()
    shutil.copy(alerts, folder / "infra/alerts/kaboom.rules.yaml")
    source = terraform / "envs" / name
    for path in source.glob("*.tf"):
        text = path.read_text(encoding="utf-8").replace('"../../modules/', '"./infra/terraform/modules/')
        (folder / path.name).write_text(text, encoding="utf-8")
    example = (source / "terraform.tfvars.example").read_text(encoding="utf-8")
    (folder / "all.tfvars").write_text(f"{example}\n{variables}\n", encoding="utf-8")
    parsed = tfparse.load_from_path(str(folder), stop_on_hcl_error=True, vars_paths=["all.tfvars"])
    found = [Resource(t, row["__tfmeta"]["path"], _plain(row)) for t, rows in parsed.items() for row in rows]
    resources = [r for r in found if r.type.startswith("google_")]
    outputs = {o.address.removeprefix("output."): o["value"] for o in found if o.address.startswith("output.")}
    return Environment(name, tuple(resources), outputs)


def unknown_in(value: Any) -> bool:
    """Tell whether a value holds an expression that could not be evaluated."""
    text = json.dumps(value)
    return "__attribute__" in text or re.search(r"\$\{(?!metric\.)", text) is not None


def _plain(value: Any) -> Any:
    """Drop tfparse's own notes, such as the `id` that it gives each resource."""
    if isinstance(value, dict):
        own = {"__tfmeta", "for_each", "count"} | ({"id"} if "__tfmeta" in value else set())
        return {name: _plain(inner) for name, inner in value.items() if name not in own}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value
