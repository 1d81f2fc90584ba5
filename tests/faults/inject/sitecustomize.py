"""Faults from inside a child process of the lab; Python imports this module by itself, before anything else.

`FAULT_PLAN` names a JSON file that is read again at every fetch, so that a test may change its mind.
"""

import asyncio
import ctypes
import json
import os
import random
import time
from pathlib import Path
from typing import Any


def plan() -> dict[str, Any]:
    """Return the faults of the moment."""
    found: dict[str, Any] = json.loads(Path(os.environ["FAULT_PLAN"]).read_text())
    return found


def plant_provider() -> None:
    """Make the synthetic provider slow, hung or deadly for the symbols that the plan names."""
    from kaboom.providers.synthetic.provider import SyntheticProvider  # noqa: PLC0415  only in a worker

    fetch = SyntheticProvider.fetch_bars

    async def fetch_bars(self: Any, request: Any) -> Any:
        faults, symbols = plan(), set(request.symbols)
        if symbols & set(faults.get("crash", ())):
            ctypes.string_at(0)
        if symbols & set(faults.get("hang", ())):
            await asyncio.Event().wait()
        await asyncio.sleep(max([faults.get("pace_s", 0.0), *(faults.get("slow", {}).get(s, 0.0) for s in symbols)]))
        return await fetch(self, request)

    SyntheticProvider.fetch_bars = fetch_bars  # type: ignore[method-assign]


def plant_sizes() -> None:
    """Cut chunks and fetches small, and shorten the patience with a hung chunk where it is asked for."""
    from kaboom.ingest import plan as ingest_plan  # noqa: PLC0415
    from kaboom.jobs.engine.run import worker  # noqa: PLC0415  only in a worker
    from kaboom.providers.registry import get_provider_spec  # noqa: PLC0415

    ingest_plan._CHUNK_BARS = int(os.environ["FAULT_CHUNK_BARS"])
    object.__setattr__(get_provider_spec("synthetic").capabilities, "symbols_per_fetch", 1)
    if stall_s := os.environ.get("FAULT_STALL_S"):
        assert worker.perform.__kwdefaults__ is not None
        worker.perform.__kwdefaults__["stall_s"] = float(stall_s)


def plant_items() -> None:
    """Put a pause before each item of the jobs on bars that are held, and have a roll-up settle few at a time.

    A sweep pauses before it keeps some trials.
    """
    from kaboom.backtest import tasks as backtest  # noqa: PLC0415  only in a worker
    from kaboom.bars.export import publish  # noqa: PLC0415
    from kaboom.indicators import run as indicators  # noqa: PLC0415  only in a worker
    from kaboom.market_data import compact, roll_up  # noqa: PLC0415

    roll_up._SLICE = int(os.environ["FAULT_SLICE_SYMBOLS"])
    for module, name in (
        (backtest, "_keep_trials"), (indicators, "_run_symbol"), (compact, "_compact"), (publish, "_write"),
        (roll_up, "_run_slice"),
    ):  # fmt: skip
        setattr(module, name, _pausing_before(getattr(module, name)))


def _pausing_before(call: Any) -> Any:
    async def pausing(*arguments: Any) -> Any:
        await asyncio.sleep(plan().get("item_pace_s", 0.0))
        return await call(*arguments)

    return pausing


def plant_queue() -> None:
    """Lose some of the messages that this process sends, or send each several times."""
    from kaboom.jobs.engine.dispatch import CeleryDispatcher  # noqa: PLC0415  not before it is needed

    # Of its own in every process: with one seed for all they would lose the same messages, one after the other.
    send, draw = CeleryDispatcher.send, random.SystemRandom()

    async def send_some(self: Any, task: str, refs: Any, *, ahead: bool = False) -> None:
        faults = plan()
        lost = [ref for ref in refs if draw.random() < faults.get("loses", 0.0)]
        if lost:
            note_lost(lost)
        if kept := [ref for ref in refs if ref not in lost]:
            await send(self, task, [ref for ref in kept for _ in range(faults.get("copies", 1))], ahead=ahead)

    CeleryDispatcher.send = send_some  # type: ignore[method-assign]


def note_lost(refs: Any) -> None:
    """Add a line for each message that is lost, beside the plan of the faults."""
    with Path(os.environ["FAULT_PLAN"]).with_name("lost.txt").open("a") as file:
        file.write("".join(f"{ref.job_id} {ref.n}\n" for ref in refs))


def plant_ends() -> None:
    """End the process right after a step of a submission, as a kill there would, once the plan says which."""
    from kaboom.jobs.engine.dispatch import CeleryDispatcher  # noqa: PLC0415
    from kaboom.jobs.postgres.postgres import PostgresJobHistory  # noqa: PLC0415  only in an API
    from kaboom.jobs.redis.redis_store import RedisJobStore  # noqa: PLC0415

    for owner, step in ((PostgresJobHistory, "admit"), (RedisJobStore, "put"), (CeleryDispatcher, "send")):
        setattr(owner, step, _ending_after(getattr(owner, step), step))


def _ending_after(call: Any, step: str) -> Any:
    async def ending(*arguments: Any, **named: Any) -> Any:
        answer = await call(*arguments, **named)
        if plan().get("end_after") == step:
            os._exit(137)
        return answer

    return ending


def plant_skew(skew_s: float) -> None:
    """Put this process's clock wrong: `time.time`, and the place where the product reads the time of day.

    The C code of `datetime.now` cannot be reached without a library before libc; the product reads it in
    one place, which is replaced here.
    """
    from datetime import timedelta  # noqa: PLC0415  only where a clock is skewed

    from kaboom.drivers import clock  # noqa: PLC0415

    right_time, right_ns, right_now, skew = time.time, time.time_ns, clock.utc_now, timedelta(seconds=skew_s)
    time.time = lambda: right_time() + skew_s
    time.time_ns = lambda: right_ns() + round(skew_s * 1e9)
    clock.utc_now = lambda: right_now() + skew


def plant() -> None:
    """Plant what the environment asks for."""
    if skew := os.environ.get("FAULT_SKEW_S"):
        plant_skew(float(skew))
    plant_queue()
    if os.environ["FAULT_ROLE"] == "worker":
        plant_sizes()
        plant_provider()
        plant_items()
    else:
        plant_ends()


if "FAULT_PLAN" in os.environ:
    plant()
