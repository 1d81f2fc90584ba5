"""The event of the end of a run, of which notifications are made."""

from datetime import datetime

from kaboom.jobs.postgres.events import MOST_TEXT, Event, EventKind
from kaboom.pipelines.model import PipelineRun, StepStatus


def events_of_end(run: PipelineRun, now: datetime) -> list[Event]:
    """Return the event of the end of a run, none while it goes on; a run that was retried ends again."""
    if not run.status.is_final:
        return []
    left = [step.name for step in run.steps if run.states[step.name].status is not StepStatus.COMPLETED]
    reasons = (run.states[name].reason for name in left)
    data: dict[str, str | int] = {
        "run_id": run.run_id,
        "pipeline": run.pipeline,
        "session": run.session.isoformat(),
        "status": run.status.value,
        "done": len(run.steps) - len(left),
        "total": len(run.steps),
        "left": (", ".join(left) or "-")[:MOST_TEXT],
        "reason": next(filter(None, reasons), "")[:MOST_TEXT],
    }
    tries = sum(len(state.earlier) for state in run.states.values())
    return [Event(f"pipeline_ended:{run.run_id}:{tries}", EventKind.PIPELINE_ENDED, now, run.owner, data)]
