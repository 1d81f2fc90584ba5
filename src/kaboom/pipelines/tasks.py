"""The job handler that starts a run of a pipeline."""

from datetime import date

from kaboom.drivers.clock import utc_now
from kaboom.jobs.engine.run.worker import Run
from kaboom.market.calendar import latest_closed_session
from kaboom.pipelines.jobs import StartResult
from kaboom.pipelines.model import StartedBy
from kaboom.pipelines.store import open_pipelines


async def start(run: Run) -> StartResult:
    """Start a run of a pipeline of the job's owner."""
    store = run.database.open(open_pipelines)
    pipeline = await store.load(run.owner, run.request["pipeline"])
    given = run.request.get("session")
    session = date.fromisoformat(given) if given else latest_closed_session(utc_now())
    started = (await store.start(pipeline, [session], by=StartedBy.SCHEDULE))[0]
    return StartResult(run_id=started.run.run_id, session=session.isoformat(), is_new=started.is_new)
