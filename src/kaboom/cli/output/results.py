"""The result of a job, printed by its model."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from kaboom.analysis.results import AnalysisResult
from kaboom.backtest.cli.tables import print_next_orders, print_run
from kaboom.backtest.results import RunResult
from kaboom.cli.output.kinds import has_files, is_of, unit_of
from kaboom.cli.output.text import add_row, new_table
from kaboom.cli.session import Session
from kaboom.fundamentals.results import FundamentalsResult
from kaboom.ingest.results import IngestResult
from kaboom.jobs.results import OfProvider, PlannedResult, list_facts
from kaboom.market.outcome import Outcome
from kaboom.market_data.results import CompactResult, IndicatorResult, MirrorResult, SymbolsResult
from kaboom.paper.results import PaperResult
from kaboom.text.catalogue import gettext_noop
from kaboom.text.speaker import Speaker

_MOST_NAMED = 8


def print_result(session: Session, job: dict[str, Any], result: dict[str, Any]) -> None:
    """Print a result by the model of its kind; without a form for that, every field."""
    if is_of(job, PlannedResult):
        _print_planned(session, job, result)
    elif is_of(job, RunResult):
        print_run(session, result)
    elif is_of(job, PaperResult):
        _print_paper(session, result)
    elif is_of(job, AnalysisResult):
        print_analyses(session, result)
    elif is_of(job, SymbolsResult):
        _print_changes(session, result)
    else:
        for name, value in list_facts(result):
            session.show(f"{name}: {value}")


def _print_changes(session: Session, result: dict[str, Any]) -> None:
    words = session.words
    changes = words.say(" · ").join(f"{kind} {found['count']:,}" for kind, found in result["changes"].items())
    session.show(
        words.say(
            "symbols as of {as_of}, since {previous}: {changes}"
            if result["previous"]
            else "symbols as of {as_of}, the first list: {changes}",
            as_of=result["as_of"],
            previous=result["previous"],
            changes=changes,
        )
    )


def _print_paper(session: Session, result: dict[str, Any]) -> None:
    words, last, strategy = session.words, result["session"], result["strategy"]
    booked = {
        "sessions": words.count("{n:,} session", "{n:,} sessions", result["booked"]),
        "fills": words.count("{n:,} fill", "{n:,} fills", result["fills"]),
    }
    session.show(
        words.say("{strategy}: {sessions} booked up to {last}, {fills}", strategy=strategy, last=last, **booked)
        if result["booked"]
        else words.say("{strategy}: every session up to {last} was booked before", strategy=strategy, last=last)
    )
    session.show(
        words.say(
            "equity {equity} yen, backtest {backtest} yen, drift {drift}",
            equity=f"{result['equity']:,.0f}",
            backtest=f"{result['backtest_equity']:,.0f}",
            drift=f"{result['drift']:+z.2%}",
        )
    )
    print_next_orders(session, result | {"last": last})


def _print_planned(session: Session, job: dict[str, Any], result: dict[str, Any]) -> None:
    gaps = result.get("gaps") if is_of(job, IngestResult) else None
    if gaps is not None:
        print_gaps(session, gaps)
    if is_of(job, MirrorResult):
        print_mirror(session, result)
    elif is_of(job, CompactResult):
        print_drops(session, result)
    elif is_of(job, IndicatorResult):
        session.show(f"{result['folder']}/*.parquet")
    if gaps is None or job["progress"]["total"]:
        _print_outcomes(session, job, result)


def _print_outcomes(session: Session, job: dict[str, Any], result: dict[str, Any]) -> None:
    words = session.words
    if is_of(job, OfProvider):
        session.show(session.say_source(result["provider"]))
        session.say_terms(result["provider"])
    if unit_of(job) == "symbols":
        session.show(_outcome_table(words, result["outcomes"], has_files=has_files(job)))
    if is_of(job, IngestResult):
        _print_what_is_left_out(session, result)
    session.show(_balance(words, job, result))
    counts = ", ".join(f"{words.coded('count', name)} {n:,}" for name, n in sorted(result["counts"].items()))
    if counts:
        # Only bars have quality flags.
        session.show(counts if is_of(job, FundamentalsResult) else words.say("quality: {counts}", counts=counts))


def _print_what_is_left_out(session: Session, result: dict[str, Any]) -> None:
    words, universe = session.words, result["universe"]
    for left_out in universe.get("left_out") or ():
        session.show(words.say("note: {what}", what=words.detail(left_out)))
    if universe.get("delisted"):
        session.show(
            words.say(
                "{count:,} symbols of the list of {as_of} are delisted: not asked for",
                count=universe["delisted"],
                as_of=universe["as_of"],
            )
        )
    for interval, rows in (result.get("outside") or {}).items():
        command = f"kaboom ingest run-daily --provider {result['provider']} --all --wait"
        session.show(
            words.say(
                "{interval}: {rows:,} of {of:,} rows are of other days, {first} to {last}; to take all: {command}",
                interval=interval,
                **rows,
                command=command,
            )
        )


def _outcome_table(words: Speaker, outcomes: dict[str, int], *, has_files: bool) -> Table:
    table = new_table(words, "outcome", "symbols", "meaning", right={"symbols"})
    for outcome in Outcome:
        meanings = "outcome_of_files" if has_files else "outcome"
        add_row(table, outcome.value, f"{outcomes.get(outcome, 0):,}", words.code(meanings, outcome.value))
    return table


def _balance(words: Speaker, job: dict[str, Any], result: dict[str, Any]) -> str:
    """Return the line that compares the number of items asked for with the number of outcomes."""
    progress, settled = job["progress"], sum(result["outcomes"].values())
    what = words.code("unit", unit_of(job))
    if job["intervals"]:
        what = words.say("symbols of {intervals}", intervals=", ".join(job["intervals"]))
    if settled == progress["total"]:
        return words.say(
            "{total:,} asked for ({what}), {sum:,} outcomes: every one is accounted for",
            total=settled,
            what=what,
            sum=settled,
        )
    counts = {"total": progress["total"], "sum": settled, "cancelled": progress["cancelled"]}
    return words.say("{total:,} asked for ({what}), {sum:,} outcomes, {cancelled:,} cancelled", what=what, **counts)


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
        session.show(session.words.say("cost: ${dollars:.6f}", dollars=cost / 1_000_000))
    session.show(result["disclaimer"])


def _print_one(session: Session, one: Mapping[str, Any]) -> None:
    words = session.words
    verdict = one["verdict_words"] or words.say("no consensus" if one["asked"] else "no bars")
    confidence = "-" if one["confidence"] is None else f"{one['confidence']:.2f}"
    session.show(
        words.say(
            "{subject}: {verdict}, confidence {confidence}",
            subject=one["subject"],
            verdict=verdict,
            confidence=confidence,
        )
    )
    by = (
        gettext_noop("analyst {analyst}, {agreed} of {asked} agree")
        if one["models"]
        else gettext_noop("analyst {analyst}: fixed rules, no models")
    )
    session.show(words.say(by, analyst=one["analyst"], agreed=one["agreed"], asked=one["asked"]))
    if one["reason"]:
        reason = words.detail(one["reason"])
        session.show(words.say("models were not used: {reason}", reason=reason) if one["asked"] else reason)
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
        session.show(words.say("{subject}: nothing leaves; the facts are:", subject=one["subject"]))
    else:
        models, dollars = ", ".join(one["models"]), one["most_microdollars"] / 1_000_000
        where = {"subject": one["subject"], "destination": one["destination"], "models": models}
        session.show(
            words.say(
                "{subject}: sent to {destination} for {models}, at most ${dollars:.6f}:", dollars=dollars, **where
            )
        )
    if one.get("picture") == "sent":
        session.show(words.say("the candles of each symbol are sent, too, as a picture (KABOOM_AI_IMAGES)"))
    for line in (*one["system"].splitlines(), *one["user"].splitlines()):
        session.show(f"  {line}")


def print_mirror(session: Session, result: Mapping[str, Any]) -> None:
    """Print the files that a mirror writes."""
    for files in result["files"]:
        where = f"{result['folder']}/{files['source']}/{files['interval']}"
        session.show(f"{where}: {', '.join(files['months'])}")


def print_drops(session: Session, result: Mapping[str, Any]) -> None:
    """Print the bars that a compaction drops, or why it drops none."""
    if message := result.get("message"):
        session.show(session.words.detail(message))
    for old in result["drops"]:
        fields = {name: old[name] for name in ("source", "interval", "before", "bars", "bytes")}
        session.show(session.words.say("{source} {interval} before {before}: {bars:,} bars, {bytes:,} bytes", **fields))


def print_gaps(session: Session, gaps: Mapping[str, Any]) -> None:
    """Print the gaps of each interval: how many, of which kind, in which sessions."""
    words = session.words
    for interval, found in gaps.items():
        if not found["cells"]:
            session.show(words.say("{interval}: nothing is missing", interval=interval))
            continue
        states = ", ".join(f"{words.coded('cell', state)} {count:,}" for state, count in found["states"].items())
        counts = {"cells": found["cells"], "symbols": words.count("{n:,} symbol", "{n:,} symbols", found["symbols"])}
        session.show(
            words.say(
                "{interval}: {cells:,} symbol sessions of {symbols} ({states})",
                interval=interval,
                states=states,
                **counts,
            )
        )
        session.show(_table(words, found["sessions"]))


def name_some(words: Speaker, names: list[str], count: int) -> str:
    """Return some names as text, and how many more there are."""
    named = " ".join(names[:_MOST_NAMED])
    return (
        words.say("{named} … {count:,} more", named=named, count=count - _MOST_NAMED) if count > _MOST_NAMED else named
    )


def _table(words: Speaker, sessions: list[dict[str, Any]]) -> Table:
    table = new_table(words, "session", "gaps", "symbols", right={"gaps"})
    for row in sessions:
        add_row(table, row["session"], f"{row['symbols']:,}", name_some(words, row["first_symbols"], row["symbols"]))
    return table
