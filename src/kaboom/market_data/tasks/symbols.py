"""The worker's part of symbol lists; a job makes one request and writes one file, so it has no chunks."""

from app.engine.run.hand_back import HandBack
from app.engine.run.worker import Run
from app.market_data.results import SymbolsResult
from batch.errors import RateLimited
from batch.market_data.master_request import MasterRequest
from batch.providers.watch import while_alive
from batch.scripts.run_refresh_symbols import run_refresh_symbols


async def refresh(run: Run) -> SymbolsResult:
    """Fetch the list, and return its changes.

    Raises:
        HandBack: the provider wants a pause.

    """
    settings, request = run.parts.settings, MasterRequest.parse(run.request)
    try:
        with while_alive(run.keeper.note_life):
            report = await run_refresh_symbols(request, settings=settings)
    except RateLimited as e:
        raise HandBack(e.message, pause_s=e.retry_after_s or 0.0) from e
    provider = request.provider or settings.provider
    return SymbolsResult.model_validate({"provider": provider, "session": report.snapshot.as_of, **report.to_json()})
