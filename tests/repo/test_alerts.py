"""The alert rules ask only what Kaboom tells, in words that mean the same everywhere, and each has its runbook."""

import re
from dataclasses import replace

import pytest

from tests.alerts.check import faults_of
from tests.alerts.rules import Rule, load_rules
from tests.fixtures.repo.repository import load_text

RULES = load_rules()
GOOD = RULES["KaboomQueueOld"]
OF_COUNTERS = RULES["KaboomWorkerErrors"]


@pytest.mark.parametrize("alert", RULES)
def test_a_rule_is_good_in_prometheus_and_in_cloud_monitoring(alert: str) -> None:
    assert faults_of(RULES[alert]) == []


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        (replace(GOOD, expr="max by (queue) (kaboom_queue_oldest) > 600"), "no metric of Kaboom's"),
        (replace(GOOD, expr="max by (queue) (redis_memory_used_bytes) > 600"), "no metric of Kaboom's"),
        (replace(GOOD, expr="max(up) == 0"), "no metric of Kaboom's"),
        (replace(GOOD, expr='max({__name__=~"kaboom_.+"}) > 600'), "wants its name"),
        (replace(GOOD, expr="sum by (queue) (kaboom_queue_oldest_seconds) > 600"), "every process shows the same"),
        (
            replace(GOOD, expr="max by (queue) (increase(kaboom_queue_oldest_seconds[5m])) > 6"),
            "is a gauge, and is read by increase",
        ),
        (
            replace(OF_COUNTERS, expr="sum(deriv(kaboom_dead_letters_total[5m])) > 5"),
            "is a counter, and is read by deriv",
        ),
        (replace(GOOD, expr="max by (instance) (kaboom_queue_oldest_seconds) > 600"), "a label instance"),
        (replace(GOOD, expr='max(kaboom_queue_oldest_seconds{job="worker"}) > 600'), "no label job"),
        (replace(GOOD, expr="max(last_over_time(kaboom_queue_oldest_seconds[5m])) > 6"), "mean the same in both"),
        (replace(OF_COUNTERS, expr="sum(kaboom_dead_letters_total) > 5"), "without a window"),
        (
            replace(OF_COUNTERS, expr=OF_COUNTERS.expr.replace("|stalled", "")),
            "the endings were broken|failed, and errors are broken|failed|stalled",
        ),
        (replace(GOOD, hold="1m"), "in seconds"),
        (replace(GOOD, labels={"severity": "critical"}), "a severity of page or warning"),
        (replace(GOOD, labels={"severity": "page", "team": "data"}), "a severity of page or warning"),
        (replace(GOOD, annotations={**GOOD.annotations, "summary": "{{ $labels.queue }} is old"}), "a template"),
        (replace(GOOD, annotations={**GOOD.annotations, "runbook": "docs/operations/alerts.md"}), "the alert's own"),
        (replace(GOOD, annotations={"summary": "old"}), "annotations were"),
    ],
)
def test_a_bad_rule_is_noticed(rule: Rule, fault: str) -> None:
    assert any(fault in found for found in faults_of(rule)), faults_of(rule)


def test_every_alert_has_a_section_of_the_runbook_with_a_command() -> None:
    page = load_text("docs/operations/alerts.md")
    sections = dict(re.findall(r"^### (Kaboom\w+)\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL))
    assert list(sections) == list(RULES)
    for alert, text in sections.items():
        assert re.search(r"```bash\n.+?```", text, re.DOTALL), f"{alert} has no command"


def test_the_japanese_page_says_what_the_alerts_say() -> None:
    rows = dict(re.findall(r"^\| `(Kaboom\w+)` \| (.+?) \| `", load_text("docs/operations/README.ja.md"), re.MULTILINE))
    assert len(rows) >= 12
    assert rows == {alert: RULES[alert].annotations["summary_ja"] for alert in rows}
