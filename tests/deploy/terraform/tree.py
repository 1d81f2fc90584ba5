"""The Terraform files of the repository, as they are or with a fault planted, and everything that is said of them."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.deploy.terraform.closure_check import find_closure_faults
from tests.deploy.terraform.hcl import load_module
from tests.deploy.terraform.layout_check import find_layout_faults
from tests.deploy.terraform.provider_schema import load_schema
from tests.deploy.terraform.schema_check import find_lock_faults, find_schema_faults
from tests.fixtures.repo.repository import ROOT

TERRAFORM = ROOT / "infra/terraform"
ENVIRONMENTS = ("staging", "production")


@dataclass(frozen=True, slots=True)
class Plant:
    """A fault: `old` in a file below infra/terraform is made `new`."""

    file: str
    old: str
    new: str

    def into(self, folder: Path) -> Path:
        """Return a copy of infra/terraform, made in a folder, that has the fault."""
        copy = folder / "infra/terraform"
        shutil.copytree(TERRAFORM, copy)
        path = copy / self.file
        text = path.read_text(encoding="utf-8")
        assert text.count(self.old) == 1, f"{self.file} does not hold {self.old!r} once: the plant is out of date"
        path.write_text(text.replace(self.old, self.new), encoding="utf-8")
        return copy


def find_faults(root: Path = TERRAFORM) -> list[str]:
    """Return what schema, references and layout are found to lack."""
    return list(_faults(root))


def _faults(root: Path) -> Iterator[str]:
    module, schema = load_module(root), load_schema()
    yield from find_schema_faults(module, schema)
    yield from find_closure_faults(module, schema)
    yield from find_lock_faults(root / ".terraform.lock.hcl", schema.version)
    for path in sorted(root.glob("*.tf")):
        yield from (f"{path.name}{fault}" for fault in find_layout_faults(path.read_text(encoding="utf-8")))
