"""What a handler returns, checked against the job type, and the exception with which it hands its chunk back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError

from kaboom.jobs.job_type import JobType
from kaboom.jobs.model import Chunk, ChunkState, ItemNote, Tally

#: The outcomes of the items of a `Settled`.
_DONE, _FAILED = "ok", "failed"
#: The cause is sent with the job, so it is kept short.
_LONGEST_CAUSE = 500


@dataclass(frozen=True, slots=True)
class Settled:
    """The answer of a `run` handler whose work can fail in part: the result, and its items.

    The job ends as `completed` if no item failed, as `failed` if none is done, else as `partial`. Its failures name
    the items that failed, with their reasons.
    """

    result: BaseModel
    done: Sequence[str] = ()
    failed: Mapping[str, str] = field(default_factory=dict)

    def to_chunks(self) -> list[Chunk]:
        """Return the items as a chunk that has ended; no chunk without items."""
        items = (*self.done, *self.failed)
        if not items:
            return []
        counts = {_DONE: len(self.done), _FAILED: len(self.failed)}
        first = next((f"{item} {_FAILED}: {reason}" for item, reason in self.failed.items()), "")
        tally = Tally(
            cursor=len(items),
            done=len(self.done),
            failed=len(self.failed),
            written=len(self.done),
            outcomes={outcome: n for outcome, n in counts.items() if n},
            notes=tuple(ItemNote(item, _FAILED, reason) for item, reason in self.failed.items()),
            cause=first[:_LONGEST_CAUSE],
        )
        return [Chunk("0", items, {}, state=ChunkState.DONE, tally=tally, attempts=1)]


def check_answer(job_type: JobType, answer: object) -> Settled:
    """Return the answer of a `run` handler, with its items.

    Raises:
        TypeError: the result is of another model than the job type's.

    """
    settled = answer if isinstance(answer, Settled) else None
    result = settled.result if settled else answer
    if not isinstance(result, job_type.result):
        raise TypeError(
            f"{job_type.name} returned a {type(result).__name__}, expected its result {job_type.result.__name__}"
        )
    return settled or Settled(result)


def check_plan(job_type: JobType, plan: Mapping[str, Any]) -> None:
    """Check that a plan and the totals of its items make the result of the job type.

    Raises:
        TypeError: they do not; the error names the fields.

    """
    try:
        job_type.result.model_validate({**plan, "rows": 0, "outcomes": {}, "counts": {}})
    except ValidationError as e:
        found = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in e.errors(include_url=False))
        raise TypeError(f"{job_type.name} planned what is no {job_type.result.__name__}, its result: {found}") from None


class HandBack(Exception):
    """Raise it from a handler to run the chunk again after `pause_s` seconds; report the finished items first.

    It does not count as an attempt of a chunk, so the handler must limit its pauses; of a plan step it does count.
    For a store that is unavailable raise its `StoreError` instead.
    """

    def __init__(self, reason: str, *, pause_s: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.pause_s = pause_s
