"""The worker's side of taking rows back from quarantine: a few rows, so the job has no chunks."""

from app.engine.run.worker import Run
from app.market_data.results import TakeBackResult
from batch.market_data.take_back import take_back as take_rows_back
from batch.market_data.take_back_request import TakeBackRequest
from batch.stores import build_bar_store


async def take_back(run: Run) -> TakeBackResult:
    """Take the rows back, and return how many."""
    request = TakeBackRequest.parse(run.request)
    return TakeBackResult.model_validate(await take_rows_back(request, build_bar_store(run.parts.settings)))
