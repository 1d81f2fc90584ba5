"""What makes an alert rule good in Prometheus and in Cloud Monitoring alike, judged from its text and our metrics."""

import re
from collections.abc import Iterator

from kaboom.jobs.engine.run.completion import ERROR_ENDINGS
from kaboom.telemetry.metrics import METRICS, Kind
from tests.alerts.rules import Rule

_METRICS = {
    f"{metric.name}{part}": metric
    for metric in METRICS
    for part in (("_bucket", "_count") if metric.kind is Kind.HISTOGRAM else ("",))
}
_WORDS = frozenset({"and", "or", "unless", "by", "on"})
_FUNCTIONS = frozenset({"absent", "count", "deriv", "histogram_quantile", "increase", "max", "rate", "resets", "sum"})
_ANNOTATIONS = ["summary", "summary_ja", "description", "description_ja", "runbook"]


def metrics_of(expr: str) -> set[str]:
    """Return the names that an expression reads."""
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|\b(by|on) \([^)]*\)", "", expr)
    return {word for word in re.findall(r"\b[a-zA-Z_:]\w*(?!\w|\s*\()", bare) if word not in _WORDS}


def faults_of(rule: Rule) -> list[str]:
    """Return what is wrong with a rule, a sentence each."""
    return [
        *_faults_of_names(rule.expr),
        *_faults_of_kinds(rule.expr),
        *_faults_of_labels(rule.expr),
        *_faults_of_form(rule),
    ]


def _faults_of_names(expr: str) -> Iterator[str]:
    for name in sorted(metrics_of(expr) - _METRICS.keys()):
        yield f"{name} is no metric of Kaboom's"
    if "__name__" in expr:
        yield "a metric is chosen by a pattern, and Cloud Monitoring wants its name"
    for function in sorted(set(re.findall(r"\b([a-z_]+)\s*\(", expr)) - _FUNCTIONS - _WORDS):
        yield f"{function} is not known to mean the same in both"


def _faults_of_kinds(expr: str) -> Iterator[str]:
    expr = re.sub(r" by \([^)]*\)", "", expr)
    for name in sorted(metrics_of(expr) & _METRICS.keys()):
        is_counter = _METRICS[name].kind is not Kind.GAUGE
        for call, window in re.findall(rf"\b(\w+)\s*\((?:[^()]* or )?\s*{name}(?:\{{[^}}]*\}})?(\[\w+\])?", expr):
            if is_counter and not window and call not in {"absent", "count"}:
                yield f"{name} is a counter, and is read without a window"
            if call == "sum" and not is_counter:
                yield f"{name} is summed, though every process shows the same"
            if window and is_counter != (call in {"rate", "increase", "resets"}):
                yield f"{name} is a {_METRICS[name].kind}, and is read by {call}"


def _faults_of_labels(expr: str) -> Iterator[str]:
    read = [
        (*_METRICS[name].labels, *(("le",) if _METRICS[name].kind is Kind.HISTOGRAM else ()))
        for name in metrics_of(expr) & _METRICS.keys()
    ]
    for group in re.findall(r"\bby \(([^)]*)\)", expr):
        for label in group.split(", "):
            if not all(label in labels for labels in read):
                yield f"not all have a label {label}"
    for name, matchers in re.findall(r"([a-z_]+)\{([^}]*)\}", expr):
        for label, said in re.findall(r'(\w+)\s*(?:=~?|!~)\s*"([^"]*)"', matchers):
            if name in _METRICS and label not in _METRICS[name].labels:
                yield f"{name} has no label {label}"
            if label == "ending" and said != "waiting" and tuple(said.split("|")) != ERROR_ENDINGS:
                yield f"the endings were {said}, and errors are {'|'.join(ERROR_ENDINGS)}"


def _faults_of_form(rule: Rule) -> Iterator[str]:
    if not re.fullmatch(r"\d+s", rule.hold):
        yield f"for was {rule.hold}, which Cloud Monitoring wants in seconds"
    if rule.labels.get("severity") not in {"page", "warning"} or len(rule.labels) != 1:
        yield f"labels were {dict(rule.labels)}, expected a severity of page or warning"
    if list(rule.annotations) != _ANNOTATIONS:
        yield f"annotations were {list(rule.annotations)}, expected {_ANNOTATIONS}"
    if "{{" in "".join(rule.annotations.values()):
        yield "annotations have a template, which Cloud Monitoring writes otherwise"
    if rule.annotations.get("runbook") != f"docs/operations/alerts.md#{rule.alert.lower()}":
        yield "the runbook is not the alert's own"
