"""Planning a request: its last session, its universe and its sessions, by calendar and provider."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from kaboom.drivers.clock import Clock
from kaboom.errors import InvalidRequest
from kaboom.ingest.checks import check_capabilities, check_named, check_reach, resolve_session
from kaboom.ingest.plan import IngestChunk, IngestPlan, plan_chunks
from kaboom.ingest.request import IngestRequest
from kaboom.market.calendar import JST, closes_at, last_sessions
from kaboom.market.interval import Interval
from kaboom.market.lists.history import load_history
from kaboom.market.lists.universe import load_universe
from kaboom.providers.base import BarProvider, find_own_data

#: The most sentences in a plan about data that the provider leaves out.
_MOST_LEFT_OUT = 100
#: For each interval the days that a provider has, each with the number of its rows.
type Held = Mapping[Interval, Mapping[date, int]]


@dataclass(frozen=True, slots=True)
class Planning:
    """The inputs of planning besides the request: clock, folder of imported symbol lists, and worker slots.

    A session counts as closed `delay_s` after its close, which is a little more than a provider needs.
    """

    clock: Clock
    symbols_dir: Path
    delay_s: float
    slots: int


async def resolve_plan(request: IngestRequest, provider: BarProvider, planning: Planning) -> IngestPlan:
    """Return the plan of a request.

    Raises:
        InvalidRequest: the session is not a session, is in the future, or the provider cannot serve the request.
        ProviderError: the provider could not list what it has.

    """
    check_capabilities(request, provider.name, provider.capabilities)
    session = resolve_session(request, planning.clock(), delay_s=planning.delay_s)
    symbols, universe = await resolve_universe(request, provider, session, planning)
    chunks: list[IngestChunk] = []
    chosen, outside = await _resolve_days(request, provider, session, planning)
    for interval, sessions in chosen.items():
        check_reach(provider.name, provider.capabilities, interval, sessions[0], planning.clock())
        wanted = request.only.get(interval, ()) if request.only else symbols
        chunks += plan_chunks(interval, wanted, sessions, capabilities=provider.capabilities, slots=planning.slots)
    if not chunks:
        raise InvalidRequest(
            f"nothing to ingest: the universe of {request.market} was empty on {session}", pointer="/market"
        )
    if not request.market.is_tse:
        # The newest session in the files, which the TSE's calendar does not know.
        days = [day for chunk in chunks for day in chunk.sessions]
        session = max((day for day in days if day <= session), default=max(days))
        universe = {**universe, "as_of": session.isoformat()}
    is_final = is_over(session, provider, planning)
    return IngestPlan(session, is_final, provider.name, universe, tuple(chunks), outside=outside)


async def _resolve_days(
    request: IngestRequest, provider: BarProvider, session: date, planning: Planning
) -> tuple[Mapping[Interval, tuple[date, ...]], Mapping[str, Any] | None]:
    """Return the sessions of each interval, and the rows of a provider of own data that are of other days."""
    own = find_own_data(provider)
    if own is None:
        return {
            interval: await provider.fetch_sessions(interval, count, session) or last_sessions(count, session)
            for interval, count in request.intervals.items()
        }, None
    every = await own.fetch_days()
    asked = await own.fetch_days(request.symbols) if request.symbols else every
    named = request.only or request.intervals or asked or every or [Interval.D1]
    # For symbols that are not there, the days of all: each of them gets its outcome.
    held = {interval: asked.get(interval) or every.get(interval, {}) for interval in named}
    for interval, days in held.items():
        if not days:
            # The provider says what it has instead.
            await provider.fetch_sessions(interval, 1, session)
    chosen = choose_days(request, held, planning.clock())
    return chosen, describe_outside(asked, chosen) or None


async def resolve_universe(
    request: IngestRequest, provider: BarProvider, session: date, planning: Planning
) -> tuple[Sequence[str], Mapping[str, Any]]:
    """Return the symbols of a request as of a session, and a description of their source.

    Raises:
        InvalidRequest: a named symbol was not listed.
        ProviderError: the provider could not list what it has.

    """
    given = await provider.fetch_universe(request.market, session)
    if given is not None:
        symbols: Sequence[str] = given
        about: dict[str, Any] = {"source": provider.name, "as_of": session.isoformat()}
        if (own := find_own_data(provider)) and (left_out := await own.fetch_left_out()):
            about["left_out"] = list(left_out[:_MOST_LEFT_OUT])
    else:
        universe = load_universe(request.market, session, imported_dir=planning.symbols_dir)
        symbols = universe.symbols
        about = {
            "source": universe.source,
            "as_of": universe.as_of.isoformat(),
            "age_days": universe.age(session),
            # Of the universe, which a request that names its symbols does not take.
            "delisted": 0 if request.symbols else len(universe.delisted),
        }
    check_named(request, session, provider.capabilities, partial(load_history, planning.symbols_dir))
    symbols = request.symbols or symbols
    return symbols, about | {"market": request.market.value, "symbols": len(symbols)}


def is_over(session: date, provider: BarProvider, planning: Planning) -> bool:
    """Return whether a session closed at least the provider's delay ago, so that its bars are final."""
    return closes_at(session) + provider.capabilities.delay <= planning.clock()


def choose_days(request: IngestRequest, held: Held, now: datetime) -> dict[Interval, tuple[date, ...]]:
    """Return the days of each interval that the request takes of those that are held.

    All days include those in the future: their rows are rejected, and kept apart. A look-back has none of them.

    Raises:
        InvalidRequest: an interval has no such day.

    """
    newest = now.astimezone(JST).date() + timedelta(days=1)
    return {interval: _choose(request, interval, tuple(days), newest) for interval, days in held.items()}


def _choose(request: IngestRequest, interval: Interval, days: tuple[date, ...], newest: date) -> tuple[date, ...]:
    last = request.session or date.max
    found = tuple(day for day in days if (request.first or date.min) <= day <= last)
    if not (request.first or request.all_days):
        found = tuple(day for day in found if day <= newest)[-request.intervals[interval] :]
    if not found:
        first, until = request.first or days[0], request.session or days[-1]
        raise InvalidRequest(
            f"no {interval} day from {first} to {until} is in the files; they have {len(days)} days from {days[0]}"
            f" to {days[-1]}",
            pointer="/first" if request.first else "/session",
        )
    return found


def describe_outside(held: Held, chosen: Mapping[Interval, tuple[date, ...]]) -> dict[str, Any]:
    """Return the rows of each chosen interval that are of other days, as JSON types; nothing of one without such."""
    outside = {}
    for interval, days in chosen.items():
        taken = set(days)
        rows = held.get(interval, {})
        left = {day: count for day, count in rows.items() if day not in taken}
        if left:
            outside[interval.value] = {
                "rows": sum(left.values()),
                "of": sum(rows.values()),
                "first": min(left).isoformat(),
                "last": max(left).isoformat(),
            }
    return outside
