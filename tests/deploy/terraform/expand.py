"""An environment as Terraform would plan it, as far as variables tell: tfparse evaluates it and expands `for_each`."""

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tfparse

from tests.fixtures.repo.repository import ROOT

#: What infra/bootstrap.sh writes into ENVIRONMENT.project.tfvars.
_PROJECT = """
project_id           = "kaboom-472705"
project_number       = "657734233816"
github_repository    = "me/kaboom"
github_repository_id = "123456789"
alert_emails         = ["oncall@example.com"]
"""

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
    """Return an environment of a Terraform tree, with its own values, those of a project, and further ones.

    tfparse sees nothing above the folder that it is given: what lies there is copied below it.
    """
    shutil.copy(terraform / "dashboard.json", folder)
    shutil.copy(ROOT / "api/crema.yaml", folder)
    shutil.copy(ROOT / "infra/database/roles.sql", folder)
    shutil.copy(alerts, folder / "kaboom.rules.yaml")
    shutil.copy(ROOT / "infra/deploy/variables", folder / "variables")
    for path in terraform.glob("*.tf"):
        text = re.sub(r"\$\{path\.module\}/(?:\.\./)+\w+/", "${path.module}/", path.read_text(encoding="utf-8"))
        (folder / path.name).write_text(text, encoding="utf-8")
    own = (terraform / f"{name}.tfvars").read_text(encoding="utf-8")
    (folder / "all.tfvars").write_text(f"{own}\n{_PROJECT}\n{variables}\n", encoding="utf-8")
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
