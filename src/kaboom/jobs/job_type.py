"""A kind of job as one object, from which its route, command, schedule and retry are built."""

import asyncio
import importlib
import re
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

from pydantic import BaseModel

from kaboom.drivers.gc_tuning import freeze_loaded_objects
from kaboom.drivers.request import Request
from kaboom.errors import Conflict, InvalidRequest
from kaboom.jobs.model import Chunk, Job, Queue
from kaboom.jobs.results import PlannedResult
from kaboom.market.outcome import is_fine
from kaboom.web.auth.scopes import Scope

#: Returns the request of a retry; raises Conflict if nothing is left to do.
type BuildRetry = Callable[[Job, Sequence[Chunk]], Mapping[str, Any]]


def retry_whole(job: Job, _chunks: Sequence[Chunk]) -> Mapping[str, Any]:
    """Return the request of a job, to run it again as a whole."""
    return job.request


def retry_unfinished(job: Job, chunks: Sequence[Chunk]) -> Mapping[str, Any]:
    """Return the same request again; the new job skips what is done.

    Raises:
        Conflict: nothing is left to do.

    """
    if job.plan is not None:
        _find_left(job, chunks)
    return job.request


def retry_items(field: str, *, from_plan: Sequence[str] = ()) -> BuildRetry:
    """Return a builder that puts the items left to do into `field` of the request, and copies values of the plan."""

    def build(job: Job, chunks: Sequence[Chunk]) -> Mapping[str, Any]:
        if job.plan is None:
            return job.request
        return {**job.request, field: _find_left(job, chunks)} | {name: job.plan[name] for name in from_plan}

    return build


def items_left(chunk: Chunk) -> list[str]:
    """Return the items of a chunk that failed, or that it never reached."""
    failed = [note.item for note in chunk.tally.notes if not is_fine(note.outcome)]
    return failed + list(chunk.items[chunk.tally.cursor :])


def nothing_left(job: Job) -> Conflict:
    """Return the error for a retry that would do nothing."""
    return Conflict(f"job {job.job_id} was {job.status} with nothing left to retry")


def _find_left(job: Job, chunks: Sequence[Chunk]) -> list[str]:
    left = list(dict.fromkeys(item for chunk in chunks for item in items_left(chunk)))
    if not left:
        raise nothing_left(job)
    return left


_NAME = re.compile(r"[a-z_]+\.[a-z_]+")

#: Rejects a request that a worker would reject, and returns the request to save; the second argument is the settings.
type Check = Callable[[Any, Any], Request]


def keep(request: Request, _settings: object) -> Request:
    """Return a request unchanged: the check of a job type that needs none."""
    return request


