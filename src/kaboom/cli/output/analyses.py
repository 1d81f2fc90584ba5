"""Analyses in a few lines each: the verdict, the points with their sources, the cost, and the disclaimer."""

from collections.abc import Mapping
from typing import Any

from kaboom.cli.session import Session


def print_analyses(session: Session, result: Mapping[str, Any]) -> None:
    """Print the result of an analysis job; for a dry run, what would be sent."""
    if provider := result["provider"]:
        session.show(session.say_source(provider))
        session.say_terms(provider)
    for one in result["analyses"]:
        _print_one(session, one)
    for one in result["previews"]:
        _print_preview(session, one)
    if cost := result["cost_microdollars"]:
        session.show(session.words.say("analysis_cost", dollars=cost / 1_000_000))
    session.show(result["disclaimer"])


def _print_one(session: Session, one: Mapping[str, Any]) -> None:
    words = session.words
    verdict = one["verdict_words"] or words.say("analysis_no_consensus" if one["asked"] else "analysis_no_bars")
    confidence = "-" if one["confidence"] is None else f"{one['confidence']:.2f}"
    session.show(words.say("analysis_head", subject=one["subject"], verdict=verdict, confidence=confidence))
    by = "analysis_by" if one["models"] else "analysis_by_rules"
    session.show(words.say(by, analyst=one["analyst"], agreed=one["agreed"], asked=one["asked"]))
    if one["reason"]:
        session.show(words.say("analysis_reason", reason=words.detail(one["reason"])))
    for point in one["points"]:
        session.show(f"- {point['text']}")
        sources = dict.fromkeys(f"{claim['source']}#{claim['field']}" for claim in point["claims"])
        session.show(f"    {', '.join(sources)}")
    for model in one["models"]:
        reason = f": {words.detail(model['reason'])}" if model["reason"] else ""
        session.show(f"  {model['model']} {model['ending']}{reason}")


def _print_preview(session: Session, one: Mapping[str, Any]) -> None:
    words = session.words
    if one["destination"] is None:
        session.show(words.say("analysis_stays", subject=one["subject"]))
    else:
        models, dollars = ", ".join(one["models"]), one["most_microdollars"] / 1_000_000
        where = {"subject": one["subject"], "destination": one["destination"], "models": models}
        session.show(words.say("analysis_leaves", dollars=dollars, **where))
    if one.get("picture") == "sent":
        session.show(words.say("analysis_pictures"))
    for line in (*one["system"].splitlines(), *one["user"].splitlines()):
        session.show(f"  {line}")
