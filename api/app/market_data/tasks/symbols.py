"""The worker's side of a symbol list: it is one request and one file, so the plan step is all of the job."""

from app.engine.run.hand_back import HandBack
from app.engine.run.worker import Run
from app.jobs.model import Tally
from batch.errors import RateLimited
from batch.market.master_request import parse_master_request
from batch.providers.watch import while_alive
from batch.scripts.run_refresh_symbols import run_refresh_symbols


async def plan(run: Run) -> Tally:
    """Take the list, and end the job with what has changed.

    Raises:
        HandBack: the provider wants a pause.

    """
    settings = run.parts.settings
    request = parse_master_request(run.request, provider=settings.provider)
    try:
        with while_alive(run.keeper.note_life):
            report = await run_refresh_symbols(request, settings=settings, dry_run=bool(run.request.get("dry_run")))
    except RateLimited as e:
        raise HandBack(e.message, pause_s=e.retry_after_s or 0.0) from e
    session = report.snapshot.as_of.isoformat()
    await run.fan_out({"provider": request.provider, "session": session, "is_final": True, **report.to_json()}, [])
    return run.chunk.tally
