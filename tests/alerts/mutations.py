"""Wrong rules, made of each right one: the cases of an alert must notice every one of them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.alerts.rules import Rule

_COMPARISON = re.compile(r"(?P<sign>[<>]=?|==) (?P<number>[0-9.]+)")
_WINDOW = re.compile(r"\[(?P<number>\d+)(?P<unit>[mh])\]")
_GROUPING = re.compile(r" by \([a-z, ]+\)")
_AGGREGATION = re.compile(r"\b(?P<name>max|sum)\b")
_OTHER = {"max": "sum", "sum": "max"}

#: Parts of an expression without which, or with another in their place, it is still one.
_CUTS = {
    "KaboomChunksWaiting": {'{ending="waiting"}': ""},
    "KaboomDatabaseConnections": {" / kaboom_database_connections_max": ""},
    "KaboomDatabaseFull": {" / kaboom_database_disk_bytes": ""},
    "KaboomWorkerErrors": {
        " or increase(kaboom_leases_expired_total[1m])": "",
        'increase(kaboom_chunks_total{ending=~"broken|failed|stalled"}[1m]) or ': "",
        "broken|": "",
        "failed|": "",
        "|stalled": "",
        '{ending=~"broken|failed|stalled"}': "",
    },
    "KaboomNoWorker": {
        " and on () (max(kaboom_queue_depth) > 0 or max(kaboom_queue_oldest_seconds) > 0)": "",
        "max(kaboom_queue_depth) > 0 or ": "",
        " or max(kaboom_queue_oldest_seconds) > 0": "",
        "max(kaboom_workers_online) == 0 and on () ": "",
    },
    "KaboomStoreAway": {
        "absent(kaboom_workers_online) and on () ": "",
        " and on () count(kaboom_dead_letters_total) > 0": "",
        "absent(kaboom_workers_online)": "max(kaboom_workers_online) == 0",
    },
    "KaboomMetricsMissing": {"absent(kaboom_dead_letters_total)": "sum(kaboom_dead_letters_total) == 0"},
    "KaboomRedisMemoryHigh": {" / kaboom_redis_memory_max_bytes": ""},
}
#: Changes that change nothing, and why.
_SAME = {
    ("KaboomStoreAway", "> 0", "> -1"): "what exists is counted as 1 or more",
    ("KaboomStoreAway", "> 0", ">= 0"): "the same",
    ("KaboomDeadLetters", "sum", "max"): "a sum of counts is above 0 where the largest is",
    ("KaboomJobsRestored", "sum", "max"): "the same",
    ("KaboomIngestMissed", "max", "sum"): "a sum of times is above 0 where the largest is",
    ("KaboomNoWorker", "max", "sum"): "a sum of counts is 0 where the largest is",
    ("KaboomChunksWaiting", "sum", "max"): "a sum of counts is above 0 where the largest is",
    **{
        (alert, was, became): "shares, interpolated times and extrapolated counts are hardly ever exactly this"
        for alert in ("KaboomApiErrors", "KaboomApiErrorsSlow", "KaboomApiSlow", "KaboomApiSlowLong")
        for was, became in (
            ("> 0.072", ">= 0.072"),
            ("> 0.03", ">= 0.03"),
            ("> 1", ">= 1"),
            (">= 10", "> 10"),
            (">= 100", "> 100"),
        )
    },
}


@dataclass(frozen=True)
class Mutation:
    """A rule that was changed, and how."""

    kind: str
    rule: Rule
    was: str = ""
    became: str = ""

    def __str__(self) -> str:
        return f"{self.rule.alert}: {self.kind}: {self.was or 'nothing'} -> {self.became or 'nothing'}"


def mutations_of(rule: Rule) -> list[Mutation]:
    """Return the wrong rules to be made of one, without those that mean the same."""
    found = [*_held(rule), *_compared(rule), *_seen_through(rule), *_aggregated(rule), *_cut(rule), _gone(rule)]
    return [m for m in found if (rule.alert, m.was, m.became) not in _SAME]


def _held(rule: Rule) -> Iterator[Mutation]:
    seconds = int(rule.hold.removesuffix("s"))
    yield Mutation("held for longer", replace(rule, hold=f"{seconds + 30}s"), rule.hold, f"{seconds + 30}s")
    if seconds:
        yield Mutation("held for less", replace(rule, hold=f"{seconds - 30}s"), rule.hold, f"{seconds - 30}s")


def _compared(rule: Rule) -> Iterator[Mutation]:
    for found in _COMPARISON.finditer(rule.expr):
        sign, number = found["sign"], float(found["number"])
        for other in (number * 1.5 or 1, number * 0.8 or -1):
            yield _at(rule, found, f"{sign} {other:g}", "other threshold")
        if sign != "==":
            yield _at(
                rule, found, f"{sign[0] if sign.endswith('=') else sign + '='} {found['number']}", "other comparison"
            )


def _seen_through(rule: Rule) -> Iterator[Mutation]:
    for window in sorted({found[0] for found in _WINDOW.finditer(rule.expr)}):
        wider = _WINDOW.sub(lambda found: f"[{int(found['number']) * 5}{found['unit']}]", window)
        yield Mutation("wider window", replace(rule, expr=rule.expr.replace(window, wider)), window, wider)


def _aggregated(rule: Rule) -> Iterator[Mutation]:
    for found in _AGGREGATION.finditer(rule.expr):
        yield _at(rule, found, _OTHER[found["name"]], "other aggregation")
    for found in _GROUPING.finditer(rule.expr):
        yield _at(rule, found, "", "not grouped")


def _cut(rule: Rule) -> Iterator[Mutation]:
    for was, became in _CUTS.get(rule.alert, {}).items():
        assert rule.expr.count(was) == 1, f"{rule.alert} has not once {was!r}"
        yield Mutation("a part cut out", replace(rule, expr=rule.expr.replace(was, became)), was, became)


def _gone(rule: Rule) -> Mutation:
    return Mutation("gone", replace(rule, expr=f"({rule.expr}) unless on () vector(1)"))


def _at(rule: Rule, found: re.Match[str], became: str, kind: str) -> Mutation:
    expr = f"{rule.expr[: found.start()]}{became}{rule.expr[found.end() :]}"
    return Mutation(kind, replace(rule, expr=expr), found[0], became)
