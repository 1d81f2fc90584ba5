"""Planning a request: its last session, its universe and its sessions, by calendar and provider."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from kaboom.drivers.clock import Clock
from kaboom.errors import InvalidRequest
from kaboom.ingest.not_listed import check_named
from kaboom.ingest.own_days import choose_days, describe_outside
from kaboom.ingest.plan import IngestChunk, IngestPlan, plan_chunks
from kaboom.ingest.provider_checks import check_capabilities, check_reach, resolve_session
from kaboom.ingest.request import IngestRequest
from kaboom.market.calendar import closes_at, last_sessions
from kaboom.market.interval import Interval
from kaboom.market.lists.history import load_history
from kaboom.market.lists.universe import load_universe
from kaboom.providers.base import BarProvider, find_own_data

#: The most sentences in a plan about data that the provider leaves out.
_MOST_LEFT_OUT = 100


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
