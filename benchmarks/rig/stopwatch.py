"""How long a worker spends on telling how far it is: tallies, heartbeats and log lines, beside the chunk's own time."""

import functools
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import structlog

from kaboom.jobs.engine.run import heartbeat, worker
from kaboom.jobs.model import PLAN

#: Seconds of this process since the last chunk ended.
_spent = {"telling_s": 0.0}


def install_stopwatch() -> None:
    """Time the parts that tell, and log for each chunk what they took and what the whole chunk took."""
    _time_name(worker, "add_report")
    worker.Run.report = _timed(worker.Run.report)  # type: ignore[method-assign]
    heartbeat.LeaseKeeper._beat = _timed_async(heartbeat.LeaseKeeper._beat)  # type: ignore[method-assign]  # noqa: SLF001
    structlog.stdlib.BoundLogger._proxy_to_logger = _timed(  # type: ignore[method-assign]  # noqa: SLF001
        structlog.stdlib.BoundLogger._proxy_to_logger  # noqa: SLF001
    )
    worker._handle = _whole(worker._handle)  # noqa: SLF001


def _time_name(module: ModuleType, name: str) -> None:
    # Read first: of a module that has it no more nothing would be timed, and the figure would look good.
    setattr(module, name, _timed(getattr(module, name)))


def _timed(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def timing(*arguments: Any, **named: Any) -> Any:
        begun_at = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            _spent["telling_s"] += time.perf_counter() - begun_at

    return timing


def _timed_async(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def timing(*arguments: Any, **named: Any) -> Any:
        begun_at = time.perf_counter()
        try:
            return await function(*arguments, **named)
        finally:
            _spent["telling_s"] += time.perf_counter() - begun_at

    return timing


def _whole(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def timing(run: worker.Run) -> Any:
        begun_at, _spent["telling_s"] = time.perf_counter(), 0.0
        try:
            return await function(run)
        finally:
            if run.chunk.n != PLAN:
                words = {"chunk_s": time.perf_counter() - begun_at, **_spent}
                structlog.get_logger(__name__).info("chunk_timed", **words)

    return timing
