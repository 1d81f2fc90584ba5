"""Every alert fires when it must and not a step before; and each change of a rule makes its cases fail."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.alerts.burn_cases import BURN_CASES
from tests.alerts.cases import Case, judge
from tests.alerts.mutations import Mutation, mutations_of
from tests.alerts.rules import ALERTMANAGER, PACKAGES, RULES, Rule, find_tool, load_rules, run_tool, write_rules
from tests.alerts.server_cases import SERVER_CASES
from tests.alerts.work_cases import WORK_CASES

CASES = SERVER_CASES + WORK_CASES + BURN_CASES
RULES_BY_NAME: Mapping[str, Rule] = load_rules()
MUTATIONS = [mutation for rule in RULES_BY_NAME.values() for mutation in mutations_of(rule)]


def cases_of(alert: str) -> list[Case]:
    return [case for case in CASES if case.alert == alert]


@pytest.mark.parametrize(("tool", "package"), PACKAGES.items())
def test_a_tool_that_is_missing_is_named_with_its_package(
    tool: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(AssertionError, match=f"{tool} is not on PATH.*apt-get install {package}"):
        find_tool(tool)


def test_prometheus_takes_the_rules() -> None:
    code, said = run_tool("promtool", "check", "rules", RULES)
    assert (code, f"{len(RULES_BY_NAME)} rules found" in said) == (0, True), said


def test_alertmanager_takes_the_example() -> None:
    code, said = run_tool("amtool", "check-config", ALERTMANAGER)
    assert code == 0, said


def test_every_rule_has_a_case_and_mutations() -> None:
    assert {case.alert for case in CASES} == set(RULES_BY_NAME)
    assert {case.alert for case in CASES if case.is_whole} == set(RULES_BY_NAME)
    for alert in RULES_BY_NAME:
        kinds = {mutation.kind for mutation in MUTATIONS if mutation.rule.alert == alert}
        assert kinds >= {"held for longer", "gone"}, alert
        assert kinds & {"other threshold", "a part cut out"}, alert


@pytest.mark.parametrize("alert", RULES_BY_NAME)
def test_an_alert_fires_when_it_must_and_only_then(alert: str, tmp_path: Path) -> None:
    code, said = judge(tmp_path, RULES, cases_of(alert), RULES_BY_NAME)
    assert code == 0, said


@pytest.mark.parametrize("mutation", MUTATIONS, ids=str)
def test_a_changed_rule_is_noticed(mutation: Mutation, tmp_path: Path) -> None:
    changed = tmp_path / "changed.rules.yaml"
    write_rules(changed, [mutation.rule])
    code, said = judge(tmp_path, changed, cases_of(mutation.rule.alert), RULES_BY_NAME)
    # It judged, and found the alerts to be others: a rule that cannot be read proves nothing.
    assert (code, "got:" in said) == (1, True), f"{mutation.rule.expr} for {mutation.rule.hold}:\n{said}"
