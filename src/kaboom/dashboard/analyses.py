"""Analyses as pages show them: numbered sources, tokens and cost, and the request of a form."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from kaboom.analysis.report import MODELS_ANALYST
from kaboom.analysis.vocabulary import Kind, Verdict, say_verdict
from kaboom.text.catalogue import Language
from kaboom.text.disclaimer import disclaimer

type Claim = tuple[str, str]


@dataclass(frozen=True)
class Report:
    """The analysis of one subject; `data` is the API's."""

    data: Mapping[str, Any]

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
