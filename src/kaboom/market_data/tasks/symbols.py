"""The worker's part of symbol lists; a job makes one request and writes one file, so it has no chunks."""

from kaboom.errors import RateLimited
from kaboom.jobs.engine.run.completion import HandBack
from kaboom.jobs.engine.run.worker import Run
from kaboom.market_data.refresh_symbols import run_refresh_symbols
from kaboom.market_data.request import MasterRequest
from kaboom.market_data.results import SymbolsResult
from kaboom.providers.watch import while_alive


async def refresh(run: Run) -> SymbolsResult:
    """Fetch the list, and return its changes.

    Raises:
        HandBack: the provider wants a pause.

    """
    settings, request = run.settings, MasterRequest.parse(run.request)
    try:
        with while_alive(run.keeper.note_life):
            report = await run_refresh_symbols(request, settings=settings)
    except RateLimited as e:
        raise HandBack(e.message, pause_s=e.retry_after_s or 0.0) from e
    provider = request.provider or settings.provider
    return SymbolsResult.model_validate({"provider": provider, "session": report.snapshot.as_of, **report.to_json()})
