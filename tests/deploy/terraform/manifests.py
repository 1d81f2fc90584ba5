"""What the manifests in api/ ask of the cloud: names, accounts, secrets and ingress."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

#: The annotation of a service, and what Terraform calls it.
INGRESS = {"all": "INGRESS_TRAFFIC_ALL", "internal": "INGRESS_TRAFFIC_INTERNAL_ONLY"}
_KINDS = {"Service", "Job", "WorkerPool", "CremaConfig"}


@dataclass(frozen=True, slots=True)
class Manifest:
    """One manifest, with the variables in it as they are written."""

    file: str
    kind: str
    name: str
    account: str
    ingress: str | None
    secrets: frozenset[str] = field(default_factory=frozenset)

    def in_(self, values: Mapping[str, str]) -> "Manifest":
        """Return it with the values of an environment for its variables.

        Raises:
            KeyError: a variable has no value.

        """
        names = frozenset(_fill(secret, values) for secret in self.secrets)
        return Manifest(
            self.file, self.kind, _fill(self.name, values), _fill(self.account, values), self.ingress, names
        )


def load_manifests(folder: Path) -> list[Manifest]:
    """Return the manifests of a folder."""
    loaded = ((path.name, yaml.safe_load(path.read_text(encoding="utf-8"))) for path in sorted(folder.glob("*.yaml")))
    return [_parse(name, text) for name, text in loaded if isinstance(text, dict) and text.get("kind") in _KINDS]


def _parse(file: str, text: dict[str, Any]) -> Manifest:
    accounts = {value for key, value in _pairs(text) if key == "serviceAccountName"}
    secrets = {str(value["name"]) for key, value in _pairs(text) if key == "secretKeyRef"}
    secrets |= {str(value) for key, value in _pairs(text) if key == "secretName"}
    if text["kind"] == "CremaConfig":
        # A configuration, not a container.
        accounts = {"${SCALER_ACCOUNT}"}
    (account,) = accounts
    metadata = text.get("metadata", {})
    ingress = metadata.get("annotations", {}).get("run.googleapis.com/ingress")
    return Manifest(file, text["kind"], str(metadata.get("name", "")), account, ingress, frozenset(secrets))


def _pairs(node: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield key, value
            yield from _pairs(value)
    elif isinstance(node, list):
        for each in node:
            yield from _pairs(each)


def _fill(text: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], text)
