"""The runs of chunks in the job store in memory; the Lua scripts keep them in Redis as `runs:n`."""

from dataclasses import replace
from datetime import datetime, timedelta

from kaboom.drivers.clock import from_ms, to_ms
from kaboom.jobs.redis.memory_records import Slot
from kaboom.jobs.runs import REASON_KEPT, RUNS_KEPT, ChunkRun


def begin_run(slot: Slot, now: datetime) -> None:
    """Record that a chunk was claimed."""
    chunk, last = slot.chunk, slot.chunk.runs[-1:]
    run = ChunkRun(
        last[0].run + 1 if last else 1,
        slot.owner,
        from_ms(to_ms(now)),
        settled_before=chunk.tally.cursor,
        failed_before=chunk.tally.failed,
    )
    slot.chunk = replace(chunk, runs=(*chunk.runs, run)[-RUNS_KEPT:])


def end_run(slot: Slot, ending: str, now: datetime, *, reason: str = "", pause_s: float = 0.0) -> None:
    """Record how the current run ended, if there is one."""
    *earlier, last = slot.chunk.runs or (None,)
    if last is None or last.ended_at:
        return
    tally = slot.chunk.tally
    ended = replace(
        last,
        ended_at=from_ms(to_ms(now)),
        ending=ending,
        settled=tally.cursor - last.settled_before,
        failed=tally.failed - last.failed_before,
        reason=reason[:REASON_KEPT],
        paused_until=from_ms(to_ms(now + timedelta(seconds=pause_s))) if pause_s else None,
    )
    slot.chunk = replace(slot.chunk, runs=(*filter(None, earlier), ended))
