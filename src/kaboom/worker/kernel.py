"""Compiling the fill model of backtests in the background, so that a worker's first large backtest need not wait."""

import asyncio
from collections.abc import Collection

import structlog

from kaboom.backtest.engine.kernel_build import program_command
from kaboom.backtest.engine.kernel_cache import has_numba, is_built, kernel_folder
from kaboom.jobs.queues import Queue

_log = structlog.get_logger(__name__)


async def compile_kernel(queues: Collection[str]) -> None:
    """Compile the kernel, if the worker consumes backtests and the machine code is not there; end with the caller."""
    folder = kernel_folder() if Queue.BACKTEST.value in queues and has_numba() else None
    if folder is None or is_built(folder):
        return
    process = await asyncio.create_subprocess_exec(
        *program_command(), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    _log.info("kernel_compiled" if code == 0 else "kernel_not_kept", folder=str(folder), exit_code=code)