@dataclass(frozen=True, kw_only=True)
class JobType:
    """A type of job. Its functions are given as `module:function`, so that the API does not load them.

    Attributes:
        name: `queue.verb`; the Celery task of a job, and its `task` in the API.
        summary: one line for OpenAPI and the command line.
        notes: further sentences for OpenAPI.
        request: the model of the HTTP body, a schedule's body, the ledger's JSON and the command's options.
        check: rejects, before anything is queued, a request that a worker would reject.
        kept: the model of the request that `check` returns, if it differs from `request`.
        plan: plans a job; called with a `Run`, it calls `hand_out`.
        run_chunk: runs one chunk; called with a `Run`, it returns the tally.
        run: instead of `plan` and `run_chunk`, runs a job without chunks; called with a `Run`, it returns the
            result, or a `Settled`, which names the items that failed, too.
        build_retry: returns the request for the work that is left.
        result: the model of a job's `result`, with chunks a `PlannedResult`; a handler's answer is checked against it.
        unit: the name of its items, in the plural.
        lost_item: the outcome of an item whose chunk was given up.
        is_schedulable: whether a schedule may submit it.
        scope: the scope that a caller needs to submit it.
        scopes_of: further scopes that a caller needs to submit a request, and for everything about a job of it; takes
            the request as JSON, as a job stores it.
        run_scopes_of: further scopes that a caller needs to have a stored request run: to submit, schedule or retry
            it, but not to read its job.
        about: returns the queue and the id of the job that a request is about, if it is about one.
        example: a request, for OpenAPI.

    """

    name: str
    summary: str
    request: type[Request]
    result: type[BaseModel]
    notes: str = ""
    check: Check = keep
    kept: type[Request] | None = None
    plan: str = ""
    run_chunk: str = ""
    run: str = ""
    build_retry: BuildRetry = retry_whole
    unit: str = "symbols"
    lost_item: str = "lost"
    is_schedulable: bool = False
    scope: Scope = Scope.JOBS_WRITE
    scopes_of: Callable[[Mapping[str, Any]], frozenset[Scope]] = lambda _: frozenset()
    run_scopes_of: Callable[[Mapping[str, Any]], frozenset[Scope]] = lambda _: frozenset()
    about: Callable[[Mapping[str, Any]], tuple[Queue, str] | None] = lambda _: None
    example: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Reject a type that could not run.

        Raises:
            ValueError: the name is not `queue.verb`; the type does not name either `run`, or `plan` and `run_chunk`; or
                a `PlannedResult` does not come with a plan, as it must.

        """
        if not _NAME.fullmatch(self.name) or self.name.partition(".")[0] not in Queue:
            raise ValueError(f"name was {self.name!r}, expected <queue>.<verb>")
        if bool(self.run) == bool(self.plan) or bool(self.plan) != bool(self.run_chunk):
            raise ValueError(f"{self.name}: expected either run, or plan and run_chunk")
        if bool(self.plan) != issubclass(self.result, PlannedResult):
            raise ValueError(f"{self.name}: result was {self.result.__name__}, and a PlannedResult is of a plan")

    @property
    def queue(self) -> Queue:
        """The queue that runs it."""
        return Queue(self.name.partition(".")[0])

    @property
    def verb(self) -> str:
        """The last part of its path and of its command: `run-daily`."""
        return self.name.partition(".")[2].replace("_", "-")

    @property
    def path(self) -> str:
        """The path to which jobs of this type are submitted."""
        return f"{self.queue.root}/{self.verb}"

    @property
    def has_session(self) -> bool:
        """Whether its requests name a session; each firing of a schedule of kind `session` fills in its own."""
        return "session" in (self.kept or self.request).model_fields

    @property
    def plan_step(self) -> str:
        """The function of the first step of a job: its plan, or the whole job."""
        return self.run or self.plan


def refuse_internal[R: Request](request: R) -> R:
    """Return a caller's request.

    Raises:
        InvalidRequest: the request has a field that only Kaboom may fill.

    """
    if given := sorted(request.internal & request.model_fields_set):
        raise InvalidRequest(f"{given[0]} was given, expected no such field", pointer=f"/{given[0]}")
    return request


class Catalog:
    """The kinds of jobs of a process."""

    def __init__(self, job_types: Sequence[JobType]) -> None:
        """Take the types; names and paths are unique.

        Raises:
            ValueError: two types share a name.

        """
        self._by_name = {job_type.name: job_type for job_type in job_types}
        if len(self._by_name) != len(job_types):
            raise ValueError("two job types share a name")

    def __iter__(self) -> Iterator[JobType]:
        return iter(self._by_name.values())

    def get(self, name: str) -> JobType:
        """Return the type with a name.

        Raises:
            KeyError: no type has this name.

        """
        return self._by_name[name]

    def find(self, name: str) -> JobType | None:
        """Return the type with a name; None if this release does not know it."""
        return self._by_name.get(name)

    def require(self, name: str) -> JobType:
        """Return the type with a name, to submit a stored request again.

        Raises:
            InvalidRequest: this release does not know it.

        """
        if (found := self.find(name)) is None:
            raise InvalidRequest(f"task was {name}, which this version does not have")
        return found

    def lost_item_of(self, job: Job) -> str:
        """Return the outcome of an item whose chunk was given up, also for a type of a newer release."""
        found = self.find(job.task)
        return found.lost_item if found else job.lost_item

    def result_of(self, name: str) -> type[BaseModel] | None:
        """Return the model of the results of a type; None if this release does not know the type."""
        found = self.find(name)
        return found.result if found else None

    def scopes_of(self, job: Job) -> frozenset[Scope]:
        """Return the scopes that a caller needs for everything about a job, in addition to the scopes of the route."""
        job_type = self.find(job.task)
        # During a rollout this process may not know what a newer type needs: only an admin sees such a job.
        return frozenset({Scope.ADMIN}) if job_type is None else job_type.scopes_of(job.request)

    @cached_property
    def queues(self) -> tuple[Queue, ...]:
        """The queues that have a type, in the order of `Queue`."""
        used = {job_type.queue for job_type in self}
        return tuple(queue for queue in Queue if queue in used)

    @cached_property
    def schedulable(self) -> tuple[JobType, ...]:
        """The types that a schedule may submit."""
        return tuple(job_type for job_type in self if job_type.is_schedulable)

    def of(self, queue: str) -> tuple[JobType, ...]:
        """Return the types of a queue."""
        return tuple(job_type for job_type in self if job_type.queue == queue)


#: The modules that are loaded to their end: one that another thread still loads is in `sys.modules`, too.
_loaded: set[str] = set()


async def load_function(name: str) -> Callable[..., Awaitable[Any]]:
    """Return the coroutine function of a `module:function`; its module is loaded at the first call, in a thread.

    On a busy machine that takes longer than a lease. Meanwhile the event loop sends heartbeats and hears of a cancel.
    """
    module, function = name.split(":")
    if module not in _loaded:
        await asyncio.to_thread(_load, module)
        _loaded.add(module)
    return cast("Callable[..., Awaitable[Any]]", getattr(sys.modules[module], function))


def _load(module: str) -> None:
    is_new = module not in sys.modules
    importlib.import_module(module)
    if is_new:
        # Freeze again: this module was loaded after the fork, and may have loaded polars.
        freeze_loaded_objects()
