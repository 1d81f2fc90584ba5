"""What belongs to a job: the jobs that it retries, its retries, and the run of a pipeline of which it is a step."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from kaboom.dashboard.job_rows import JobRow, job_page
from kaboom.dashboard.page_request import OpenPage
from kaboom.dashboard.step_graph import Graph, draw_graph
from kaboom.jobs.api.view import JobPage, JobView
from kaboom.pipelines.views import PipelineRunView, RunList
from kaboom.text.catalogue import gettext

#: More are on the pages of those that are shown.
_MOST_PARENTS = 5
_MOST_RETRIES = 20


@dataclass(frozen=True, slots=True)
class Relative:
    """A job in the picture: a step of the run, or an attempt at the same work.

    Attributes:
        name: of the step or of the attempt, unique in the picture.
        needs: the names of those that it follows.
        path: the page of its job; "" if it has none yet.
        is_here: whether it is the job of the page.

    """

    name: str
    needs: Sequence[str]
    task: str
    status: str
    path: str
    is_here: bool


@dataclass(frozen=True, slots=True)
class Relatives:
    """The picture of what belongs to a job, and the run of a pipeline if the job is one of its steps."""

    listed: Sequence[Relative]
    graph: Graph
    run: PipelineRunView | None


async def ask_relatives(page: OpenPage, row: JobRow) -> Relatives | None:
    """Ask for what belongs to a job; None if it stands alone, as far as the API answers."""
    job = row.job
    queue = row.reference.partition("/")[0]
    parents, retries, runs = await asyncio.gather(
        _ask_parents(page, queue, job),
        page.api.get(JobPage, f"/api/v1/{queue}/jobs", parent_id=job.job_id, limit=_MOST_RETRIES),
        page.api.get(RunList, "/api/v1/pipeline-runs", job_id=job.job_id, limit=1),
    )
    attempts = [*parents, job, *reversed(retries.items)]
    run = runs.items[0] if runs.items else None
    listed = [*_steps_of(run, job), *(_attempts_of(attempts, job, page) if len(attempts) > 1 else ())]
    return Relatives(listed, draw_graph(listed), run) if listed else None


async def _ask_parents(page: OpenPage, queue: str, job: JobView) -> list[JobView]:
    """Return the jobs that a job retries, oldest first."""
    found: list[JobView] = []
    parent_id = job.parent_id
    while parent_id and len(found) < _MOST_PARENTS:
        reply = await page.api.get(JobView, f"/api/v1/{queue}/jobs/{parent_id}")
        if not reply.is_ok:
            break
        found.append(reply.data)
        parent_id = reply.data.parent_id
    return found[::-1]


def _steps_of(run: PipelineRunView | None, job: JobView) -> list[Relative]:
    if run is None:
        return []
    return [
        Relative(
            step.name,
            step.needs,
            step.task,
            step.status.value,
            job_page(step.task.partition(".")[0], step.job_id) if step.job_id else "",
            is_here=job.job_id in {step.job_id, *step.earlier},
        )
        for step in run.steps
    ]


def _attempts_of(attempts: Sequence[JobView], job: JobView, page: OpenPage) -> list[Relative]:
    said = gettext("Attempt {n} {job}", page.viewer.language)
    names = {each.job_id: said.format(n=each.attempt, job=each.job_id[:8]) for each in attempts}
    return [
        Relative(
            names[each.job_id],
            [names[each.parent_id]] if each.parent_id in names else [],
            each.task,
            each.status.value,
            job_page(each.queue, each.job_id),
            is_here=each.job_id == job.job_id,
        )
        for each in attempts
    ]
