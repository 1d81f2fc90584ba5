"""The worker's side of a toy digest."""

from kaboom.bars.open import build_bar_store
from kaboom.drivers.clock import utc_now
from kaboom.jobs.engine.run.worker import Run
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import resolve_last_session
from kaboom.market.interval import Interval
from kaboom.market.lists.universe import load_universe
from kaboom.toy_digest.jobs import ToyDigestResult
from kaboom.toy_digest.request import ToyDigestRequest


async def run_toy_digest(run: Run) -> ToyDigestResult:
    """Count the symbols of a market and those with a daily bar of the session, and name the first of these."""
    request, settings = ToyDigestRequest.parse(run.request), run.settings
    session = resolve_last_session(request.session, utc_now(), is_tse=True, delay_s=settings.provider_delay_s)
    symbols = load_universe(request.market, session, imported_dir=settings.symbols_dir).symbols
    bars = await build_bar_store(settings).read_session(BarSeries(request.source, Interval.D1), session)
    held = sorted(set(symbols) & set(bars["symbol"]))
    return ToyDigestResult(session=session, symbols=len(symbols), with_bars=len(held), first=held[: request.names])
