"""`kaboom bars repair`: move damaged pages and files aside, and ingest their bars again."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from itertools import groupby
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kaboom.cli.exits import BY_STATUS, CliError, Exit
from kaboom.cli.local_store import open_store, store_place
from kaboom.cli.options import Json, Wait
from kaboom.cli.output.summary import print_summary
from kaboom.cli.output.text import add_row, new_table
from kaboom.cli.output.watch import watch_job
from kaboom.cli.session import Session
from kaboom.market.source import is_derived, provider_of
from kaboom.market_data.jobs import ROLL_UP
from kaboom.settings import load_settings

if TYPE_CHECKING:
    from kaboom.bars.store import Gap, RepairedItem

_BACKFILL = "/api/v1/ingest/backfill"
_CHUNK_SIZE = 5000
#: More gaps than these are merged into one request: a backfill ingests only what is missing.
_MOST_KINDS = 8


@dataclass(frozen=True, slots=True)
class Refill:
    """A request that ingests bars again: its command, path and body, and its job once submitted."""

    command: str
    path: str
    body: dict[str, Any]
    is_known: bool
    job_id: str | None = None


def repair(
    context: typer.Context,
    *,
    dry_run: Annotated[bool, typer.Option(help="only print what is damaged and what would be done")] = False,
    backfill: Annotated[bool, typer.Option(help="submit a backfill of the missing bars, if a server runs")] = True,
    wait: Wait = False,
    json: Json = False,
) -> None:
    """Move damaged pages and files of the bar store aside, and ingest their bars again."""
    session: Session = context.obj.with_json(json)
    mended = asyncio.run(_repair(session, is_dry=dry_run))
    refills = list(_plan_refills(gap for each in mended for gap in each.gaps))
    if backfill and not dry_run and session.find_api_url():
        refills = [_submit(session, refill) for refill in refills]
    if session.is_json:
        wanted = [{"command": refill.command, "job_id": refill.job_id} for refill in refills]
        session.print_json({"dry_run": dry_run, "mended": [asdict(each) for each in mended], "backfills": wanted})
    else:
        _print(session, mended, refills)
    if wait:
        _follow(session, [refill.job_id for refill in refills if refill.job_id])


async def _repair(session: Session, *, is_dry: bool) -> "tuple[RepairedItem, ...]":
    from kaboom.bars.store import RepairableStore  # noqa: PLC0415  polars, which other commands do without

    async with open_store() as store:
        if not isinstance(store, RepairableStore):
            raise CliError(
                Exit.USAGE,
                session.words.say(
                    "bars are kept in {place}, which Kaboom cannot repair: use the server's own tools",
                    place=store_place(),
                ),
            )
        return await store.repair(is_dry=is_dry)


def _plan_refills(gaps: "Iterable[Gap]") -> Iterator[Refill]:
    """Yield the requests that ingest only the missing bars."""

    def series_of(gap: "Gap") -> tuple[str, str]:
        return gap.series.source, gap.series.interval

    for _, some in groupby(sorted(gaps, key=series_of), key=series_of):
        kinds = list(_same_days(some))
        if len(kinds) > _MOST_KINDS:
            symbols = tuple(sorted({symbol for gap in kinds for symbol in gap.symbols}))
            first, last = min(gap.first for gap in kinds), max(gap.last for gap in kinds)
            kinds = [replace(kinds[0], symbols=symbols, first=first, last=last)]
        for gap in kinds:
            if days := _sessions(gap):
                yield from _roll_up(gap, days) if is_derived(gap.series.source) else _backfills(gap, days)


def _same_days(gaps: "Iterable[Gap]") -> "Iterator[Gap]":
    by_days = sorted(gaps, key=lambda gap: (gap.first, gap.last, gap.symbols))
    for _, same in groupby(by_days, key=lambda gap: (gap.first, gap.last)):
        alike = list(same)
        yield replace(alike[0], symbols=tuple(sorted({symbol for gap in alike for symbol in gap.symbols})))


def _backfills(gap: "Gap", days: Sequence[date]) -> Iterator[Refill]:
    provider, interval = gap.series.source, gap.series.interval.value
    for market, symbols in _by_market(provider, gap, days[-1]):
        body: dict[str, Any] = {
            "intervals": {interval: len(days)},
            "market": market,
            "provider": provider,
            "first": days[0].isoformat(),
            "last": days[-1].isoformat(),
            "chunk_size": _CHUNK_SIZE,
        }
        body |= {"symbols": list(symbols)} if symbols else {}
        words = ["kaboom ingest backfill", f"--interval {interval}", f"--market {market}", f"--provider {provider}"]
        words += [f"--from {days[0]} --to {days[-1]}", *(f"--symbol {quote(symbol)}" for symbol in symbols)]
        yield Refill(" ".join(words), _BACKFILL, body, is_known=bool(symbols))


def _roll_up(gap: "Gap", days: Sequence[date]) -> Iterator[Refill]:
    provider, interval = provider_of(gap.series.source), gap.series.interval.value
    body = {"intervals": {interval: len(days)}, "provider": provider, "session": days[-1].isoformat()}
    words = [f"kaboom market-data roll-up --interval {interval}={len(days)} --provider {provider} --session {days[-1]}"]
    words += [f"--symbol {quote(symbol)}" for symbol in gap.symbols]
    body |= {"symbols": list(gap.symbols)} if gap.symbols else {}
    yield Refill(" ".join(words), ROLL_UP.path, body, is_known=bool(gap.symbols))


def _sessions(gap: "Gap") -> tuple[date, ...]:
    from kaboom.market.calendar import latest_closed_session, sessions_between  # noqa: PLC0415  the calendar

    newest = latest_closed_session(datetime.now(UTC), delay_s=load_settings().provider_delay_s)
    return sessions_between(gap.first, min(gap.last, newest))


def _by_market(provider: str, gap: "Gap", session: date) -> Iterator[tuple[str, tuple[str, ...]]]:
    from kaboom.market.listing import Market  # noqa: PLC0415  polars, which other commands do without
    from kaboom.market.lists.universe import load_universe  # noqa: PLC0415  the same
    from kaboom.providers.registry import get_provider_spec  # noqa: PLC0415  the same

    if not get_provider_spec(provider).is_tse:
        yield Market.FILE.value, gap.symbols
        return
    left, folder = set(gap.symbols), load_settings().symbols_dir
    for market in Market if left else ():
        if market.is_tse and (found := left & set(load_universe(market, session, imported_dir=folder).symbols)):
            left -= found
            yield market.value, tuple(sorted(found))
    if left or not gap.symbols:
        yield Market.TSE_PRIME.value, tuple(sorted(left))


def _submit(session: Session, refill: Refill) -> Refill:
    if not refill.is_known:
        return refill
    try:
        accepted = session.client().call("POST", refill.path, json=refill.body)
    except CliError as e:
        session.say("the backfill could not be submitted: {reason}", reason=e.message)
        return refill
    return replace(refill, job_id=accepted["job_id"])


def _print(session: Session, mended: "Iterable[RepairedItem]", refills: list[Refill]) -> None:
    if not (found := list(mended)):
        session.show(session.words.say("nothing is damaged in {place}", place=store_place()))
        return
    table = new_table(session.words, "where", "fault", "done with it", "kept in")
    for each in found:
        detail = session.words.detail
        add_row(table, each.where, detail(each.fault), detail(each.done), each.kept)
    session.show(table)
    if any(gap.is_guess for each in found for gap in each.gaps):
        session.say("the symbols of a damaged file are unknown: the symbols of the source's other files are used")
    for refill in refills:
        if refill.job_id:
            session.show(f"{refill.job_id}  {refill.command}")
        else:
            session.show(session.words.say("ingest what is missing with: {command}", command=refill.command))


def _follow(session: Session, jobs: Iterable[str]) -> None:
    codes = []
    for job_id in jobs:
        job = watch_job(session, session.client(), job_id)
        if not session.is_json:
            print_summary(session, job)
        codes.append(BY_STATUS[job["status"]])
    if worst := max(codes, default=Exit.OK):
        raise typer.Exit(worst)
