"""Loaded by schemathesis: a request that the description allows is accepted, or refused for what no schema can say."""

import re
from typing import Any

import schemathesis
from schemathesis.specs.openapi.checks import positive_data_acceptance

#: Problems by the end of their type, and what their details say: what depends on the clock, the calendar, the settings,
#: what is kept, or two fields at once.
NO_SCHEMA_SAYS = {
    # The bytes of all fields together.
    "body-too-large": ["the body was over"],
    "bad-cursor": ["cursor was not one that this API gave out for this list"],
    "invalid-request": [
        "the Idempotency-Key came with another request before",
        # The calendar, and the clock.
        r"not a trading day; the nearest are",
        r"which has not opened yet",
        r"expected a trading day from \d{4} on that has opened",
        r"as_of was .*, (expected|when)",
        r"has no (1m|5m|15m|1h|1d) bars (older|from before)",
        r"expected a day up to \d{4}",
        r"(was|were) not listed on",
        r"which no symbol list has",
        # Two fields.
        r"was given, which only provider \w+ takes",
        r"first was .* beside all_days",
        r"intervals was missing",
        r"(session and a span|symbols and market) were given",
        r"finality was true with as_of",
        r"market was \w+, provider",
        r"market INDEX has only daily bars",
        # More is allowed for files.
        r"look-back of \w+ was \d+, expected at most",
        r"expected (it|none) of kind \w+",
        r"expected them in order",
        r"expected start first",
        r"step_min was \d+, expected \d+ or more for",
        r"symbol of a \w+ was",
        r"the trade was of",
        r"at most [\d,]+ days apart are allowed",
        r"provider \w+ (has|does not|cannot)",
        r"(symbols and market|out_of_sample and folds): expected one of them",
        r"market was \w+, whose symbols no list has",
        r"#/model/fees$",
        # The parameters of a strategy, and the strategies of a worker's folder.
        r"#/parameters",
        r"strategy was .*, supported are",
        # The range of a symbol on its day; and what is easy to guess.
        r"set force \(--force\) to book it",
        r"#/password$",
        # The lots of a portfolio, today in Japan, and what a CSV has.
        r"quantity was \d+, expected a multiple",
        r"day was .*, expected",
        r"no daily bars of .* are held of",
        r"at character \d+ of the expression: ",
        r"expression (had|was) .*, expected",
        r"#/csv",
        # A symbol is read as its market or provider writes it, an indicator by its own parameters.
        r"symbol was .*[,;] expected",
        r"indicator (was|\w+)",
        # The settings.
        r"is not (set|true)",
        r"which has no symbol master",
        r"signs no webhooks",
        # Where a URL leads.
        r"callback_url (was not plain|had|did not lead|was http)",
        # Where a channel leads, and the times of a rule.
        r"#/url$",
        r"KABOOM_NOTIFICATION_KEY",
        r"expected (both quiet_from|digest_at or|a deadline exactly)",
        r"quiet_from and quiet_until were the same",
        # The request of a schedule is that of its task, and says no day of its own.
        r"#/request",
        r"a schedule calls nobody back",
        r"each firing takes its own day",
        # The steps of a pipeline name each other and kinds of jobs, as its start does.
        r"#/(start|steps)/",
        # Five fields that never come together.
        r"cron was",
    ],
}


@schemathesis.check
def refuses_only_what_no_schema_says(ctx: Any, response: Any, case: Any) -> None:
    """Fail where a request was refused that the description allows, but for reasons that it cannot hold."""
    try:
        positive_data_acceptance(ctx, response, case)
    except AssertionError:
        if not _is_told(response):
            raise


def _is_told(response: Any) -> bool:
    if response.headers.get("content-type", [""])[0] != "application/problem+json":
        return False
    problem = response.json()
    reasons = NO_SCHEMA_SAYS.get(problem["type"].rpartition("/")[2], [])
    told = [problem["detail"], *(error["pointer"] for error in problem.get("errors", ()))]
    return any(re.search(reason, text) for reason in reasons for text in told)
