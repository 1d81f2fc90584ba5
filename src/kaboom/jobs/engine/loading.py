"""Load functions by name: a job type names its functions, so that the API never loads those that run jobs."""

import asyncio
import importlib
import sys
from collections.abc import Awaitable, Callable
from typing import Any, cast

from kaboom.drivers.gc_tuning import freeze_loaded_objects

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
