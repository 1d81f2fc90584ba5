"""Analyses as pages show them: numbered sources, tokens and cost, and the request of a form."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from kaboom.analysis.facts.model import Facts, SourceRow
from kaboom.analysis.report import MODELS_ANALYST
from kaboom.analysis.rules import RULES_ANALYST, give_opinion
from kaboom.analysis.vocabulary import Kind, Verdict, say_verdict
from kaboom.text.catalogue import Language, gettext
from kaboom.text.disclaimer import disclaimer

type Claim = tuple[str, str]


@dataclass(frozen=True)
class Report:
    """The analysis of one subject; `data` is the API's, and `picture` its candles as markup."""

    data: Mapping[str, Any]
    picture: str = ""

    @property
    def close(self) -> tuple[float, str] | None:
        """The close of the newest bar of a symbol, and its session; None if there is none."""
        row = next((row for row in self.data["sources"] if "close" in row["values"]), None)
        return None if row is None else (row["values"]["close"], str(row["session"]))

    @property
    def first_sentence(self) -> str:
        """The first sentence of the report; "" without one."""
        return next((text for text, _ in self.points), "")

    @cached_property
    def numbers(self) -> Mapping[Claim, int]:
        """The number of each cited source and field, in the order of the text."""
        claims = ((claim["source"], claim["field"]) for point in self.data["points"] for claim in point["claims"])
        return {claim: n for n, claim in enumerate(dict.fromkeys(claims), 1)}

    @property
    def points(self) -> Iterable[tuple[str, list[int]]]:
        """Each sentence, with the numbers of its sources."""
        for point in self.data["points"]:
            yield point["text"], [self.numbers[claim["source"], claim["field"]] for claim in point["claims"]]

    @property
    def cited(self) -> Iterable[tuple[int, str, str, float]]:
        """Each cited number: its number, source, field, and the value in the data."""
        rows = {row["id"]: row["values"] for row in self.data["sources"]}
        for (source, field), n in self.numbers.items():
            yield n, source, field, rows[source][field]

    @property
    def scores(self) -> list[tuple[str, float]]:
        """The models whose opinion is used, with their confidence in per cent."""
        used = (model for model in self.data["models"] if model["ending"] == "used")
        return [(model["model"], round(100 * model["confidence"], 1)) for model in used]


def read_reports(
    result: Mapping[str, Any], language: Language, pictures: Mapping[str, str] | None = None
) -> list[Report]:
    """Return the reports of a result; those of the rules analyst are worded in the language of the reader.

    `pictures` has the candles of symbols as markup.
    """
    found = [_word(one, result["kind"], language) for one in result.get("analyses") or ()]
    return [Report(one, (pictures or {}).get(one["subject"], "")) for one in found]


def _word(one: Mapping[str, Any], kind: str, language: Language) -> Mapping[str, Any]:
    """Return an analysis with the sentences of the rules in a language; as it is if other rules wrote it.

    The same facts give the same sentences, so the facts that are kept with the result are judged again. A sentence
    counts only if it cites what the kept one cites.
    """
    if one["analyst"] != RULES_ANALYST or not one["points"]:
        return one
    rows = [
        SourceRow(row["id"], row["values"], date.fromisoformat(row["session"]) if row.get("session") else None)
        for row in one["sources"]
    ]
    points = give_opinion(Facts(Kind(kind), one["subject"], tuple(rows)), language).points
    if [[claim.model_dump() for claim in point.claims] for point in points] != [
        [dict(claim) for claim in point["claims"]] for point in one["points"]
    ]:
        return one
    return {**one, "points": [{**kept, "text": new.text} for kept, new in zip(one["points"], points, strict=True)]}


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The verdicts of a result: how many symbols or jobs have each, the most frequent first."""

    total: int
    counts: Sequence[tuple[str, int]]

    @property
    def first(self) -> tuple[str, int]:
        """The most frequent verdict in words, and how many have it."""
        return self.counts[0]


def count_verdicts(reports: Sequence[Mapping[str, Any]], language: Language) -> Verdicts | None:
    """Return the verdicts of some analyses of the API in words; None without analyses."""
    found = Counter(say_outcome(one, language) for one in reports)
    return Verdicts(len(reports), found.most_common()) if found else None


def say_outcome(one: Mapping[str, Any], language: Language) -> str:
    """Return the verdict of an analysis in words, or why there is none."""
    if one["verdict"]:
        return say(one["verdict"], language)
    return gettext("No agreement" if one["asked"] else "No bars", language)


def sum_up(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the tokens of all models of a result, and how long the slowest took, in seconds."""
    models = [model for one in result.get("analyses") or () for model in one["models"]]
    return {
        "asked": len(models),
        "prompt_tokens": sum(model["prompt_tokens"] for model in models),
        "completion_tokens": sum(model["completion_tokens"] for model in models),
        "slowest_s": max((model["latency_ms"] for model in models), default=0) / 1000,
    }


def say(verdict: str | None, language: Language) -> str:
    """Return a verdict in the language of the viewer; "" without a verdict."""
    return say_verdict(Verdict(verdict), language) if verdict else ""


def caution(result: Mapping[str, Any], language: Language) -> str:
    """Return the disclaimer of a result in the language of the viewer; "" if the result has none."""
    if not result.get("disclaimer"):
        return ""
    is_by_models = any(one["analyst"] == MODELS_ANALYST for one in result.get("analyses") or ())
    return disclaimer(language, is_of_backtest=result["kind"] == Kind.BACKTEST, is_by_models=is_by_models)


def figure(value: float) -> str:
    """Return a number of the data with all its digits, grouped by thousands."""
    return f"{value:,}".replace("-", "\N{MINUS SIGN}")


def dollars(microdollars: int) -> str:
    """Return an amount such as $0.0184: four decimals, or six if it is less than a cent."""
    return f"${microdollars / 1_000_000:.{4 if microdollars >= 10_000 or not microdollars else 6}f}"


def request_of(given: Mapping[str, str], language: str) -> dict[str, Any]:
    """Return the request of a form, which the API checks; `analyst` is an analyst, or `preview` for a dry run."""
    is_preview = given["analyst"] == "preview"
    body: dict[str, Any] = {"kind": given["kind"], "language": language, "dry_run": is_preview}
    body["analyst"] = "auto" if is_preview else given["analyst"] or "rules"
    if symbols := given["symbols"].replace(",", " ").replace("、", " ").split():
        body["symbols"] = symbols
    return body | {name: given[name] for name in ("portfolio_id", "job_id", "session") if given[name]}
