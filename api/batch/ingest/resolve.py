"""Planning a request: its last session, its universe and its sessions, by calendar and provider."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from batch.errors import InvalidRequest
from batch.ingest.plan import IngestChunk, IngestPlan, plan_chunks
from batch.ingest.provider_checks import check_capabilities, check_reach, resolve_session
from batch.ingest.request import IngestRequest
from batch.kit.clock import Clock
from batch.market.calendar import closes_at, last_sessions
from batch.market.lists.universe import load_universe
from batch.providers.base import BarProvider, LeavingProvider

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
    for interval, count in request.intervals.items():
        sessions = await provider.fetch_sessions(interval, count, session) or last_sessions(count, session)
        check_reach(provider.name, provider.capabilities, interval, sessions[0], planning.clock())
        wanted = request.only.get(interval, ()) if request.only else symbols
        chunks += plan_chunks(interval, wanted, sessions, capabilities=provider.capabilities, slots=planning.slots)
    if not chunks:
        raise InvalidRequest(
            f"nothing to ingest: the universe of {request.market} was empty on {session}", pointer="/market"
        )
    if not request.market.is_tse:
        # The newest session in the files, which the TSE's calendar does not know.
        session = max(chunk.sessions[-1] for chunk in chunks)
        universe = {**universe, "as_of": session.isoformat()}
    return IngestPlan(session, is_over(session, provider, planning), provider.name, universe, tuple(chunks))


async def resolve_universe(
    request: IngestRequest, provider: BarProvider, session: date, planning: Planning
) -> tuple[Sequence[str], Mapping[str, Any]]:
    """Return the symbols of a request as of a session, and a description of their source.

    Raises:
        ProviderError: the provider could not list what it has.

    """
    given = await provider.fetch_universe(request.market, session)
    if given is not None:
        symbols: Sequence[str] = given
        about: dict[str, Any] = {"source": provider.name, "as_of": session.isoformat()}
        if isinstance(provider, LeavingProvider) and (left_out := await provider.fetch_left_out()):
            about["left_out"] = list(left_out[:_MOST_LEFT_OUT])
    else:
        universe = load_universe(request.market, session, imported_dir=planning.symbols_dir)
        symbols = universe.symbols
        about = {
            "source": universe.source,
            "as_of": universe.as_of.isoformat(),
            "age_days": universe.age(session),
            "delisted": len(universe.delisted),
        }
    symbols = request.symbols or symbols
    return symbols, about | {"market": request.market.value, "symbols": len(symbols)}


def is_over(session: date, provider: BarProvider, planning: Planning) -> bool:
    """Return whether a session closed at least the provider's delay ago, so that its bars are final."""
    return closes_at(session) + provider.capabilities.delay <= planning.clock()
