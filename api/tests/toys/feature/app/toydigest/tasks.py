"""The worker's side of a digest."""

from app.engine.run.worker import Run
from app.toydigest.jobs import DigestResult
from batch.kit.clock import utc_now
from batch.market.calendar import latest_closed_session
from batch.market.lists.universe import load_universe
from batch.toydigest.request import DigestRequest


async def write(run: Run) -> DigestResult:
    """Count the symbols of a market, and name the first of them."""
    request = DigestRequest.parse(run.request)
    session = latest_closed_session(utc_now(), delay_s=0)
    universe = load_universe(request.market, session, imported_dir=run.parts.settings.symbols_dir)
    return DigestResult(symbols=len(universe.symbols), first=list(universe.symbols[: request.names]))
