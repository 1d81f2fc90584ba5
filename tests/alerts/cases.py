"""What is tested of an alert: series, when it must be silent, and when it must fire; promtool judges."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.alerts.rules import Rule, run_tool

#: Between two samples, and between two evaluations.
STEP_S = 30


@dataclass(frozen=True)
class Case:
    """A story of some series, a sample each 30 seconds in promtool's notation, and what an alert makes of it.

    Attributes:
        silent: seconds at which it does not fire.
        firing: seconds at which it does, and with which labels beside its own: one mapping for each alert.
        step_s: between two samples and two evaluations; longer where windows are long, since promtool would be slow.

    """

    alert: str
    about: str
    series: Mapping[str, str]
    silent: Sequence[int] = ()
    firing: Mapping[int, Sequence[Mapping[str, str]]] = field(default_factory=dict)
    step_s: int = STEP_S

    @property
    def is_whole(self) -> bool:
        """Whether it fires, and is silent one step before and one step after."""
        if not self.firing:
            return False
        return {min(self.firing) - self.step_s, max(self.firing) + self.step_s} <= set(self.silent)

    def to_promtool(self, rule: Rule) -> dict[str, Any]:
        """Return the case as a test of promtool's; the words that an alert comes with are the rule's."""
        moments: dict[int, Sequence[Mapping[str, str]]] = {**dict.fromkeys(self.silent, ()), **self.firing}
        return {
            "name": f"{self.alert}: {self.about}",
            "interval": f"{self.step_s}s",
            "input_series": [{"series": name, "values": values} for name, values in self.series.items()],
            "alert_rule_test": [
                {
                    "eval_time": f"{at}s",
                    "alertname": self.alert,
                    "exp_alerts": [
                        {"exp_labels": {**rule.labels, **labels}, "exp_annotations": dict(rule.annotations)}
                        for labels in found
                    ],
                }
                for at, found in sorted(moments.items())
            ],
        }


def judge(folder: Path, rules_file: Path, cases: Sequence[Case], rules: Mapping[str, Rule]) -> tuple[int, str]:
    """Have promtool test cases against a file of rules, a rule each step; return its exit code and what it said."""
    tests = {
        "rule_files": [str(rules_file)],
        "evaluation_interval": f"{min(case.step_s for case in cases)}s",
        "tests": [case.to_promtool(rules[case.alert]) for case in cases],
    }
    path = folder / "cases.yaml"
    path.write_text(yaml.safe_dump(tests, allow_unicode=True), "utf-8")
    return run_tool("promtool", "test", "rules", path)
