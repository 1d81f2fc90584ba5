"""`kaboom bars copy`: move bars from one store to another, while Kaboom runs."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import asdict
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kaboom.cli.exits import CliError, Exit
from kaboom.cli.local_store import closing
from kaboom.cli.options import Json
from kaboom.cli.session import Session
from kaboom.providers.registry import provider_names
from kaboom.settings import AppSettings, load_settings

if TYPE_CHECKING:
    from kaboom.bars.copying import CopyRule, SeriesCopy
    from kaboom.market.bar import BarSeries

_TELL_S = 2.0


class Place(StrEnum):
    """A store of bars, as `KABOOM_BAR_STORE` names it."""

    PAGES = "pages"
    POSTGRES = "postgres"
    INFLUXDB = "influxdb"


def copy_bars(
    context: typer.Context,
    origin: Annotated[Place, typer.Option("--from", help="the store to copy from")],
    to: Annotated[Place | None, typer.Option("--to", help="the store to copy to (default: the one in use)")] = None,
    *,
    resume: Annotated[
        bool, typer.Option("--resume", help="do not compare days that have the same numbers of bars in both stores")
    ] = False,
    json: Json = False,
) -> None:
    """Copy what a store lacks from another: bars, fetch log, rejected rows and corporate actions; then compare both."""
    session: Session = context.obj.with_json(json)
    settings = load_settings()
    # Bars in memory end with their process.
    used = Place.PAGES if settings.used_bar_store == "memory" else Place(settings.used_bar_store)
    target = to or used
    if origin is target:
        raise CliError(
            Exit.USAGE, session.words.say("bars cannot be copied from {store} to itself: give --to", store=target)
        )
    from kaboom.bars.copying import CopyRule  # noqa: PLC0415  polars, which other commands do without

    rule = CopyRule(keeps_target=target is used, skips_counted=resume)
    copies, actions = asyncio.run(_copy(session, settings, (origin, target), rule))
    is_whole = all(copy.is_whole(rule) for copy in copies)
    _print(session, copies, actions, is_whole=is_whole)
    if not is_whole:
        raise typer.Exit(Exit.JOB_FAILED)


async def _copy(
    session: Session, settings: AppSettings, places: tuple[Place, Place], rule: "CopyRule"
) -> "tuple[list[SeriesCopy], int]":
    from kaboom.bars.copying import copy_actions, copy_series  # noqa: PLC0415  polars
    from kaboom.bars.open import build_action_store, build_bar_store  # noqa: PLC0415  the same

    async with AsyncExitStack() as stack:
        both = [settings.model_copy(update={"bar_store": place.value}) for place in places]
        notes = [await stack.enter_async_context(closing(build_action_store(each))) for each in both]
        source, target = [await stack.enter_async_context(closing(build_bar_store(each))) for each in both]
        found = await source.list_series()
        # Before the bars that they explain.
        names = sorted({series.source for series in found} | set(provider_names()))
        actions = sum([await copy_actions(notes[0], notes[1], name, rule) for name in names])
        copies = [await copy_series(source, target, series, rule, _teller(session, series)) for series in found]
    return copies, actions


def _teller(session: Session, series: "BarSeries") -> "Callable[[date, SeriesCopy], None]":
    told_at = time.monotonic()

    def tell(day: date, copy: "SeriesCopy") -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= _TELL_S:
            told_at = time.monotonic()
            session.say(
                "{source} {interval} to {day}: {bars:,} bars compared, {written:,} written",
                source=series.source,
                interval=series.interval,
                day=day,
                bars=copy.bars,
                written=copy.written,
            )

    return tell


def _print(session: Session, copies: "list[SeriesCopy]", actions: int, *, is_whole: bool) -> None:
    if session.is_json:
        session.print_json({"is_whole": is_whole, "actions": actions, "series": [_to_json(copy) for copy in copies]})
    else:
        for copy in copies:
            session.show(_describe(session, copy))
        session.tell(session.words.count("{n:,} corporate action copied", "{n:,} corporate actions copied", actions))
    if skipped := sum(copy.skipped for copy in copies):
        session.tell(
            session.words.count(
                "{n:,} day was not compared: run it without --resume to compare it",
                "{n:,} days were not compared: run it without --resume to compare them",
                skipped,
            )
        )
    if any(copy.written for copy in copies):
        session.say("replaced bars are not copied: bars as of a moment before this copy are read from the old store")
    if not is_whole:
        session.say("the stores do not agree: run the command again, and see `kaboom doctor`")


def _describe(session: Session, copy: "SeriesCopy") -> str:
    return session.words.say(
        "{source} {interval}: {bars:,} bars compared, {written:,} written, {kept:,} with other values, {missing:,} "
        "missing; {fetches:,} fetches and {rejected:,} rejected rows copied; fingerprint {prints}",
        source=copy.series.source,
        interval=copy.series.interval,
        bars=copy.bars,
        written=copy.written,
        kept=copy.kept,
        missing=copy.missing,
        fetches=copy.fetches,
        rejected=copy.rejected,
        # Of equal stores one.
        prints=" ≠ ".join(f"{each:016x}" for each in dict.fromkeys(copy.prints)),
    )


def _to_json(copy: "SeriesCopy") -> dict[str, Any]:
    numbers = asdict(copy)
    del numbers["series"]
    ours, theirs = (f"{each:016x}" for each in copy.prints)
    named = {"source": copy.series.source, "interval": copy.series.interval}
    return {**named, **numbers, "prints": {"from": ours, "to": theirs}}
