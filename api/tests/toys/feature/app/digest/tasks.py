"""The worker's side of a digest."""

from app.digest.jobs import DigestResult
from app.engine.run.worker import Run
from batch.digest.request import DigestRequest
from batch.kit.clock import utc_now
from batch.market.calendar import latest_closed_session
from batch.market.lists.universe import load_universe


async def write(run: Run) -> DigestResult:
    """Count the symbols of a market, and name the first of them."""
    request = DigestRequest.parse(run.request)
    session = latest_closed_session(utc_now(), delay_s=0)
    universe = load_universe(request.market, session, imported_dir=run.parts.settings.symbols_dir)
    return DigestResult(symbols=len(universe.symbols), first=list(universe.symbols[: request.names]))
