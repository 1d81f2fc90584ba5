"""What a declared pipeline must fulfil, all faults at once, and the request of a step's job."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from kaboom.errors import InvalidRequest
from kaboom.jobs.job_type import Catalog, JobType, refuse_internal
from kaboom.pipelines.marks import fill_passed, fill_session, passed_steps
from kaboom.pipelines.model import Step
from kaboom.pipelines.request import PipelineSpec
from kaboom.web.auth.scopes import Scope

if TYPE_CHECKING:
    from kaboom.settings import AppSettings

type Fault = tuple[str, str]


def request_of(job_type: JobType, params: Mapping[str, Any], session: date, settings: "AppSettings") -> dict[str, Any]:
    """Return the request of a step's job for a session; a task that has a session and is given none takes this one.

    Raises:
        InvalidRequest: the task does not accept it.

    """
    values = fill_session(params, session)
    if job_type.has_session and "session" in job_type.request.model_fields:
        values = {"session": session.isoformat(), **values}
    request = refuse_internal(job_type.request.parse(values))
    return job_type.check(request, settings).to_json()


def find_faults(
    spec: PipelineSpec, catalog: Catalog, settings: "AppSettings", *, session: date
) -> tuple[list[Fault], set[Scope]]:
    """Return all faults of a pipeline, each with its JSON pointer, and the scopes that its steps need."""
    names = [step.name for step in spec.steps]
    faults: list[Fault] = []
    scopes: set[Scope] = set()
    if spec.start and catalog.find(spec.start.on_job) is None:
        faults.append(("/start/on_job", _unknown_task(spec.start.on_job, catalog)))
    for n, step in enumerate(spec.steps):
        here = f"/steps/{n}"
        if Counter(names)[step.name] > 1:
            faults.append((f"{here}/name", f"two steps are named {step.name}"))
        unknown = [(i, need) for i, need in enumerate(step.needs) if need not in names]
        faults += [
            (f"{here}/needs/{i}", f"step {step.name} needs {need!r}, which is not a step") for i, need in unknown
        ]
        job_type = catalog.find(step.task)
        if job_type is None or job_type.scope is Scope.ADMIN or not _may_be_step(job_type):
            faults.append((f"{here}/task", f"step {step.name}: {_unknown_task(step.task, catalog)}"))
            continue
        try:
            taken = passed_steps(step.params)
            if unneeded := [name for name in taken if name not in step.needs]:
                faults.append(
                    (f"{here}/params", f"step {step.name} takes what {unneeded[0]} passed, and does not need it")
                )
                continue
            # Any symbol of any market: the step runs with those that pass.
            params = fill_passed(step.params, dict.fromkeys(taken, ("7203",)))
            stored = request_of(job_type, params, session, settings)
        except (InvalidRequest, ValidationError) as e:
            faults.append((f"{here}/params{getattr(e, 'pointer', '')}", f"step {step.name}: {_say(e)}"))
        else:
            scopes |= {job_type.scope} | job_type.scopes_of(stored) | job_type.run_scopes_of(stored)
    circle = sort_steps(to_steps(spec))[1]
    if circle and not any(place.endswith("/name") for place, _ in faults):
        place = f"/steps/{names.index(circle[0])}/needs"
        faults.append((place, f"steps wait for one another: {', '.join(circle)}"))
    return faults, scopes


def to_steps(spec: PipelineSpec) -> tuple[Step, ...]:
    """Return the steps of a declaration, in its order."""
    return tuple(Step(step.name, step.task, step.params, tuple(step.needs), step.on) for step in spec.steps)


def sort_steps(steps: Sequence[Step]) -> tuple[tuple[Step, ...], list[str]]:
    """Return the steps, each after its needs, and the names of those in a circle or after one.

    A need that does not exist is ignored.
    """
    known = {step.name for step in steps}
    ordered: list[Step] = []
    done: set[str] = set()
    left = list(steps)
    while ready := [step for step in left if done >= known & set(step.needs)]:
        ordered += ready
        done |= {step.name for step in ready}
        left = [step for step in left if step.name not in done]
    return tuple(ordered), [step.name for step in left]


def _may_be_step(job_type: JobType) -> bool:
    """Return whether a pipeline may submit a task: one that starts pipelines would start itself for ever."""
    return job_type.name != "market_data.start_pipeline"


def _unknown_task(task: str, catalog: Catalog) -> str:
    known: Sequence[str] = [each.name for each in catalog if each.scope is not Scope.ADMIN and _may_be_step(each)]
    return f"task was {task}, expected one of {', '.join(known)}"


def _say(error: InvalidRequest | ValidationError) -> str:
    return error.message if isinstance(error, InvalidRequest) else str(error.errors()[0]["msg"])
