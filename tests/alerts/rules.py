"""The alert rules as data, and the tools that judge them."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.fixtures.repo.repository import ROOT

RULES = ROOT / "infra/alerts/kaboom.rules.yaml"
ALERTMANAGER = ROOT / "infra/alerts/alertmanager.yaml"
#: Which Debian package brings a tool.
PACKAGES = {
    "promtool": "prometheus",
    "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
}


@dataclass(frozen=True)
class Rule:
    """One alert."""

    alert: str
    expr: str
    hold: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    def to_yaml(self) -> dict[str, Any]:
        """Return the rule as the file has it."""
        values = {"alert": self.alert, "expr": self.expr, "for": self.hold}
        return values | {"labels": dict(self.labels), "annotations": dict(self.annotations)}


def find_tool(name: str) -> str:
    """Return the path of a tool; fail with the package to install where it is missing."""
    path = shutil.which(name)
    assert path, (
        f"{name} is not on PATH: `make alerts` needs it, on Debian and Ubuntu `apt-get install {PACKAGES[name]}`"
    )
    return path


def run_tool(name: str, *arguments: object) -> tuple[int, str]:
    """Run a tool; return its exit code, and all that it said."""
    argv = [find_tool(name), *map(str, arguments)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


def load_rules() -> dict[str, Rule]:
    """Return every alert by name."""
    (group,) = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    rules = [Rule(r["alert"], r["expr"], r["for"], r["labels"], r["annotations"]) for r in group["rules"]]
    return {rule.alert: rule for rule in rules}


def write_rules(path: Path, rules: Sequence[Rule], *, interval: str = "30s") -> None:
    """Write a file of rules."""
    group = {"name": "kaboom", "interval": interval, "rules": [rule.to_yaml() for rule in rules]}
    path.write_text(yaml.safe_dump({"groups": [group]}, allow_unicode=True), "utf-8")
