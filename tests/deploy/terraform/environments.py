"""The two environments, expanded: as they are, or with a fault planted."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.deploy.terraform.expand import Environment, expand
from tests.deploy.terraform.tree import TERRAFORM

#: What turns the worker pool on.
WITH_POOL = """
worker_pool = true
"""
#: What makes mail of costs.
WITH_BUDGET = """
budget = { billing_account = "012345-6789AB-CDEF01", amount = 60000, currency = "JPY" }
"""
#: What makes all that an environment may lack.
WITH_ALL = f"""{WITH_POOL}
make_database = true
"""
#: One alert, for all that is not about alerts.
_RULES = """
groups:
  - name: sample
    interval: 30s
    rules:
      - alert: Sample
        expr: max(kaboom_workers_online) == 0
        for: 60s
        labels: {severity: page}
        annotations: {summary: None, summary_ja: なし, description: Start one., description_ja: 起動, runbook: none}
"""


@cache
def environment(name: str, variables: str = "") -> Environment:
    """Return an environment of the repository."""
    with TemporaryDirectory() as folder:
        return build(name, Path(folder), variables=variables)


def build(
    name: str, folder: Path, *, terraform: Path = TERRAFORM, rules: str = _RULES, variables: str = ""
) -> Environment:
    """Return an environment of a Terraform tree and a text of alert rules, expanded in an empty folder."""
    file = folder / "rules.yaml"
    file.write_text(rules, encoding="utf-8")
    (root := folder / "root").mkdir()
    return expand(terraform, file, name, root, variables=variables)
