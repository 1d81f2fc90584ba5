"""Each alert of the rules file is a policy that asks the same, of the services of its own environment."""

import re
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from tests.deploy.terraform.environments import WITH_POOL, build, environment
from tests.deploy.terraform.tree import ENVIRONMENTS
from tests.fixtures.repo.repository import load_text

RULES_FILE = "infra/alerts/kaboom.rules.yaml"
SERVICES = {
    "production": "kaboom-api|kaboom-celery-worker",
    "staging": "kaboom-api-staging|kaboom-celery-worker-staging",
}
_METRIC = re.compile(r"\bkaboom_[a-z0-9_]+")


def rules() -> dict[str, dict[str, Any]]:
    """Return the alerts of the rules file by their names, each with the group's name and interval."""
    groups = yaml.safe_load(load_text(RULES_FILE))["groups"]
    return {r["alert"]: r | {"group": g["name"], "interval": g["interval"]} for g in groups for r in g["rules"]}


@cache
def policies(name: str) -> dict[str, dict[str, Any]]:
    """Return the policies of the rules file, by the names of the alerts."""
    return policies_of(load_text(RULES_FILE), name)


def policies_of(text: str, name: str) -> dict[str, dict[str, Any]]:
    with TemporaryDirectory() as folder:
        made = build(name, Path(folder), rules=text).all("google_monitoring_alert_policy")
    own = [r.values for r in made if ".rules[" in r.address]
    return {policy["conditions"]["condition_prometheus_query_language"]["alert_rule"]: policy for policy in own}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_each_alert_is_a_policy(name: str) -> None:
    assert len(rules()) >= 8
    assert set(policies(name)) == set(rules())


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_policy_waits_and_says_what_its_alert_does(name: str) -> None:
    for alert, rule in rules().items():
        policy = policies(name)[alert]
        condition = policy["conditions"]["condition_prometheus_query_language"]
        assert re.fullmatch(r"\d+s", rule["for"]), "the API knows seconds alone"
        assert condition["duration"] == rule["for"]
        assert condition["evaluation_interval"] == rule["interval"]
        assert int(rule["interval"].removesuffix("s")) % 30 == 0, "the API takes multiples of 30 s"
        assert condition["rule_group"] == rule["group"]
        assert policy["severity"] == {"page": "CRITICAL", "warning": "WARNING"}[rule["labels"]["severity"]]
        assert policy["documentation"]["subject"] == rule["annotations"]["summary"]
        for note in ("description", "summary_ja", "description_ja", "runbook"):
            assert rule["annotations"][note] in policy["documentation"]["content"]
        assert policy["notification_channels"]


def test_a_pool_has_no_namespace() -> None:
    """Its collector is told no name by Cloud Run."""
    with TemporaryDirectory() as folder:
        made = build("staging", Path(folder), variables=WITH_POOL).all("google_monitoring_alert_policy")
    queries = [r["conditions"]["condition_prometheus_query_language"]["query"] for r in made if ".rules[" in r.address]
    assert queries == [f'max(kaboom_workers_online{{namespace=~"{SERVICES["staging"]}|"}}) == 0']


@pytest.mark.parametrize("name", ENVIRONMENTS)
@pytest.mark.parametrize("variables", ["", WITH_POOL], ids=["service", "pool"])
def test_a_metric_of_the_log_is_asked_for_as_promql_names_it(name: str, variables: str) -> None:
    expanded = environment(name, variables)
    names = {r["name"].replace("-", "_") for r in expanded.all("google_logging_metric")}
    conditions = [r["conditions"] for r in expanded.all("google_monitoring_alert_policy")]
    asked = [c["condition_prometheus_query_language"] for c in conditions if "condition_prometheus_query_language" in c]
    of_logs = [each for each in asked if "logging_googleapis_com" in each["query"]]
    assert {re.findall(r"logging_googleapis_com:user_(\w+)\{", each["query"])[0] for each in of_logs} == names
    # Else the first apply fails: a metric of the log exists some minutes later.
    assert all(each["disable_metric_validation"] is True for each in asked)
    (worker,) = (each["query"] for each in of_logs if "worker" in each["query"])
    kind = "worker_pool" if variables else "revision"
    assert f'monitored_resource="cloud_run_{kind}"' in worker


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_policy_asks_what_its_alert_does_of_its_own_services(name: str) -> None:
    matcher = f'namespace=~"{SERVICES[name]}"'
    for alert, rule in rules().items():
        query = policies(name)[alert]["conditions"]["condition_prometheus_query_language"]["query"]
        assert query.count(matcher) == len(_METRIC.findall(rule["expr"])) > 0
        plain = query.replace(f"{{{matcher}}}", "").replace(f"{matcher},", "")
        assert plain == rule["expr"]


def test_every_place_of_a_metric_is_found() -> None:
    expressions = {
        "a": ('kaboom_a{x="1"} > 0', 'kaboom_a{NS,x="1"} > 0'),
        "b": ("sum by (q) (rate(kaboom_b_total[5m]))", "sum by (q) (rate(kaboom_b_total{NS}[5m]))"),
        "c": ("kaboom_c/kaboom_d", "kaboom_c{NS}/kaboom_d{NS}"),
        "d": ("absent(kaboom_a2)", "absent(kaboom_a2{NS})"),
        "e": ("kaboom_a unless kaboom_b", "kaboom_a{NS} unless kaboom_b{NS}"),
    }
    notes = {"summary": "s", "summary_ja": "要約", "description": "d", "description_ja": "説明", "runbook": "r"}
    listed = [
        {"alert": a, "expr": e, "for": "0s", "labels": {"severity": "page"}, "annotations": notes}
        for a, (e, _) in expressions.items()
    ]
    made = policies_of(yaml.safe_dump({"groups": [{"name": "g", "interval": "30s", "rules": listed}]}), "staging")
    matcher = f'namespace=~"{SERVICES["staging"]}"'
    for alert, (_, scoped) in expressions.items():
        condition = made[alert]["conditions"]["condition_prometheus_query_language"]
        assert condition["query"] == scoped.replace("NS", matcher)
